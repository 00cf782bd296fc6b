"""The three published answers, byte for byte, to exact values."""

from __future__ import annotations

from typing import Any

import pytest

from tests.providers.payloads import payload
from tracker.providers import PROVIDERS, snapshot_to_dict

QHAIGC: dict[str, Any] = {
    "task_id": "750ced71bcdde0f6b7677c967722b888",
    "action": "GENERATIONS",
    "kind": "music",
    "status": "succeeded",
    "raw_status": "SUCCESS",
    "final": True,
    "partial": False,
    "progress": 100,
    "fail_reason": None,
    "submitted_at": "2026-03-14T11:09:31Z",
    "started_at": None,
    "finished_at": "2026-03-14T11:10:52Z",
    "lyrics": None,
    "clips": [
        {
            "clip_id": "6ea663c2-0e79-4aad-8c97-3c344cde3d42",
            "title": "春天转圈圈",
            "tags": "pop, Bright, uptempo J-Pop groove at 150 BPM, female vocals, j-pop",
            "lyrics": "[Verse 1]\n闹钟还在打喷嚏...",
            "description": None,
            "duration_seconds": 180.4,
            "model": "chirp-bluejay",
            "state": "complete",
            "error": None,
            "audio_url": "https://tempfile.aiquickdraw.com/r/4676fa10852c46feac6cd00c7bb86d59.mp3",
            "stream_url": "https://musicfile.removeai.ai/NmVhNjYzYzItMGU3OS00YWFkLThjOTctM2MzNDRjZGUzZDQy",
            "image_url": "https://musicfile.removeai.ai/NmVhNjYzYzItMGU3OS00YWFkLThjOTctM2MzNDRjZGUzZDQy.jpeg",
            "video_url": None,
            "created_at": "2026-03-14T11:10:51.435Z",
            "playable": True,
        },
        {
            "clip_id": "0b5ff5be-5209-460d-b346-cc2fc186a240",
            "title": "春天转圈圈",
            "tags": "pop, Bright, uptempo J-Pop groove at 150 BPM, female vocals, j-pop",
            "lyrics": "[Verse 1]\n闹钟还在打喷嚏...",
            "description": None,
            "duration_seconds": 180.36,
            "model": "chirp-bluejay",
            "state": "complete",
            "error": None,
            "audio_url": "https://tempfile.aiquickdraw.com/r/ea9409e9726141a686bb6a44409ed647.mp3",
            "stream_url": "https://musicfile.removeai.ai/MGI1ZmY1YmUtNTIwOS00NjBkLWIzNDYtY2MyZmMxODZhMjQw",
            "image_url": "https://musicfile.removeai.ai/MGI1ZmY1YmUtNTIwOS00NjBkLWIzNDYtY2MyZmMxODZhMjQw.jpeg",
            "video_url": None,
            "created_at": "2026-03-14T11:10:51.435Z",
            "playable": True,
        },
    ],
}

QHAIGC_SCHEMA: dict[str, Any] = {
    "task_id": "<string>",
    "action": "GENERATIONS",
    "kind": "music",
    "status": "succeeded",
    "raw_status": "SUCCESS",
    "final": True,
    "partial": False,
    "progress": 100,
    "fail_reason": "<string>",
    "submitted_at": None,
    "started_at": None,
    "finished_at": None,
    "lyrics": None,
    "clips": [
        {
            "clip_id": "<string>",
            "title": "<string>",
            "tags": "<string>",
            "lyrics": "<string>",
            "description": None,
            "duration_seconds": 123.0,
            "model": "<string>",
            "state": "running",
            "error": None,
            "audio_url": None,
            "stream_url": None,
            "image_url": None,
            "video_url": None,
            "created_at": None,
            "playable": False,
        }
    ],
}

RELAY_LYRICS = """\
[Verse]
Walking down the streets
Beneath the city lights
Neon signs flickering
Lighting up the night
Heart beating faster
Like a drum in my chest
I’m alive in this moment
Feeling so blessed

Stilettos on the pavement
Stepping with grace
Surrounded by the people
Moving at their own pace
The rhythm of the city
It pulses in my veins
Lost in the energy
As my worries drain

[Verse 2]
Concrete jungle shining
With its dazzling glow
Every corner hiding secrets that only locals know
A symphony of chaos
But it’s music to my ears
The hustle and the bustle
Wiping away my fears"""

RELAY: dict[str, Any] = {
    "task_id": "ba46ad15-07ce-41a6-b68d-196321dc00d5",
    "action": "MUSIC",
    "kind": "music",
    "status": "succeeded",
    "raw_status": "SUCCESS",
    "final": True,
    "partial": False,
    "progress": 100,
    "fail_reason": None,
    "submitted_at": "2024-12-09T04:12:47Z",
    "started_at": "2024-12-09T04:12:47Z",
    "finished_at": "2024-12-09T04:16:07Z",
    "lyrics": None,
    "clips": [
        {
            "clip_id": "a06015d0-9e04-4f30-85db-401494940394",
            "title": "City Lights",
            "tags": "emotional punk",
            "lyrics": RELAY_LYRICS,
            "description": None,
            "duration_seconds": 219.0,
            "model": "chirp-v4",
            "state": "complete",
            "error": None,
            "audio_url": "https://cdn1.suno.ai/a06015d0-9e04-4f30-85db-401494940394.mp3",
            "stream_url": None,
            "image_url": "https://cdn2.suno.ai/image_a06015d0-9e04-4f30-85db-401494940394.jpeg",
            "video_url": "https://cdn1.suno.ai/a06015d0-9e04-4f30-85db-401494940394.mp4",
            "created_at": "2024-12-09T04:13:19Z",
            "playable": True,
        },
        {
            "clip_id": "a6bd6a70-4cde-4f06-a80b-7f199f7dd92e",
            "title": "City Lights",
            "tags": "emotional punk",
            "lyrics": RELAY_LYRICS,
            "description": None,
            "duration_seconds": 201.0,
            "model": "chirp-v4",
            "state": "complete",
            "error": None,
            "audio_url": "https://cdn1.suno.ai/a6bd6a70-4cde-4f06-a80b-7f199f7dd92e.mp3",
            "stream_url": None,
            "image_url": "https://cdn2.suno.ai/image_a6bd6a70-4cde-4f06-a80b-7f199f7dd92e.jpeg",
            "video_url": "https://cdn1.suno.ai/a6bd6a70-4cde-4f06-a80b-7f199f7dd92e.mp4",
            "created_at": "2024-12-09T04:13:19Z",
            "playable": True,
        },
    ],
}

