"""What is kept of the clips: the files, and for each clip how far keeping it is.

Keeping is leased as polling is: ``due_at`` says when it is next tried, and holds the end of the lease while somebody
does; the lease's number fences the writing. So a killed archiver needs no clean-up here either.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self

from django.db import connection, models, transaction
from django.db.models import Count, F, Min, Q, Sum
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from tracker.models.bulk import update_from
from tracker.models.tasks import Clip, MusicTask
from tracker.sniffing import PICTURE_ENDINGS, SOUND_ENDINGS, VIDEO_ENDINGS

LEASE = timedelta(minutes=10)
"""Longer than all the files of a clip may take together."""
TRY_AGAIN_AFTER = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 20, 60, 240, 720, 1440))
"""How long to wait after each failure; after as many the clip is given up, until a person or a new link asks."""
COVER_TRIES = 3
"""A sound without its cover is kept all the same, and the cover tried less often."""
STORAGE_AGAIN_AFTER = timedelta(minutes=2)
"""Where the fault lies with the storage, no try is lost."""

_ENDINGS = {**SOUND_ENDINGS, **PICTURE_ENDINGS, **VIDEO_ENDINGS}


class ArchivedFileQuerySet(models.QuerySet["ArchivedFile"]):
    def unused(self) -> Self:
        """Files that no clip has any more."""
        return self.filter(sound_of=None, cover_of=None, video_of=None)

    def to_draw(self) -> Self:
        """Sounds of which nobody has tried to draw the outline."""
        return self.filter(kind=ArchivedFile.Kind.SOUND, peaks__isnull=True)


class ArchivedFile(models.Model):
    """A kept file, named by what is in it: the same bytes are stored once, whoever's clips they are."""

    class Kind(models.TextChoices):
        SOUND = "sound", _("Sound")
        COVER = "cover", _("Cover")
        VIDEO = "video", _("Video")

    kind = models.CharField(_("kind"), max_length=5, choices=Kind)
    digest = models.CharField(_("SHA-256"), max_length=64)
    content_type = models.CharField(_("type"), max_length=20)
    size = models.PositiveBigIntegerField(_("bytes"))
    kept_at = models.DateTimeField(_("kept since"))
    peaks = models.BinaryField(_("outline"), null=True, max_length=200)
    """Up to 200 values for a waveform; empty where it cannot be drawn, None where that was not tried yet."""

    objects = ArchivedFileQuerySet.as_manager()

    class Meta:
        verbose_name = _("kept file")
        verbose_name_plural = _("kept files")
        constraints = [models.UniqueConstraint(fields=["digest", "kind"], name="file_once")]
        indexes = [models.Index(fields=["id"], name="file_to_draw", condition=Q(kind="sound", peaks__isnull=True))]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """Where it lies in the storage: ``sound/ab/abcdef….mp3``."""
        return f"{self.kind}/{self.digest[:2]}/{self.digest}.{_ENDINGS[self.content_type]}"

    @transaction.atomic
    def keep_outline(self, peaks: bytes) -> None:
        """What was drawn of it, empty where nothing could be; a card that is looked at meanwhile shows it."""
        ArchivedFile.objects.filter(pk=self.pk).update(peaks=peaks)
        if peaks:
            MusicTask.objects.filter(clips__archive__sound=self.pk).update(stamp=F("stamp") + 1)

    def thumbnail_name(self, size: int) -> str:
        """Where the cover lies as a square of ``size`` pixels."""
        return f"{self.kind}/{self.digest[:2]}/{self.digest}-{size}.webp"


class ArchiveClaim(NamedTuple):
    """A clip that is ours to keep until its lease ends: where its files are, and which of them are kept already."""

    pk: int
    lease: int
    tries: int
    audio_urls: tuple[str, ...]
    """The finished file first, then where else it was said to be."""
    image_url: str
    video_url: str
    has_sound: bool
    has_cover: bool
    has_video: bool


@dataclass(slots=True)
class Outcome:
    """What became of a claim. A file that was not looked for, or not got, is None."""

    sound: ArchivedFile | None = None
    cover: ArchivedFile | None = None
    video: ArchivedFile | None = None
    problem: str = ""
    """Why the sound is not kept."""
    host: str = ""
    status: int | None = None
    misses_more: bool = False
    """Whether cover or video are worth another try."""

    @property
    def files(self) -> dict[str, ArchivedFile]:
        """What was got, by the name of its kind."""
        got = {"sound": self.sound, "cover": self.cover, "video": self.video}
        return {name: file for name, file in got.items() if file is not None}


