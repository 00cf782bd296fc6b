"""The one place that writes what a provider said.

A poller (or a view) **claims** tasks, asks for them, and **records** the answers. A claim is a lease: until it
ends nobody else asks, and ``next_poll_at`` is where it ends, so a killed process needs no clean-up. The lease's
number fences the writing: an answer is only taken while the task still carries it.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
from django.db import connection, models, transaction

from tracker import pace
from tracker.digest import digest
from tracker.models.archive import ClipArchive
from tracker.models.bulk import collected, load_rows, update_from, update_rows
from tracker.models.credentials import Credential, Hold
from tracker.models.search import LibraryEntry, listed
from tracker.models.tasks import Clip, Ended, MusicTask, TaskEvent, TaskText, shelf_for
from tracker.providers import ClipSnapshot, ClipState, ErrorKind, ProviderError, TaskKind, TaskSnapshot, TaskStatus

LEASE = timedelta(seconds=60)
NOTED_EVERY = timedelta(seconds=30)
ONLY_THIS = "only_this"
"""The cause of a refusal that is the task's own: its key works for others."""
REFUSALS = (ErrorKind.KEY_REFUSED, ErrorKind.QUOTA)
_TABLE = MusicTask._meta.db_table
Kind = TaskEvent.Kind


class Claim(NamedTuple):
    """A task that is ours to ask for until its lease ends."""

    pk: int
    task_id: str
    credential_id: int | None
    answer_hash: str
    status: str
    created_at: datetime
    changed_at: datetime
    due_at: datetime
    """When it was to be asked for; what has passed since is the poller's lag."""
    is_plain: int
    """1 where nothing but a new date is to be written when the answer is the one we know, else 0."""
    lease: int
    until: datetime


@dataclass(slots=True)
class Answer:
    """What came back for a claim: a snapshot, an error, or (``unchanged``) the very bytes we know."""

    claim: Claim
    unchanged: bool = False
    snapshot: TaskSnapshot | None = None
    error: ProviderError | None = None
    answer_hash: str = ""
    raw_answer: str = ""
    credential_version: int | None = None
    """Which key was used; None where none could be."""


_CLAIMED = ["id", "task_id", "credential", "answer_hash", "status", "created_at", "changed_at", "next_poll_at"]
_SOURCE = (
    "id, task_id, credential_id, answer_hash, status, created_at, changed_at, next_poll_at, "
    "poll_error, missing_count, stalled_at, hold"
)
_IS_PLAIN = "poll_error = '' AND missing_count = 0 AND stalled_at IS NULL AND hold = ''"
_CLAIMED_ROWS = msgspec.json.Decoder(list[tuple[int, str, int | None, str, str, datetime, datetime, datetime, int]])


def _claim_sql(where: str) -> str:
    # The rows come as one JSON document: fetched one by one, each would hand the interpreter lock over and wait
    # for it.
    collect = collected(MusicTask, _CLAIMED, f"CASE WHEN {_IS_PLAIN} THEN 1 ELSE 0 END")
    lock = "FOR UPDATE SKIP LOCKED" if connection.vendor == "postgresql" else ""
    return f"SELECT {collect} FROM (SELECT {_SOURCE} FROM {_TABLE} WHERE {where} LIMIT %s {lock}) AS due"  # noqa: S608


def claim(
    now: datetime, *, limit: int, only: Sequence[int] | None = None, due_by: datetime | None = None
) -> list[Claim]:
    """Take up to ``limit`` tasks that are due at ``due_by`` (now), the longest due first.

    With ``only``, take those of them that nobody asks for yet, due or not.
    """
    lease = secrets.randbits(62)
    until = now + LEASE
    if only is None:
        where, values = "next_poll_at <= %s ORDER BY next_poll_at", [_moment(due_by or now)]
    else:
        marks = ", ".join(["%s"] * len(only)) or "NULL"
        where, values = f"id IN ({marks}) AND lease IS NULL AND next_poll_at IS NOT NULL", [*only]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_claim_sql(where), [*values, limit])
        rows = _CLAIMED_ROWS.decode(cursor.fetchone()[0] or "[]")
        if rows:
            update_rows(MusicTask, [], [row[:1] for row in rows], same={"next_poll_at": until, "lease": lease})
    return [Claim(*row, lease, until) for row in rows]


