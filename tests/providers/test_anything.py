"""Whatever is sent: a sound snapshot, or one of the two errors."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.providers.payloads import WIRE, assert_sound
from tracker.providers import PROVIDERS, ErrorKind, Provider, ProviderError, TaskSnapshot, TaskStatus, WireError
from tracker.providers.refusal import decode

BODIES = [path.read_bytes() for path in sorted(WIRE.glob("*/*.json")) if path.name != "truncated.json"]
DOCUMENTS = [json.loads(body) for body in BODIES]
WORDS = st.sampled_from(
    ["SUCCESS", "FAILURE", "IN_PROGRESS", "complete", "error", "REVIEWING", "streaming", "30", "100%", "LYRICS",
     "success", "https://cdn1.suno.ai/a.mp3", "https://audiopipe.suno.ai/?item_id=1", "javascript:alert(1)",
     "https://cdn1.suno.ai/None.mp3", "1733717599", "{}", "[]", "[{]"]
)  # fmt: skip
KEYS = st.sampled_from(
    ["code", "data", "error", "message", "status", "state", "task_id", "id", "clip_id", "action", "submit_time",
     "fail_reason", "progress", "audio_url", "audioUrl", "stream_audio_url", "image_url", "duration", "tags", "prompt",
     "text", "title", "metadata", "response", "sunoData", "items", "clips", "success", "created", "callbackType",
     "created_at"]
)  # fmt: skip
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=8) | WORDS
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=6),
    max_leaves=20,
)
STATUSES = st.sampled_from([200, 200, 200, 400, 401, 402, 403, 404, 429, 500, 503]) | st.integers()
LONG = settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
every_provider = st.sampled_from(list(PROVIDERS.values()))


def survives(provider: Provider, body: bytes, http_status: int) -> None:
    for task in tasks_or_refusal(lambda: provider.parse(body, http_status=http_status, task_id="asked")):
        assert_sound(task)
    items: dict[str, bytes] = {}
    tasks_or_refusal(lambda: items.update(provider.split_batch(body, http_status=http_status)) or [])
    for name, raw in items.items():
        assert name.strip()
        for task in tasks_or_refusal(lambda raw=raw: [provider.parse_item(raw)]):
            assert_sound(task)


def tasks_or_refusal(read: Callable[[], list[TaskSnapshot]]) -> list[TaskSnapshot]:
    try:
        return read()
    except (ProviderError, WireError) as refusal:
        assert_explains_itself(refusal)
        return []


def assert_explains_itself(refusal: ProviderError | WireError) -> None:
    assert str(refusal)
    assert len(str(refusal).encode()) <= 2100
    assert isinstance(refusal, WireError) or refusal.kind in ErrorKind


def subtrees(value: Any) -> list[tuple[Any, Any]]:
    """Every (parent, key) of a document."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    return [pair for key in keys for pair in [(value, key), *subtrees(value[key])]]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A real body with subtrees deleted, replaced, duplicated or moved."""
    document = copy.deepcopy(draw(st.sampled_from(DOCUMENTS)))
    for _ in range(draw(st.integers(1, 4))):
        places = subtrees(document)
        if not places:
            break
        parent, key = draw(st.sampled_from(places))
        match draw(st.integers(0, 3)):
            case 0:
                del parent[key]
            case 1:
                parent[key] = draw(VALUES)
            case 2 if isinstance(parent, list):
                parent.append(copy.deepcopy(parent[key]))
            case 2:
                parent[draw(KEYS)] = copy.deepcopy(parent[key])
            case _:
                other, place = draw(st.sampled_from(places))
                parent[key] = copy.deepcopy(other[place]) if place in other or isinstance(other, list) else None
    return json.dumps(document, ensure_ascii=draw(st.booleans())).encode(errors="surrogatepass")


@LONG
@given(every_provider, st.binary(max_size=200), STATUSES)
def test_any_bytes_are_survived(provider: Provider, body: bytes, http_status: int) -> None:
    survives(provider, body, http_status)


@LONG
@given(every_provider, VALUES, STATUSES)
def test_any_json_is_survived(provider: Provider, value: Any, http_status: int) -> None:
    survives(provider, json.dumps(value).encode(), http_status)


@LONG
@given(every_provider, VALUES)
def test_any_task_in_a_proper_envelope_is_survived(provider: Provider, value: Any) -> None:
    survives(provider, json.dumps({"code": "success", "message": "", "data": value}).encode(), 200)


@LONG
@given(every_provider, mutated(), STATUSES)
def test_real_answers_out_of_joint_are_survived(provider: Provider, body: bytes, http_status: int) -> None:
    survives(provider, body, http_status)


@LONG
@given(every_provider, st.data())
def test_half_an_answer_is_never_a_task(provider: Provider, data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from(BODIES)).rstrip()
    body = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(ProviderError) as caught:
        provider.parse(body, task_id="asked")
    assert (caught.value.kind, caught.value.cause) == ("transient", "not_json")


@LONG
@given(every_provider, st.text(max_size=12), st.integers(0, 3))
def test_an_unfamiliar_status_never_ends_tracking(provider: Provider, word: str, spoiled: int) -> None:
    document = json.loads((WIRE / provider.slug / "published_finished.json").read_bytes())
    document["data"]["status"] = word = f"{word}?{spoiled}"
    (task,) = provider.parse(json.dumps(document).encode())
    assert task.status is TaskStatus.UNKNOWN
    assert not task.final
    assert len(task.clips) == 2


@LONG
@given(every_provider, st.sampled_from(BODIES), st.data())
def test_broken_bytes_in_a_real_answer_are_survived(provider: Provider, body: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(body)))
    survives(provider, body[:at] + data.draw(st.binary(min_size=1, max_size=4)) + body[at + 1 :], 200)


def test_numbers_and_texts_that_json_should_not_hold_are_survived() -> None:
    for value in ("NaN", "1e999", "9" * 5000, '"\\ud800"', '"\\u0000"', "-Infinity"):
        body = '{"code":"success","data":{"task_id":"t","status":"SUCCESS","progress":%s,"fail_reason":%s}}'
        for provider in PROVIDERS.values():
            survives(provider, (body % (value, value)).encode(), 200)


def test_a_key_that_stands_twice_counts_the_last_time() -> None:
    assert decode(b'{"a":1,"a":2}') == {"a": 2}
    assert decode(b'\xef\xbb\xbf{"a":"\xff"}') == {"a": "�"}
