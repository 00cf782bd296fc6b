"""A task's own page: everything known about it, its timeline and the raw answer, in words for the page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from tracker.cards import ClipCard, TaskCard, age, make_card, moment_text, one_after_the_other, quoted
from tracker.models import Clip, Credential, MusicTask, TaskEvent
from tracker.models.credentials import Hold
from tracker.providers import ErrorKind, TaskStatus
from tracker.standing import Tone, met_error

MOST_EVENTS = 200
MOST_RAW = 200_000
MOST_QUOTED = 300
MOST_CHOICES = 100

Kind = TaskEvent.Kind


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of the timeline."""

    age: SafeString
    words: SafeString
    """What happened, and the provider's own words to it."""
    by: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class TaskPage:
    card: TaskCard
    lyrics: str
    """What both songs sing; empty where they differ, and each shows its own."""
    facts: Sequence[tuple[str, str]]
    timeline: Sequence[Moment]
    raw_answer: str
    can_stop: bool
    can_check: bool
    lyrics_title: str
    lyrics_tags: str
    wants_credential: bool
    """Its own is gone, or does not work at the moment."""
    hand_to: Sequence[Credential]
    """What the person could hand the task instead."""


def load_page(task: MusicTask, *, person_id: int | None, now: datetime) -> TaskPage:
    """Everything about ``task``, with a query for its clips and one for its events."""
    clips = list(task.clips.select_related("archive__sound"))
    card = make_card(task, clips, person_id=person_id, now=now, is_whole=True)
    shared = _shared_lyrics(card.clips)
    if shared:
        card = replace(card, clips=[replace(clip, lyrics="") for clip in card.clips])
    events = task.events.select_related("actor")[:MOST_EVENTS]
    return TaskPage(
        card=card,
        lyrics=shared,
        facts=_facts(task, clips, person_id),
        timeline=[_moment(event, task.provider, now) for event in events],
        raw_answer=pretty(task.text.raw_answer),
        can_stop=task.is_live,
        can_check=task.credential is not None and task.hold not in (Hold.DISABLED, Hold.NO_CREDENTIAL),
        lyrics_title=task.lyrics_title,
        lyrics_tags=task.lyrics_tags,
        wants_credential=_wants_credential(task),
        hand_to=_hand_to(task, person_id) if _wants_credential(task) else [],
    )


def _wants_credential(task: MusicTask) -> bool:
    return task.credential is None or (task.is_live and bool(task.hold))


def _hand_to(task: MusicTask, person_id: int | None) -> list[Credential]:
    if person_id is None:
        return []
    fitting = Credential.objects.open_to(person_id, task.team_id).fitting(
        provider=task.provider, base_url=task.base_url
    )
    others = fitting.exclude(pk=task.credential_id) if task.credential_id else fitting
    # Those that work come first.
    return list(others.select_related("owner").defer("sealed_key").order_by("state", "label", "pk")[:MOST_CHOICES])


def _shared_lyrics(clips: Sequence[ClipCard]) -> str:
    """Two takes of one song sing the same words: those are shown once."""
    lyrics = {clip.lyrics for clip in clips}
    return lyrics.pop() if len(clips) > 1 and len(lyrics) == 1 else ""


def pretty(raw_answer: str) -> str:
    """JSON indented, signs as they are; what is not JSON (any more) stays as it came."""
    text = raw_answer[:MOST_RAW]
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return text


def _facts(task: MusicTask, clips: Sequence[Clip], person_id: int | None) -> list[tuple[str, str]]:
    """Names and values of what is known; the unknown is left out."""
    named = [
        (_("Task id"), task.task_id),
        (_("Provider"), task.provider),
        (_("Base URL"), task.base_url),
        (_("Credential"), task.credential.name_for(person_id) if task.credential else ""),
        (_("Owner of the credential"), str(task.credential.owner) if task.credential else ""),
        (_("Added by"), str(task.added_by) if task.added_by else ""),
        (_("The provider’s word"), task.raw_status),
        (_("Action"), task.action),
        (_("Model"), task.model),
        (_("Style"), task.tags),
        (_("Submitted"), _at(task.submitted_at)),
        (_("Started"), _at(task.started_at)),
        (pgettext("moment", "Finished"), _at(task.finished_at)),
        (_("Tracked since"), _at(task.created_at)),
        (_("Last answer"), _at(task.polled_at)),
        (_("Last change"), _at(task.changed_at)),
        (_("Next check"), _at(task.next_poll_at)),
    ]
    named += [(_("Clip %(number)s") % {"number": clip.position + 1}, clip.clip_id) for clip in clips]
    return [(name, value) for name, value in named if value]


