"""How musicboard runs, in numbers: one function for the operations page, ``/metrics`` and whoever watches.

A constant number of queries, each over an index and counted up to a limit, so that a million tasks cost what a few do.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from tracker.models import Credential, MusicTask, PollerBeat, PollTally

COUNTED_AT_MOST = 100_000
"""Beyond this the page says "100000+", and ``/metrics`` stays at it."""
OVERDUE_AFTER = timedelta(seconds=30)
"""A check that is so late is one that the pollers do not keep up with."""
RESTING_SHOWN = 100
POLLERS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class ProviderHour:
    """The checks of one provider in the last hour, by all pollers."""

    provider: str
    asked: int
    failed: int

    @property
    def percent(self) -> int:
        return round(100 * self.failed / self.asked) if self.asked else 0


@dataclass(frozen=True, slots=True)
class Numbers:
    """Bytes, seconds and counts at ``now``; None where something could not be learned."""

    now: datetime
    live: int
    waiting: int
    """Of the live ones, those that wait for their credential."""
    overdue: int
    pollers: Sequence[PollerBeat]
    providers: Sequence[ProviderHour]
    credentials: dict[str, int]
    """How many stand in each state."""
    resting: Sequence[Credential]
    disk_free: int | None
    disk_total: int | None
    database: int | None

    @property
    def alive(self) -> Sequence[PollerBeat]:
        return [beat for beat in self.pollers if self.now - beat.seen_at <= PollerBeat.ALIVE_FOR]

    @property
    def lag_p50(self) -> float | None:
        """Of the poller that is latest: one that keeps up does not excuse another."""
        return max((beat.lag_p50 for beat in self.alive if beat.lag_p50 is not None), default=None)

    @property
    def lag_p95(self) -> float | None:
        return max((beat.lag_p95 for beat in self.alive if beat.lag_p95 is not None), default=None)


def take_numbers(now: datetime) -> Numbers:
    """What goes on at this moment."""
    free, total = _disk()
    live = MusicTask.objects.live().filter(removed_at=None)
    return Numbers(
        now=now,
        live=_count(live),
        waiting=_count(live.filter(credential=None)) + _count(live.filter(credential__in=_unused())),
        overdue=_count(MusicTask.objects.due(now - OVERDUE_AFTER)),
        pollers=list(PollerBeat.objects.order_by("-seen_at")[:POLLERS_SHOWN]),
        providers=_last_hour(now),
        credentials=dict(Credential.objects.order_by().values_list("state").annotate(count=Count("pk"))),
        resting=_resting(),
        disk_free=free,
        disk_total=total,
        database=_database_size(),
    )


def is_polled(now: datetime) -> bool:
    """Whether some poller gave a sign of life lately."""
    return PollerBeat.objects.alive(now).exists()


def with_health(credentials: QuerySet[Credential], now: datetime) -> QuerySet[Credential]:
    """``credentials`` with ``live_count``, and ``asked_lately`` and ``failed_lately`` for the last 24 hours."""
    live = MusicTask.objects.live().filter(credential=OuterRef("pk"), removed_at=None).order_by()
    lately = PollTally.objects.filter(credential=OuterRef("pk"), starts_at__gte=now - timedelta(hours=24)).order_by()
    return credentials.annotate(
        live_count=_zero(live.values("credential").annotate(count=Count("pk")).values("count")),
        asked_lately=_zero(lately.values("credential").annotate(count=Sum("asked")).values("count")),
        failed_lately=_zero(lately.values("credential").annotate(count=Sum("failed")).values("count")),
    )


def _zero(rows: QuerySet[Any, Any]) -> Coalesce:
    return Coalesce(Subquery(rows, output_field=IntegerField()), 0)


def _count(tasks: QuerySet[MusicTask]) -> int:
    return int(tasks.order_by()[: COUNTED_AT_MOST + 1].count())


def _last_hour(now: datetime) -> list[ProviderHour]:
    hour = PollTally.objects.filter(starts_at__gte=now - timedelta(hours=1)).order_by("provider")
    rows = hour.values_list("provider").annotate(Sum("asked"), Sum("failed"))
    return [ProviderHour(*row) for row in rows]


def _unused() -> QuerySet[Credential]:
    """Those that nothing is asked with. Their tasks are found by the index; that a task waits, by its row alone."""
    return Credential.objects.exclude(state=Credential.State.ACTIVE).order_by().values("pk")  # type: ignore[return-value]


def _resting() -> list[Credential]:
    resting = Credential.objects.filter(state=Credential.State.RESTING).select_related("owner", "team")
    return list(resting.defer("sealed_key").order_by("rest_until", "pk")[:RESTING_SHOWN])


def _disk() -> tuple[int | None, int | None]:
    try:
        usage = shutil.disk_usage(settings.DATA_DIR)
    except OSError:
        return None, None
    return usage.free, usage.total


def _database_size() -> int | None:
    """SQLite's file with what waits in its log beside it; PostgreSQL's own figure."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_database_size(current_database())")
            return int(cursor.fetchone()[0])
    file = str(connection.settings_dict["NAME"])
    sizes = [path.stat().st_size for path in (Path(file), Path(f"{file}-wal")) if path.exists()]
    return sum(sizes) if sizes else None
