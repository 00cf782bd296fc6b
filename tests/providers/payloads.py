"""The payload files under ``tests/wire``, and what must hold for whatever they are read into."""

from __future__ import annotations

import json
from datetime import UTC
from pathlib import Path
from typing import Any

from tracker.providers import ClipSnapshot, Provider, TaskSnapshot, TaskStatus, snapshot_to_dict
from tracker.providers.reading import TASK_WORDS

WIRE = Path(__file__).parents[1] / "wire"
PUBLISHED = {slug: WIRE / slug / "published_finished.json" for slug in ("qhaigc", "suno-fetch", "huiyan")}


def payload(slug: str, name: str) -> bytes:
    return (WIRE / slug / name).read_bytes()


def read_one(provider: Provider, name: str, **asked: Any) -> TaskSnapshot:
    (task,) = provider.parse(payload(provider.slug, name), **asked)
    return task


def assert_sound(task: TaskSnapshot) -> None:
    """What holds for every snapshot, whatever was sent."""
    assert task.progress is None or 0 <= task.progress <= 100
    assert task.final == (task.status in (TaskStatus.SUCCEEDED, TaskStatus.FAILED))
    for moment in (task.submitted_at, task.started_at, task.finished_at):
        assert moment is None or (moment.tzinfo is UTC and 2000 <= moment.year < 2100)
    for clip in task.clips:
        assert_sound_clip(clip)
    word = (task.raw_status or "").strip().lower().replace(" ", "_").replace("-", "_")
    if word not in TASK_WORDS and word not in ("callback_exception", "", "20", "30", "40"):
        assert not task.final, f"{task.raw_status!r} ended tracking"
    assert_without_empty_text(snapshot_to_dict(task))
    json.dumps(snapshot_to_dict(task), ensure_ascii=False, allow_nan=False).encode()


def assert_sound_clip(clip: ClipSnapshot) -> None:
    for url in (clip.audio_url, clip.stream_url, clip.image_url, clip.video_url):
        assert url is None or (url.lower().startswith(("http://", "https://")) and len(url) <= 2000 and " " not in url)
    assert clip.playable == bool(clip.audio_url or clip.stream_url)
    assert clip.duration_seconds is None or 0 < clip.duration_seconds <= 86_400
    assert clip.created_at is None or clip.created_at.tzinfo is UTC


def assert_without_empty_text(value: object) -> None:
    if isinstance(value, dict):
        for inner in value.values():
            assert_without_empty_text(inner)
    elif isinstance(value, list):
        for inner in value:
            assert_without_empty_text(inner)
    elif isinstance(value, str):
        assert value.strip(), "absent must be None"
        assert "\x00" not in value
