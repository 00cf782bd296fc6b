"""What becomes of a task id with time."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tracker.demo.running import DemoServer, demo_server
from tracker.demo.tasks import FAIL_REASONS, moment, plan

START = 1_763_600_000.0


@pytest.fixture
def server() -> Iterator[DemoServer]:
    with demo_server(clock=lambda: START) as running:
        yield running


@pytest.fixture
def client(server: DemoServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers={"Authorization": "Bearer sk-test"}) as opened:
        yield opened


def ask(client: httpx.Client, task_id: str) -> dict[str, Any]:
    task: dict[str, Any] = client.get(f"/relay/suno/fetch/{task_id}").json()["data"]
    return task


def sound_status(client: httpx.Client, clip: dict[str, Any]) -> int:
    return client.get(f"/media/{clip['id']}.mp3", headers={"Range": "bytes=0-0"}).status_code


def test_an_ordinary_task_goes_its_way(server: DemoServer, client: httpx.Client) -> None:
    total = plan("song").total_seconds
    assert 20 <= total <= 60
    queued = ask(client, "song")
    assert (queued["status"], queued["progress"], queued["data"]) == ("SUBMITTED", "0%", None)
    assert (queued["submit_time"], queued["start_time"], queued["finish_time"]) == (START, 0, 0)

    server.advance(4.1)
    running = ask(client, "song")
    assert (running["status"], running["data"]) == ("IN_PROGRESS", None)

    server.advance((total - 4) * 0.3)
    streaming = ask(client, "song")
    assert [clip["status"] for clip in streaming["data"]] == ["streaming", "streaming"]
    assert "/media/stream/" in streaming["data"][0]["audio_url"]
    assert streaming["data"][0]["duration"] is None
    assert sound_status(client, streaming["data"][0]) == 404

    server.advance((total - 4) * 0.4)
    half = ask(client, "song")
    assert [clip["status"] for clip in half["data"]] == ["complete", "streaming"]
    assert [sound_status(client, clip) for clip in half["data"]] == [206, 404]

    server.advance(total)
    done = ask(client, "song")
    assert (done["status"], done["progress"]) == ("SUCCESS", "100%")
    assert done["finish_time"] == int(START + total)
    assert [sound_status(client, clip) for clip in done["data"]] == [206, 206]
    shown = [int(task["progress"][:-1]) for task in (queued, running, streaming, half, done)]
    assert shown == sorted(set(shown))


def test_qhaigc_has_a_stream_before_it_has_a_file(server: DemoServer, client: httpx.Client) -> None:
    client.get("/qhaigc/v1/music/tasks/pace30-q")
    server.advance(13)
    clip = client.get("/qhaigc/v1/music/tasks/pace30-q").json()["data"]["data"][0]
    assert (clip["audioUrl"], clip["duration"]) == ("", 0)
    assert clip["streamAudioUrl"].startswith(f"{server.url}/media/stream/")


@pytest.mark.parametrize(("task_id", "seconds"), [("fast-1", 3), ("pace7-1", 7), ("lyrics-1", 6)])
def test_an_id_may_carry_its_pace(server: DemoServer, client: httpx.Client, task_id: str, seconds: float) -> None:
    ask(client, task_id)
    server.advance(seconds - 0.1)
    assert ask(client, task_id)["status"] == "IN_PROGRESS"
    server.advance(0.2)
    assert ask(client, task_id)["status"] == "SUCCESS"


def test_an_id_may_carry_its_start(client: httpx.Client) -> None:
    task = ask(client, f"song-at{int(START) - 300}")
    assert (task["status"], task["submit_time"]) == ("SUCCESS", int(START) - 300)


def test_speed_shortens_a_life() -> None:
    song = plan("song")
    assert moment(song, "", asked_at=0, now=1, speed=100).stage == "succeeded"
    assert moment(song, "", asked_at=0, now=1, speed=1).stage == "queued"


@pytest.mark.parametrize(
    ("prefix", "status", "progress", "clips"),
    [
        ("done", "SUCCESS", "100%", ["complete", "complete"]),
        ("queued", "SUBMITTED", "0%", None),
        ("half", "IN_PROGRESS", "62%", ["complete", "streaming"]),
        ("stall", "IN_PROGRESS", "64%", ["streaming", "streaming"]),
        ("fail", "FAILURE", "100%", None),
        ("failpart", "FAILURE", "100%", ["complete", "error"]),
        ("nosound", "SUCCESS", "100%", ["complete", "complete"]),
        ("fault-strange", "DREAMING", "12%", None),
    ],
)
def test_a_special_id_stays_as_it_is(
    server: DemoServer, client: httpx.Client, prefix: str, status: str, progress: str, clips: list[str] | None
) -> None:
    for _ in range(2):
        task = ask(client, f"{prefix}-1")
        assert (task["status"], task["progress"]) == (status, progress)
        assert (task["data"] and [clip["status"] for clip in task["data"]]) == clips
        assert bool(task["fail_reason"]) is (status == "FAILURE")
        server.advance(3600)


def test_failures_have_a_providers_reason(server: DemoServer, client: httpx.Client) -> None:
    assert {ask(client, f"fail-{number}")["fail_reason"] for number in range(30)} == set(FAIL_REASONS)
    assert ask(client, "failing-1")["status"] == "SUBMITTED"
    server.advance(43)
    assert ask(client, "failing-1")["status"] == "FAILURE"


def test_a_succeeded_task_may_have_no_sound_at_all(client: httpx.Client) -> None:
    clip = ask(client, "nosound-1")["data"][0]
    assert [clip[key] for key in ("audio_url", "image_url", "video_url")] == [None, None, None]
    clip = client.get("/qhaigc/v1/music/tasks/nosound-1").json()["data"]["data"][0]
    assert not any(clip[key] for key in clip if key.endswith("Url"))


def test_a_hostile_answer_stays_what_it_is(client: httpx.Client) -> None:
    clip = ask(client, "fault-script-1")["data"][0]
    assert clip["title"] == "<script>alert(1)</script>"
    assert clip["audio_url"] == "javascript:alert(1)"
    assert clip["image_url"].startswith("data:text/html")


def test_control_forces_freezes_and_resets(server: DemoServer, client: httpx.Client) -> None:
    ask(client, "song")
    server.control(force={"song": "fail-"})
    assert ask(client, "song")["status"] == "FAILURE"
    server.control(force={"song": "fault-500"})
    assert client.get("/relay/suno/fetch/song").status_code == 500
    server.control(force={"song": None}, frozen=True)
    assert ask(client, "song")["status"] == "SUBMITTED"
    server.control(down=True, latency_ms=30)
    response = client.get("/relay/suno/fetch/song")
    assert response.status_code == 503
    assert response.elapsed.total_seconds() >= 0.03
    server.reset()
    assert server.stats()["requests"] == {}
    assert ask(client, "song")["status"] == "SUBMITTED"


def test_stats_count_requests_and_ids(server: DemoServer, client: httpx.Client) -> None:
    ask(client, "one")
    client.post("/relay/suno/fetch", json={"ids": ["one", "two"]})
    counted = client.get("/_stats").json()
    assert counted["requests"] == {"relay.task": 1, "relay.batch": 1}
    assert counted["ids"] == {"one": 2, "two": 1}
    assert counted["max_concurrent"] == 1
    told = client.post("/_control", json={"advance_seconds": 60}).json()
    assert told["now"] == START + 60
    assert client.post("/_control", json={"nonsense": 1}).status_code == 400