@dataclass(frozen=True, slots=True)
class ArchiveHealth:
    """How the archive is, for those who run musicboard."""

    counts: dict[str, int]
    """Clips by ``ClipArchive.State``."""
    bytes: int
    waiting_since: datetime | None
    """The moment at which the longest waiting clip was due; old where no archiver runs, or storage is at fault."""
    storage_problem: str
    """The label of what is wrong with the storage, empty while it is well."""
    storage_since: datetime | None
    storage_count: int


class ClipArchiveQuerySet(models.QuerySet["ClipArchive"]):
    """The questions and orders of the archive."""

    def due(self, now: datetime) -> Self:
        return self.filter(due_at__lte=now)

    def missing(self) -> Self:
        """What is not kept, though nobody took it out on purpose."""
        return self.filter(sound=None).exclude(state=ClipArchive.State.PRUNED)

    def storage_troubles(self) -> Self:
        """Clips that could not be kept because the storage took nothing."""
        return self.filter(problem__in=STORAGE_PROBLEMS)

    def health(self, now: datetime) -> ArchiveHealth:
        counts = dict(self.order_by().values_list("state").annotate(count=Count("pk")))
        troubles = self.storage_troubles()
        first = troubles.order_by("problem_at").first()
        return ArchiveHealth(
            counts=counts,
            bytes=ArchivedFile.objects.aggregate(bytes=Sum("size"))["bytes"] or 0,
            waiting_since=self.due(now).aggregate(at=Min("due_at"))["at"],
            storage_problem=str(first.get_problem_display()) if first else "",
            storage_since=first.problem_at if first else None,
            storage_count=troubles.count(),
        )

    # Orders ------------------------------------------------------------------------------------

    def make_due(self, clips: Iterable[Clip], now: datetime) -> None:
        """Finished clips, or such with new links, are to be kept; what is being kept at this moment goes on."""
        rows = [ClipArchive(clip=clip, due_at=now) for clip in clips]
        if not rows:
            return
        self.bulk_create(rows, ignore_conflicts=True)
        again = self.filter(clip__in=[row.clip_id for row in rows], lease=None)
        # A new link is a new chance; a sound that was taken out on purpose does not come back by itself.
        again.missing().update(due_at=now, tries=0)
        again.filter(state=ClipArchive.State.KEPT, cover=None).update(due_at=now, tries=0)

    def claim(self, now: datetime, *, limit: int) -> list[ArchiveClaim]:
        """Take up to ``limit`` clips that are due, the longest due first."""
        # A look without a transaction first: an idle archiver takes no lock on the database.
        if not self.due(now).exists():
            return []
        lease = secrets.randbits(62)
        with transaction.atomic():
            due = self.due(now).order_by("due_at")
            if connection.features.has_select_for_update:
                due = due.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)
            pks = list(due.values_list("pk", flat=True)[:limit])
            self.filter(pk__in=pks).update(due_at=now + LEASE, lease=lease)
            rows = list(self.filter(pk__in=pks).select_related("clip"))
        return [row.as_claim() for row in rows]

    def release(self, claims: Iterable[ArchiveClaim], *, at: datetime) -> None:
        """Give claims back as they were; they are due again at ``at``."""
        for claim in claims:
            self.filter(pk=claim.pk, lease=claim.lease).update(due_at=at, lease=None)

    @transaction.atomic
    def settle(self, settled: Sequence[tuple[ArchiveClaim, Outcome]], now: datetime) -> set[int]:
        """Write what became of the claims, together; returns the clips of those whose lease was not lost."""
        outcomes = {(claim.pk, claim.lease): outcome for claim, outcome in settled}
        pks = [claim.pk for claim, _ in settled]
        rows = self.filter(pk__in=pks).order_by("pk").select_related("clip")
        if connection.features.has_select_for_update:
            # The tasks before what hangs on them, as whoever records an answer does: so neither waits for the other.
            list(MusicTask.objects.select_for_update().filter(pk__in=Clip.objects.filter(pk__in=pks).values("task_id"))
                 .order_by("pk").values_list("pk"))  # fmt: skip
            rows = rows.select_for_update(of=("self",))
        owned = [row for row in rows if (row.pk, row.lease) in outcomes]
        stamped = {row.clip.task_id for row in owned if row.take(outcomes[row.pk, row.lease or 0], now)}
        update_from(owned, _SETTLED)
        heard = [row.pk for row in owned if row.kept_at == now and row.clip.sound_problem]
        if heard:
            Clip.objects.filter(pk__in=heard).update(sound_problem=Clip.SoundProblem.NONE)
        if stamped:
            MusicTask.objects.filter(pk__in=stamped).update(stamp=F("stamp") + 1)
        return {row.pk for row in owned}