def release(claims: Iterable[Claim], *, at: datetime) -> None:
    """Give claims back unasked; they are due again at ``at``."""
    rows = [(claim.pk, claim.lease) for claim in claims]
    update_rows(MusicTask, [], rows, match=["pk", "lease"], same={"next_poll_at": at, "lease": None})


def record(answers: Sequence[Answer], *, now: datetime, rng: random.Random) -> None:
    """Write ``answers`` in one transaction; an answer whose lease was lost is dropped."""
    same: list[Answer] = []
    others: list[Answer] = []
    for answer in answers:
        (same if answer.unchanged and _stays_plain(answer.claim, now) else others).append(answer)
    with transaction.atomic():
        _postpone(same, now, rng)
        waking = _record_others(others, now, rng) if others else set()
        _note_success(answers, waking, now)


_FINAL = frozenset(status.value for status in TaskStatus if status.is_final)


def _stays_plain(claim: Claim, now: datetime) -> bool:
    limit = pace.SETTLE_AFTER if claim.status in _FINAL else pace.STALLED_AFTER
    return bool(claim.is_plain) and now - claim.changed_at < limit


def _postpone(answers: Sequence[Answer], now: datetime, rng: random.Random) -> None:
    """Unchanged answers: one small statement, run for all of them."""
    if not answers:
        return
    rows = [(answer.claim.pk, answer.claim.lease, _next(answer.claim, now, rng)) for answer in answers]
    update_rows(MusicTask, ["next_poll_at"], rows, match=["pk", "lease"], same={"polled_at": now, "lease": None})


def _next(claim: Claim, now: datetime, rng: random.Random) -> datetime:
    return _spread(now, pace.quiet_pace(now - claim.changed_at, now - claim.created_at), rng)


def _spread(now: datetime, seconds: float, rng: random.Random) -> datetime:
    """``now`` plus about ``seconds``: 10 % to either side, so that tasks do not march in step."""
    return now + timedelta(seconds=seconds * rng.uniform(0.9, 1.1))


# Answers that change something -------------------------------------------------------------------------


@dataclass
class _Sheet:
    """What is collected over a batch and written at its end."""

    now: datetime
    rng: random.Random
    clips_hashes: Mapping[int, str]
    """Of the clips in each snapshot, by task."""
    tasks: list[MusicTask] = field(default_factory=list)
    reworked: list[MusicTask] = field(default_factory=list)
    """Those of ``tasks`` in which more changed than a step of the bar."""
    clips: dict[int, Clip] = field(default_factory=dict)
    new_clips: list[Clip] = field(default_factory=list)
    to_archive: list[Clip] = field(default_factory=list)
    listed: list[tuple[MusicTask, Clip]] = field(default_factory=list)
    """Clips of which the library shows something new."""
    events: list[TaskEvent] = field(default_factory=list)
    refusals: dict[int, tuple[int | None, ProviderError]] = field(default_factory=dict)
    doubted: dict[int, tuple[int | None, ProviderError]] = field(default_factory=dict)
    """Refusals of tasks that were refused before and let through again: it may be the task, and not the key."""
    waking: set[int] = field(default_factory=set)
    raw_answers: list[tuple[int, str]] = field(default_factory=list)
    search_texts: list[tuple[int, str]] = field(default_factory=list)
    pauses: dict[int, datetime] = field(default_factory=dict)

    def tell(self, task: MusicTask, what: TaskEvent.Kind, **detail: Any) -> None:
        self.events.append(TaskEvent(task=task, at=self.now, kind=what, detail=detail))


