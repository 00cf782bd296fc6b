"""Further parts of a sound, for a session that was given one of it a moment ago.

A player that seeks asks for many parts of one file, and each asks anew who that is, in which team, and whether they may
hear this clip. What was decided is remembered for a few seconds in the memory of this process: so long a person who is
signed out, removed, or has no clip any more may go on fetching parts of what they were already hearing.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

from tracker.archive.serving import file_response
from tracker.models import ArchivedFile

SECONDS = 10.0
MOST = 2000
"""Decisions that are remembered; the oldest go first."""

_passes: dict[tuple[str, str], tuple[float, ArchivedFile]] = {}


def give(request: HttpRequest, file: ArchivedFile) -> None:
    """Remember that whoever holds this session's cookie may have ``file`` under this path."""
    key = _key(request)
    # Taken out first, so that it stands at the end of the line.
    _passes.pop(key, None)
    _passes[key] = (monotonic() + SECONDS, file)
    for old in list(_passes)[: max(len(_passes) - MOST, 0)]:
        _passes.pop(old, None)


def clear() -> None:
    """Forget all that was decided."""
    _passes.clear()


class PassesMiddleware:
    """Answers, before anybody is looked up, what :func:`give` allows. Stands behind what concerns every answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method in ("GET", "HEAD") and (file := _find(request)) is not None:
            response = file_response(request, file)
            if response is not None:
                patch_vary_headers(response, ("Cookie",))
                return response
        return self.get_response(request)


passes_middleware = PassesMiddleware


def _find(request: HttpRequest) -> ArchivedFile | None:
    until, file = _passes.get(_key(request), (0.0, None))
    return file if until > monotonic() else None


def _key(request: HttpRequest) -> tuple[str, str]:
    return request.COOKIES.get(settings.SESSION_COOKIE_NAME, ""), request.path
