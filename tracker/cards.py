"""Tasks and clips made ready for the page: a card is loaded with few columns and holds finished words.

Templates cost more than queries, so everything that can be decided is decided here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Left
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from tracker.models import Clip, Credential, MusicTask
from tracker.providers import ClipState, TaskStatus
from tracker.standing import Standing, standing

TINTS = 8
"""How many gradients stand behind covers; ``clip.css`` names them."""
LYRICS_START = QUOTE_START = 400


@dataclass(frozen=True, slots=True)
class ClipCard:
    """One song on the page. ``sound`` and ``cover`` are addresses of this site, empty where there is none."""

    id: str
    title: str
    play: str
    style: str
    length: str
    seconds: float | None
    model: str
    place: str
    number: int
    tint: int
    cover: str
    sound: str
    says: str
    """Why it cannot be heard, or not whole, in plain words."""
    is_bad: bool
    card_url: str
    task_url: str
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
        for clip in Clip.objects.filter(task__in=list(clips)).defer(*_CLIP_LESS).order_by("task_id", "position", "pk"):
            clips[clip.task_id].append(clip)
    return [make_card(task, clips[task.pk], person_id=person_id, now=now) for task in rows]


# -- Making ---------------------------------------------------------------------------------------------


def make_card(
    task: MusicTask, clips: Sequence[Clip], *, person_id: int | None, now: datetime, is_whole: bool = False
) -> TaskCard:
    """The card of ``task``; ``is_whole`` for the task's own page, which shows all texts."""
    stands = standing(task, clips, person_id=person_id, now=now)
    public_id = mark_safe(str(task.public_id))  # noqa: S308
    title = task.title or _("Untitled")
    url = address("task", public_id)
    shows_clips = task.is_music or clips
    lyrics = task.lyrics_text if is_whole else getattr(task, "lyrics_start", "")
    return TaskCard(
        id=public_id,
        seen=f"{public_id}.{task.stamp}.{stands.key}",
        url=url,
        task_id=task.task_id,
        short_id=short_id(task.task_id),
        title=title,
        has_title=bool(task.title),
        standing=stands,
        why=_why(stands, most=None if is_whole else QUOTE_START),
        more=pgettext("menu", "More: %(title)s") % {"title": title},
        bar=_("%(state)s: %(title)s") % {"state": stands.label, "title": title},
        is_live=task.is_live,
        has_bar=task.is_live and stands.moves,
        percent=_percent(task),
        clock=_clock(task, stands, now),
        total=_total(task),
        age=age(task.created_at, now=now),
        place=place_of(task),
        credential_url=_credential_url(task.credential, person_id),
        by=_("by %(name)s") % {"name": task.added_by} if task.added_by else "",
        style=task.tags,
        model=task.model,
        is_lyrics=not task.is_music,
        lyrics=lyrics or "",
        clips=[make_clip(task, clip, url=url, is_whole=is_whole) for clip in clips] if shows_clips else [],
    )


def _why(stands: Standing, *, most: int | None) -> SafeString:
    reason = format_html("<b>{}</b>", stands.reason) if stands.reason else ""
    return one_after_the_other(reason, quoted(stands.quote, most=most), stands.advice)


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


def make_clip(task: MusicTask, clip: Clip, *, url: str, is_whole: bool = False) -> ClipCard:
    says, is_bad, may_play = _clip_says(task, clip)
    public_id = mark_safe(str(clip.public_id))  # noqa: S308
    title = clip.title or task.title or _("Untitled")
    number = clip.position + 1
    return ClipCard(
        id=public_id,
        title=title,
        play=_("Play %(title)s, clip %(number)s") % {"title": title, "number": number},
        style=clip.tags,
        length=clock_time(clip.duration_seconds) if clip.duration_seconds else "",
        seconds=clip.duration_seconds,
        model=clip.model,
        place=task.provider,
        number=number,
        tint=int(public_id[:2], 16) % TINTS,
        cover=address("clip_cover", public_id) if clip.image_url else "",
        sound=address("clip_sound", public_id) if may_play else "",
        says=says,
        is_bad=is_bad,
        card_url=address("clip_card", public_id) + ("?large" if is_whole else ""),
        task_url=url,
        lyrics=clip.lyrics if is_whole else "",
        description=clip.description if is_whole else "",
    )


def _clip_says(task: MusicTask, clip: Clip) -> tuple[str, bool, bool]:
    """What the clip says about its sound, whether that is bad, and whether it may be played."""
    if clip.is_playable:
        said = {
            Clip.SoundProblem.EXPIRED: (_("Link expired. Checking the task may bring a new one."), True, False),
            Clip.SoundProblem.NOT_SOUND: (_("The file at the provider’s link is not audio."), True, False),
            Clip.SoundProblem.UNREACHABLE: (_("The sound’s host could not be reached. Try again."), True, True),
        }.get(Clip.SoundProblem(clip.sound_problem))
        if said is None:
            is_stream = not clip.audio_url and not clip.is_finished and task.is_live
            said = (_("Still generating, can be heard already") if is_stream else "", False, True)
        return said
    if clip.state == ClipState.FAILED:
        return (_("Failed: %(reason)s") % {"reason": clip.error} if clip.error else _("This clip failed"), True, False)
    if clip.is_finished and task.is_live:
        return _("Finished, the sound is not there yet"), False, False
    if not task.is_live:
        return _("The provider sent no sound"), True, False
    return (_("Waiting to start") if clip.state == ClipState.QUEUED else _("Still generating"), False, False)


@cache
def _pattern(name: str) -> str:
    nobody = UUID(int=0)
    return reverse(name, args=[nobody]).replace(str(nobody), "{}")


def address(name: str, public_id: str) -> SafeString:
    """The address of a task or a clip; a board has hundreds, and ``reverse`` looks each up anew."""
    return mark_safe(_pattern(name).format(public_id))  # noqa: S308


def place_of(task: MusicTask) -> str:
    """Provider and credential: “qhaigc · Lin …a1b2”."""
    return f"{task.provider} · {task.credential}" if task.credential else task.provider


def _credential_url(credential: Credential | None, person_id: int | None) -> str:
    """The page where its owner can do something about it."""
    if credential is None or credential.owner_id != person_id:
        return ""
    return reverse("credential", args=[credential.public_id])


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


def _percent(task: MusicTask) -> int | None:
    """Relays of the new-api family say "0%" until the end: that is no number to draw."""
    if not task.progress and task.status != TaskStatus.QUEUED:
        return None
    return min(task.progress, 100) if task.progress else None


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
    percent = _percent(task)
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
