"""Whether this process lives, and whether it can work."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from tracker.models import PollerBeat


def test_healthz_answers_without_the_database(client: Client) -> None:
    response = client.get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok")


@pytest.mark.django_db
def test_readyz_is_ready_when_the_tables_are_there(client: Client) -> None:
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {"ready": True, "database": True, "migrations": True, "poller": False}


@pytest.mark.django_db
def test_readyz_is_not_ready_while_a_migration_is_missing(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'tracker'")
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {"ready": False, "database": True, "migrations": False, "poller": False}


@pytest.mark.django_db
@pytest.mark.parametrize(("seconds", "is_polled"), [(55, True), (65, False)])
def test_readyz_tells_whether_somebody_polls_and_stays_ready(client: Client, seconds: int, is_polled: bool) -> None:
    seen_at = timezone.now() - timedelta(seconds=seconds)
    PollerBeat.objects.create(name="host 17 beef", started_at=seen_at, seen_at=seen_at)
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["ready"] is True
    assert response.json()["poller"] is is_polled
