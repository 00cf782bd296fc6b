"""A person's key at a provider: sealed, never shown again, and able to rest when it is refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Self
from uuid import uuid4

from django.db import models, transaction
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from tracker import secrets
from tracker.models.roles import Act
from tracker.models.teams import Membership, Team, User
from tracker.providers import Provider, get_provider


class Hold(models.TextChoices):
    """Why a task is not polled although nothing about the task itself has ended."""

    NONE = "", pgettext_lazy("hold", "None")
    KEY_REFUSED = "key_refused", _("Key refused")
    QUOTA = "quota", _("No credit")
    SEAL_BROKEN = "seal_broken", _("Key unreadable")
    DISABLED = "disabled", _("Credential disabled")
    NO_CREDENTIAL = "no_credential", _("Credential deleted")


class CredentialQuerySet(models.QuerySet["Credential"]):
    def owned_by(self, user: User, team: Team) -> Self:
        return self.filter(owner=user, team=team)

    def open_to(self, user: User | int, team: Team | int) -> Self:
        """What the person may track with in ``team``: their own, and what colleagues lend. A primary key will do."""
        return self.filter(models.Q(owner=user) | models.Q(team_may_use=True), team=team).usable()

    def in_reach_of(self, membership: Membership) -> Self:
        """What the person may disable and wake: their own, and for who manages credentials those that are lent."""
        reach = models.Q(owner=membership.user)
        if membership.may(Act.MANAGE_CREDENTIALS):
            reach |= models.Q(team_may_use=True)
        return self.filter(reach, team=membership.team)

    def lent_by_others(self, membership: Membership) -> Self:
        return self.filter(team=membership.team, team_may_use=True).exclude(owner=membership.user)

    def fitting(self, *, provider: str, base_url: str) -> Self:
        """Those that a task at ``provider`` and ``base_url`` could be checked with."""
        return self.filter(provider=provider, base_url=base_url)

    def usable(self) -> Self:
        """May be picked for tracking: a resting one too, since the person may know that it works again."""
        return self.exclude(state=Credential.State.DISABLED)

    def to_probe(self, now: datetime) -> Self:
        return self.filter(state=Credential.State.RESTING, rest_until__lte=now)


class Credential(models.Model):
    """A key and the address it is for. The key itself is only ever in ``sealed_key``."""

    class State(models.TextChoices):
        ACTIVE = "active", _("Active")
        RESTING = "resting", _("Resting")
        DISABLED = "disabled", _("Disabled")

    FIRST_REST = timedelta(minutes=10)
    DOUBTFUL_REST = timedelta(minutes=1)
    """For a key that worked a moment ago: it may be one task that was refused, and not the key."""
    LONGEST_REST = timedelta(hours=6)

    public_id = models.UUIDField(default=uuid4, unique=True, editable=False)
    team = models.ForeignKey(Team, models.CASCADE, related_name="credentials", verbose_name=_("team"))
    owner = models.ForeignKey(User, models.CASCADE, related_name="credentials", verbose_name=_("owner"))
    provider = models.CharField(_("provider"), max_length=40)
    label = models.CharField(_("label"), max_length=80)
    base_url = models.CharField(_("base URL"), max_length=500)
    sealed_key = models.TextField(editable=False)
    last_four = models.CharField(_("last four characters"), max_length=4, editable=False)
    team_may_use = models.BooleanField(_("the team may use it"), default=False)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.ACTIVE)
    rest_kind = models.CharField(_("reason of rest"), max_length=20, blank=True, choices=Hold)
    rest_status = models.PositiveSmallIntegerField(_("HTTP status"), null=True, blank=True)
    rest_detail = models.CharField(_("what the provider said"), max_length=500, blank=True)
    rest_until = models.DateTimeField(_("next try by itself"), null=True, blank=True)
    rest_count = models.PositiveSmallIntegerField(default=0, editable=False)
    answers_batches = models.BooleanField(_("answers batches"), null=True, blank=True)
    paused_until = models.DateTimeField(_("asked to wait until"), null=True, blank=True)
    last_success_at = models.DateTimeField(_("last success"), null=True, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    version = models.PositiveIntegerField(default=0, editable=False)

    objects = CredentialQuerySet.as_manager()

    class Meta:
        verbose_name = _("credential")
        verbose_name_plural = _("credentials")
        ordering = ["provider", "label", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["team", "owner", "label"], name="credential_label_once"),
        ]
        indexes = [
            models.Index(fields=["rest_until"], name="credential_to_probe", condition=models.Q(state="resting")),
        ]

    def __str__(self) -> str:
        return f"{self.label} …{self.last_four}"

    def is_open_to(self, person_id: int | None) -> bool:
        """Whether somebody of its team may track with it: their own, and what is lent."""
        return self.owner_id == person_id or self.team_may_use

    def name_for(self, person_id: int | None) -> str:
        """What somebody reads it by: the last four characters are for its owner, to tell keys apart."""
        return str(self) if self.owner_id == person_id else self.label

    @property
    def provider_format(self) -> Provider:
        return get_provider(self.provider)

    @property
    def is_resting(self) -> bool:
        return self.state == self.State.RESTING

    def seal(self, key: str) -> None:
        """Take ``key`` in; it can be used from now on, but never read by a person."""
        self.sealed_key = secrets.seal(key, owner=self.public_id)
        self.last_four = key[-4:] if len(key) >= 12 else ""

    def reveal(self) -> str:
        """The key, for the ``Authorization`` header only. Raises :class:`tracker.secrets.SealBrokenError`."""
        return secrets.unseal(self.sealed_key, owner=self.public_id)

    def worked_lately(self, now: datetime) -> bool:
        """Whether this very key was taken within the last two minutes."""
        return self.last_success_at is not None and now - self.last_success_at < timedelta(minutes=2)

    # Verbs ---------------------------------------------------------------------------------------

    @transaction.atomic
    def replace_key(self, key: str, *, now: datetime, base_url: str | None = None) -> None:
        """A new key (and address): whatever was at rest is polled again."""
        self.seal(key)
        self.answers_batches = None
        self.paused_until = None
        self.last_success_at = None
        if base_url is not None:
            self.base_url = base_url
        self.version += 1
        self.save(
            update_fields=[
                "sealed_key", "last_four", "answers_batches", "paused_until", "last_success_at", "base_url", "version",
            ]
        )  # fmt: skip
        if self.state != self.State.DISABLED:
            self.wake(now)

    def lend(self, *, to_team: bool) -> bool:
        """Let the team use it, or take the loan back; false where nothing changes.

        Tasks that colleagues track with it go on: they were tracked with permission.
        """
        changed = Credential.objects.filter(pk=self.pk, team_may_use=not to_team).update(team_may_use=to_team)
        self.team_may_use = to_team
        return bool(changed)

    @transaction.atomic
    def rest(self, hold: Hold, *, now: datetime, status: int | None = None, detail: str = "") -> None:
        """Stop asking with this key. Its tasks wait; none of them is lost or called failed."""
        self.state = self.State.RESTING
        self.rest_kind = hold
        self.rest_status = status
        self.rest_detail = detail[:500]
        first = self.DOUBTFUL_REST if self.worked_lately(now) and not self.rest_count else self.FIRST_REST
        self.rest_until = now + min(first * 2 ** min(self.rest_count, 10), self.LONGEST_REST)
        self.rest_count = min(self.rest_count + 1, 100)
        self._save_state()
        self.tasks.hold(hold)

    @transaction.atomic
    def wake(self, now: datetime) -> None:
        """Ask again with this key, at once and for all its tasks."""
        self.state = self.State.ACTIVE
        self.rest_kind = Hold.NONE
        self.rest_status = None
        self.rest_detail = ""
        self.rest_until = None
        self.rest_count = 0
        self._save_state()
        self.tasks.release(now)

    @transaction.atomic
    def disable(self) -> None:
        self.state = self.State.DISABLED
        self.rest_kind = Hold.NONE
        self.rest_until = None
        self._save_state()
        self.tasks.hold(Hold.DISABLED)

    def probe(self, now: datetime) -> bool:
        """After a rest let one task ask; its answer wakes the others or prolongs the rest.

        False when nobody is waiting, or another poller has done it already.
        """
        again = now + timedelta(minutes=2)
        mine = Credential.objects.to_probe(now).filter(pk=self.pk).update(rest_until=again)
        # One that was not refused itself goes first.
        task = self.tasks.held().filter(removed_at=None).order_by("poll_error", "-pk").first() if mine else None
        return bool(task and self.tasks.filter(pk=task.pk, lease=None).update(next_poll_at=now))

    @transaction.atomic
    def remove(self) -> None:
        """Delete the credential. Its tasks stay and say that they can no longer be checked."""
        self.tasks.hold(Hold.NO_CREDENTIAL)
        self.delete()

    def _save_state(self) -> None:
        self.version += 1
        self.save(
            update_fields=[
                "state", "rest_kind", "rest_status", "rest_detail", "rest_until", "rest_count", "version",
            ]
        )  # fmt: skip
