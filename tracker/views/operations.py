"""How musicboard runs: a page for staff, and the same numbers for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from tracker.models import Credential
from tracker.operations import COUNTED_AT_MOST, Numbers, take_numbers

FORWARDING_HEADERS = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via")


def operations(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """The page in the admin panel, which asks who it is and gives ``context``."""
    numbers = take_numbers(timezone.now())
    return render(request, "admin/operations.html", {**context, "numbers": numbers, "most": COUNTED_AT_MOST})


@login_not_required
@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """For Prometheus: with the token of the settings or, where none is set, from this machine itself."""
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "")
        if not constant_time_compare(given, f"Bearer {settings.METRICS_TOKEN}"):
            return HttpResponse("Send the METRICS_TOKEN.\n", "text/plain", 401, headers={"WWW-Authenticate": "Bearer"})
    elif not _is_from_here(request):
        raise PermissionDenied
    registry = CollectorRegistry()
    registry.register(NumbersCollector(take_numbers(timezone.now())))
    return HttpResponse(generate_latest(registry), CONTENT_TYPE_LATEST)


def _is_from_here(request: HttpRequest) -> bool:
    """Whether the socket's other end is on this machine, and nobody there passes on what others ask."""
    if any(name in request.headers for name in FORWARDING_HEADERS):
        return False
    try:
        address = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    return address.is_loopback


class NumbersCollector(Collector):
    """``numbers`` as Prometheus reads them."""

    def __init__(self, numbers: Numbers) -> None:
        self.numbers = numbers

    def collect(self) -> Iterator[GaugeMetricFamily]:
        numbers = self.numbers
        yield _gauge("tasks_live", f"Live tasks, counted up to {COUNTED_AT_MOST}.", numbers.live)
        yield _gauge("tasks_waiting", "Live tasks that wait for their credential.", numbers.waiting)
        yield _gauge("tasks_overdue", "Tasks whose check is more than 30 seconds late.", numbers.overdue)
        yield _gauge("pollers_alive", "Pollers seen within 60 seconds.", len(numbers.alive))
        yield _gauge("disk_free_bytes", "Free space where DATA_DIR is.", numbers.disk_free)
        yield _gauge("disk_total_bytes", "Space where DATA_DIR is.", numbers.disk_total)
        yield _gauge("database_bytes", "Size of the database.", numbers.database)
        lag = GaugeMetricFamily(
            "musicboard_poll_lag_seconds", "How late checks begin, at the latest poller.", labels=["quantile"]
        )
        for quantile, seconds in (("0.5", numbers.lag_p50), ("0.95", numbers.lag_p95)):
            if seconds is not None:
                lag.add_metric([quantile], seconds)
        yield lag
        checks = GaugeMetricFamily("musicboard_checks_last_hour", "Checks in the last hour.", labels=["provider"])
        errors = GaugeMetricFamily(
            "musicboard_check_errors_last_hour", "Checks in the last hour that failed.", labels=["provider"]
        )
        for hour in numbers.providers:
            checks.add_metric([hour.provider], hour.asked)
            errors.add_metric([hour.provider], hour.failed)
        yield checks
        yield errors
        credentials = GaugeMetricFamily("musicboard_credentials", "Credentials by their state.", labels=["state"])
        for state in Credential.State.values:
            credentials.add_metric([state], numbers.credentials.get(state, 0))
        yield credentials


def _gauge(name: str, words: str, value: float | None) -> GaugeMetricFamily:
    """One number; without a value there is none, instead of a wrong one."""
    gauge = GaugeMetricFamily(f"musicboard_{name}", words)
    if value is not None:
        gauge.add_metric([], value)
    return gauge
