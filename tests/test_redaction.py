"""What is taken out of an answer before it is kept."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tracker.redaction import REMOVED, redact_answer

KEY = "sk-live-4f9a0b1c2d3e4f5a"


def test_fields_that_name_a_secret_are_emptied_and_the_rest_stays() -> None:
    body = {
        "data": {
            "task_id": "t1",
            "notify_hook": "https://example.org/hook?secret=1",
            "callBackUrl": "https://example.org/back",
            "api_key": "abc",
            "accessToken": "abc",
            "token": "",
            "title": "春天",
            "audio_url": "https://files.example.org/a.mp3",
        }
    }
    kept = json.loads(redact_answer(json.dumps(body).encode(), key=KEY))["data"]
    assert kept["notify_hook"] == kept["callBackUrl"] == kept["api_key"] == kept["accessToken"] == REMOVED
    assert (kept["token"], kept["title"], kept["task_id"]) == ("", "春天", "t1")
    assert kept["audio_url"] == "https://files.example.org/a.mp3"


def test_a_name_or_key_in_escaped_signs_is_found_too() -> None:
    body = b'{"\\u0061pi_k\\u0065y": "abc", "message": "sk\\u002dlive-4f9a0b1c2d3e4f5a"}'
    text = redact_answer(body, key=KEY)
    assert "abc" not in text
    assert KEY not in text
    assert "4f9a0b1c2d3e4f5a" not in text


def test_a_key_inside_a_sentence_is_taken_out() -> None:
    text = redact_answer(json.dumps({"message": f"bad key {KEY} and Bearer abcdefghijkl"}).encode(), key=KEY)
    assert KEY not in text
    assert "abcdefghijkl" not in text


def test_what_is_not_json_is_kept_as_text_without_the_key() -> None:
    text = redact_answer(f"<html>{KEY}\0</html>".encode(), key=KEY)
    assert text == f"<html>{REMOVED}</html>"


@given(st.binary(max_size=300), st.text(max_size=20))
def test_no_answer_makes_it_raise_or_keeps_the_key(noise: bytes, name: str) -> None:
    for body in (noise, json.dumps({name: KEY, "x": [KEY, {name: noise.hex() + KEY}]}).encode(), noise + KEY.encode()):
        assert KEY not in redact_answer(body, key=KEY)