def _record_others(answers: Sequence[Answer], now: datetime, rng: random.Random) -> set[int]:
    """Returns the credentials that are awake, whatever was thought of them."""
    by_pk = {answer.claim.pk: answer for answer in answers}
    rows = load_rows(MusicTask, [*_TASK_GIVENS, *_TASK_COLUMNS], list(by_pk))
    owned = [task for task in rows if task.lease == by_pk[task.pk].claim.lease]
    clips: dict[int, list[Clip]] = {task.pk: [] for task in owned}
    clips_hashes = {pk: _clips_hash(answer.snapshot) for pk, answer in by_pk.items() if answer.snapshot is not None}
    if wanting := [task.pk for task in owned if _needs_clips(task, by_pk[task.pk], clips_hashes)]:
        for clip in Clip.objects.filter(task__in=wanting):
            clips[clip.task_id].append(clip)
    sheet = _Sheet(now, rng, clips_hashes)
    for task in owned:
        _record_one(task, clips[task.pk], by_pk[task.pk], sheet)
    _write(sheet)
    return sheet.waking


def _needs_clips(task: MusicTask, answer: Answer, clips_hashes: Mapping[int, str]) -> bool:
    """Most changes are a step of the bar: where the clips are the same and nothing ends, they stay unread."""
    snapshot = answer.snapshot
    if TaskStatus(task.status).is_final or (snapshot is not None and snapshot.final):
        return True
    return snapshot is not None and clips_hashes[task.pk] != task.clips_hash


def _clips_hash(snapshot: TaskSnapshot) -> str:
    return digest(msgspec.json.encode(snapshot.clips))


def _record_one(task: MusicTask, clips: list[Clip], answer: Answer, sheet: _Sheet) -> None:
    before, others = _visible_state(task), _others(task)
    task.lease = None
    task.polled_at = sheet.now
    if answer.error is not None:
        _meet_error(task, clips, answer.error, answer, sheet)
    else:
        _clear_error(task, sheet)
        if answer.snapshot is not None:
            _take(task, clips, answer, answer.snapshot, sheet)
        _plan(task, clips, sheet)
        if task.credential_id is not None:
            sheet.waking.add(task.credential_id)
    task.shelf = shelf_for(status=task.status, ended=task.ended, hold=task.hold)
    if _visible_state(task) != before:
        task.stamp += 1
    sheet.tasks.append(task)
    if _others(task) != others:
        sheet.reworked.append(task)


def _visible_state(task: MusicTask) -> tuple[object, ...]:
    """What a reader of the card could notice; its stamp changes with it."""
    return (
        task.status, task.raw_status, task.progress, task.fail_reason, task.ended, task.hold, task.stalled_at,
        task.poll_error, task.poll_error_status, task.poll_error_cause, task.poll_error_detail, task.changed_at,
    )  # fmt: skip


def _clear_error(task: MusicTask, sheet: _Sheet) -> None:
    if task.poll_error:
        sheet.tell(task, Kind.RECOVERED)
    task.poll_error = task.poll_error_cause = task.poll_error_detail = ""
    task.poll_error_status = None
    task.error_count = task.missing_count = 0
    task.missing_since = None
    task.hold = Hold.NONE