_SETTLED = [
    "state", "due_at", "lease", "tries", "problem", "problem_host", "problem_status", "problem_at", "sound", "cover",
    "video", "kept_at", "pruned_at",
]  # fmt: skip


class ClipArchive(models.Model):
    """How far a clip is kept. ``state`` is about its sound; a cover may be missing beside it."""

    class State(models.TextChoices):
        WAITING = "waiting", pgettext_lazy("archive", "Waiting")
        KEPT = "kept", pgettext_lazy("archive", "Kept")
        SKIPPED = "skipped", pgettext_lazy("archive", "Not to be kept")
        FAILED = "failed", pgettext_lazy("archive", "Not kept yet")
        PRUNED = "pruned", pgettext_lazy("archive", "Taken out")

    class Problem(models.TextChoices):
        """Why a sound is not kept."""

        NONE = "", pgettext_lazy("archive", "None")
        SKIPPED_HOST = "skipped_host", _("Its host does not allow copies")
        EXPIRED = "expired", _("The link has expired")
        SERVER_ERROR = "server_error", _("Its host answers with an error")
        UNREACHABLE = "unreachable", _("Its host could not be reached")
        TIMEOUT = "timeout", _("Its host stopped answering")
        BROKE_OFF = "broke_off", _("The file breaks off in the middle")
        EMPTY = "empty", _("The file is empty")
        NOT_SOUND = "not_sound", _("The file is not audio")
        TOO_LARGE = "too_large", _("The file is too large")
        FORBIDDEN = "forbidden", _("The link leads to a private address")
        STORAGE_FULL = "storage_full", _("The archive’s disk is full")
        STORAGE_DENIED = "storage_denied", _("The archive’s folder may not be written to")
        STORAGE_ERROR = "storage_error", _("The archive’s storage has an error")

    clip = models.OneToOneField(Clip, models.CASCADE, primary_key=True, related_name="archive", verbose_name=_("clip"))
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.WAITING)
    due_at = models.DateTimeField(_("next try"), null=True)
    lease = models.BigIntegerField(_("lease"), null=True)
    tries = models.PositiveSmallIntegerField(_("failures in a row"), default=0)
    problem = models.CharField(_("problem"), max_length=16, blank=True, choices=Problem, default=Problem.NONE)
    problem_host = models.CharField(_("host of the problem"), max_length=255, blank=True)
    problem_status = models.PositiveSmallIntegerField(_("HTTP status of the problem"), null=True)
    problem_at = models.DateTimeField(_("problem since"), null=True)
    sound = models.ForeignKey(
        ArchivedFile, models.PROTECT, null=True, related_name="sound_of", verbose_name=ArchivedFile.Kind.SOUND.label
    )
    cover = models.ForeignKey(
        ArchivedFile, models.PROTECT, null=True, related_name="cover_of", verbose_name=ArchivedFile.Kind.COVER.label
    )
    video = models.ForeignKey(
        ArchivedFile, models.PROTECT, null=True, related_name="video_of", verbose_name=ArchivedFile.Kind.VIDEO.label
    )
    kept_at = models.DateTimeField(_("kept since"), null=True)
    pruned_at = models.DateTimeField(_("taken out at"), null=True)

    objects = ClipArchiveQuerySet.as_manager()

    class Meta:
        verbose_name = _("kept clip")
        verbose_name_plural = _("kept clips")
        indexes = [
            models.Index(fields=["due_at"], name="archive_due", condition=Q(due_at__isnull=False)),
            models.Index(fields=["kept_at"], name="archive_kept", condition=Q(sound__isnull=False)),
            models.Index(fields=["problem"], name="archive_problem", condition=~Q(problem="")),
        ]

    def __str__(self) -> str:
        return f"{self.clip_id} {self.state}"

    def as_claim(self) -> ArchiveClaim:
        clip = self.clip
        return ArchiveClaim(
            pk=self.pk,
            lease=self.lease or 0,
            tries=self.tries,
            audio_urls=tuple(dict.fromkeys(url for url in (clip.audio_url, *clip.more_audio_urls.split()) if url)),
            image_url=clip.image_url,
            video_url=clip.video_url,
            # A sound that was taken out on purpose is not looked for again beside its cover.
            has_sound=self.sound_id is not None or self.state == self.State.PRUNED,
            has_cover=self.cover_id is not None,
            has_video=self.video_id is not None,
        )

    # Verbs -------------------------------------------------------------------------------------

    def request(self, now: datetime) -> None:
        """A person asks for another try: at once, and with all tries before it."""
        fields: dict[str, Any] = {"due_at": now, "tries": 0, "lease": None}
        if self.state == self.State.PRUNED:
            fields |= {"state": self.State.WAITING, "pruned_at": None}
        self._change(**fields)

    def take(self, outcome: Outcome, now: datetime) -> bool:
        """What an archiver brought: files stay, a failure is tried again later. Writes nothing; true if the card
        says something else then."""
        fields: dict[str, Any] = {"lease": None, "due_at": None, **outcome.files}
        if outcome.sound is not None:
            fields |= {"state": self.State.KEPT, "kept_at": now, "pruned_at": None}
        return self._set(fields | self._troubles(outcome, now))

    def _set(self, fields: dict[str, Any]) -> bool:
        """True if the card says something else then."""
        before = self.state, self.problem, self.cover_id
        for name, value in fields.items():
            setattr(self, name, value)
        return (self.state, self.problem, self.cover_id) != before

    def _troubles(self, outcome: Outcome, now: datetime) -> dict[str, Any]:
        """Problem, tries and the next one."""
        known = self.problem_at if self.problem == outcome.problem else None
        fields: dict[str, Any] = {
            "problem": outcome.problem,
            "problem_host": outcome.host[:255],
            "problem_status": outcome.status,
            "problem_at": (known or now) if outcome.problem else None,
        }
        if outcome.problem in STORAGE_PROBLEMS:
            # What was got without its sound stays; a sound that is kept stays kept.
            state = {} if self.sound_id else {"state": self.State.FAILED}
            return {**fields, **state, "due_at": now + STORAGE_AGAIN_AFTER}
        if outcome.problem == self.Problem.SKIPPED_HOST:
            return {**fields, "state": self.State.SKIPPED}
        if not outcome.problem and not outcome.misses_more:
            return {**fields, "tries": 0}
        if outcome.problem:
            fields["state"] = self.State.FAILED
        most = len(TRY_AGAIN_AFTER) if outcome.problem else COVER_TRIES
        if self.tries < most:
            fields["due_at"] = now + TRY_AGAIN_AFTER[self.tries]
        return {**fields, "tries": min(self.tries + 1, 1000)}

    def prune(self, now: datetime) -> None:
        """Let go of sound and video; the cover stays."""
        self._change(state=self.State.PRUNED, pruned_at=now, sound=None, video=None, due_at=None, lease=None)

    def _change(self, **fields: Any) -> None:
        """Write ``fields``; where the card says something else then, its task's stamp changes."""
        is_seen = self._set(fields)
        type(self).objects.filter(pk=self.pk).update(**fields)
        if is_seen:
            MusicTask.objects.filter(clips=self.pk).update(stamp=F("stamp") + 1)


STORAGE_PROBLEMS = frozenset(
    {ClipArchive.Problem.STORAGE_FULL, ClipArchive.Problem.STORAGE_DENIED, ClipArchive.Problem.STORAGE_ERROR}
)


def kept_file(clip: Clip, kind: ArchivedFile.Kind) -> ArchivedFile | None:
    """The clip's file of this kind, where it is in the archive."""
    archive = archive_of(clip)
    return getattr(archive, kind.value) if archive else None


def is_kept(clip: Clip) -> bool:
    """Whether the clip's sound is in the archive; needs no look at the file's own row."""
    archive = archive_of(clip)
    return archive is not None and archive.sound_id is not None


def archive_of(clip: Clip) -> ClipArchive | None:
    """How far ``clip`` is kept; None where nothing was tried yet."""
    try:
        return clip.archive
    except ClipArchive.DoesNotExist:
        return None
