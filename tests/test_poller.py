"""The polling loop against the simulated provider on loopback."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import Sum
from django.utils import timezone

from tests.conftest import make_credential
from tracker.demo.running import DemoServer
from tracker.models import Answer, Credential, MusicTask, PollerBeat, PollTally, Team, User, claim
from tracker.models.health import Tally
from tracker.poller import Poller, _record_batch, keep_house
from tracker.providers import TaskSnapshot, TaskStatus
from tracker.standing import standing

pytestmark = pytest.mark.django_db(transaction=True)


def track(credential: Credential, *task_ids: str, **fields: object) -> list[MusicTask]:
    now = timezone.now()
    return MusicTask.objects.track(
        team=credential.team, credential=credential, task_ids=task_ids, added_by=credential.owner, now=now, **fields
    )


def poll_once() -> None:
    asyncio.run(Poller(once=True).run(asyncio.Event()))


def make_due() -> None:
    MusicTask.objects.filter(next_poll_at__isnull=False).update(next_poll_at=timezone.now(), lease=None)


@contextmanager
def polling() -> Iterator[Poller]:
    """A poller that runs in a thread for as long as the block."""
    poller = Poller()
    started = threading.Event()
    ending: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run() -> None:
        stop = asyncio.Event()
        ending.append((asyncio.get_running_loop(), stop))
        started.set()
        await poller.run(stop)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    started.wait(5)
    try:
        yield poller
    finally:
        loop, stop = ending[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(12)
        assert not thread.is_alive()


def eventually(question: object, seconds: float = 10) -> None:
    """Wait until ``question()`` is true."""
    end = time.monotonic() + seconds
    while not question():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.05)


@pytest.mark.parametrize("provider", ["qhaigc", "relay", "huiyan"])
def test_a_task_of_each_format_is_followed_to_its_end(provider: str, request: pytest.FixtureRequest) -> None:
    credential = request.getfixturevalue(provider)
    (task,) = track(credential, f"done-{provider}-1")
    poll_once()
    task.refresh_from_db()
    assert (task.status, task.ended, task.shelf, task.next_poll_at) == ("succeeded", "final", "done", None)
    clips = list(task.clips.all())
    assert len(clips) == 2
    assert all(clip.audio_url.endswith(".mp3") and clip.state == "complete" for clip in clips)
    assert task.title == clips[0].title != ""
    kinds = list(task.events.order_by("pk").values_list("kind", flat=True))
    assert kinds == ["tracked", "status", "clip_done", "clip_done"]


def test_thirty_ids_at_a_relay_are_asked_for_in_one_request(relay: Credential, demo: DemoServer) -> None:
    demo.control(reset=True)
    track(relay, *(f"done-batch-{number}" for number in range(30)))
    poll_once()
    assert MusicTask.objects.filter(ended="final").count() == 30
    relay.refresh_from_db()
    assert relay.answers_batches is True
    stats = demo.stats()
    assert stats["requests"].get("relay.batch") == 1, stats
    assert "relay.task" not in stats["requests"], stats


def test_a_provider_that_refuses_batches_is_asked_singly_from_then_on(huiyan: Credential, demo: DemoServer) -> None:
    demo.control(reset=True)
    track(huiyan, "done-single-1", "done-single-2")
    poll_once()
    huiyan.refresh_from_db()
    assert huiyan.answers_batches is False
    assert MusicTask.objects.filter(ended="final").count() == 2
    before = demo.stats()["requests"]
    track(huiyan, "done-single-3", "done-single-4")
    poll_once()
    after = demo.stats()["requests"]
    assert after["huiyan.batch"] == before["huiyan.batch"] == 1
    assert after["huiyan.task"] == before["huiyan.task"] + 2


def test_a_refused_key_rests_the_credential_and_loses_no_task(team: Team, alice: User, demo: DemoServer) -> None:
    credential = make_credential(
        team, alice, base_url=f"{demo.url}/huiyan", provider="huiyan", key="refused-0123456789"
    )
    track(credential, "fast-a", "fast-b", "fast-c")
    poll_once()
    credential.refresh_from_db()
    assert (credential.state, credential.rest_kind, credential.rest_status) == ("resting", "key_refused", 401)
    assert set(MusicTask.objects.values_list("hold", "shelf", "ended", "next_poll_at")) == {
        ("key_refused", "attention", "", None)
    }
    credential.replace_key("sk-good-0123456789", now=timezone.now())
    poll_once()
    credential.refresh_from_db()
    assert credential.state == "active"
    assert set(MusicTask.objects.values_list("hold", "poll_error")) == {("", "")}


def test_a_rested_credential_tries_again_with_one_task_and_wakes_the_others(
    team: Team, alice: User, demo: DemoServer
) -> None:
    credential = make_credential(
        team, alice, base_url=f"{demo.url}/qhaigc", provider="qhaigc", key="refused-0123456789"
    )
    track(credential, "done-a", "done-b", "done-c")
    poll_once()
    credential.refresh_from_db()
    # The provider takes the same key again, and nobody told musicboard.
    credential.seal("sk-works-again-12345")
    credential.save(update_fields=["sealed_key", "last_four"])
    later = timezone.now() + timedelta(minutes=11)
    demo.control(reset=True)
    keep_house(later)
    assert MusicTask.objects.filter(next_poll_at__isnull=False).count() == 1
    MusicTask.objects.filter(next_poll_at__isnull=False).update(next_poll_at=timezone.now())
    poll_once()
    credential.refresh_from_db()
    assert credential.state == "active"
    poll_once()
    assert MusicTask.objects.filter(ended="final").count() == 3


def test_one_task_that_is_refused_does_not_keep_a_good_key_from_the_others(qhaigc: Credential) -> None:
    track(qhaigc, "queued-a", "queued-b")
    poll_once()
    track(qhaigc, "fault-401-c")
    poll_once()
    qhaigc.refresh_from_db()
    assert qhaigc.state == "resting"
    assert qhaigc.rest_until is not None
    assert qhaigc.rest_until < timezone.now() + timedelta(seconds=61), "a key that worked a moment ago rests briefly"
    Credential.objects.update(rest_until=timezone.now(), last_success_at=timezone.now() - timedelta(seconds=60))
    keep_house(timezone.now())
    poll_once()
    qhaigc.refresh_from_db()
    assert qhaigc.state == "active"
    make_due()
    poll_once()
    qhaigc.refresh_from_db()
    assert qhaigc.state == "active"
    refused = MusicTask.objects.get(task_id="fault-401-c")
    assert (refused.poll_error, refused.hold, refused.ended) == ("key_refused", "", "")
    assert standing(refused, [], person_id=None, now=timezone.now()).key == "task_refused"
    assert refused.next_poll_at is not None
    assert refused.next_poll_at > timezone.now() + timedelta(minutes=4)
    others = MusicTask.objects.exclude(pk=refused.pk)
    assert set(others.values_list("hold", "status")) == {("", "queued")}


def test_a_probe_that_is_refused_waits_again_and_longer(team: Team, alice: User, demo: DemoServer) -> None:
    credential = make_credential(
        team, alice, base_url=f"{demo.url}/qhaigc", provider="qhaigc", key="refused-0123456789"
    )
    track(credential, "done-a", "done-b")
    poll_once()
    credential.refresh_from_db()
    first_rest = credential.rest_until
    Credential.objects.update(rest_until=timezone.now())
    keep_house(timezone.now())
    poll_once()
    credential.refresh_from_db()
    assert credential.state == "resting"
    assert credential.rest_until is not None
    assert first_rest is not None
    assert credential.rest_until > first_rest
    assert set(MusicTask.objects.values_list("hold", "next_poll_at")) == {("key_refused", None)}


@pytest.mark.parametrize(
    ("task_id", "kind", "cause"),
    [
        ("fault-500-a", "transient", "server_error"),
        ("fault-html-a", "transient", "html"),
        ("fault-truncated-a", "transient", "not_json"),
        ("fault-big-a", "transient", "too_large"),
        ("fault-429-a", "rate_limited", ""),
    ],
)
def test_a_passing_fault_is_said_and_touches_nothing_known(
    relay: Credential, demo: DemoServer, task_id: str, kind: str, cause: str
) -> None:
    (task,) = track(relay, task_id)
    MusicTask.objects.update(status="running", progress=40, title="Known")
    poll_once()
    task.refresh_from_db()
    assert (task.poll_error, task.poll_error_cause) == (kind, cause)
    assert (task.status, task.progress, task.title, task.ended) == ("running", 40, "Known", "")
    assert task.next_poll_at is not None
    assert task.next_poll_at > timezone.now()


def test_an_unknown_id_ends_only_after_three_tries_over_two_minutes(relay: Credential) -> None:
    (task,) = track(relay, "unknown-a")
    for tries in (1, 2):
        poll_once()
        task.refresh_from_db()
        assert (task.ended, task.missing_count, task.poll_error) == ("", tries, "unknown_task")
        make_due()
    poll_once()
    task.refresh_from_db()
    assert task.ended == "", "three tries within a second are not enough"
    MusicTask.objects.update(missing_since=timezone.now() - timedelta(seconds=121))
    make_due()
    poll_once()
    task.refresh_from_db()
    assert (task.ended, task.shelf, task.next_poll_at) == ("unknown_task", "failed", None)


def test_a_status_nobody_knows_is_unknown_and_stays_live(relay: Credential) -> None:
    (task,) = track(relay, "fault-strange-a")
    poll_once()
    task.refresh_from_db()
    assert (task.status, task.ended) == ("unknown", "")
    assert task.raw_status != ""


def test_retry_after_is_obeyed_for_the_whole_credential(qhaigc: Credential, demo: DemoServer) -> None:
    track(qhaigc, "fault-429-a")
    poll_once()
    qhaigc.refresh_from_db()
    assert qhaigc.paused_until is not None
    demo.control(reset=True)
    track(qhaigc, "fast-z")
    poll_once()
    assert demo.stats()["requests"].get("qhaigc.task") is None
    waiting = MusicTask.objects.get(task_id="fast-z")
    assert waiting.next_poll_at is not None
    assert waiting.next_poll_at >= qhaigc.paused_until
    assert waiting.lease is None


def test_a_hanging_provider_does_not_hold_up_another(relay: Credential, qhaigc: Credential) -> None:
    track(qhaigc, *(f"fault-hang-{number}" for number in range(20)))
    track(relay, "done-quick")
    with polling():
        eventually(lambda: MusicTask.objects.filter(task_id="done-quick", ended="final").exists(), 5)


def test_a_stop_in_mid_flight_ends_within_ten_seconds_and_gives_everything_back(qhaigc: Credential) -> None:
    track(qhaigc, "fault-hang-1", "fault-hang-2")
    with polling():
        eventually(lambda: MusicTask.objects.filter(lease__isnull=False).count() == 2)
        begun = time.monotonic()
    assert time.monotonic() - begun < 10
    # What was on its way is due again by its lease, at most a minute from now.
    assert MusicTask.objects.filter(next_poll_at__lte=timezone.now() + timedelta(seconds=61)).count() == 2


def test_an_answer_whose_lease_was_lost_is_dropped(relay: Credential, demo: DemoServer) -> None:
    (task,) = track(relay, "done-late")
    demo.control(latency_ms=600)
    try:
        with polling():
            eventually(lambda: MusicTask.objects.filter(lease__isnull=False).exists())
            MusicTask.objects.update(lease=7, next_poll_at=timezone.now() + timedelta(hours=1))
            time.sleep(1.5)
    finally:
        demo.control(latency_ms=0)
    task.refresh_from_db()
    assert (task.status, task.lease) == ("unknown", 7)


def test_two_pollers_ask_for_no_task_twice(relay: Credential, qhaigc: Credential, demo: DemoServer) -> None:
    demo.control(reset=True)
    track(qhaigc, *(f"done-two-{number}" for number in range(150)))
    with polling(), polling():
        eventually(lambda: not MusicTask.objects.exclude(ended="final").exists(), 20)
    assert demo.stats()["requests"]["qhaigc.task"] == 150
    for task in MusicTask.objects.all():
        assert task.clips.count() == 2
        assert task.events.filter(kind="status").count() == 1


def test_claims_walk_the_partial_index(relay: Credential) -> None:
    track(relay, *(f"id-{number}" for number in range(50)))
    query = "SELECT id FROM tracker_musictask WHERE next_poll_at <= %s ORDER BY next_poll_at LIMIT 10"
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {query}", ["2030-01-01"])
        else:
            cursor.execute("SET enable_seqscan = off")
            cursor.execute(f"EXPLAIN {query}", [timezone.now()])
        plan = str(cursor.fetchall())
    assert "task_due" in plan
    assert "TEMP B-TREE" not in plan


def test_a_claim_is_out_of_reach_until_its_lease_ends(relay: Credential) -> None:
    track(relay, "a1", "a2", "a3")
    now = timezone.now()
    assert len(claim(now, limit=2)) == 2
    assert len(claim(now, limit=10)) == 1
    assert claim(now + timedelta(seconds=59), limit=10) == []
    assert len(claim(now + timedelta(seconds=61), limit=10)) == 3


def test_a_poller_shows_that_it_lives_and_how_late_it_is_and_signs_off(relay: Credential) -> None:
    tasks = track(relay, "queued-late-1", "queued-late-2")
    MusicTask.objects.filter(pk=tasks[0].pk).update(next_poll_at=timezone.now() - timedelta(seconds=30))
    with polling() as poller:
        eventually(lambda: PollerBeat.objects.filter(name=poller.sign.name).exists())
        assert PollerBeat.objects.alive(timezone.now()).count() == 1
        assert not PollerBeat.objects.alive(timezone.now() + timedelta(seconds=61)).exists()
        eventually(lambda: MusicTask.objects.filter(status="queued").count() == 2)
        told, _tallies = poller.sign.draw_up(timezone.now())
        assert 30 <= told["lag_p95"] < 40
        told, _tallies = poller.sign.draw_up(timezone.now() + timedelta(minutes=5))
        assert told["lag_p95"] is None, "what was late a while ago tells nothing about now"
    assert not PollerBeat.objects.exists()


def test_checks_and_those_that_failed_are_counted_per_credential(relay: Credential, qhaigc: Credential) -> None:
    track(relay, "done-count-1", "done-count-2", "unknown-count-3")
    track(qhaigc, "done-count-1", "fault-500-count")
    poll_once()
    poll_once()
    counted = PollTally.objects.values_list("provider").annotate(asked=Sum("asked"), failed=Sum("failed"))
    assert {provider: (asked, failed) for provider, asked, failed in counted} == {
        "suno-fetch": (3, 0),
        "qhaigc": (2, 1),
    }
    make_due()
    poll_once()
    assert PollTally.objects.filter(credential=qhaigc).aggregate(asked=Sum("asked"))["asked"] == 3


def test_two_pollers_add_to_the_same_tally(relay: Credential) -> None:
    at = timezone.now().replace(minute=5, second=0, microsecond=0)
    for asked, failed in ((3, 1), (4, 0)):
        PollTally.add([Tally(relay.pk, "suno-fetch", at, asked, failed)])
    tally = PollTally.objects.get()
    assert (tally.asked, tally.failed, tally.starts_at) == (7, 1, at)


def test_a_credential_that_is_deleted_meanwhile_keeps_its_providers_tally(relay: Credential) -> None:
    PollTally.add([Tally(relay.pk, "suno-fetch", timezone.now(), 1, 0)])
    pk = relay.pk
    relay.remove()
    PollTally.add([Tally(pk, "suno-fetch", timezone.now() + timedelta(hours=1), 1, 0)])
    assert PollTally.objects.filter(provider="suno-fetch").count() == 2


def test_old_signs_of_life_and_tallies_go(relay: Credential) -> None:
    now = timezone.now()
    for hours in (1, 23, 25, 26):
        at = now - timedelta(hours=hours, seconds=5)
        PollerBeat.objects.create(name=f"{hours}", started_at=at, seen_at=at)
        PollTally.add([Tally(relay.pk, "suno-fetch", at, 1, 0)])
    keep_house(now)
    assert set(PollerBeat.objects.values_list("name", flat=True)) == {"1", "23"}
    assert PollTally.objects.count() == 2


def test_an_answer_that_cannot_be_written_keeps_no_other_from_it(relay: Credential) -> None:
    tasks = track(relay, "done-one", "done-two")
    claims = claim(timezone.now(), limit=2)
    # Half a character cannot be written.
    answers = [
        Answer(one, snapshot=TaskSnapshot(task_id=one.task_id, status=TaskStatus.RUNNING), raw_answer=raw)
        for one, raw in zip(claims, ("{}", "\ud800"), strict=True)
    ]
    _record_batch(answers, [], random.Random(1))
    by_pk = {task.pk: task for task in MusicTask.objects.all()}
    assert by_pk[claims[0].pk].status == "running"
    spoiled = by_pk[claims[1].pk]
    assert (spoiled.status, spoiled.lease) == ("unknown", None)
    assert spoiled.next_poll_at is not None
    assert spoiled.next_poll_at > timezone.now() + timedelta(minutes=4)
    assert len(tasks) == 2