def _take(task: MusicTask, clips: list[Clip], answer: Answer, snapshot: TaskSnapshot, sheet: _Sheet) -> None:
    """Merge ``snapshot`` into what is known; nothing known is ever overwritten by nothing."""
    task.answer_hash = answer.answer_hash
    sheet.raw_answers.append((task.pk, answer.raw_answer))
    changed = _take_status(task, snapshot, sheet)
    told = _fill(task, {
        "action": snapshot.action, "kind": snapshot.kind, "submitted_at": snapshot.submitted_at,
        "started_at": snapshot.started_at, "finished_at": snapshot.finished_at,
    })  # fmt: skip
    if snapshot.lyrics is not None:
        told |= _fill(task, {
            "lyrics_title": snapshot.lyrics.title, "lyrics_text": snapshot.lyrics.text,
            "lyrics_tags": snapshot.lyrics.tags, "title": snapshot.lyrics.title, "tags": snapshot.lyrics.tags,
        })  # fmt: skip
    clips_hash = sheet.clips_hashes[task.pk]
    if clips_hash != task.clips_hash:
        task.clips_hash = clips_hash
        told |= _take_clips(task, clips, snapshot.clips, sheet)
    first = min(clips, key=lambda clip: clip.position, default=None)
    if first is not None:
        _fill(task, {"title": first.title, "tags": first.tags, "model": first.model})
    if told:
        sheet.search_texts.append((task.pk, _search_text(task, clips)))
    if told or changed:
        task.changed_at = sheet.now
        task.stalled_at = None


def _take_status(task: MusicTask, snapshot: TaskSnapshot, sheet: _Sheet) -> bool:
    was = (task.status, task.raw_status, task.progress, task.fail_reason)
    if task.status == TaskStatus.SUCCEEDED and snapshot.status is not TaskStatus.SUCCEEDED:
        # A person asked again for a finished task: a worse answer does not undo the result.
        sheet.tell(task, Kind.STATUS, kept=task.status, raw=snapshot.raw_status or "")
        return False
    first_answer = not task.raw_status and task.status == TaskStatus.UNKNOWN
    task.status = snapshot.status
    task.raw_status = (snapshot.raw_status or "")[:80]
    if snapshot.progress is not None:
        task.progress = snapshot.progress
    task.fail_reason = snapshot.fail_reason or task.fail_reason
    if (task.status, task.raw_status) != was[:2]:
        sheet.tell(task, Kind.STATUS, status=task.status, raw=task.raw_status, reason=snapshot.fail_reason or "")
    return first_answer or (task.status, task.raw_status, task.progress, task.fail_reason) != was


@cache
def _longest(model: type[models.Model], name: str) -> int:
    """How many characters the field ``name`` holds; 0 where there is no limit."""
    return getattr(model._meta.get_field(name), "max_length", None) or 0


def _fill(row: models.Model, said: dict[str, Any]) -> bool:
    """Set the fields of which something was said; true if one of them changed."""
    changed = False
    for name, value in said.items():
        if value is None or value == "":
            continue
        longest = _longest(type(row), name)
        if longest:
            value = str(value)[:longest]
        if getattr(row, name) != value:
            setattr(row, name, value)
            changed = True
    return changed


def _take_clips(task: MusicTask, clips: list[Clip], said: Sequence[ClipSnapshot], sheet: _Sheet) -> bool:
    """Upsert by the provider's clip id; by position where there is none."""
    changed = False
    by_id = {clip.clip_id: clip for clip in clips if clip.clip_id}
    for position, snapshot in enumerate(said[:50]):
        clip = by_id.get((snapshot.clip_id or "")[:200]) or _nameless(clips, position, snapshot)
        if clip is None:
            taken = {other.position for other in clips}
            free = position if position not in taken else max(taken) + 1
            clip = Clip(task=task, position=free)
            clips.append(clip)
            sheet.new_clips.append(clip)
        if clip.clip_id == "" and snapshot.clip_id:
            by_id[snapshot.clip_id[:200]] = clip
        if _take_clip(task, clip, snapshot, sheet):
            changed = True
            if not clip._state.adding:
                sheet.clips[clip.pk] = clip
    return changed


def _nameless(clips: list[Clip], position: int, snapshot: ClipSnapshot) -> Clip | None:
    """The clip at ``position``, if either side has no id to tell it apart by."""
    for clip in clips:
        if clip.position == position and (not clip.clip_id or not snapshot.clip_id):
            return clip
    return None


