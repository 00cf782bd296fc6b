"""The library: all clips of the team, to find, hear and take away."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from tracker.cards import queue_items
from tracker.library import ARCHIVED, LENGTHS, SORTS, VIEWS, LibraryFilter, choices, load_library, load_queue
from tracker.middleware import PersonRequest
from tracker.models import Act, Clip, LibraryEntry, Team, User
from tracker.permissions import require
from tracker.providers import PROVIDERS
from tracker.tagging import DownloadError, download_response

MOST_CHOICES = 200


@require_safe
@never_cache
@gzip_page
def library(request: PersonRequest) -> HttpResponse:
    """The team's clips, found and sorted as the address says."""
    membership = require(request, Act.LOOK)
    shown = LibraryFilter.read(request.GET)
    models = LibraryEntry.objects.models(membership.team)
    context = {
        "page": load_library(shown, membership.team, now=timezone.now()),
        "shown": shown,
        "providers": choices({slug: slug for slug in PROVIDERS}, shown.provider),
        "models": choices({model: model for model in models}, shown.model),
        "people": choices(_people(membership.team), shown.person),
        "lengths": choices({key: label for key, (label, _low, _high) in LENGTHS.items()}, shown.length),
        "archived": choices(ARCHIVED, shown.archived),
        "sorts": choices({key: sort.label for key, sort in SORTS.items()}, shown.sort),
        "views": [(shown.query(view=view), view, label, view == shown.view) for view, label in VIEWS.items()],
        "can_track": membership.may(Act.TRACK),
    }
    return render(request, "tracker/library.html", context)


@require_safe
@never_cache
def library_queue(request: PersonRequest) -> JsonResponse:
    """All songs of a filter, for a player that plays on beyond the page."""
    membership = require(request, Act.LOOK)
    return JsonResponse({"items": queue_items(load_queue(LibraryFilter.read(request.GET), membership.team))})


def _people(team: Team) -> list[User]:
    return list(User.objects.filter(memberships__team=team).only("name", "email").order_by("name")[:MOST_CHOICES])


@require_safe
def clip_download(request: PersonRequest, public_id: UUID) -> HttpResponseBase:
    """The clip as a file with a name and tags; where it cannot be had its task's page says why."""
    require(request, Act.LOOK)
    clips = Clip.objects.visible_to(request.user, request.team).select_related("task")
    clip = get_object_or_404(clips, public_id=public_id)
    try:
        return download_response(clip)
    except DownloadError as error:
        messages.error(request, str(error))
        return redirect("task", clip.task.public_id)
