"""What a task id means, and what became of it at a given moment. Pure: the clock is an argument."""

import dataclasses
import functools
import hashlib
import re
from collections.abc import Callable
from typing import Literal

from .catalogue import COVER_NAMES, SONGS, SOUND_NAMES, Song

Stage = Literal["queued", "running", "succeeded", "failed", "strange"]
ClipState = Literal["streaming", "complete", "error", "silent"]

FAIL_REASONS = (
    "Tags contained artist name",
    "Song lyrics contained copyrighted material",
    "生成失败：提示词包含敏感内容，请修改后重试",
)
QUEUED_SECONDS = 4.0
# Shares of the running time after which the clips begin to stream, and after which the first is complete.
STREAMS_AFTER, FIRST_AFTER = 0.15, 0.6
STEPS = 16

_PREFIX = re.compile(r"(fault-[a-z0-9]+|badsound-[a-z]+|[a-z]+)-")
_PACE = re.compile(r"pace(\d+)-")
_OWN_START = re.compile(r"-at(\d{9,10})$")


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """What follows from the id alone."""

    task_id: str
    kind: str
    song: Song
    total_seconds: float
    queued_seconds: float
    clip_ids: tuple[str, str]
    sounds: tuple[str, str]
    fail_reason: str
    own_start: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class Moment:
    """What the provider knows of a task at one moment. Times are unix seconds, 0 = not yet."""

    stage: Stage
    progress: int
    clips: tuple[ClipState, ClipState] | None = None
    submitted: float = 0
    started: float = 0
    finished: float = 0
    fail_reason: str = ""


def clip_id_of(task_id: str, position: int, sound: str, cover: str) -> str:
    """A UUID that carries its sound and its cover, so that a link outlives a restart of the server."""
    raw = bytearray(hashlib.blake2b(f"{task_id}_{position}".encode(), digest_size=16).digest())
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    raw[12] = SOUND_NAMES.index(sound) ^ raw[0]
    raw[13] = COVER_NAMES.index(cover) ^ raw[1]
    raw[14:16] = _check(raw)
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def read_clip_id(clip_id: str) -> tuple[str, str] | None:
    """The names of the sound and the cover of a clip; None for an id this server never gave out."""
    try:
        raw = bytes.fromhex(clip_id.replace("-", ""))
    except ValueError:
        return None
    if len(raw) != 16 or raw[14:16] != _check(raw):
        return None
    sound, cover = raw[12] ^ raw[0], raw[13] ^ raw[1]
    if sound >= len(SOUND_NAMES) or cover >= len(COVER_NAMES):
        return None
    return SOUND_NAMES[sound], COVER_NAMES[cover]


def _check(raw: bytes | bytearray) -> bytes:
    return hashlib.blake2b(bytes(raw[:14]), digest_size=2, person=b"demo clip").digest()


def kind_of(task_id: str) -> str:
    prefix = _PREFIX.match(task_id)
    return prefix[1] if prefix else ""


@functools.lru_cache(maxsize=20_000)
def plan(task_id: str) -> Plan:
    digest = hashlib.blake2b(task_id.encode(), digest_size=8).digest()
    song = SONGS[digest[0] % len(SONGS)]
    sounds, covers = song.sounds, song.covers
    if digest[1] & 1:
        sounds, covers = (sounds[1], sounds[0]), (covers[1], covers[0])
    total = 20 + 40 * int.from_bytes(digest[2:4]) / 65535
    queued = QUEUED_SECONDS
    kind = kind_of(task_id)
    pace = _PACE.match(task_id)
    if kind == "fast":
        total = 3.0
    elif kind == "lyrics":
        total = 6.0
    elif pace:
        total = max(float(pace[1]), 0.1)
    if total < 20:
        queued = total / 6
    own_start = _OWN_START.search(task_id)
    return Plan(
        task_id=task_id,
        kind=kind,
        song=song,
        total_seconds=total,
        queued_seconds=queued,
        clip_ids=(
            clip_id_of(task_id, 1, sounds[0], covers[0]),
            clip_id_of(task_id, 2, sounds[1], covers[1]),
        ),
        sounds=sounds,
        fail_reason=FAIL_REASONS[digest[4] % len(FAIL_REASONS)],
        own_start=float(own_start[1]) if own_start else None,
    )