_CLIP_RANK = {ClipState.QUEUED: 0, ClipState.RUNNING: 1, ClipState.FAILED: 2, ClipState.COMPLETE: 3}


def _take_clip(task: MusicTask, clip: Clip, snapshot: ClipSnapshot, sheet: _Sheet) -> bool:
    was_playable, was_state, was_audio = clip.is_playable, clip.state, clip.audio_url
    were_links = _links(clip)
    was_listed = listed(clip)
    changed = _fill(clip, {
        "clip_id": snapshot.clip_id, "title": snapshot.title, "tags": snapshot.tags, "lyrics": snapshot.lyrics,
        "description": snapshot.description, "duration_seconds": snapshot.duration_seconds,
        "model": snapshot.model, "error": snapshot.error, "audio_url": snapshot.audio_url,
        "more_audio_urls": "\n".join(snapshot.more_audio_urls), "stream_url": snapshot.stream_url,
        "image_url": snapshot.image_url, "video_url": snapshot.video_url, "created_at": snapshot.created_at,
    })  # fmt: skip
    if clip._state.adding or _CLIP_RANK[snapshot.state] > _CLIP_RANK[ClipState(clip.state)]:
        changed = changed or clip.state != snapshot.state or clip._state.adding
        clip.state = snapshot.state
    if clip.audio_url != was_audio:
        clip.sound_problem = Clip.SoundProblem.NONE
    if clip._state.adding or listed(clip) != was_listed:
        sheet.listed.append((task, clip))
    if clip.audio_url and _links(clip) != were_links:
        sheet.to_archive.append(clip)
    number = clip.position + 1
    if clip.state == ClipState.COMPLETE and clip.audio_url and not (was_state == ClipState.COMPLETE and was_audio):
        sheet.tell(task, Kind.CLIP_DONE, number=number)
    elif clip.state == ClipState.FAILED and was_state != ClipState.FAILED:
        sheet.tell(task, Kind.CLIP_FAILED, number=number, error=clip.error)
    elif clip.is_playable and not was_playable:
        sheet.tell(task, Kind.CLIP_STREAMS, number=number)
    return changed


def _links(clip: Clip) -> tuple[str, ...]:
    return clip.audio_url, clip.more_audio_urls, clip.image_url, clip.video_url


def _search_text(task: MusicTask, clips: Iterable[Clip]) -> str:
    words = [task.task_id, task.title, task.tags, task.lyrics_title, task.lyrics_text, task.lyrics_tags]
    for clip in clips:
        words += [clip.clip_id, clip.title, clip.tags, clip.lyrics, clip.description]
    return "\n".join(dict.fromkeys(word for word in words if word)).lower()


def _plan(task: MusicTask, clips: Sequence[Clip], sheet: _Sheet) -> None:
    """After an answer: ask again, or end."""
    now, quiet = sheet.now, sheet.now - task.changed_at
    if _is_settled(task, clips, quiet):
        _end(task, Ended.FINAL)
    elif quiet >= pace.GIVE_UP_AFTER:
        sheet.tell(task, Kind.GAVE_UP)
        _end(task, Ended.GIVEN_UP)
    else:
        if quiet >= pace.STALLED_AFTER and task.stalled_at is None:
            if task.fail_reason and task.progress == 100:
                # new-api writes "100%" beside a reason and never touches the row again: it has failed.
                task.status = TaskStatus.FAILED
                sheet.tell(task, Kind.STATUS, status=task.status, raw=task.raw_status, reason=task.fail_reason)
                _end(task, Ended.FINAL)
                return
            task.stalled_at = now
            sheet.tell(task, Kind.STALLED)
        task.ended = Ended.NOT
        task.next_poll_at = _spread(now, pace.quiet_pace(quiet, now - task.created_at), sheet.rng)


