"""The operations page and the metrics: who may read them, what they say, and what they cost."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import KEY, make_credential, track
from tracker.models import Credential, MusicTask, PollerBeat, PollTally, Team, User
from tracker.models.credentials import Hold
from tracker.models.health import Tally
from tracker.operations import take_numbers

pytestmark = pytest.mark.django_db


def beat(name: str, *, seconds_ago: float, p50: float | None = None, p95: float | None = None) -> None:
    seen_at = timezone.now() - timedelta(seconds=seconds_ago)
    PollerBeat.objects.create(name=name, started_at=seen_at, seen_at=seen_at, lag_p50=p50, lag_p95=p95)


def text(response: HttpResponse) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def samples(response: HttpResponse) -> dict[str, float]:
    """Each sample of a scrape by its name and labels, read as Prometheus reads it."""
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(response.content.decode())
        for sample in family.samples
    }


# The numbers ----------------------------------------------------------------------------------------------


def test_what_is_live_late_and_waiting_is_counted(stored: Credential, team: Team, alice: User) -> None:
    now = timezone.now()
    late, _soon, gone, ended = track(stored, "late", "soon", "gone", "ended")
    MusicTask.objects.filter(pk=late.pk).update(next_poll_at=now - timedelta(seconds=31))
    gone.remove(actor=None, now=now)
    ended.stop(actor=None, now=now)
    resting = make_credential(team, alice, base_url="https://relay.example.org")
    track(resting, "held-1", "held-2")
    resting.rest(Hold.QUOTA, now=now, status=402)
    numbers = take_numbers(now)
    assert (numbers.live, numbers.waiting, numbers.overdue) == (4, 2, 1)
    assert numbers.credentials == {"active": 1, "resting": 1}
    assert [one.pk for one in numbers.resting] == [resting.pk]


def test_a_poller_that_was_killed_is_not_called_alive(db: None) -> None:
    beat("lives", seconds_ago=9, p50=0.2, p95=1.5)
    beat("killed", seconds_ago=61, p50=300, p95=600)
    numbers = take_numbers(timezone.now())
    assert [one.name for one in numbers.alive] == ["lives"]
    assert (numbers.lag_p50, numbers.lag_p95) == (0.2, 1.5)


def test_the_latest_poller_tells_the_lag(db: None) -> None:
    beat("quick", seconds_ago=1, p50=0.1, p95=0.3)
    beat("slow", seconds_ago=1, p50=4.0, p95=9.0)
    beat("idle", seconds_ago=1)
    assert take_numbers(timezone.now()).lag_p95 == 9.0


def test_only_the_last_hour_of_checks_counts(stored: Credential) -> None:
    now = timezone.now()
    for minutes, asked, failed in ((3, 10, 1), (50, 30, 9), (70, 500, 500)):
        PollTally.add([Tally(stored.pk, "suno-fetch", now - timedelta(minutes=minutes), asked, failed)])
    (hour,) = take_numbers(now).providers
    assert (hour.provider, hour.asked, hour.failed, hour.percent) == ("suno-fetch", 40, 10, 25)


def test_disk_and_database_have_a_size(db: None) -> None:
    numbers = take_numbers(timezone.now())
    assert numbers.database is not None
    assert numbers.database > 100_000
    assert numbers.disk_free is not None
    assert numbers.disk_total is not None
    assert 0 < numbers.disk_free <= numbers.disk_total


def test_the_numbers_take_the_same_queries_for_one_and_for_many(
    stored: Credential, team: Team, alice: User, django_assert_num_queries: object
) -> None:
    queries = 8 if connection.vendor == "sqlite" else 9
    with django_assert_num_queries(queries):  # type: ignore[operator]
        take_numbers(timezone.now())
    for number in range(5):
        one = make_credential(team, alice, base_url="https://relay.example.org")
        track(one, *(f"{number}-{each}" for each in range(5)))
        one.rest(Hold.KEY_REFUSED, now=timezone.now())
        beat(str(number), seconds_ago=number)
        PollTally.add([Tally(one.pk, f"provider-{number}", timezone.now(), 1, 1)])
    with django_assert_num_queries(queries):  # type: ignore[operator]
        take_numbers(timezone.now())


@pytest.mark.skipif(connection.vendor != "sqlite", reason="plans are SQLite's")
@pytest.mark.parametrize(
    ("tasks", "index"),
    [
        (MusicTask.objects.live().filter(removed_at=None).order_by()[:100], "task_live_of_credential"),
        (MusicTask.objects.due(timezone.now()).order_by()[:100], "task_due"),
    ],
)
def test_counting_walks_a_partial_index(stored: Credential, tasks: object, index: str) -> None:
    track(stored, *(f"id-{number}" for number in range(50)))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    assert index in tasks.values("pk").explain()  # type: ignore[attr-defined]


# The page -------------------------------------------------------------------------------------------------


def test_the_page_is_for_staff_alone(client: Client, signed_in: Client, bob: User) -> None:
    assert signed_in.get("/admin/operations/", follow=True).status_code == 403
    stranger = Client()
    response = stranger.get("/admin/operations/", follow=True)
    assert response.redirect_chain[-1][0].startswith("/accounts/login/")


def test_the_page_tells_what_rests_why_and_who_polls(root: Client, stored: Credential) -> None:
    track(stored, "one")
    stored.rest(Hold.KEY_REFUSED, now=timezone.now(), status=401, detail="无效的令牌")
    beat("host 17 beef", seconds_ago=3, p50=0.4, p95=2.0)
    PollTally.add([Tally(stored.pk, "suno-fetch", timezone.now(), 200, 3)])
    response = root.get("/admin/operations/")
    page = text(response)
    assert "Key refused (401)" in page
    assert "Studio North" in page
    assert "host 17 beef alive" in page
    assert "suno-fetch 200 3 2 %" in page
    assert "No poller has given a sign of life" not in page
    assert KEY not in response.content.decode()
    assert stored.sealed_key not in response.content.decode()
    assert "style=" not in response.content.decode()


def test_the_page_says_that_nothing_is_checked_when_the_poller_was_killed(root: Client) -> None:
    beat("host 17 beef", seconds_ago=90)
    page = text(root.get("/admin/operations/"))
    assert "No poller has given a sign of life within a minute" in page
    assert "host 17 beef silent" in page


def test_the_page_is_only_looked_at(root: Client) -> None:
    assert root.post("/admin/operations/").status_code == 405


# Metrics --------------------------------------------------------------------------------------------------


def test_prometheus_reads_the_same_numbers(client: Client, stored: Credential) -> None:
    track(stored, "one", "two")
    MusicTask.objects.filter(task_id="one").update(next_poll_at=timezone.now() - timedelta(minutes=2))
    beat("host 17 beef", seconds_ago=3, p50=0.4, p95=2.0)
    PollTally.add([Tally(stored.pk, "suno-fetch", timezone.now(), 200, 3)])
    said = samples(client.get("/metrics"))
    expected = {
        "musicboard_tasks_live": 2,
        "musicboard_tasks_waiting": 0,
        "musicboard_tasks_overdue": 1,
        "musicboard_pollers_alive": 1,
        "musicboard_poll_lag_seconds 0.5": 0.4,
        "musicboard_poll_lag_seconds 0.95": 2.0,
        "musicboard_checks_last_hour suno-fetch": 200,
        "musicboard_check_errors_last_hour suno-fetch": 3,
        "musicboard_credentials active": 1,
        "musicboard_credentials resting": 0,
    }
    assert {name: said[name] for name in expected} == expected
    assert said["musicboard_database_bytes"] > 0


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1"])
def test_without_a_token_this_machine_reads_the_metrics(client: Client, address: str) -> None:
    assert client.get("/metrics", REMOTE_ADDR=address).status_code == 200


@pytest.mark.parametrize("address", ["192.168.1.4", "203.0.113.9", "::2", "::ffff:10.0.0.1", "", "unix:"])
def test_without_a_token_nobody_else_reads_the_metrics(client: Client, address: str) -> None:
    response = client.get("/metrics", REMOTE_ADDR=address)
    assert response.status_code == 403
    assert b"musicboard_" not in response.content


@pytest.mark.parametrize(
    "header", ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via"]
)
def test_a_proxy_on_this_machine_lets_nobody_in(client: Client, header: str) -> None:
    response = client.get("/metrics", headers={header: "127.0.0.1"}, REMOTE_ADDR="127.0.0.1")
    assert response.status_code == 403


def test_with_a_token_only_the_token_counts(client: Client, settings: object) -> None:
    settings.METRICS_TOKEN = "t0ken-4711"  # type: ignore[attr-defined]
    for given in ("", "Bearer", "Bearer t0ken", "t0ken-4711", "Basic t0ken-4711", "Bearer t0ken-4711x", "Bearer 钥"):
        response = client.get("/metrics", headers={"Authorization": given}, REMOTE_ADDR="127.0.0.1")
        assert (response.status_code, response["WWW-Authenticate"]) == (401, "Bearer"), given
        assert b"musicboard_" not in response.content
    right = {"Authorization": "Bearer t0ken-4711", "X-Forwarded-For": "203.0.113.9"}
    assert client.get("/metrics", headers=right, REMOTE_ADDR="203.0.113.9").status_code == 200


def test_no_session_opens_the_metrics(root: Client) -> None:
    assert root.get("/metrics", REMOTE_ADDR="203.0.113.9").status_code == 403