HUIYAN_LYRICS = """\
[Verse]
花开满地笑我心结冰
风儿轻轻吹蜜语不停
阳光洒满了青春的梦
守着你我的心跳呼应

[Verse 2]
蝴蝶飞舞在蓝天之间
小溪流淌入心田无边
你和我牵手散步田园
春天来了梦想成真缘

[Chorus]
哦可爱的春天来了我心如潮
万物复苏大地换新颜我逍遥
你在我身边笑语盈盈多美好
可爱的春天带来幸福的讯号

[Bridge]
采摘一束野花送予你
春光中相伴美好无比
花香弥漫唤醒了甜蜜
在这春天里心花怒放

[Verse 3]
绿草如茵铺满了爱情
燕子飞回筑起新巢亭
共度春日你我情投意合
心中的花园从此永不停

[Chorus]
哦可爱的春天来了我心如潮
万物复苏大地换新颜我逍遥
你在我身边笑语盈盈多美好
可爱的春天带来幸福的讯号"""

HUIYAN: dict[str, Any] = {
    "task_id": "12cbe842-7456-96c8-a03e-34c28ed22807",
    "action": "MUSIC",
    "kind": "music",
    "status": "succeeded",
    "raw_status": "SUCCESS",
    "final": True,
    "partial": False,
    "progress": 100,
    "fail_reason": None,
    "submitted_at": "2025-03-02T04:52:26Z",
    "started_at": "2025-03-02T04:52:26Z",
    "finished_at": "2025-03-02T04:56:52Z",
    "lyrics": None,
    "clips": [
        {
            "clip_id": "bc442705-1bfe-46e1-978b-356b3fcc84f9",
            "title": "可爱的春天",
            "tags": "lively, pop",
            "lyrics": HUIYAN_LYRICS,
            "description": "可爱的春天",
            "duration_seconds": 186.0,
            "model": "chirp-v4",
            "state": "complete",
            "error": None,
            "audio_url": "https://cdn1.suno.ai/bc442705-1bfe-46e1-978b-356b3fcc84f9.mp3",
            "stream_url": None,
            "image_url": "https://cdn2.suno.ai/image_bc442705-1bfe-46e1-978b-356b3fcc84f9.jpeg",
            "video_url": "https://cdn1.suno.ai/bc442705-1bfe-46e1-978b-356b3fcc84f9.mp4",
            "created_at": "2025-03-02T04:49:19Z",
            "playable": True,
        },
        {
            "clip_id": "acac2847-664e-4251-9e52-9902424af3db",
            "title": "可爱的春天",
            "tags": "High quality",
            "lyrics": HUIYAN_LYRICS,
            "description": "可爱的春天",
            "duration_seconds": 172.0,
            "model": "chirp-v4",
            "state": "complete",
            "error": None,
            "audio_url": "https://cdn1.suno.ai/acac2847-664e-4251-9e52-9902424af3db.mp3",
            "stream_url": None,
            "image_url": "https://cdn2.suno.ai/image_acac2847-664e-4251-9e52-9902424af3db.jpeg",
            "video_url": "https://cdn1.suno.ai/acac2847-664e-4251-9e52-9902424af3db.mp4",
            "created_at": "2025-03-02T04:49:19Z",
            "playable": True,
        },
    ],
}


@pytest.mark.parametrize(
    ("slug", "name", "expected"),
    [
        ("qhaigc", "published_finished.json", QHAIGC),
        ("qhaigc", "published_schema_example.json", QHAIGC_SCHEMA),
        ("suno-fetch", "published_finished.json", RELAY),
        ("huiyan", "published_finished.json", HUIYAN),
    ],
)
def test_a_published_answer_is_read_to_exact_values(slug: str, name: str, expected: dict[str, Any]) -> None:
    (task,) = PROVIDERS[slug].parse(payload(slug, name))
    read = snapshot_to_dict(task)
    assert read == expected
    assert list(read) == list(expected)
    assert [list(clip) for clip in read["clips"]] == [list(clip) for clip in expected["clips"]]


def test_a_single_task_keeps_the_id_the_provider_sent() -> None:
    """huiyan's own document answers another id than its request asks for."""
    asked = "a51a688c-eeca-194a-1e1e-f8cf285c4df6"
    (task,) = PROVIDERS["huiyan"].parse(payload("huiyan", "published_finished.json"), task_id=asked)
    assert task.task_id == "12cbe842-7456-96c8-a03e-34c28ed22807"
