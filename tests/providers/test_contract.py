"""What holds for every provider; a new one is found by itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.providers.payloads import WIRE, assert_sound, payload
from tracker.providers import PROVIDERS, Provider, ProviderError, WireRequest, get_provider, provider_choices

every_provider = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)


@every_provider
def test_a_provider_says_who_it_is(provider: Provider) -> None:
    assert get_provider(provider.slug) is provider
    assert (provider.slug, provider.label) in provider_choices()
    assert provider.docs_url.startswith("https://")
    assert provider.base_url is None or (provider.base_url.startswith("https://") and provider.base_url[-1] != "/")


@every_provider
def test_an_id_cannot_leave_its_place_in_the_path(provider: Provider) -> None:
    plain = provider.task_request("750ced71bcdde0f6b7677c967722b888")
    assert plain.method == "GET"
    assert plain.json is None
    assert plain.path.startswith("/")
    assert plain.path.endswith("/750ced71bcdde0f6b7677c967722b888")
    sly = provider.task_request("../a b?c=d#e/春\ud800").path
    assert sly == plain.path.rsplit("/", 1)[0] + "/..%2Fa%20b%3Fc%3Dd%23e%2F%E6%98%A5%3F"
    for no_id in ("", ".", ".."):
        with pytest.raises(ProviderError):
            provider.task_request(no_id)


@every_provider
def test_a_batch_is_offered_exactly_where_there_is_one(provider: Provider) -> None:
    if provider.batch_limit:
        assert provider.batch_request(("a", "b")) == WireRequest(
            method="POST", path="/suno/fetch", json={"ids": ["a", "b"]}
        )
    else:
        with pytest.raises(NotImplementedError):
            provider.batch_request(["a"])


@every_provider
def test_every_payload_of_a_provider_is_read_into_sound_snapshots(provider: Provider) -> None:
    files = sorted((WIRE / provider.slug).glob("*.json"))
    assert files, "a provider comes with its payloads"
    for file in files:
        for task in provider.parse(file.read_bytes(), task_id="asked"):
            assert_sound(task)
            assert task.task_id


@every_provider
def test_the_published_answer_is_a_finished_task_with_two_songs(provider: Provider) -> None:
    (task,) = provider.parse(payload(provider.slug, "published_finished.json"))
    assert task.final
    assert [clip.playable for clip in task.clips] == [True, True]


@every_provider
def test_the_published_task_reads_the_same_as_an_item_of_a_batch(provider: Provider) -> None:
    body = payload(provider.slug, "published_finished.json")
    (task,) = provider.parse(body)
    items = provider.split_batch(body)
    assert {name: provider.parse_item(raw) for name, raw in items.items()} == {task.task_id: task}


def test_the_room_is_pure() -> None:
    code = "import sys, tracker.providers; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"django", "httpx", "aiohttp", "socket", "sqlite3"}.isdisjoint(loaded)