def moment(task: Plan, kind: str, *, asked_at: float, now: float, speed: float = 1.0) -> Moment:
    """`kind` is usually the plan's own; a test may force another upon the id."""
    begun_at = task.own_start or asked_at
    fixed = FIXED.get(kind)
    if fixed is not None:
        return fixed(task, begun_at)
    elapsed = max(0.0, (now - begun_at) * speed)
    if kind == "failing":
        return _failing(task, begun_at, elapsed, speed)
    return _ordinary(task, begun_at, elapsed, speed)


def _ordinary(task: Plan, begun_at: float, elapsed: float, speed: float) -> Moment:
    if elapsed < task.queued_seconds:
        return Moment("queued", 0, submitted=begun_at)
    started = begun_at + task.queued_seconds / speed
    if elapsed >= task.total_seconds:
        finished = begun_at + task.total_seconds / speed
        return _succeeded(begun_at, started, finished)
    share = (elapsed - task.queued_seconds) / (task.total_seconds - task.queued_seconds)
    clips: tuple[ClipState, ClipState] | None = None
    if share >= FIRST_AFTER:
        clips = ("complete", "streaming")
    elif share >= STREAMS_AFTER:
        clips = ("streaming", "streaming")
    progress = max(3, int(share * STEPS) * 100 // STEPS)
    return Moment("running", progress, clips, submitted=begun_at, started=started)


def _failing(task: Plan, begun_at: float, elapsed: float, speed: float) -> Moment:
    fails_after = task.total_seconds * 0.7
    if elapsed < fails_after:
        return _ordinary(task, begun_at, elapsed, speed)
    started = begun_at + task.queued_seconds / speed
    return _failed(task, begun_at, started, begun_at + fails_after / speed)


def _succeeded(submitted: float, started: float, finished: float) -> Moment:
    return Moment("succeeded", 100, ("complete", "complete"), submitted, started, finished)


def _failed(task: Plan, submitted: float, started: float, finished: float) -> Moment:
    # Relays of this family write 100 % beside a reason.
    return Moment("failed", 100, None, submitted, started, finished, task.fail_reason)


def _done(_task: Plan, begun_at: float) -> Moment:
    return _succeeded(begun_at - 240, begun_at - 236, begun_at - 150)


def _half(_task: Plan, begun_at: float) -> Moment:
    return Moment("running", 62, ("complete", "streaming"), begun_at - 30, begun_at - 26)


def _nosound(task: Plan, begun_at: float) -> Moment:
    return dataclasses.replace(_done(task, begun_at), clips=("silent", "silent"))


def _failpart(task: Plan, begun_at: float) -> Moment:
    failed = _failed(task, begun_at - 120, begun_at - 116, begun_at - 60)
    return dataclasses.replace(failed, clips=("complete", "error"))


FIXED: dict[str, Callable[[Plan, float], Moment]] = {
    "done": _done,
    "expired": _done,
    "queued": lambda _task, begun_at: Moment("queued", 0, submitted=begun_at),
    "half": _half,
    "fail": lambda task, begun_at: _failed(task, begun_at - 120, begun_at - 116, begun_at - 90),
    "failpart": _failpart,
    "stall": lambda _task, begun_at: Moment("running", 64, ("streaming", "streaming"), begun_at - 60, begun_at - 56),
    "nosound": _nosound,
    "fault-script": _done,
    "fault-strange": lambda _task, begun_at: Moment("strange", 12, submitted=begun_at - 20, started=begun_at - 16),
    **{f"badsound-{fault}": _done for fault in ("html", "empty", "short", "redirect", "stall", "endless")},
}
