"""What operations can be read from: pollers that are alive, and how asking went."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from tracker.models.credentials import Credential


class PollerBeat(models.Model):
    """A sign of life of one polling process, renewed every few seconds."""

    name = models.CharField(_("process"), max_length=120, unique=True)
    started_at = models.DateTimeField(_("started at"))
    seen_at = models.DateTimeField(_("last sign of life"))
    lag_p50 = models.FloatField(_("lag, half of the checks (s)"), null=True)
    lag_p95 = models.FloatField(_("lag, 95 % of the checks (s)"), null=True)

    class Meta:
        verbose_name = _("poller")
        verbose_name_plural = _("pollers")

    def __str__(self) -> str:
        return self.name


class PollTally(models.Model):
    """How often a credential asked, and how often that failed, in five minutes; kept a day."""

    credential = models.ForeignKey(Credential, models.CASCADE, null=True, related_name="tallies", db_index=False)
    provider = models.CharField(_("provider"), max_length=40)
    starts_at = models.DateTimeField(_("five minutes from"))
    asked = models.PositiveIntegerField(_("asked"), default=0)
    failed = models.PositiveIntegerField(_("failed"), default=0)

    class Meta:
        verbose_name = _("tally of checks")
        verbose_name_plural = _("tallies of checks")
        constraints = [
            models.UniqueConstraint(fields=["credential", "starts_at"], name="tally_once", nulls_distinct=False),
        ]
        indexes = [models.Index(fields=["starts_at"], name="tally_age")]

    def __str__(self) -> str:
        return f"{self.provider} {self.starts_at:%H:%M}"
