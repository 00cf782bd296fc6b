"""Asking the simulated provider over real connections."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from tracker.checking import outbound_policy
from tracker.demo.running import DemoServer
from tracker.fetching import Access, BatchRefusedError, fetch_batch, fetch_one, fetch_together, probe_key
from tracker.outbound import Outbound
from tracker.providers import ErrorKind, get_provider

Found = TypeVar("Found")
KEY = "sk-test-0123456789abcdef"


def access(url: str, slug: str = "suno-fetch", key: str = KEY) -> Access:
    return Access(1, 0, get_provider(slug), url, key)


def ask(question: Callable[[Outbound], Awaitable[Found]]) -> Found:
    async def run() -> Found:
        async with Outbound(outbound_policy()) as client:
            return await question(client)

    return asyncio.run(run())


def test_a_known_answer_is_not_read_again(demo: DemoServer) -> None:
    relay = access(f"{demo.url}/relay")
    first = ask(lambda client: fetch_one(relay, "done-known", client))
    assert first.snapshot is not None
    again = ask(lambda client: fetch_one(relay, "done-known", client, known_hash=first.answer_hash))
    assert again.unchanged
    assert again.answer_hash == first.answer_hash


@pytest.mark.parametrize(
    ("task_id", "kind", "status", "cause"),
    [
        ("fault-401-x", ErrorKind.KEY_REFUSED, 401, ""),
        ("fault-403-x", ErrorKind.KEY_REFUSED, 403, ""),
        ("fault-quota-x", ErrorKind.QUOTA, 403, ""),
        ("fault-404-x", ErrorKind.UNKNOWN_TASK, 404, ""),
        ("unknown-x", ErrorKind.UNKNOWN_TASK, 400, ""),
        ("fault-429-x", ErrorKind.RATE_LIMITED, 429, ""),
        ("fault-500-x", ErrorKind.TRANSIENT, 500, "server_error"),
        ("fault-html-x", ErrorKind.TRANSIENT, 502, "html"),
        ("fault-truncated-x", ErrorKind.TRANSIENT, 200, "not_json"),
        ("fault-image-x", ErrorKind.TRANSIENT, 200, "not_json"),
        ("fault-big-x", ErrorKind.TRANSIENT, None, "too_large"),
        ("fault-hang-x", ErrorKind.TRANSIENT, None, "timeout"),
    ],
)
def test_each_fault_is_an_error_of_its_own_kind(
    demo: DemoServer, task_id: str, kind: ErrorKind, status: int | None, cause: str
) -> None:
    relay = access(f"{demo.url}/relay")
    reply = ask(lambda client: fetch_one(relay, task_id, client, deadline_seconds=1.5))
    assert reply.error is not None
    assert (reply.error.kind, reply.error.http_status, reply.error.cause) == (kind, status, cause)
    assert KEY not in repr(reply.error) + str(reply.error) + reply.error.message


def test_json_under_another_content_type_is_read_all_the_same(demo: DemoServer) -> None:
    reply = ask(lambda client: fetch_one(access(f"{demo.url}/relay"), "fault-type-x", client))
    assert reply.error is None
    assert reply.snapshot is not None


def test_retry_after_comes_in_seconds(demo: DemoServer) -> None:
    reply = ask(lambda client: fetch_one(access(f"{demo.url}/relay"), "fault-429-x", client))
    assert reply.error is not None
    assert reply.error.retry_after == 5


def test_a_batch_answers_what_it_knows_and_leaves_out_the_rest(demo: DemoServer) -> None:
    known = {"done-a": "", "unknown-b": "", "lyrics-c": ""}
    replies = ask(lambda client: fetch_batch(access(f"{demo.url}/relay"), known, client))
    assert set(replies) == {"done-a", "lyrics-c"}
    assert all(reply.snapshot is not None for reply in replies.values())
    again = {"done-a": replies["done-a"].answer_hash}
    assert ask(lambda client: fetch_batch(access(f"{demo.url}/relay"), again, client))["done-a"].unchanged


def test_a_provider_without_batches_says_so_for_good(demo: DemoServer) -> None:
    with pytest.raises(BatchRefusedError) as caught:
        ask(lambda client: fetch_batch(access(f"{demo.url}/huiyan", "huiyan"), {"a": "", "b": ""}, client))
    assert caught.value.for_good


@pytest.mark.parametrize("fault", ["fault-html-", "fault-truncated-", "fault-403-"])
def test_a_batch_that_stumbles_is_not_refused_for_good(demo: DemoServer, fault: str) -> None:
    with pytest.raises(BatchRefusedError) as caught:
        ask(lambda client: fetch_batch(access(f"{demo.url}/relay"), {f"{fault}a": "", "done-b": ""}, client))
    assert not caught.value.for_good


def test_a_refused_key_is_the_answer_for_the_whole_batch(demo: DemoServer) -> None:
    refused = access(f"{demo.url}/relay", key="refused-0123456789")
    replies = ask(lambda client: fetch_batch(refused, {"a": "", "b": ""}, client))
    kinds = {reply.error.kind for reply in replies.values() if reply.error}
    assert kinds == {ErrorKind.KEY_REFUSED}


def test_one_bad_id_does_not_spoil_a_batch(demo: DemoServer) -> None:
    demo.control(reset=True)
    known = {f"done-{number}": "" for number in range(30)} | {"fault-500-bad": "", "unknown-x": ""}
    replies = ask(lambda client: fetch_together(access(f"{demo.url}/relay"), known, client))
    failed = {task_id for task_id, reply in replies.items() if reply.error}
    assert failed == {"fault-500-bad"}
    assert len(replies) == 31
    assert demo.stats()["requests"]["relay.batch"] <= 11


def test_a_provider_that_is_down_is_not_asked_again_and_again_by_halves(demo: DemoServer) -> None:
    demo.control(reset=True, down=True)
    try:
        known = {f"done-{number}": "" for number in range(32)}
        replies = ask(lambda client: fetch_together(access(f"{demo.url}/relay"), known, client))
    finally:
        demo.control(down=False)
    assert len(replies) == 32
    assert all(reply.error for reply in replies.values())
    assert demo.stats()["requests"]["relay.batch"] == 3


def test_a_loopback_address_is_refused_unless_it_is_allowed(demo: DemoServer, settings: object) -> None:
    settings.OUTBOUND_ALLOW_NETS = []  # type: ignore[attr-defined]
    reply = ask(lambda client: fetch_one(access(f"{demo.url}/relay"), "done-a", client))
    assert reply.error is not None
    assert reply.error.cause == "forbidden_address"


@pytest.mark.parametrize(
    ("slug", "mount", "key", "kind"),
    [
        ("qhaigc", "qhaigc", KEY, None),
        ("suno-fetch", "relay", KEY, None),
        ("huiyan", "huiyan", KEY, None),
        ("huiyan", "huiyan", "refused-0123456789", ErrorKind.KEY_REFUSED),
        ("suno-fetch", "relay", "empty-0123456789", ErrorKind.QUOTA),
        ("suno-fetch", "nowhere", KEY, ErrorKind.TRANSIENT),
        ("suno-fetch", "relay", "sk-with\nline-break", ErrorKind.KEY_REFUSED),
        ("suno-fetch", "relay", "sk-ключ-0123456789", ErrorKind.KEY_REFUSED),
    ],
)
def test_a_key_is_tried_without_a_task(
    demo: DemoServer, slug: str, mount: str, key: str, kind: ErrorKind | None
) -> None:
    error = ask(lambda client: probe_key(access(f"{demo.url}/{mount}", slug, key), client, task_id="no-such-task"))
    assert (error.kind if error else None) == kind
    assert key not in repr(error)


def test_an_access_does_not_tell_its_key() -> None:
    assert KEY not in repr(access("https://relay.example.org"))
