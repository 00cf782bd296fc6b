"""Tasks and clips made ready for the page: a card is loaded with few columns and holds finished words.

Templates cost more than queries, so everything that can be decided is decided here.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache, lru_cache
from uuid import UUID
from zlib import crc32

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Left
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from tracker.models import Clip, ClipArchive, Credential, MusicTask, Team
from tracker.models.archive import archive_of, is_kept
from tracker.models.credentials import Hold
from tracker.providers import ClipState, TaskStatus
from tracker.standing import STILL_TRYING, Action, Standing, credential_standing, late_in, standing

TINTS = 8
"""How many gradients stand behind covers; ``tints.css`` names them."""
LYRICS_START = QUOTE_START = 400
WAVE_BARS = 64
MOST_QUEUED = 500
"""Songs in a player's queue; ``queue.js`` has the same limit."""


@dataclass(frozen=True, slots=True)
class ClipCard:
    """One song on the page. ``sound`` and ``cover`` are addresses of this site, empty where there is none."""

    id: str
    title: str
    play: str
    enqueue: str
    style: str
    length: str
    seconds: float | None
    model: str
    line: str
    """Number, provider and model, for the player."""
    number: int
    tint: int
    cover: str
    sound: str
    stream: str
    """The stream, to fall back on, where ``sound`` is a finished file at the provider."""
    peaks: str
    """Where its outline is told, for a clip that is kept."""
    wave: str
    """The outline as the path of an SVG of 320 × 40; empty where there is none."""
    says: str
    """Why it cannot be heard, or not whole, in plain words."""
    is_bad: bool
    kept: str
    """Why it is not in the archive; empty where it is, or soon will be."""
    keep_url: str
    """Where another try to keep it is asked for, where that makes sense."""
    card_url: str
    task_url: str
    download: str
    take: str
    """Where the finished file is, and the words for the link to it."""
    lyrics: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class TaskCard:
    """One task on the page."""

    id: str
    seen: str
    """What the refresher sends back: id, stamp and state."""
    url: str
    task_id: str
    short_id: str
    title: str
    has_title: bool
    standing: Standing
    why: SafeString
    """Reason, the provider's words and advice."""
    more: str
    bar: str
    """Labels for the menu and the bar, which show none."""
    is_live: bool
    has_bar: bool
    percent: int | None
    clock: SafeString | str
    total: str
    age: SafeString
    place: str
    credential_url: str
    by: str
    style: str
    model: str
    is_lyrics: bool
    lyrics: str
    clips: Sequence[ClipCard]

    @property
    def has_sound(self) -> bool:
        return any(clip.sound for clip in self.clips)


# -- Loading --------------------------------------------------------------------------------------------

_CREDENTIAL = ("public_id", "label", "last_four", "provider", "rest_status", "rest_detail", "owner_id")
_TASK = (
    "id", "public_id", "team_id", "provider", "task_id", "status", "raw_status", "kind", "progress", "fail_reason",
    "submitted_at", "started_at", "finished_at", "title", "tags", "model", "ended", "hold", "shelf", "polled_at",
    "changed_at", "stalled_at", "poll_error", "poll_error_status", "poll_error_cause", "poll_error_detail", "stamp",
    "created_at", "added_by__name", "added_by__email", "credential__owner__name", "credential__owner__email",
    *(f"credential__{name}" for name in _CREDENTIAL),
)  # fmt: skip
_CLIP_LESS = ("lyrics", "description", "video_url")


def thin(tasks: QuerySet[MusicTask]) -> QuerySet[MusicTask]:
    """``tasks`` with what a card shows, and not the raw answers and texts that a row may carry."""
    rows = tasks.select_related("credential__owner", "added_by").only(*_TASK)
    return rows.annotate(lyrics_start=Left("lyrics_text", LYRICS_START))


def load_cards(tasks: Iterable[MusicTask], *, person_id: int | None, now: datetime) -> list[TaskCard]:
    """A card for each of ``tasks``, with one query for all their clips."""
    rows = list(tasks)
    clips: dict[int, list[Clip]] = {task.pk: [] for task in rows}
    if rows:
        loaded = Clip.objects.filter(task__in=list(clips)).select_related("archive__sound").defer(*_CLIP_LESS)
        for clip in loaded.order_by("task_id", "position", "pk"):
            clips[clip.task_id].append(clip)
    return [make_card(task, clips[task.pk], person_id=person_id, now=now) for task in rows]


# -- Making ---------------------------------------------------------------------------------------------


