"""Tasks, their clips and what happened to them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID, uuid4

from django.db import connection, models, transaction
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from tracker.models.credentials import Credential, Hold
from tracker.models.teams import Team, User
from tracker.providers import ClipState, TaskKind, TaskStatus


class Ended(models.TextChoices):
    """Why a task is no longer polled; empty while it is live."""

    NOT = "", _("Live")
    FINAL = "final", _("The provider finished")
    UNKNOWN_TASK = "unknown_task", _("The provider does not know the id")
    GIVEN_UP = "given_up", _("Given up")
    STOPPED = "stopped", _("Stopped")


class Shelf(models.TextChoices):
    """Where a task stands on the board; one indexed word, so that a chip needs no join."""

    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")
    ATTENTION = "attention", _("Needs you")
    STOPPED = "stopped", _("Stopped")


COUNTED_AT_MOST = 1000
"""Beyond this a chip says "1000+"."""

SHELF_OF_END = {
    Ended.UNKNOWN_TASK: Shelf.FAILED,
    Ended.GIVEN_UP: Shelf.ATTENTION,
    Ended.STOPPED: Shelf.STOPPED,
}


def shelf_for(*, status: str, ended: str, hold: str) -> Shelf:
    """The shelf that follows from what was said and what is planned."""
    if ended == Ended.FINAL:
        return Shelf.DONE if status == TaskStatus.SUCCEEDED else Shelf.FAILED
    if ended:
        return SHELF_OF_END[Ended(ended)]
    return Shelf.ATTENTION if hold else Shelf.RUNNING


class MusicTaskQuerySet(models.QuerySet["MusicTask"]):
    """The questions that are asked about tasks."""

    def visible_to(self, user: User, team: Team | None) -> Self:
        """Tasks of ``team`` that ``user`` may see: a member's, and nobody else's."""
        if team is None:
            return self.none()
        return self.filter(team=team, team__memberships__user=user, removed_at=None)

    def of_team(self, team: Team) -> Self:
        """Tasks on the board of a team whose membership was checked already."""
        return self.filter(team=team, removed_at=None)

    def live(self) -> Self:
        return self.filter(ended=Ended.NOT)

    def held(self) -> Self:
        return self.live().exclude(hold=Hold.NONE)

    def due(self, now: datetime) -> Self:
        return self.filter(next_poll_at__lte=now)

    def search(self, text: str) -> Self:
        """Tasks in which every word of ``text`` stands: title, style, lyrics or id."""
        found = self
        for word in text.lower().split()[:8]:
            found = found.filter(text__search_text__contains=word)
        return found

    def known(self, credential: Credential, task_ids: Sequence[str]) -> dict[str, UUID]:
        """Which of ``task_ids`` are tracked at the credential's provider, and as which tasks."""
        here = self.filter(provider=credential.provider, base_url=credential.base_url, task_id__in=task_ids)
        return dict(here.values_list("task_id", "public_id"))

    def waiting_for(self, credentials: Sequence[Credential]) -> dict[int, int]:
        """How many live tasks wait for each of ``credentials`` that any wait for."""
        waiting = self.held().filter(credential__in=credentials).order_by()
        return dict(waiting.values_list("credential").annotate(count=models.Count("pk")))

    def shelf_counts(self, team: Team) -> dict[str, int]:
        """How many tasks stand on each shelf and (under "") in all, in one query.

        Counting ends one beyond ``COUNTED_AT_MOST``, so that a million tasks cost what a thousand do.
        """
        shelves = ["", *Shelf.values]
        table = self.model._meta.db_table
        counts: list[str] = []
        values: list[int | str] = []
        for number, shelf in enumerate(shelves):
            where = "AND shelf = %s" if shelf else ""
            counts.append(
                f"(SELECT COUNT(*) FROM (SELECT 1 FROM {table} WHERE team_id = %s {where} "  # noqa: S608
                f"AND removed_at IS NULL LIMIT {COUNTED_AT_MOST + 1}) AS shelf_{number})"
            )
            values += [team.pk, shelf] if shelf else [team.pk]
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(counts)}", values)
            return dict(zip(shelves, cursor.fetchone(), strict=True))

    # Orders that touch many rows ---------------------------------------------------------------

    def hold(self, hold: Hold) -> int:
        """Let every live task wait for its credential; answers on their way are not taken any more."""
        # A task that was let through to try the key again waits once more, although its hold is the same.
        waiting = Q(hold=hold, next_poll_at=None)
        return self.live().exclude(waiting).update(
            hold=hold, next_poll_at=None, lease=None, shelf=Shelf.ATTENTION, stamp=F("stamp") + 1
        )  # fmt: skip

    def release(self, now: datetime) -> int:
        """Poll held tasks again; a removed one finds out when it is brought back."""
        return self.held().filter(removed_at=None).update(
            hold=Hold.NONE, next_poll_at=now, lease=None, shelf=Shelf.RUNNING, stamp=F("stamp") + 1
        )  # fmt: skip

    def track(
        self,
        *,
        team: Team,
        credential: Credential,
        task_ids: Sequence[str],
        added_by: User | None,
        now: datetime,
        poll_after: timedelta = timedelta(),
    ) -> list[MusicTask]:
        """Start to track ``task_ids`` and return the tasks that are new here, in the order given.

        Get-or-create per (team, provider, base URL, id). A removed task comes back instead of twice, and one whose
        credential was deleted goes on with this one. The first id given stands on top of the board. ``poll_after``
        keeps the poller away for as long as the caller wants to ask itself. Where the credential rests, the first new
        task tries its key once, since the person may know that it works again; the others wait for the answer.
        """
        place = {"team": team, "provider": credential.provider, "base_url": credential.base_url}
        hold = _hold_of(credential)
        ids = list(dict.fromkeys(task_ids))
        with transaction.atomic():
            here = {task.task_id: task for task in self.filter(**place, task_id__in=ids)}
            probing = next((task_id for task_id in ids if task_id not in here), "") if credential.is_resting else ""
            rows = [
                MusicTask(
                    **place,
                    task_id=task_id,
                    credential=credential,
                    added_by=added_by,
                    hold=hold,
                    shelf=Shelf.ATTENTION if hold else Shelf.RUNNING,
                    next_poll_at=None if hold and task_id != probing else now + poll_after,
                    created_at=now,
                    changed_at=now,
                )
                for task_id in reversed(ids)
                if task_id not in here
            ]
            # Two people may paste the same id at once: the second finds the row, and no error.
            self.bulk_create(rows, ignore_conflicts=True)
            found = {task.task_id: task for task in self.filter(public_id__in=[row.public_id for row in rows])}
            TaskText.objects.bulk_create(
                TaskText(task=task, search_text=task.task_id.lower()) for task in found.values()
            )
            TaskEvent.objects.bulk_create(
                TaskEvent(task=task, at=now, kind=TaskEvent.Kind.TRACKED, actor=added_by) for task in found.values()
            )
            found |= {task.task_id: task for task in here.values() if task.take_back(credential, added_by, now)}
        return [found[task_id] for task_id in ids if task_id in found]


