"""One value off the wire at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.providers import ClipState, TaskStatus, reading


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("queued", "NOT_START SUBMITTED QUEUED PENDING ON_QUEUE submitted pending queued"),
        ("running", "IN_PROGRESS processing running streaming TEXT_SUCCESS FIRST_SUCCESS In_Progress in-progress"),
        ("succeeded", "SUCCESS complete completed succeeded success Success"),
        (
            "failed",
            "FAILURE FAILED error failed failure timeout CREATE_TASK_FAILED GENERATE_AUDIO_FAILED SENSITIVE_WORD_ERROR",
        ),
        ("unknown", "UNKNOWN REVIEWING SUCCESSFUL_ISH 失败 CANCELLED 100"),
    ],
)
def test_every_status_word_has_its_status(status: str, words: str) -> None:
    assert {word: reading.read_status(word).value for word in words.split()} == dict.fromkeys(words.split(), status)


@given(st.text())
def test_an_unfamiliar_word_never_ends_tracking(word: str) -> None:
    familiar = word.strip().lower().replace(" ", "_").replace("-", "_") in reading.TASK_WORDS
    assert familiar or word in reading.TASK_WORDS or reading.read_status(word) is TaskStatus.UNKNOWN


def test_clip_states_have_words_and_numbers() -> None:
    assert reading.read_clip_state("submitted") is ClipState.QUEUED
    assert reading.read_clip_state("20") is ClipState.RUNNING
    assert reading.read_clip_state("30") is ClipState.COMPLETE
    assert reading.read_clip_state("40") is ClipState.FAILED
    assert reading.read_clip_state("mastering") is None
    assert reading.read_clip_state(None) is None


@pytest.mark.parametrize(
    ("value", "progress"),
    [
        ("0%", 0), ("45%", 45), ("100%", 100), ("45.6 %", 46), ("45", 45), (45, 45), (45.4, 45), (0.45, 45), (1, 1),
        (1.0, 1), (0, 0), (-3, 0), (150, 100), ("150%", 100), ("-5%", 0), ("0.5%", 0), (10**15, 100),
        ("", None), ("%", None), ("abc", None), ("1_0%", None), ("nan", None), ("1e999", None), (10**30, None),
        (float("nan"), None), (float("inf"), None), (True, None), (None, None), ([], None), ({}, None), ("４５%", None),
    ],
)  # fmt: skip
def test_progress_is_0_to_100_or_nothing(value: object, progress: int | None) -> None:
    assert reading.read_progress(value) == progress


MOMENT = datetime(2024, 12, 9, 4, 13, 19, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        1733717599, 1733717599000, 1733717599.0, "1733717599", "1733717599000", " 1733717599 ", "1733717599.0",
        "2024-12-09T04:13:19Z", "2024-12-09T12:13:19+08:00", "2024-12-09 04:13:19", "2024-12-09T04:13:19",
    ],
)  # fmt: skip
def test_a_moment_in_any_writing_is_the_same_moment(value: object) -> None:
    moment = reading.read_time(value)
    assert moment == MOMENT
    assert moment.tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    [
        0, "0", -1, "-1", 123, 10**10, 10**15, 10**400, "9" * 30, "9" * 3000, float("nan"), float("inf"), -float("inf"),
        True, None, "", [], {}, "yesterday", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00", "²",
        "１７３３７１７５９９",
        "2024-12-09T04:13:19Z" + "0" * 50, ".", "1.2.3", 2**63, -(2**63),
    ],
)  # fmt: skip
def test_what_is_no_moment_of_any_task_is_nothing(value: object) -> None:
    assert reading.read_time(value) is None


@given(st.integers(0, 3_000_000_000), st.integers(-720, 840))
def test_written_dates_keep_their_moment(seconds: int, minutes: int) -> None:
    moment = (datetime(2000, 1, 2, tzinfo=UTC) + timedelta(seconds=seconds)).astimezone(
        timezone(timedelta(minutes=minutes))
    )
    assert reading.read_time(moment.isoformat()) == moment


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(219, 219.0), (180.4, 180.4), ("211.44", 211.44), (0, None), (-1, None), (10**9, None), (None, None), ("x", None),
     (True, None), (float("inf"), None), (10**400, None)],
)  # fmt: skip
def test_a_duration_is_a_plausible_number_of_seconds(value: object, seconds: float | None) -> None:
    assert reading.read_duration(value) == seconds


def test_text_is_never_empty_and_lyrics_have_lines() -> None:
    assert reading.read_text("  a b ") == "a b"
    assert reading.read_text(" \n ") is None
    assert reading.read_text(5) is None
    assert reading.read_lyrics("[Verse]\\nOne\\nTwo\nThree") == "[Verse]\nOne\nTwo\nThree"
    assert reading.read_lyrics("\\n") is None
    assert reading.clean("a\x00b\ud800c\r\nd\te\x85") == "abc\nd\te"


def test_tags_are_joined_from_a_list() -> None:
    assert reading.read_tags(["folk", " slow ", "", None, 3]) == "folk, slow"
    assert reading.read_tags("folk, slow") == "folk, slow"
    assert reading.read_tags([]) is None
    assert reading.read_tags({"a": 1}) is None


def test_names_may_be_numbers() -> None:
    assert reading.read_name(1844674407370955161) == "1844674407370955161"
    assert reading.read_name("task_" + "x" * 200) == "task_" + "x" * 200
    assert reading.read_name(True) is None
    assert reading.read_name(10**5000) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://cdn1.suno.ai/a06015d0.mp3", "http://127.0.0.1:8800/media/a.mp3", "HTTPS://CDN.example.com/A.MP3",
        "https://example.com", "https://example.com?x=1", "https://audiopipe.suno.ai/?item_id=1",
        "https://example.com/春天.mp3", "https://example.com/None", "https://example.com/a/Nonesuch.mp3",
    ],
)  # fmt: skip
def test_web_addresses_are_kept_as_they_are(url: str) -> None:
    assert reading.read_url(url) == (None if url.endswith("/None") else url)


@pytest.mark.parametrize(
    "url",
    [
        "", "<string>", "javascript:alert(1)", "data:audio/mpeg;base64,AAAA", "ftp://example.com/a", "//example.com/a",
        "https://", "https:///a", "https://user:pass@example.com/a", "https://suno.ai@evil.example/a.mp3",
        "https://evil.example\\@suno.ai/a", "https://exa mple.com/a", "https://example.com/a b", "https://[::1]/a",
        "https://example.com:99999/a", "https://example.com:x/a", "https://example.com/\u202egpj.mp3",
        "https://example.com/a\x00.mp3", "https://example.com/a\nb", "https://ex℀mple.com/a", "https://..com/a",
        "https://example.com/" + "a" * 2000, "https://cdn1.suno.ai/None.mp3", "https://cdn2.suno.ai/image_None.jpeg",
        "https://cdn1.suno.ai/null.mp3", "https://cdn1.suno.ai/undefined", "https://cdn1.suno.ai/None.mp3?t=1",
        "https://studio-api.prod.suno.com/api/forbidden", "https://studio-api.prod.suno.com/api/forbidden/?x=1",
        None, 5, [], {},
    ],
)  # fmt: skip
def test_what_is_no_playable_web_address_is_nothing(url: object) -> None:
    assert reading.read_url(url) is None


def test_streams_are_known_by_their_host() -> None:
    assert reading.still_streams("https://audiopipe.suno.ai/?item_id=1")
    assert reading.still_streams("https://musicfile.removeai.ai/NmVhNjYz")
    assert not reading.still_streams("https://musicfile.removeai.ai/NmVhNjYz.mp3")
    assert not reading.still_streams("https://cdn1.suno.ai/1.mp3")


def test_a_web_address_is_not_a_reason() -> None:
    assert reading.read_reason("https://cdn.example.com/video.mp4") is None
    assert reading.read_reason("time out") == "time out"