def make_card(
    task: MusicTask, clips: Sequence[Clip], *, person_id: int | None, now: datetime, is_whole: bool = False
) -> TaskCard:
    """The card of ``task``; ``is_whole`` for the task's own page, which shows all texts."""
    stands = standing(task, clips, person_id=person_id, now=now)
    why = _why(stands, most=None if is_whole else QUOTE_START) or _late(task, now)
    if task.is_live and task.hold and task.credential and not is_whole:
        # One banner per credential says it for all of them.
        stands, why = replace(stands, action=Action.NONE), mark_safe("")
    public_id = mark_safe(str(task.public_id))  # noqa: S308
    title = task.title or _("Untitled")
    url = address("task", public_id)
    shows_clips = task.is_music or clips
    lyrics = task.lyrics_text if is_whole else getattr(task, "lyrics_start", "")
    return TaskCard(
        id=public_id,
        seen=f"{short_uuid(task.public_id)}.{task.stamp}.{short_key(stands.key)}",
        url=url,
        task_id=task.task_id,
        short_id=short_id(task.task_id),
        title=title,
        has_title=bool(task.title),
        standing=stands,
        why=why,
        more=pgettext("menu", "More: %(title)s") % {"title": title},
        bar=_("%(state)s: %(title)s") % {"state": stands.label, "title": title},
        is_live=task.is_live,
        has_bar=task.is_live and stands.moves,
        percent=_percent(task, stands),
        clock=_clock(task, stands, now),
        total=_total(task),
        age=age(task.created_at, now=now),
        place=place_of(task, person_id),
        credential_url=_credential_url(task.credential, person_id),
        by=_("by %(name)s") % {"name": task.added_by} if task.added_by else "",
        style=task.tags,
        model=task.model,
        is_lyrics=not task.is_music,
        lyrics=lyrics or "",
        clips=[make_clip(task, clip, url=url, now=now, is_whole=is_whole) for clip in clips] if shows_clips else [],
    )


def _why(stands: Standing, *, most: int | None) -> SafeString:
    reason = format_html("<b>{}</b>", stands.reason) if stands.reason else ""
    return one_after_the_other(reason, quoted(stands.quote, most=most), stands.advice)


def _late(task: MusicTask, now: datetime) -> SafeString:
    """What ``clock.js`` shows once the first answer is late; until then there is nothing to say."""
    seconds = late_in(task, now=now)
    return (
        mark_safe("")
        if seconds is None
        else format_html('<b data-late="{}" hidden>{}</b>', f"{seconds:.1f}", STILL_TRYING)
    )


def quoted(words: str, *, most: int | None = None) -> SafeString | str:
    """Somebody's own words, up to ``most`` characters of them."""
    return format_html("<q>{}</q>", Truncator(words).chars(most) if most else words) if words else ""


def one_after_the_other(*sentences: str) -> SafeString:
    """Sentences in a row; Chinese has no space between them."""
    row = [sentence for sentence in sentences if sentence]
    words = format_html("{}", row[0] if row else "")
    for sentence in row[1:]:
        words = format_html(_("{sentence} {next}"), sentence=words, next=sentence)
    return words


# -- Credentials at rest --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Banner:
    """One credential for which tasks wait: why, how many, and what to do about it."""

    id: str
    place: str
    words: SafeString
    url: str
    """Where its owner can do something; empty for others, who read whom to ask."""
    replaces_key: bool


def load_banners(team: Team, credentials: Iterable[Credential], *, person_id: int | None) -> list[Banner]:
    """A banner for each of ``credentials`` that tasks of ``team`` wait for, with one query where one is at rest."""
    resting = [one for one in credentials if one.state != Credential.State.ACTIVE]
    waiting = MusicTask.objects.of_team(team).waiting_for(resting) if resting else {}
    return [_banner(one, waiting[one.pk], person_id) for one in resting if one.pk in waiting]


def _banner(credential: Credential, count: int, person_id: int | None) -> Banner:
    is_disabled = credential.state == Credential.State.DISABLED
    hold = Hold.DISABLED if is_disabled else Hold(credential.rest_kind)
    stands = credential_standing(credential, hold, person_id=person_id)
    waits = ngettext("%(count)s task waits.", "%(count)s tasks wait.", count) % {"count": count}
    return Banner(
        id=str(credential.public_id),
        place=f"{credential.provider} · {credential.name_for(person_id)}",
        words=one_after_the_other(format_html("<b>{}</b>", stands.reason), waits, stands.advice),
        url=_credential_url(credential, person_id),
        replaces_key=stands.action == Action.REPLACE_KEY,
    )


# -- Clips ----------------------------------------------------------------------------------------------


