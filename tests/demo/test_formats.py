"""Each mounted format speaks the published document to the letter."""

import re
from collections.abc import Iterator
from itertools import pairwise

import httpx
import pytest

from tracker.demo.running import DemoServer, demo_server

QHAIGC_CLIP = {
    "id", "tags", "title", "prompt", "audioUrl", "duration", "imageUrl", "modelName", "createTime",
    "sourceAudioUrl", "sourceImageUrl", "streamAudioUrl", "sourceStreamAudioUrl",
}  # fmt: skip
RELAY_CLIP = {
    "id", "mv", "msg", "tags", "state", "title", "prompt", "status", "clip_id", "task_id", "duration",
    "audio_url", "image_url", "video_url", "continue_at", "create_time", "update_time", "image_large_url",
    "continue_clip_id", "gpt_description_prompt",
}  # fmt: skip
HUIYAN_CLIP = RELAY_CLIP | {"history", "concat_history"}
TASK = {
    "task_id", "action", "status", "fail_reason", "submit_time", "start_time", "finish_time", "progress", "data",
}  # fmt: skip
PATHS = {
    "qhaigc": "/qhaigc/v1/music/tasks/",
    "relay": "/relay/suno/fetch/",
    "huiyan": "/huiyan/suno/fetch/",
}


@pytest.fixture(scope="module")
def server() -> Iterator[DemoServer]:
    with demo_server(speed=100) as running:
        yield running


@pytest.fixture
def client(server: DemoServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers={"Authorization": "Bearer sk-test"}) as opened:
        server.reset()
        yield opened


@pytest.mark.parametrize(("mount", "keys"), [("qhaigc", QHAIGC_CLIP), ("relay", RELAY_CLIP), ("huiyan", HUIYAN_CLIP)])
@pytest.mark.parametrize("task_id", ["done-1", "half-1", "failpart-1", "bench-10-1", "nosound-1"])
def test_the_keys_are_those_of_the_published_body(
    client: httpx.Client, mount: str, keys: set[str], task_id: str
) -> None:
    response = client.get(PATHS[mount] + task_id)
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    envelope = response.json()
    assert {key: envelope[key] for key in ("code", "message")} == {"code": "success", "message": ""}
    assert set(envelope) == {"code", "message", "data"}
    assert set(envelope["data"]) == TASK
    assert envelope["data"]["task_id"] == task_id
    assert [set(clip) for clip in envelope["data"]["data"]] == [keys, keys]


def test_qhaigc_writes_milliseconds_no_start_and_a_literal_backslash_n(client: httpx.Client) -> None:
    task = client.get(PATHS["qhaigc"] + "done-1").json()["data"]
    assert (task["action"], task["status"], task["start_time"]) == ("GENERATIONS", "SUCCESS", 0)
    clip = task["data"][0]
    assert clip["createTime"] // 1000 == task["finish_time"]
    assert "\n" not in clip["prompt"]
    assert "\\n" in clip["prompt"]
    assert isinstance(clip["duration"], float)


@pytest.mark.parametrize("mount", ["relay", "huiyan"])
def test_suno_fetch_writes_clip_times_as_digits_and_whole_seconds(client: httpx.Client, mount: str) -> None:
    task = client.get(PATHS[mount] + "done-1").json()["data"]
    assert (task["action"], task["status"], task["progress"]) == ("MUSIC", "SUCCESS", "100%")
    for position, clip in enumerate(task["data"], 1):
        assert re.fullmatch(r"\d{10}", clip["create_time"])
        assert isinstance(clip["duration"], int)
        assert clip["id"] == clip["clip_id"]
        assert clip["task_id"] == f"done-1_{position}"
        assert (clip["status"], clip["state"]) == ("complete", "succeeded")


def test_the_two_clips_differ_and_the_same_id_says_the_same(client: httpx.Client) -> None:
    one, two = client.get(PATHS["relay"] + "done-7").json()["data"]["data"]
    for key in ("id", "duration", "audio_url", "image_url"):
        assert one[key] != two[key]
    assert one["title"] == two["title"]
    again = client.get(PATHS["huiyan"] + "done-7").json()["data"]["data"]
    assert [clip["id"] for clip in again] == [one["id"], two["id"]]


def test_lyrics_tasks_carry_text_and_a_list_of_tags(server: DemoServer, client: httpx.Client) -> None:
    assert client.get(PATHS["relay"] + "lyrics-1").json()["data"]["data"] is None
    server.advance(1)
    task = client.get(PATHS["relay"] + "lyrics-1").json()["data"]
    assert (task["action"], task["status"]) == ("LYRICS", "SUCCESS")
    assert task["data"]["text"].startswith("[Verse]")
    assert isinstance(task["data"]["tags"], list)


def test_a_batch_omits_the_unknown_and_keeps_its_own_order(client: httpx.Client) -> None:
    wanted = ["done-a", "unknown-1", "done-c", "fault-404-1", "done-b", "bench-5-x", "done-a"]
    tasks = client.post("/relay/suno/fetch", json={"ids": wanted}).json()["data"]
    assert [task["task_id"] for task in tasks] == ["done-c", "done-b", "done-a", "bench-5-x"]


def test_a_batch_of_nothing_is_a_list_and_of_unknown_ids_null(client: httpx.Client) -> None:
    assert client.post("/relay/suno/fetch", json={"ids": []}).json()["data"] == []
    assert client.post("/relay/suno/fetch", json={"ids": ["unknown-1"]}).json()["data"] is None
    assert client.post("/relay/suno/fetch", content=b"[").status_code == 400


def test_a_batch_may_be_large(client: httpx.Client) -> None:
    wanted = [f"bench-10-{number}" for number in range(1000)]
    assert len(client.post("/relay/suno/fetch", json={"ids": wanted}).json()["data"]) == 1000


def test_huiyan_refuses_batches(client: httpx.Client) -> None:
    response = client.post("/huiyan/suno/fetch", json={"ids": ["done-1"]})
    assert response.status_code == 404
    assert response.json()["error"]["type"] == "invalid_request_error"


def test_bench_answers_change_as_often_as_the_id_says(client: httpx.Client) -> None:
    same = {client.get(PATHS["relay"] + "bench-0-1").content for _ in range(20)}
    assert len(same) == 1
    assert 2000 < len(same.pop()) < 3500
    texts = [client.get(PATHS["relay"] + "bench-100-1").content for _ in range(20)]
    assert all(before != after for before, after in pairwise(texts))
    some = [client.get(PATHS["relay"] + "bench-50-1").content for _ in range(100)]
    changes = sum(before != after for before, after in pairwise(some))
    assert 30 < changes < 70
