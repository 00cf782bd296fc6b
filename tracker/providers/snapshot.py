"""What a provider said at one moment, in musicboard's words.

Every provider's answer is read into these frozen values. Absent is ``None``, never an empty string;
moments are aware UTC datetimes; durations are seconds. `msgspec.structs.replace` copies one with changes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec


class TaskStatus(StrEnum):
    """Where the provider says a task stands. ``UNKNOWN`` never ends tracking."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"

    @property
    def is_final(self) -> bool:
        return self in (TaskStatus.SUCCEEDED, TaskStatus.FAILED)


class ClipState(StrEnum):
    """Where one song of a task stands."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"


class TaskKind(StrEnum):
    MUSIC = "music"
    LYRICS = "lyrics"


class Lyrics(msgspec.Struct, frozen=True, kw_only=True):
    """What a lyrics task wrote."""

    title: str | None = None
    text: str | None = None
    tags: str | None = None


class ClipSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One song of a task. ``audio_url`` is a finished file; ``stream_url`` still streams."""

    clip_id: str | None = None
    title: str | None = None
    tags: str | None = None
    lyrics: str | None = None
    description: str | None = None
    duration_seconds: float | None = None
    model: str | None = None
    state: ClipState = ClipState.QUEUED
    error: str | None = None
    audio_url: str | None = None
    more_audio_urls: tuple[str, ...] = ()
    """Where else the finished file is said to be: for the archive, and not told by ``parse_payload``."""
    stream_url: str | None = None
    image_url: str | None = None
    video_url: str | None = None
    created_at: datetime | None = None

    @property
    def playable(self) -> bool:
        return bool(self.audio_url or self.stream_url)


class TaskSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One task. ``progress`` is 0-100 or ``None``; ``raw_status`` is the provider's own word."""

    task_id: str | None = None
    action: str | None = None
    kind: TaskKind = TaskKind.MUSIC
    status: TaskStatus = TaskStatus.UNKNOWN
    raw_status: str | None = None
    progress: int | None = None
    fail_reason: str | None = None
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    lyrics: Lyrics | None = None
    clips: tuple[ClipSnapshot, ...] = ()

    @property
    def final(self) -> bool:
        return self.status.is_final

    @property
    def partial(self) -> bool:
        """Failed or running with a playable clip, or succeeded with a failed one."""
        if self.status is TaskStatus.SUCCEEDED:
            return any(clip.state is ClipState.FAILED for clip in self.clips)
        if self.status in (TaskStatus.FAILED, TaskStatus.RUNNING):
            return any(clip.playable for clip in self.clips)
        return False


def snapshot_to_dict(task: TaskSnapshot) -> dict[str, Any]:
    """A task as JSON-ready values: moments as UTC ISO 8601 with Z, absent as ``None``."""
    return {
        "task_id": task.task_id,
        "action": task.action,
        "kind": task.kind.value,
        "status": task.status.value,
        "raw_status": task.raw_status,
        "final": task.final,
        "partial": task.partial,
        "progress": task.progress,
        "fail_reason": task.fail_reason,
        "submitted_at": _moment(task.submitted_at),
        "started_at": _moment(task.started_at),
        "finished_at": _moment(task.finished_at),
        "lyrics": _lyrics_to_dict(task.lyrics) if task.lyrics else None,
        "clips": [_clip_to_dict(clip) for clip in task.clips],
    }


def _lyrics_to_dict(lyrics: Lyrics) -> dict[str, Any]:
    return {"title": lyrics.title, "text": lyrics.text, "tags": lyrics.tags}


def _clip_to_dict(clip: ClipSnapshot) -> dict[str, Any]:
    return {
        "clip_id": clip.clip_id,
        "title": clip.title,
        "tags": clip.tags,
        "lyrics": clip.lyrics,
        "description": clip.description,
        "duration_seconds": clip.duration_seconds,
        "model": clip.model,
        "state": clip.state.value,
        "error": clip.error,
        "audio_url": clip.audio_url,
        "stream_url": clip.stream_url,
        "image_url": clip.image_url,
        "video_url": clip.video_url,
        "created_at": _moment(clip.created_at),
        "playable": clip.playable,
    }


def _moment(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    precision = "milliseconds" if moment.microsecond else "seconds"
    return moment.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")
