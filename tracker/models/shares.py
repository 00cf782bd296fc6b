"""Public links to a task or some of its clips, with their limits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Self

from django.contrib.auth.hashers import check_password, make_password
from django.db import models, transaction
from django.db.models import Case, F, Q, Value, When
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from tracker.models.activity import Activity
from tracker.models.links import SecretLink, hash_token
from tracker.models.roles import Act
from tracker.models.tasks import Clip, MusicTask
from tracker.models.teams import Membership, Team, User


class PasswordLockedError(Exception):
    """No password is taken now, not even the right one."""


class ShareLinkQuerySet(models.QuerySet["ShareLink"]):
    def for_token(self, token: str) -> Self:
        return self.filter(token_hash=hash_token(token))

    def of_team(self, team: Team) -> Self:
        """Links of a team whose membership was checked already; those to removed tasks stay away with them."""
        return self.filter(team=team, task__removed_at=None)

    def standing(self) -> Self:
        """Links that lead somewhere, if only to the news that they have expired."""
        return self.filter(revoked_at=None, rested_at=None, task__removed_at=None)

    def open(self, now: datetime) -> Self:
        """Links that show something; the end of one is an end of page and sound."""
        return self.in_state(ShareLink.State.OPEN, now)

    def in_state(self, state: str, now: datetime) -> Self:
        """As :meth:`ShareLink.state` has it."""
        has_ended = Q(expires_at__isnull=False, expires_at__lte=now)
        if state == ShareLink.State.REVOKED:
            return self.exclude(revoked_at=None)
        if state == ShareLink.State.RESTED:
            return self.filter(revoked_at=None).exclude(rested_at=None)
        standing = self.filter(revoked_at=None, rested_at=None)
        return standing.filter(has_ended) if state == ShareLink.State.EXPIRED else standing.exclude(has_ended)

    def share(
        self, task: MusicTask, *, by: User, now: datetime, clips: Sequence[Clip] = (), password: str = "", **limits: Any
    ) -> ShareLink:
        """Make a link to ``task``, or to ``clips`` of it. ``limits`` are the switches, the heading and the end."""
        link = self.model(team_id=task.team_id, task=task, created_by=by, created_at=now, **limits).draw_token()
        link.set_password(password)
        with transaction.atomic():
            link.save(force_insert=True)
            link.clips.set(clips)
            link.note(Activity.Kind.SHARED, by=by, now=now)
        return link


class ShareLink(SecretLink):
    """What a stranger with the link may see and hear. Nothing in it tells who, where or with which key."""

    LIFETIME = timedelta(days=30)
    MOST_TRIES = 10
    LOCKED_FOR = timedelta(minutes=15)

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        EXPIRED = "expired", _("Expired")
        REVOKED = "revoked", _("Revoked")
        RESTED = "rested", _("At rest")

    team = models.ForeignKey(Team, models.CASCADE, related_name="shares", db_index=False, verbose_name=_("team"))
    task = models.ForeignKey(MusicTask, models.CASCADE, related_name="shares", verbose_name=_("task"))
    clips = models.ManyToManyField(Clip, blank=True, related_name="shares", verbose_name=_("clips"))
    """Only these; none means all of the task, those that are still to come too."""
    title = models.CharField(_("heading"), max_length=200, blank=True)
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="shares", verbose_name=_("made by")
    )
    created_at = models.DateTimeField(_("created at"))
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)
    rested_at = models.DateTimeField(_("at rest since"), null=True, blank=True)
    """Set when who made the link is removed from the team; somebody who manages links may wake it."""
    password = models.CharField(_("password"), max_length=200, blank=True, editable=False)
    """As Django hashes passwords (Argon2)."""
    failed_tries = models.PositiveSmallIntegerField(_("wrong passwords in a row"), default=0, editable=False)
    locked_until = models.DateTimeField(_("no password is taken until"), null=True, blank=True, editable=False)
    allow_download = models.BooleanField(_("download"), default=False)
    allow_embed = models.BooleanField(_("embedding"), default=False)
    show_lyrics = models.BooleanField(_("lyrics"), default=True)
    show_prompt = models.BooleanField(_("prompt"), default=False)
    visit_count = models.PositiveIntegerField(_("visits"), default=0, editable=False)
    visited_at = models.DateTimeField(_("last visit"), null=True, blank=True, editable=False)
    download_count = models.PositiveIntegerField(_("downloads"), default=0, editable=False)

    objects = ShareLinkQuerySet.as_manager()

    class Meta:
        verbose_name = _("share")
        verbose_name_plural = _("shares")
        ordering = ["-id"]
        indexes = [models.Index(fields=["team", "-id"], name="share_of_team")]

    def __str__(self) -> str:
        return self.title or str(self.task)

    def state(self, now: datetime) -> State:
        if self.revoked_at:
            return self.State.REVOKED
        if self.rested_at:
            return self.State.RESTED
        return self.State.EXPIRED if self.has_expired(now) else self.State.OPEN

    def has_expired(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now

    def may_be_changed_by(self, membership: Membership) -> bool:
        """Whether somebody of the link's team may change and revoke it."""
        if membership.may(Act.MANAGE_SHARES):
            return True
        return membership.may(Act.SHARE) and self.created_by_id == membership.user_id

    @property
    def may_be_embedded(self) -> bool:
        """A frame on somebody else's page has no place for a password."""
        return self.allow_embed and not self.password

    def shared_clips(self) -> list[Clip]:
        """The clips a stranger may hear, in their order."""
        kept = "archive__sound"
        return list(self.clips.select_related(kept)) or list(self.task.clips.select_related(kept))

    # The password --------------------------------------------------------------------------------

    def set_password(self, password: str) -> None:
        """Ask for ``password`` from now on, or for none. Whoever was let in before has to type it again."""
        self.password = make_password(password) if password else ""
        self.failed_tries = 0
        self.locked_until = None

    def try_password(self, password: str, *, now: datetime) -> bool:
        """Whether ``password`` is the right one. Raises :class:`PasswordLockedError`.

        A try is counted before it is looked at, so that a hundred at the same moment are no more than ten.
        """
        mine = ShareLink.objects.filter(pk=self.pk)
        has_waited = When(locked_until__isnull=False, then=Value(1))
        is_last = When(locked_until=None, failed_tries__gte=self.MOST_TRIES - 1, then=Value(now + self.LOCKED_FOR))
        counted = mine.filter(Q(locked_until=None) | Q(locked_until__lte=now)).update(
            failed_tries=Case(has_waited, default=F("failed_tries") + 1),
            locked_until=Case(is_last, default=None),
        )
        if not counted:
            raise PasswordLockedError
        if not check_password(password, self.password):
            return False
        mine.filter(password=self.password).update(failed_tries=0, locked_until=None)
        return True

    @property
    def unlock_key(self) -> str:
        """What a browser is given for the right password; another password makes another key."""
        text = f"{self.token_hash}:{self.password}"
        return salted_hmac("tracker.shares.unlock", text, algorithm="sha256").hexdigest()

    # Counting ------------------------------------------------------------------------------------

    def note_visit(self, now: datetime) -> None:
        ShareLink.objects.filter(pk=self.pk).update(visit_count=F("visit_count") + 1, visited_at=now)

    def note_download(self) -> None:
        ShareLink.objects.filter(pk=self.pk).update(download_count=F("download_count") + 1)

    # Verbs ---------------------------------------------------------------------------------------

    @transaction.atomic
    def change(
        self, *, by: User, now: datetime, clips: Sequence[Clip], password: str | None = None, **limits: Any
    ) -> bool:
        """Take new limits; ``password`` None keeps the one there is. False for a link that was revoked."""
        if password is not None:
            self.set_password(password)
            limits |= {"password": self.password, "failed_tries": 0, "locked_until": None}
        if not self._update(**limits):
            return False
        self.clips.set(clips)
        self.note(Activity.Kind.SHARE_CHANGED, by=by, now=now)
        return True

    @transaction.atomic
    def extend(self, *, by: User, now: datetime) -> bool:
        """Thirty days more, from now on for one that has expired. False where there is nothing to extend."""
        if self.expires_at is None or not self._update(expires_at=max(self.expires_at, now) + self.LIFETIME):
            return False
        self.note(Activity.Kind.SHARE_CHANGED, by=by, now=now)
        return True

    @transaction.atomic
    def revoke(self, *, by: User, now: datetime) -> bool:
        """End the link for good; page and sound are gone with the next request."""
        if not self._update(revoked_at=now):
            return False
        self.note(Activity.Kind.SHARE_REVOKED, by=by, now=now)
        return True

    @transaction.atomic
    def wake(self, *, by: User, now: datetime) -> bool:
        """Let a link that is at rest lead somewhere again."""
        if self.rested_at is None or not self._update(rested_at=None):
            return False
        self.note(Activity.Kind.SHARE_CHANGED, by=by, now=now)
        return True

    def note(self, kind: Activity.Kind, *, by: User, now: datetime) -> None:
        Activity.objects.note(kind, team=self.team, actor=by, now=now, subject=str(self))

    def _update(self, **fields: Any) -> bool:
        """Write ``fields`` and nothing else; what somebody revoked meanwhile stays as it is."""
        for name, value in fields.items():
            setattr(self, name, value)
        return ShareLink.objects.filter(pk=self.pk, revoked_at=None).update(**fields) == 1
