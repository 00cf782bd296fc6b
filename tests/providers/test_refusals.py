"""Answers that are no task: each gets the kind that has the right consequence."""

from __future__ import annotations

import pytest

from tests.providers.payloads import payload
from tracker.providers import PROVIDERS, ErrorKind, ProviderError, WireError

CASES = [
    ("new_api_unknown_task.json", 400, "unknown_task", ""),
    ("new_api_unknown_task.json", 200, "unknown_task", ""),
    ("one_hub_unknown_task.json", 404, "unknown_task", ""),
    ("suno_api_unknown_task.json", 400, "unknown_task", ""),
    ("new_api_invalid_key.json", 401, "key_refused", ""),
    ("new_api_key_exhausted.json", 401, "quota", ""),
    ("new_api_no_quota_on_submit.json", 403, "quota", ""),
    ("new_api_user_banned.json", 403, "key_refused", ""),
    ("new_api_saturated.json", 429, "rate_limited", ""),
    ("new_api_wrong_path.json", 404, "transient", "wrong_path"),
    ("new_api_fail_to_fetch.json", 400, "transient", ""),
    ("new_api_fail_to_fetch.json", 502, "transient", "server_error"),
    ("suno_api_bad_secret.json", 401, "key_refused", ""),
    ("sunoapi_no_credits.json", 200, "quota", ""),
    ("sunoapi_too_fast.json", 200, "rate_limited", ""),
    ("sunoapi_unauthorized.json", 200, "key_refused", ""),
    ("sunoapi_maintenance.json", 200, "transient", "server_error"),
    ("kie_no_credits.json", 200, "quota", ""),
    ("kie_no_credits.json", 402, "quota", ""),
    ("kie_too_fast.json", 200, "rate_limited", ""),
    ("openai_insufficient_quota.json", 200, "quota", ""),
    ("openai_insufficient_quota.json", 429, "quota", ""),
    ("openai_invalid_key.json", 200, "key_refused", ""),
    ("openai_invalid_key.json", 401, "key_refused", ""),
    ("json_without_anything_known.json", 500, "transient", "server_error"),
    ("json_without_anything_known.json", 404, "unknown_task", ""),
    ("gateway_timeout.html", 504, "transient", "html"),
    ("gateway_timeout.html", 403, "transient", "html"),
    ("gateway_timeout.html", 404, "transient", "html"),
    ("gateway_timeout.html", 200, "transient", "html"),
    ("empty.txt", 429, "rate_limited", ""),
    ("empty.txt", 404, "unknown_task", ""),
    ("empty.txt", 401, "key_refused", ""),
    ("empty.txt", 402, "quota", ""),
    ("empty.txt", 503, "transient", "server_error"),
    ("empty.txt", 200, "transient", "not_json"),
    ("gin_not_found.txt", 404, "transient", "wrong_path"),
    ("truncated.json", 200, "transient", "not_json"),
]


@pytest.mark.parametrize(("name", "http_status", "kind", "cause"), CASES)
@pytest.mark.parametrize("slug", PROVIDERS)
def test_a_refusal_gets_its_kind_and_cause(slug: str, name: str, http_status: int, kind: str, cause: str) -> None:
    with pytest.raises(ProviderError) as caught:
        PROVIDERS[slug].parse(payload("errors", name), http_status=http_status, retry_after=7.5)
    error = caught.value
    assert (error.kind, error.cause) == (kind, cause)
    assert (error.http_status, error.retry_after) == (http_status, 7.5)
    assert 0 < len(error.message) <= 500


@pytest.mark.parametrize("slug", PROVIDERS)
def test_json_without_anything_known_is_a_shape_error(slug: str) -> None:
    for body in (
        payload("errors", "json_without_anything_known.json"),
        b"null",
        b"12",
        b'"text"',
        b"[]",
        b"{}",
        b"[1]",
    ):
        with pytest.raises(WireError):
            PROVIDERS[slug].parse(body)


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"data":' * 100_000, b"[" * 100_000 + b"]" * 100_000])
def test_nesting_without_end_is_a_shape_error(body: bytes) -> None:
    with pytest.raises(WireError):
        PROVIDERS["suno-fetch"].parse(body)


def message_of(text: str) -> str:
    with pytest.raises(ProviderError) as caught:
        PROVIDERS["suno-fetch"].parse(b'{"error":{"message":"%s"}}' % text.encode(), http_status=401)
    return caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "Incorrect API key provided: sk-abcDEF0123456789.",
        "无效的令牌 sk-abc***xyz",
        "header Authorization: Bearer abcDEF0123456789",
        "api_key=abcDEF0123456789",
        "token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhYmNERUYwMTIzIn0.x",
    ],
)
def test_a_message_never_repeats_a_key(text: str) -> None:
    message = message_of(text)
    assert "…" in message
    assert not any(piece in message for piece in ("abcDEF", "abc*", "eyJ", "xyz"))


def test_a_task_id_that_looks_a_little_like_a_key_stays_readable() -> None:
    assert message_of("task-1234567 is gone") == "task-1234567 is gone"


def test_a_long_message_is_cut() -> None:
    assert len(message_of("x" * 3000)) == 500


def test_the_kinds_are_those_of_the_contract() -> None:
    assert [kind.value for kind in ErrorKind] == [
        "key_refused", "quota", "unknown_task", "rate_limited", "transient", "unreadable",
    ]  # fmt: skip