def _is_settled(task: MusicTask, clips: Sequence[Clip], quiet: timedelta) -> bool:
    """Final, and with everything that will come: a finished task may lack its files for a while."""
    if not TaskStatus(task.status).is_final:
        return False
    if quiet >= pace.SETTLE_AFTER or task.kind == TaskKind.LYRICS:
        return True
    if task.status == TaskStatus.SUCCEEDED:
        return bool(clips) and all(clip.audio_url or clip.state == ClipState.FAILED for clip in clips)
    return not any(clip.state == ClipState.RUNNING for clip in clips)


def _end(task: MusicTask, ended: Ended) -> None:
    task.ended = ended
    task.next_poll_at = None
    task.stalled_at = None


# Answers that are errors -------------------------------------------------------------------------------


def _meet_error(task: MusicTask, clips: Sequence[Clip], error: ProviderError, answer: Answer, sheet: _Sheet) -> None:
    """Say what was met; what is known of the task is not touched."""
    refusal = error.kind in REFUSALS
    was_refused = task.poll_error in REFUSALS
    if not _was_met_before(task, error):
        sheet.tell(
            task, Kind.HELD if refusal else Kind.ERROR,
            kind=error.kind.value, status=error.http_status, cause=error.cause, detail=error.message[:500],
        )  # fmt: skip
    task.poll_error = error.kind
    task.poll_error_status = error.http_status
    task.poll_error_cause = error.cause[:20]
    task.poll_error_detail = error.message[:500]
    task.error_count = min(task.error_count + 1, 1000)
    if task.credential_id is not None:
        if refusal:
            refusals = sheet.refusals
            if was_refused and not task.hold:
                refusals = sheet.doubted
                task.poll_error_cause = ONLY_THIS
            refusals[task.credential_id] = (answer.credential_version, error)
        elif error.kind is ErrorKind.RATE_LIMITED:
            sheet.pauses[task.credential_id] = sheet.now + timedelta(seconds=error.retry_after or pace.FASTEST_SECONDS)
        elif error.kind is ErrorKind.UNKNOWN_TASK:
            # The key was good enough to be told so.
            sheet.waking.add(task.credential_id)
    _plan_after_error(task, clips, error, sheet)


def _was_met_before(task: MusicTask, error: ProviderError) -> bool:
    """Whether the last question met the same; a refusal that became the task's own carries our word for its cause."""
    if (task.poll_error, task.poll_error_status) != (error.kind, error.http_status):
        return False
    return task.poll_error_cause in (error.cause[:20], ONLY_THIS)


def _plan_after_error(task: MusicTask, clips: Sequence[Clip], error: ProviderError, sheet: _Sheet) -> None:
    now, quiet = sheet.now, sheet.now - task.changed_at
    if _is_settled(task, clips, quiet):
        # A known result was asked for again and did not come: it stays what it is.
        _end(task, Ended.FINAL)
        return
    if error.kind is ErrorKind.UNKNOWN_TASK:
        task.missing_count += 1
        task.missing_since = task.missing_since or now
        if task.missing_count >= pace.MISSING_TRIES and now - task.missing_since >= pace.MISSING_AFTER:
            _end(task, Ended.UNKNOWN_TASK)
            return
        seconds = pace.MISSING_SECONDS * 1.25
    elif error.kind in REFUSALS:
        seconds = pace.REFUSED_SECONDS
    else:
        seconds = max(error.retry_after or 0.0, pace.error_pace(task.error_count, quiet))
    if quiet >= pace.GIVE_UP_AFTER:
        sheet.tell(task, Kind.GAVE_UP)
        _end(task, Ended.GIVEN_UP)
        return
    if quiet >= pace.STALLED_AFTER and task.stalled_at is None:
        task.stalled_at = now
        sheet.tell(task, Kind.STALLED)
    task.next_poll_at = _spread(now, seconds, sheet.rng)


# Writing -----------------------------------------------------------------------------------------------