def _at(moment: datetime | None) -> str:
    return moment_text(moment) if moment else ""


# -- Timeline -------------------------------------------------------------------------------------------


def _moment(event: TaskEvent, provider: str, now: datetime) -> Moment:
    happened, quote, tone = _words(event, provider)
    words = one_after_the_other(happened, quoted(quote, most=MOST_QUOTED))
    return Moment(age(event.at, now=now), words, str(event.actor) if event.actor else "", tone)


def status_word(status: str) -> str:
    """The status in the reader's language."""
    words = {
        TaskStatus.QUEUED: pgettext("status", "queued"),
        TaskStatus.RUNNING: pgettext("status", "running"),
        TaskStatus.SUCCEEDED: pgettext("status", "finished"),
        TaskStatus.FAILED: pgettext("status", "failed"),
    }
    return words.get(status, pgettext("status", "unknown"))  # type: ignore[call-overload,no-any-return]


def _words(event: TaskEvent, provider: str) -> tuple[str, str, Tone]:
    """What happened, the provider's own words to it, and how it looks."""
    detail = event.detail if isinstance(event.detail, dict) else {}
    number = {"number": detail.get("number", "")}
    if event.kind == Kind.STATUS:
        return _status_words(detail)
    if event.kind in (Kind.ERROR, Kind.HELD):
        return _error_words(detail, provider)
    said: dict[str, tuple[str, Tone]] = {
        Kind.TRACKED: (_("Tracking began"), Tone.WAIT),
        Kind.CLIP_STREAMS: (_("Clip %(number)s can be heard") % number, Tone.RUN),
        Kind.CLIP_DONE: (_("Clip %(number)s is finished") % number, Tone.OK),
        Kind.CLIP_FAILED: (_("Clip %(number)s failed") % number, Tone.BAD),
        Kind.RECOVERED: (_("The provider answers again"), Tone.OK),
        Kind.STALLED: (_("Nothing changed for an hour: stalled"), Tone.WARN),
        Kind.GAVE_UP: (_("Nothing changed for a day: given up"), Tone.WARN),
        Kind.ASKED: (_("A check was asked for"), Tone.WAIT),
        Kind.STOPPED: (_("Tracking was stopped"), Tone.WAIT),
        Kind.REMOVED: (_("Removed from the board"), Tone.WAIT),
        Kind.RESTORED: (_("Brought back to the board"), Tone.WAIT),
    }
    words, tone = said.get(event.kind, (str(event.get_kind_display()), Tone.WAIT))
    return words, str(detail.get("error") or ""), tone


_TONES = {TaskStatus.SUCCEEDED: Tone.OK, TaskStatus.FAILED: Tone.BAD, TaskStatus.RUNNING: Tone.RUN}


def _status_words(detail: dict[str, object]) -> tuple[str, str, Tone]:
    raw = str(detail.get("raw") or "")
    if "kept" in detail:
        words = _("The provider now says “%(word)s”; the finished result is kept") % {"word": raw}
        return words, "", Tone.WARN
    status = str(detail.get("status") or "")
    said = _("The provider says: %(status)s (%(word)s)") if raw else _("The provider says: %(status)s")
    words = said % {"status": status_word(status), "word": raw}
    tone = _TONES.get(status, Tone.WAIT)  # type: ignore[call-overload]
    return words, str(detail.get("reason") or ""), tone


def _error_words(detail: dict[str, object], provider: str) -> tuple[str, str, Tone]:
    kind, status = str(detail.get("kind") or ""), detail.get("status")
    quote = str(detail.get("detail") or "")
    name = {"provider": provider, "status": status or "–"}
    if kind == ErrorKind.KEY_REFUSED and detail.get("cause") == "seal_broken":
        return _("The stored key can no longer be read here."), "", Tone.WARN
    if kind == ErrorKind.KEY_REFUSED and detail.get("cause") == "bad_key":
        return _(quote), "", Tone.WARN
    if kind == ErrorKind.KEY_REFUSED:
        return _("%(provider)s refused the key (%(status)s)") % name, quote, Tone.WARN
    if kind == ErrorKind.QUOTA:
        return _("%(provider)s says that the account has no credit left") % name, quote, Tone.WARN
    met = met_error(
        provider,
        kind=kind,
        status=status if isinstance(status, int) else None,
        cause=str(detail.get("cause") or ""),
        detail=quote,
    )
    return (met.reason if met else _("It could not be checked")), quote, Tone.WARN