def make_clip(
    task: MusicTask, clip: Clip, *, url: str, now: datetime | None = None, is_whole: bool = False
) -> ClipCard:
    says, is_bad, may_play = _clip_says(task, clip)
    kept, may_keep = _kept_says(clip, now or timezone.now())
    public_id = mark_safe(str(clip.public_id))  # noqa: S308
    title = clip_title(clip, task)
    number = clip.position + 1
    kept_here = is_kept(clip)
    file = address("clip_sound", public_id)
    # The finished file has another address than the stream, so that a player notices when it is there.
    sound = file if kept_here or (clip.audio_url and not _is_replaced(clip)) else f"{file}?stream"
    return ClipCard(
        id=public_id,
        title=title,
        play=_("Play %(title)s, clip %(number)s") % {"title": title, "number": number},
        enqueue=_("Add %(title)s, clip %(number)s to the queue") % {"title": title, "number": number},
        style=clip.tags,
        length=clock_time(clip.duration_seconds) if clip.duration_seconds else "",
        seconds=clip.duration_seconds,
        model=clip.model,
        line=" · ".join(filter(None, (_("Clip %(number)s") % {"number": number}, task.provider, clip.model))),
        number=number,
        tint=int(public_id[:2], 16) % TINTS,
        cover=f"{address('clip_cover', public_id)}?size={'large' if is_whole else 'small'}" if clip.image_url else "",
        sound=sound if may_play else "",
        stream=f"{file}?stream" if may_play and clip.stream_url and sound == file and not kept_here else "",
        peaks=address("clip_peaks", public_id) if kept_here else "",
        wave=wave_path(clip.peaks) if kept_here else "",
        says=says,
        is_bad=is_bad,
        kept=kept,
        keep_url=address("clip_archive", public_id) if may_keep else "",
        card_url=address("clip_card", public_id) + ("?large" if is_whole else ""),
        task_url=url,
        download=address("clip_download", public_id) if may_play and has_file(clip) else "",
        take=_("Download %(title)s, clip %(number)s") % {"title": title, "number": number},
        lyrics=clip.lyrics if is_whole else "",
        description=clip.description if is_whole else "",
    )


def clip_title(clip: Clip, task: MusicTask) -> str:
    return clip.title or task.title or _("Untitled")