_TASK_COLUMNS = [
    "status", "raw_status", "action", "kind", "progress", "fail_reason", "submitted_at", "started_at", "finished_at",
    "title", "tags", "model", "lyrics_title", "lyrics_text", "lyrics_tags", "next_poll_at", "lease", "ended", "hold",
    "shelf", "polled_at", "changed_at", "stalled_at", "poll_error", "poll_error_status", "poll_error_cause",
    "poll_error_detail", "error_count", "missing_since", "missing_count", "stamp", "answer_hash", "clips_hash",
]  # fmt: skip
_TASK_GIVENS = ["task_id", "team", "provider", "credential", "added_by", "created_at"]
"""What is read of a task and never written here."""
_CLIP_COLUMNS = [
    "clip_id", "title", "tags", "lyrics", "description", "duration_seconds", "model", "state", "error", "audio_url",
    "more_audio_urls", "stream_url", "image_url", "video_url", "created_at", "sound_problem",
]  # fmt: skip


_STEP_COLUMNS = [
    "status", "raw_status", "progress", "next_poll_at", "lease", "polled_at", "changed_at", "stamp", "answer_hash",
]  # fmt: skip
"""What a step of the bar changes, which is what most answers bring."""
_OTHER_COLUMNS = [name for name in _TASK_COLUMNS if name not in _STEP_COLUMNS]
_others = attrgetter(*_OTHER_COLUMNS)


def _write(sheet: _Sheet) -> None:
    update_from(sheet.tasks, _STEP_COLUMNS)
    update_from(sheet.reworked, _OTHER_COLUMNS)
    update_rows(TaskText, ["raw_answer"], sheet.raw_answers)
    update_rows(TaskText, ["search_text"], sheet.search_texts)
    update_from([*sheet.clips.values()], _CLIP_COLUMNS)
    Clip.objects.bulk_create(sheet.new_clips)
    ClipArchive.objects.make_due(sheet.to_archive, sheet.now)
    LibraryEntry.objects.list_clips(sheet.listed, now=sheet.now)
    TaskEvent.objects.bulk_create(sheet.events)
    for pk, (version, error) in sheet.refusals.items():
        _rest(pk, version, error, sheet.now)
    for pk, (version, error) in sheet.doubted.items():
        _rest(pk, version, error, sheet.now, unless_works=True)
    for pk, until in sheet.pauses.items():
        Credential.objects.filter(pk=pk).update(paused_until=until)


def _rest(pk: int, version: int | None, error: ProviderError, now: datetime, *, unless_works: bool = False) -> None:
    """Let the credential rest, unless its key was replaced while the answer was on its way."""
    credentials = Credential.objects.filter(pk=pk)
    if connection.features.has_select_for_update:
        credentials = credentials.select_for_update()
    credential = credentials.first()
    if credential is None or credential.state == Credential.State.DISABLED:
        return
    if version is not None and version != credential.version:
        return
    if unless_works and credential.worked_lately(now):
        return
    hold = Hold.QUOTA if error.kind is ErrorKind.QUOTA else Hold.KEY_REFUSED
    if error.cause == "seal_broken":
        hold = Hold.SEAL_BROKEN
    credential.rest(hold, now=now, status=error.http_status, detail=error.message)


def _note_success(answers: Sequence[Answer], waking: set[int], now: datetime) -> None:
    """Wake the credentials that rest for nothing, and date those that answered; to half a minute, to spare writes."""
    answered = {one.claim.credential_id for one in answers if one.error is None and one.claim.credential_id is not None}
    known = Credential.objects.filter(pk__in=answered | waking).values_list("pk", "state", "last_success_at")
    for pk, state, noted_at in known:
        if pk in waking and state == Credential.State.RESTING:
            Credential.objects.get(pk=pk).wake(now)
        if pk in answered and (noted_at is None or now - noted_at > NOTED_EVERY):
            Credential.objects.filter(pk=pk).update(last_success_at=now)


# The database's own spelling of moments ----------------------------------------------------------------


def _moment(moment: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)
