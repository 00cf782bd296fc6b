"""Answers of the relays' families, from a file to the values that matter in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.providers.payloads import WIRE, payload, read_one
from tracker.providers import PROVIDERS, ClipState, Lyrics, ProviderError, TaskKind, TaskSnapshot, WireError

RELAY = PROVIDERS["suno-fetch"]
QHAIGC = PROVIDERS["qhaigc"]
ONE = "bc442705-1bfe-46e1-978b-356b3fcc84f9"
TWO = "acac2847-664e-4251-9e52-9902424af3db"


@pytest.mark.parametrize(
    ("name", "status", "raw_status", "states"),
    [
        ("queued_not_start.json", "queued", "NOT_START", []),
        ("queued_submitted_one_hub.json", "queued", "SUBMITTED", []),
        ("running_streaming_clip.json", "running", "IN_PROGRESS", ["running", "queued"]),
        ("running_progress_100_with_reason.json", "running", "IN_PROGRESS", []),
        ("running_status_in_lower_case_code_1.json", "running", "processing", []),
        ("unfamiliar_status.json", "unknown", "REVIEWING", ["complete"]),
        ("status_unknown.json", "unknown", "UNKNOWN", []),
        ("success_with_every_url_null.json", "succeeded", "SUCCESS", ["complete", "complete"]),
        ("success_with_decoys.json", "succeeded", "SUCCESS", ["complete", "failed"]),
        ("failed_without_data.json", "failed", "FAILURE", []),
        ("failed_with_a_good_clip.json", "failed", "FAILURE", ["complete", "failed"]),
        ("callback_exception_with_audio.json", "succeeded", "CALLBACK_EXCEPTION", ["complete"]),
        ("callback_exception_without_audio.json", "failed", "CALLBACK_EXCEPTION", []),
        ("new_api_current.json", "succeeded", "SUCCESS", ["complete", "complete"]),
        ("suno_api_bare_clips_finished.json", "succeeded", "complete", ["complete", "complete"]),
        ("suno_api_bare_clips_running.json", "running", "streaming", ["running", "queued"]),
        ("suno_api_bare_clips_failed.json", "failed", "error", ["failed"]),
        ("suno_api_bare_clips_unfamiliar.json", "unknown", "mastering", ["complete"]),
        ("suno_api_nothing_yet.json", "unknown", None, []),
        ("submitted.json", "queued", None, []),
        ("nested_envelope_key4u.json", "running", "IN_PROGRESS", ["complete", "running"]),
        ("clip_map_goapi.json", "succeeded", "completed", ["complete", "complete"]),
        ("sunoapi_first_success.json", "running", "FIRST_SUCCESS", ["complete", "running"]),
        ("sunoapi_sensitive_word.json", "failed", "SENSITIVE_WORD_ERROR", []),
        ("callback_complete.json", "succeeded", "complete", ["complete"]),
        ("callback_error.json", "failed", "error", []),
        ("ttapi_finished.json", "succeeded", "SUCCESS", ["complete"]),
        ("acedata_failed.json", "failed", None, []),
        ("feed_openai_hk.json", "succeeded", "complete", ["complete", "complete"]),
    ],
)
def test_every_dialect_is_read_to_its_status(name: str, status: str, raw_status: str | None, states: list[str]) -> None:
    task = read_one(RELAY, name, task_id="asked")
    assert (task.status, task.raw_status) == (status, raw_status)
    assert [clip.state for clip in task.clips] == states
    assert task.kind is TaskKind.MUSIC


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("running_progress_100_with_reason.json", "upstream returned 500"),
        ("failed_without_data.json", "任务超时（1440分钟）"),
        ("failed_with_a_good_clip.json", "Possible copyrighted lyrics"),
        ("failed_with_a_url_for_a_reason.json", "Generation failed"),
        ("failed_reason_with_a_key.json", "Incorrect API key provided: … Sent Authorization: …"),
        ("suno_api_bare_clips_failed.json", "Too long"),
        ("sunoapi_sensitive_word.json", "The prompt contains sensitive words"),
        ("callback_error.json", "Song description contained artist name"),
        ("acedata_failed.json", "Upstream is busy"),
        ("success_with_decoys.json", None),
    ],
)
def test_the_reason_of_a_failure_is_found_wherever_it_stands(name: str, reason: str | None) -> None:
    assert read_one(RELAY, name).fail_reason == reason


@pytest.mark.parametrize(
    ("name", "task_id"),
    [
        ("suno_api_bare_clips_finished.json", "asked"),
        ("suno_api_nothing_yet.json", "asked"),
        ("feed_openai_hk.json", "asked"),
        ("submitted.json", "ba46ad15-07ce-41a6-b68d-196321dc00d5"),
        ("clip_map_goapi.json", "g1"),
        ("ttapi_finished.json", "f5850038"),
        ("acedata_failed.json", "ace1"),
        ("callback_error.json", "2fac"),
    ],
)
def test_what_has_no_id_carries_the_one_that_was_asked(name: str, task_id: str) -> None:
    assert read_one(RELAY, name, task_id="asked").task_id == task_id


def test_a_stream_under_the_audio_key_is_not_a_finished_file() -> None:
    clip = read_one(RELAY, "running_streaming_clip.json").clips[0]
    assert clip.audio_url is None
    assert clip.stream_url == f"https://audiopipe.suno.ai/?item_id={ONE}"
    assert clip.duration_seconds is None
    assert clip.playable


def test_a_running_task_with_something_to_hear_is_partial() -> None:
    assert read_one(RELAY, "running_streaming_clip.json").partial
    assert read_one(RELAY, "failed_with_a_good_clip.json").partial
    assert read_one(RELAY, "success_with_decoys.json").partial
    assert not read_one(RELAY, "new_api_current.json").partial
    assert not read_one(RELAY, "queued_not_start.json").partial


def test_decoys_and_placeholders_are_no_audio() -> None:
    decoy, placeholder = read_one(RELAY, "success_with_decoys.json").clips
    assert (decoy.audio_url, decoy.stream_url, decoy.playable) == (None, None, False)
    assert (placeholder.audio_url, placeholder.error) == (None, "Song description contained artist name")


def test_metadata_fills_what_the_clip_leaves_out() -> None:
    clip = read_one(RELAY, "new_api_current.json").clips[0]
    assert clip.clip_id == ONE
    assert clip.tags == "emotional punk"
    assert clip.lyrics == "[Verse]\nWalking down the streets"
    assert clip.duration_seconds == 219.4
    assert clip.model == "chirp-v4"
    assert clip.created_at == datetime(2024, 12, 9, 4, 13, 19, 512000, tzinfo=UTC)


def test_a_lyrics_task_has_its_text_and_joined_tags() -> None:
    task = read_one(RELAY, "lyrics_finished.json")
    assert task.kind is TaskKind.LYRICS
    assert (task.status, task.clips) == ("succeeded", ())
    assert task.lyrics == Lyrics(title="Tin Roof", text="[Verse]\nRain on tin", tags="folk, slow")


def test_a_bare_lyrics_object_is_the_task_that_was_asked_for() -> None:
    task = read_one(RELAY, "suno_api_bare_lyrics.json", task_id="asked")
    assert (task.task_id, task.kind, task.status) == ("asked", TaskKind.LYRICS, "succeeded")
    assert task.lyrics == Lyrics(title="Tin Roof", text="[Verse]\nRain on tin")


def test_the_action_does_not_decide_what_was_sent() -> None:
    task = read_one(RELAY, "lyrics_action_over_songs.json")
    assert (task.kind, len(task.clips), task.lyrics) == (TaskKind.MUSIC, 1, None)


def test_numbered_states_and_other_spellings_of_key4u_are_read() -> None:
    done, working = read_one(RELAY, "nested_envelope_key4u.json").clips
    assert (done.clip_id, done.state, done.duration_seconds) == (ONE, ClipState.COMPLETE, 211.44)
    assert done.audio_url == f"https://file.dzwlai.com/{ONE}.mp3"
    assert done.image_url == f"https://file.dzwlai.com/{ONE}.png"
    assert (working.clip_id, working.state, working.audio_url) == (TWO, ClipState.RUNNING, None)


def test_milliseconds_and_dates_without_a_zone_are_moments() -> None:
    assert read_one(RELAY, "sunoapi_first_success.json").submitted_at == datetime(2026, 3, 14, 11, 9, 31, tzinfo=UTC)
    assert read_one(RELAY, "callback_complete.json").clips[0].created_at == datetime(2025, 1, 1, tzinfo=UTC)
    text = read_one(QHAIGC, "text_success.json")
    assert text.submitted_at == datetime(2026, 3, 14, 11, 9, 31, tzinfo=UTC)


def test_a_running_task_of_huiyan_has_its_progress() -> None:
    task = read_one(PROVIDERS["huiyan"], "running.json")
    assert (task.task_id, task.status, task.progress, task.finished_at) == ("12cb", "running", 50, None)


def test_qhaigc_plays_a_stream_while_the_file_is_not_there() -> None:
    task = read_one(QHAIGC, "text_success.json")
    (clip,) = task.clips
    assert (task.status, task.progress, clip.state) == ("running", 30, ClipState.RUNNING)
    assert (clip.audio_url, clip.stream_url) == (None, "https://musicfile.removeai.ai/YmM0")


def test_qhaigc_takes_the_next_file_where_the_first_is_a_decoy() -> None:
    (clip,) = read_one(QHAIGC, "finished_with_a_decoy.json").clips
    assert clip.audio_url == f"https://cdn1.suno.ai/{ONE}.mp3"
    assert clip.image_url == f"https://cdn2.suno.ai/image_{ONE}.jpeg"


def test_qhaigc_older_documentation_is_read() -> None:
    task = read_one(QHAIGC, "older_documentation_finished.json")
    assert (task.task_id, task.status, task.raw_status) == ("old-1", "succeeded", None)
    (clip,) = task.clips
    assert (clip.clip_id, clip.title, clip.lyrics) == (None, "Hello", "[Verse 1]\nHello")
    assert (clip.audio_url, clip.model) == ("https://tempfile.aiquickdraw.com/r/1.mp3", "suno-v5")
    assert clip.image_url == "https://musicfile.removeai.ai/1.jpeg"
    submitted = read_one(QHAIGC, "older_documentation_submitted.json")
    assert (submitted.task_id, submitted.status, submitted.clips) == ("old-1", "running", ())
    assert read_one(QHAIGC, "submitted.json").status == "queued"


def test_several_tasks_of_one_answer_are_all_read() -> None:
    tasks = RELAY.parse(payload("suno-fetch", "batch_of_two.json"))
    assert [(task.task_id, task.status) for task in tasks] == [("t2", "succeeded"), ("t1", "running")]


def test_an_answer_with_nothing_in_it_is_no_task_when_none_was_asked_for() -> None:
    assert RELAY.parse(payload("suno-fetch", "batch_none_found.json")) == []
    assert RELAY.parse(payload("suno-fetch", "batch_no_ids.json")) == []


# -- Batches ---------------------------------------------------------------------------------------


def test_a_batch_splits_into_the_providers_own_bytes() -> None:
    body = payload("suno-fetch", "batch_of_two.json")
    items = RELAY.split_batch(body)
    assert list(items) == ["t2", "t1"]
    assert all(raw in body for raw in items.values())
    assert [RELAY.parse_item(raw) for raw in items.values()] == RELAY.parse(body)


@pytest.mark.parametrize("name", ["batch_none_found.json", "batch_no_ids.json"])
def test_a_batch_that_found_nothing_is_empty(name: str) -> None:
    assert RELAY.split_batch(payload("suno-fetch", name)) == {}


def test_a_batch_in_another_envelope_is_split_all_the_same() -> None:
    body = b'{"success":true,"message":"","data":{"items":[{"task_id":7,"status":"SUCCESS","action":"MUSIC"}]}}'
    items = RELAY.split_batch(body)
    assert list(items) == ["7"]
    assert RELAY.parse_item(items["7"]).raw_status == "SUCCESS"


def test_a_batch_answered_with_bare_clips_is_unreadable() -> None:
    """Their ids are not those that were asked for, so every task would seem unknown."""
    with pytest.raises(WireError):
        RELAY.split_batch(payload("suno-fetch", "suno_api_bare_clips_finished.json"))
    with pytest.raises(WireError):
        RELAY.split_batch(payload("suno-fetch", "published_finished.json").replace(b'"task_id": "ba46', b'"x": "ba46'))


def test_a_batch_that_is_refused_raises_as_any_answer_does() -> None:
    with pytest.raises(ProviderError) as caught:
        RELAY.split_batch(payload("errors", "new_api_invalid_key.json"), http_status=401)
    assert caught.value.kind == "key_refused"


def read(task: dict[str, Any] | list[Any]) -> TaskSnapshot:
    (snapshot,) = RELAY.parse(json.dumps({"code": "success", "data": task}).encode(), task_id="asked")
    return snapshot


def test_a_finished_file_next_to_a_stream_of_the_same_address_waits_for_the_end() -> None:
    url = "https://cdn.example.com/a"
    clip = {"id": "1", "audioUrl": url, "streamAudioUrl": url}
    running = read({"task_id": "t", "status": "IN_PROGRESS", "data": [clip]}).clips[0]
    done = read({"task_id": "t", "status": "SUCCESS", "data": [clip]}).clips[0]
    assert (running.audio_url, running.stream_url, running.state) == (None, url, ClipState.RUNNING)
    assert (done.audio_url, done.stream_url, done.state) == (url, url, ClipState.COMPLETE)


def test_a_task_without_a_status_is_unknown_whatever_its_clips_say() -> None:
    clip = {"id": "1", "status": "complete", "audio_url": "https://cdn.example.com/a.mp3"}
    assert read({"task_id": "t", "submit_time": 1, "data": [clip]}).status == "unknown"


def test_json_inside_a_string_is_opened() -> None:
    clips = '[{"id":"1","status":"complete","audio_url":"https://cdn.example.com/a.mp3"}]'
    task = read({"task_id": "t", "status": "SUCCESS", "data": clips})
    assert (task.status, task.clips[0].clip_id) == ("succeeded", "1")


def test_every_payload_file_is_named_in_a_test() -> None:
    told = "".join(path.read_text(encoding="utf-8") for path in WIRE.parent.joinpath("providers").glob("test_*.py"))
    unnamed = [path.name for path in WIRE.glob("*/*") if path.is_file() and path.name not in told]
    assert unnamed == []
