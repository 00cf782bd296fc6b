"""Whether this process lives, and whether it can work."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from tracker.operations import is_polled


@login_not_required
@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers; the database is not asked."""
    return HttpResponse("ok", content_type="text/plain")


@login_not_required
@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """The database answers and has the tables this version expects.

    Whether some poller lives is told beside it, for whoever is to be woken, and is no part of being ready: a load
    balancer that took every web process away because polling stands still would turn late checks into no pages.
    """
    checks = {"database": False, "migrations": False}
    poller = False
    try:
        executor = MigrationExecutor(connection)
        checks["database"] = True
        checks["migrations"] = not executor.migration_plan(executor.loader.graph.leaf_nodes())
        poller = checks["migrations"] and is_polled(timezone.now())
    except DatabaseError:
        pass
    ready = all(checks.values())
    return JsonResponse({"ready": ready, **checks, "poller": poller}, status=200 if ready else 503)