def _hold_of(credential: Credential) -> Hold:
    if credential.state == Credential.State.DISABLED:
        return Hold.DISABLED
    return Hold(credential.rest_kind) if credential.is_resting else Hold.NONE


class MusicTask(models.Model):
    """One generation job at a provider, tracked by a team.

    What the provider said (``status`` to ``clips``) stays apart from what is planned and met
    (``next_poll_at``, ``ended``, ``hold``, ``poll_error``). A task is due when ``next_poll_at`` has come; while
    somebody asks for it, that column holds the end of the lease, and ``lease`` who holds it.
    """

    public_id = models.UUIDField(default=uuid4, unique=True, editable=False)
    team = models.ForeignKey(Team, models.CASCADE, related_name="tasks", db_index=False, verbose_name=_("team"))
    credential = models.ForeignKey(
        Credential,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="tasks",
        db_index=False,
        verbose_name=_("credential"),
    )
    added_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="+", db_index=False, verbose_name=_("added by")
    )
    provider = models.CharField(_("provider"), max_length=40)
    base_url = models.CharField(_("base URL"), max_length=500)
    task_id = models.CharField(_("task id"), max_length=200)

    # What the provider said.
    status = models.CharField(_("status"), max_length=10, default=TaskStatus.UNKNOWN)
    raw_status = models.CharField(_("the provider's word"), max_length=80, blank=True)
    action = models.CharField(_("action"), max_length=80, blank=True)
    kind = models.CharField(_("kind"), max_length=10, default=TaskKind.MUSIC)
    progress = models.PositiveSmallIntegerField(_("progress"), null=True)
    fail_reason = models.TextField(_("reason of failure"), blank=True)
    submitted_at = models.DateTimeField(_("submitted at"), null=True)
    started_at = models.DateTimeField(_("started at"), null=True)
    finished_at = models.DateTimeField(_("finished at"), null=True)
    title = models.CharField(_("title"), max_length=300, blank=True)
    tags = models.TextField(_("style"), blank=True)
    model = models.CharField(_("model"), max_length=80, blank=True)
    lyrics_title = models.CharField(_("title of the lyrics"), max_length=300, blank=True)
    lyrics_text = models.TextField(_("lyrics"), blank=True)
    lyrics_tags = models.TextField(_("style of the lyrics"), blank=True)

    # What is planned and met.
    next_poll_at = models.DateTimeField(_("next check"), null=True)
    lease = models.BigIntegerField(_("lease"), null=True)
    ended = models.CharField(_("how it ended"), max_length=12, blank=True, choices=Ended, default=Ended.NOT)
    hold = models.CharField(_("why it waits"), max_length=16, blank=True, choices=Hold, default=Hold.NONE)
    shelf = models.CharField(_("place on the board"), max_length=10, choices=Shelf, default=Shelf.RUNNING)
    polled_at = models.DateTimeField(_("last answer"), null=True)
    changed_at = models.DateTimeField(_("last change"))
    stalled_at = models.DateTimeField(_("stalled at"), null=True)
    poll_error = models.CharField(_("last error"), max_length=16, blank=True)
    poll_error_status = models.PositiveSmallIntegerField(_("HTTP status of the error"), null=True)
    poll_error_cause = models.CharField(_("cause of the error"), max_length=20, blank=True)
    poll_error_detail = models.CharField(_("words of the error"), max_length=500, blank=True)
    error_count = models.PositiveSmallIntegerField(_("errors in a row"), default=0)
    missing_since = models.DateTimeField(_("unknown to the provider since"), null=True)
    missing_count = models.PositiveSmallIntegerField(_("times unknown to the provider"), default=0)
    stamp = models.PositiveIntegerField(_("stamp"), default=0)
    removed_at = models.DateTimeField(_("removed at"), null=True)
    created_at = models.DateTimeField(_("tracked at"))
    answer_hash = models.CharField(max_length=32, blank=True)
    clips_hash = models.CharField(max_length=32, blank=True)

    objects = MusicTaskQuerySet.as_manager()

    class Meta:
        verbose_name = _("task")
        verbose_name_plural = _("tasks")
        constraints = [
            models.UniqueConstraint(fields=["team", "provider", "base_url", "task_id"], name="task_once_per_team"),
        ]
        indexes = [
            models.Index(fields=["next_poll_at"], name="task_due", condition=Q(next_poll_at__isnull=False)),
            models.Index(fields=["team", "-id"], name="task_board", condition=Q(removed_at__isnull=True)),
            models.Index(fields=["team", "shelf", "-id"], name="task_shelf", condition=Q(removed_at__isnull=True)),
            models.Index(
                fields=["team", "provider", "-id"], name="task_provider", condition=Q(removed_at__isnull=True)
            ),
            models.Index(fields=["credential", "-id"], name="task_credential"),
            # With all that is asked, so that counting reads the index alone.
            models.Index(
                fields=["credential", "removed_at", "ended"], name="task_live_of_credential", condition=Q(ended="")
            ),
            models.Index(fields=["added_by", "team", "-id"], name="task_person"),
            models.Index(fields=["removed_at"], name="task_removed", condition=Q(removed_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.title or self.task_id

    @property
    def is_live(self) -> bool:
        return self.ended == Ended.NOT

    @property
    def is_music(self) -> bool:
        return self.kind == TaskKind.MUSIC

    @property
    def has_finished(self) -> bool:
        return self.ended == Ended.FINAL

    # Verbs -------------------------------------------------------------------------------------

    def request_poll(self, *, actor: User | None, now: datetime) -> bool:
        """Ask again now, also for a task that has ended. False where no key can ask."""
        hold = _hold_of(self.credential) if self.credential else Hold.NO_CREDENTIAL
        if hold in (Hold.DISABLED, Hold.NO_CREDENTIAL):
            return False
        self._change(
            ended=Ended.NOT, hold=Hold.NONE, next_poll_at=now, lease=None, changed_at=now, stalled_at=None,
            missing_since=None, missing_count=0, error_count=0, answer_hash="",
        )  # fmt: skip
        self._tell(TaskEvent.Kind.ASKED, actor=actor, now=now)
        return True

    def stop(self, *, actor: User | None, now: datetime) -> None:
        """Stop to track; everything known stays."""
        self._change(ended=Ended.STOPPED, next_poll_at=None, lease=None, hold=Hold.NONE)
        self._tell(TaskEvent.Kind.STOPPED, actor=actor, now=now)

    def remove(self, *, actor: User | None, now: datetime) -> None:
        """Take the task off the board; :meth:`restore` brings it back as it was."""
        self._change(removed_at=now, next_poll_at=None, lease=None)
        # After the change: an answer that was on its way has been written by then, or is not taken any more.
        self.team.entries.filter(clip__task=self).delete()
        self._tell(TaskEvent.Kind.REMOVED, actor=actor, now=now)

    def restore(self, *, actor: User | None, now: datetime) -> None:
        hold = Hold.NONE
        if self.is_live:
            hold = _hold_of(self.credential) if self.credential else Hold.NO_CREDENTIAL
        wants_poll = self.is_live and not hold
        self._change(removed_at=None, hold=hold, next_poll_at=now if wants_poll else None)
        self.team.entries.list_clips([(self, clip) for clip in self.clips.all()], now=self.created_at)
        self._tell(TaskEvent.Kind.RESTORED, actor=actor, now=now)

    def take_back(self, credential: Credential, actor: User | None, now: datetime) -> bool:
        """Somebody tracks this task again: give it a credential if it has none, bring it back if it was removed."""
        if self.credential is None:
            self.credential = credential
            hold = _hold_of(credential) if self.is_live else Hold.NONE
            wants_poll = self.is_live and not hold
            self._change(credential=credential, hold=hold, next_poll_at=now if wants_poll else None)
        elif not self.removed_at:
            return False
        if self.removed_at:
            self.restore(actor=actor, now=now)
        return self.is_live

    def hand_over(self, credential: Credential, *, actor: User | None, now: datetime) -> bool:
        """Go on with another credential of the same provider and address; false where ``credential`` is none.

        A live task is asked for at once, also with a key that rests. One that has ended stays as it is, and can be
        checked again.
        """
        place = (credential.team_id, credential.provider, credential.base_url)
        if place != (self.team_id, self.provider, self.base_url) or credential.state == Credential.State.DISABLED:
            return False
        self.credential = credential
        wants_poll = self.is_live and not self.removed_at
        hold = _hold_of(credential) if self.is_live else Hold.NONE
        self._change(credential=credential, hold=hold, next_poll_at=now if wants_poll else None, lease=None)
        self._tell(TaskEvent.Kind.HANDED, actor=actor, now=now)
        return True

    def _change(self, **fields: Any) -> None:
        """Write ``fields`` (and the shelf that follows) and nothing else, so that a poller's write is kept."""
        for name, value in fields.items():
            setattr(self, name, value)
        self.shelf = shelf_for(status=self.status, ended=self.ended, hold=self.hold)
        type(self).objects.filter(pk=self.pk).update(**fields, shelf=self.shelf, stamp=F("stamp") + 1)

    def _tell(self, kind: str, *, actor: User | None, now: datetime) -> None:
        TaskEvent.objects.create(task=self, at=now, kind=kind, actor=actor)


class TaskText(models.Model):
    """The long texts of a task, apart from its row: a poll rewrites the row, and would rewrite them with it."""

    task = models.OneToOneField(
        MusicTask, models.CASCADE, primary_key=True, related_name="text", verbose_name=_("task")
    )
    search_text = models.TextField(_("text for the search"), blank=True)
    raw_answer = models.TextField(_("raw answer"), blank=True)

    class Meta:
        verbose_name = _("texts of a task")
        verbose_name_plural = _("texts of tasks")

    def __str__(self) -> str:
        return str(self.task_id)


class ClipQuerySet(models.QuerySet["Clip"]):
    def visible_to(self, user: User, team: Team | None) -> Self:
        if team is None:
            return self.none()
        return self.filter(task__team=team, task__team__memberships__user=user, task__removed_at=None)

    def audible(self) -> Self:
        """Clips of which something can be heard: kept, finished at the provider, or still streaming."""
        return self.exclude(audio_url="", stream_url="", archive__sound=None)

    def for_queue(self) -> Self:
        """With what a player's queue tells of them."""
        return self.select_related("task").only(
            "public_id", "title", "position", "task__public_id", "task__title", "task__team_id"
        )


class Clip(models.Model):
    """One song of a task. ``audio_url`` is a finished file, ``stream_url`` still streams."""

    class SoundProblem(models.TextChoices):
        NONE = "", pgettext_lazy("sound problem", "None")
        EXPIRED = "expired", _("Link expired")
        UNREACHABLE = "unreachable", _("Host unreachable")
        NOT_SOUND = "not_sound", pgettext_lazy("sound problem", "Not audio")
        EMPTY = "empty", _("Empty file")
        BROKE_OFF = "broke_off", _("File breaks off")
        TIMEOUT = "timeout", _("Host does not answer")
        DEAD_END = "dead_end", _("Link leads nowhere")
        SERVER_ERROR = "server_error", _("Host has an error")

    public_id = models.UUIDField(default=uuid4, unique=True, editable=False)
    task = models.ForeignKey(MusicTask, models.CASCADE, related_name="clips", verbose_name=_("task"))
    position = models.PositiveSmallIntegerField(_("position"))
    clip_id = models.CharField(_("clip id"), max_length=200, blank=True)
    title = models.CharField(_("title"), max_length=300, blank=True)
    tags = models.TextField(_("style"), blank=True)
    lyrics = models.TextField(_("lyrics"), blank=True)
    description = models.TextField(_("description"), blank=True)
    duration_seconds = models.FloatField(_("length"), null=True)
    model = models.CharField(_("model"), max_length=80, blank=True)
    state = models.CharField(_("state"), max_length=10, default=ClipState.QUEUED)
    error = models.TextField(_("error"), blank=True)
    audio_url = models.TextField(_("link to the sound"), blank=True)
    more_audio_urls = models.TextField(_("more links to the sound"), blank=True, default="", db_default="")
    """Where else the finished file was said to be, one address to a line."""
    stream_url = models.TextField(_("link to the stream"), blank=True)
    image_url = models.TextField(_("link to the cover"), blank=True)
    video_url = models.TextField(_("link to the video"), blank=True)
    created_at = models.DateTimeField(_("created at"), null=True)
    sound_problem = models.CharField(
        _("problem with the sound"), max_length=12, blank=True, choices=SoundProblem, default=SoundProblem.NONE
    )

    objects = ClipQuerySet.as_manager()

    class Meta:
        verbose_name = _("clip")
        verbose_name_plural = _("clips")
        ordering = ["position", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["task", "position"], name="clip_position_once"),
            models.UniqueConstraint(fields=["task", "clip_id"], name="clip_id_once", condition=~Q(clip_id="")),
        ]

    def __str__(self) -> str:
        return self.title or str(self.public_id)

    @property
    def is_playable(self) -> bool:
        return bool(self.audio_url or self.stream_url)

    @property
    def is_finished(self) -> bool:
        return self.state == ClipState.COMPLETE

    @property
    def peaks(self) -> bytes:
        """Up to 200 values from 0 to 255 that draw the sound; empty where there is no drawing."""
        sound = self.archive.sound if hasattr(self, "archive") else None
        return bytes(sound.peaks or b"") if sound else b""

    def note_sound(self, problem: SoundProblem) -> None:
        """Keep what was met when the sound was asked for; the card tells it, so its stamp changes."""
        if self.sound_problem == problem:
            return
        Clip.objects.filter(pk=self.pk).update(sound_problem=problem)
        MusicTask.objects.filter(pk=self.task_id).update(stamp=F("stamp") + 1)
        self.sound_problem = problem


class TaskEvent(models.Model):
    """One dated change or error of a task: its timeline."""

    class Kind(models.TextChoices):
        TRACKED = "tracked", _("Tracked")
        STATUS = "status", _("Status changed")
        CLIP_STREAMS = "clip_streams", _("Clip can be heard")
        CLIP_DONE = "clip_done", _("Clip finished")
        CLIP_FAILED = "clip_failed", _("Clip failed")
        ERROR = "error", _("Could not be checked")
        RECOVERED = "recovered", _("Answers again")
        STALLED = "stalled", _("Stalled")
        GAVE_UP = "gave_up", _("Given up")
        HELD = "held", _("Waits for its credential")
        ASKED = "asked", _("Check asked for")
        STOPPED = "stopped", _("Stopped")
        REMOVED = "removed", _("Removed")
        RESTORED = "restored", _("Brought back")
        HANDED = "handed", _("Given another credential")

    task = models.ForeignKey(MusicTask, models.CASCADE, related_name="events", verbose_name=_("task"))
    at = models.DateTimeField(pgettext_lazy("event", "at"))
    kind = models.CharField(_("kind"), max_length=16, choices=Kind)
    actor = models.ForeignKey(
        User,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=pgettext_lazy("event", "by"),
    )
    detail = models.JSONField(_("detail"), default=dict, blank=True)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ["-at", "-pk"]

    def __str__(self) -> str:
        return str(self.get_kind_display())