@lru_cache(maxsize=2000)
def wave_path(peaks: bytes) -> str:
    """``WAVE_BARS`` bars, each as high as the loudest in its part of the sound, in a box of 5 × 40 for a bar."""
    if not peaks:
        return ""
    loudest = max(peaks) or 1
    bars = []
    for number in range(WAVE_BARS):
        start = number * len(peaks) // WAVE_BARS
        part = peaks[start : max((number + 1) * len(peaks) // WAVE_BARS, start + 1)]
        half = round(1 + 18 * max(part) / loudest, 1)
        bars.append(f"M{number * 5 + 2.5} {20 - half:g}v{2 * half:g}")
    return "".join(bars)


def queue_items(clips: Iterable[Clip]) -> list[dict[str, object]]:
    """What a player needs to know of songs that are on another page; the rest it asks for when their turn comes."""
    return [
        {
            "id": str(clip.public_id),
            "title": clip_title(clip, clip.task),
            "task": address("task", str(clip.task.public_id)),
            "number": str(clip.position + 1),
        }
        for clip in clips
    ]


def has_file(clip: Clip) -> bool:
    """Whether there is a finished file, kept here or at the provider."""
    return bool(clip.audio_url) or is_kept(clip)


def _clip_says(task: MusicTask, clip: Clip) -> tuple[str, bool, bool]:
    """What the clip says about its sound, whether that is bad, and whether it may be played."""
    if is_kept(clip):
        return "", False, True
    if clip.is_playable:
        if _is_lost(clip) and clip.sound_problem == Clip.SoundProblem.EXPIRED:
            return _("Link expired. Checking the task may bring a new one."), True, False
        if clip.sound_problem:
            words = problem_words(Clip.SoundProblem(clip.sound_problem))
            if _is_lost(clip):
                return one_after_the_other(words, _("Checking the task may bring a new link.")), True, False
            instead = _("Its stream is played instead.") if _is_replaced(clip) else _("Try again later.")
            return one_after_the_other(words, instead), True, True
        is_stream = not clip.audio_url and not clip.is_finished and task.is_live
        return (_("Still generating, can be heard already") if is_stream else "", False, True)
    if clip.state == ClipState.FAILED:
        return (_("Failed: %(reason)s") % {"reason": clip.error} if clip.error else _("This clip failed"), True, False)
    if clip.is_finished and task.is_live:
        return _("Finished, the sound is not there yet"), False, False
    if not task.is_live:
        return _("The provider sent no sound"), True, False
    return (_("Waiting to start") if clip.state == ClipState.QUEUED else _("Still generating"), False, False)


def _kept_says(clip: Clip, now: datetime) -> tuple[str, bool]:
    """Why the clip is not in the archive, and whether a person may ask for another try."""
    if not clip.audio_url or is_kept(clip):
        return "", False
    if not settings.ARCHIVE:
        return _("Not kept: copying is switched off here."), False
    archive = archive_of(clip)
    if archive is None or archive.state == ClipArchive.State.WAITING:
        return "", False
    if archive.state == ClipArchive.State.PRUNED:
        return _("No longer kept: it was taken out to make room."), True
    if archive.state == ClipArchive.State.SKIPPED:
        return _("Not kept: its host does not allow copies."), False
    failed = _("Could not be kept: %(reason)s") % {"reason": keep_words(archive)}
    if archive.due_at is None:
        return failed, True
    if archive.lease is not None or archive.due_at <= now:
        return one_after_the_other(failed, _("Trying again now.")), False
    return one_after_the_other(failed, _("Tries again %(when)s.") % {"when": _soon(archive.due_at, now)}), True


def keep_words(archive: ClipArchive) -> str:
    """What was met when the clip was to be kept, in a few words after a colon."""
    problem = ClipArchive.Problem(archive.problem)
    if problem == ClipArchive.Problem.SERVER_ERROR and archive.problem_status:
        return _("its host answers %(status)s.") % {"status": archive.problem_status}
    words = {
        ClipArchive.Problem.EXPIRED: _("the provider’s link has expired."),
        ClipArchive.Problem.SERVER_ERROR: _("its host answers with an error."),
        ClipArchive.Problem.TIMEOUT: _("its host stopped answering."),
        ClipArchive.Problem.BROKE_OFF: _("the file breaks off in the middle."),
        ClipArchive.Problem.EMPTY: _("the file is empty."),
        ClipArchive.Problem.NOT_SOUND: _("the file is not audio."),
        ClipArchive.Problem.TOO_LARGE: _("the file is larger than 50 MB."),
        ClipArchive.Problem.FORBIDDEN: _("the link leads to a private address."),
        ClipArchive.Problem.STORAGE_FULL: _("the archive’s disk is full. Tell whoever runs this site."),
        ClipArchive.Problem.STORAGE_DENIED: _("the archive cannot be written to. Tell whoever runs this site."),
        ClipArchive.Problem.STORAGE_ERROR: _("the archive’s storage has an error. Tell whoever runs this site."),
    }
    return words.get(problem) or _("its host could not be reached.")


def _soon(moment: datetime, now: datetime) -> str:
    """A moment to come: “at 14:05”, on another day with its date."""
    moment, now = timezone.localtime(moment), timezone.localtime(now)
    time = formats.date_format(moment, "H:i")
    if moment.date() == now.date():
        return _("at %(time)s") % {"time": time}
    return _("on %(date)s at %(time)s") % {"date": formats.date_format(moment, "SHORT_DATE_FORMAT"), "time": time}


# Another try may find the sound; what is expired, empty or no sound at all stays so.
_MAY_PASS = frozenset(
    {
        Clip.SoundProblem.UNREACHABLE,
        Clip.SoundProblem.BROKE_OFF,
        Clip.SoundProblem.TIMEOUT,
        Clip.SoundProblem.DEAD_END,
        Clip.SoundProblem.SERVER_ERROR,
    }
)


def _is_replaced(clip: Clip) -> bool:
    """The finished file is no use, but its stream may still be there."""
    return bool(clip.audio_url and clip.stream_url and clip.sound_problem and clip.sound_problem not in _MAY_PASS)


def _is_lost(clip: Clip) -> bool:
    return bool(clip.sound_problem) and clip.sound_problem not in _MAY_PASS and not _is_replaced(clip)


def problem_words(problem: Clip.SoundProblem) -> str:
    """What was met when the sound was asked for, as it was."""
    words = {
        Clip.SoundProblem.EXPIRED: _("The provider’s link to this sound has expired."),
        Clip.SoundProblem.NOT_SOUND: _("The file at the provider’s link is not audio."),
        Clip.SoundProblem.EMPTY: _("The file at the provider’s link is empty."),
        Clip.SoundProblem.BROKE_OFF: _("The file at the provider’s link breaks off in the middle."),
        Clip.SoundProblem.TIMEOUT: _("The sound’s host stopped answering."),
        Clip.SoundProblem.DEAD_END: _("The provider’s link leads on to an address that does not answer."),
        Clip.SoundProblem.SERVER_ERROR: _("The sound’s host answers with an error."),
    }
    return words.get(problem) or _("The sound’s host could not be reached.")


@cache
def _pattern(name: str) -> str:
    nobody = UUID(int=0)
    return reverse(name, args=[nobody]).replace(str(nobody), "{}")


def address(name: str, public_id: str) -> SafeString:
    """The address of a task or a clip; a board has hundreds, and ``reverse`` looks each up anew."""
    return mark_safe(_pattern(name).format(public_id))  # noqa: S308


def place_of(task: MusicTask, person_id: int | None) -> str:
    """Provider and credential: “qhaigc · Lin …a1b2”."""
    return f"{task.provider} · {task.credential.name_for(person_id)}" if task.credential else task.provider


def _credential_url(credential: Credential | None, person_id: int | None) -> str:
    """The page where its owner can do something about it."""
    if credential is None or credential.owner_id != person_id:
        return ""
    return reverse("credential", args=[credential.public_id])


def short_uuid(public_id: UUID) -> str:
    """22 characters for an address; :func:`long_uuid` is the way back."""
    return urlsafe_b64encode(public_id.bytes).decode().rstrip("=")


def long_uuid(text: str) -> UUID:
    """Raises ValueError for what is no short id."""
    return UUID(bytes=urlsafe_b64decode(text[:22] + "=="))


def short_key(state: str) -> str:
    """A few characters that change with ``state``."""
    return f"{crc32(state.encode()):08x}"[:5]


def short_id(task_id: str) -> str:
    """Head and tail of an id: ``750ced71…b888``."""
    return task_id if len(task_id) <= 16 else f"{task_id[: 9 if task_id.startswith('task_') else 8]}…{task_id[-4:]}"


# -- Times ----------------------------------------------------------------------------------------------


def clock_time(seconds: float) -> str:
    """Seconds as ``3:39``, from an hour on as ``1:02:03``."""
    whole = max(int(seconds), 0)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _percent(task: MusicTask, stands: Standing) -> int | None:
    """Relays of the new-api family say "0%" until the end: that is no number to draw."""
    return min(task.progress, 100) if task.progress and not stands.is_unmeasured else None


def _clock(task: MusicTask, stands: Standing, now: datetime) -> SafeString | str:
    """“64% · 1:12 elapsed”, for as long as the provider works on it."""
    if not stands.moves or not task.is_live:
        return ""
    begun = task.submitted_at if task.submitted_at and task.submitted_at <= now else task.created_at
    passed = max((now - begun).total_seconds(), 0)
    if passed > 86400:
        begun, passed = task.created_at, max((now - task.created_at).total_seconds(), 0)
    time = format_html('<time data-elapsed="{}">{}</time>', int(passed), clock_time(passed))
    if task.status == TaskStatus.QUEUED:
        return format_html(_("Queued for {time}"), time=time)
    elapsed = format_html(_("{time} elapsed"), time=time)
    percent = _percent(task, stands)
    return elapsed if percent is None else format_html("{}% · {}", percent, elapsed)


def _total(task: MusicTask) -> str:
    """“in 1:21”, where the provider told both ends and they make sense."""
    begun = task.submitted_at or task.started_at
    if task.is_live or begun is None or task.finished_at is None:
        return ""
    passed = task.finished_at - begun
    if not timedelta(seconds=1) <= passed <= timedelta(days=1):
        return ""
    return _("took %(time)s") % {"time": clock_time(passed.total_seconds())}


def age(moment: datetime, *, now: datetime) -> SafeString:
    """How long ago; ``clock.js`` keeps it true with the same words."""
    seconds = max((now - moment).total_seconds(), 0)
    return format_html(
        '<time datetime="{}" title="{}" data-age="{}">{}</time>',
        moment.isoformat(timespec="seconds"),
        moment_text(moment),
        int(seconds),
        age_text(seconds),
    )


def age_text(seconds: float) -> str:
    minutes = int(seconds // 60)
    if minutes < 1:
        return _("just now")
    if minutes < 60:
        return _("{n} min ago").format(n=minutes)
    if minutes < 48 * 60:
        return _("{n} h ago").format(n=minutes // 60)
    return _("{n} d ago").format(n=minutes // 1440)


def moment_text(moment: datetime) -> str:
    """Date and time in the person's language and time zone."""
    return formats.date_format(timezone.localtime(moment), "DATETIME_FORMAT")
