"""What operations can be read from: pollers that are alive, and how asking went."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple, Self

from django.db import connection, models
from django.utils.translation import gettext_lazy as _

from tracker.models.credentials import Credential


class PollerBeatQuerySet(models.QuerySet["PollerBeat"]):
    def alive(self, now: datetime) -> Self:
        return self.filter(seen_at__gte=now - PollerBeat.ALIVE_FOR)


class PollerBeat(models.Model):
    """A sign of life of one polling process, renewed every few seconds.

    Nothing here says that a process is alive but the time since: one that is killed cannot sign off.
    """

    ALIVE_FOR = timedelta(seconds=60)
    KEPT_FOR = timedelta(days=1)

    name = models.CharField(_("process"), max_length=120, unique=True)
    started_at = models.DateTimeField(_("started at"))
    seen_at = models.DateTimeField(_("last sign of life"))
    lag_p50 = models.FloatField(_("lag, half of the checks (s)"), null=True)
    lag_p95 = models.FloatField(_("lag, 95 % of the checks (s)"), null=True)

    objects = PollerBeatQuerySet.as_manager()

    class Meta:
        verbose_name = _("poller")
        verbose_name_plural = _("pollers")

    def __str__(self) -> str:
        return self.name


class Tally(NamedTuple):
    """What one credential met in the five minutes from ``starts_at``."""

    credential_id: int
    provider: str
    starts_at: datetime
    asked: int
    failed: int


class PollTally(models.Model):
    """How often a credential asked, and how often that failed, in five minutes; kept a day."""

    STEP = timedelta(minutes=5)
    KEPT_FOR = timedelta(hours=25)

    credential = models.ForeignKey(
        Credential, models.DO_NOTHING, db_constraint=False, related_name="tallies", db_index=False
    )
    """May be gone: what its provider answered in that hour stays true."""
    provider = models.CharField(_("provider"), max_length=40)
    starts_at = models.DateTimeField(_("five minutes from"))
    asked = models.PositiveIntegerField(_("asked"), default=0)
    failed = models.PositiveIntegerField(_("failed"), default=0)

    class Meta:
        verbose_name = _("tally of checks")
        verbose_name_plural = _("tallies of checks")
        constraints = [
            models.UniqueConstraint(fields=["credential", "starts_at"], name="tally_once"),
        ]
        indexes = [models.Index(fields=["starts_at"], name="tally_age")]

    def __str__(self) -> str:
        return f"{self.provider} {self.starts_at:%H:%M}"

    @classmethod
    def add(cls, tallies: Iterable[Tally]) -> None:
        """Add to what is counted already; several pollers may do so at once."""
        table = cls._meta.db_table
        # In one order, so that two pollers never wait for each other's rows.
        rows = [
            (*tally[:2], connection.ops.adapt_datetimefield_value(tally.starts_at), *tally[3:])
            for tally in sorted(tallies)
        ]
        if not rows:
            return
        with connection.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO {table} (credential_id, provider, starts_at, asked, failed) "  # noqa: S608
                "VALUES (%s, %s, %s, %s, %s) ON CONFLICT (credential_id, starts_at) DO UPDATE "
                f"SET asked = {table}.asked + excluded.asked, failed = {table}.failed + excluded.failed",
                rows,
            )
