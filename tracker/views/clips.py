"""The sound, the cover and the card of a clip, for those who may see its task."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from tracker.cards import address, make_clip
from tracker.media import cover_response, sound_response
from tracker.middleware import PersonRequest
from tracker.models import Clip


def _find(request: PersonRequest, public_id: UUID) -> Clip:
    """A clip the person may see, or 404."""
    clips = Clip.objects.visible_to(request.user, request.team).select_related("task__credential")
    return get_object_or_404(clips.defer("task__lyrics_text"), public_id=public_id)


@require_safe
def clip_card(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """The clip's card as it stands now: a player that met an error reads here why."""
    clip = _find(request, public_id)
    is_large = "large" in request.GET
    card = make_clip(clip.task, clip, url=address("task", str(clip.task.public_id)), is_whole=is_large)
    response = render(request, "tracker/_clip_card.html", {"clip": card, "large": is_large})
    response["Cache-Control"] = "no-store"
    return response


@require_safe
def clip_sound(request: PersonRequest, public_id: UUID) -> HttpResponseBase:
    return sound_response(request, _find(request, public_id))


@require_safe
def clip_cover(request: PersonRequest, public_id: UUID) -> HttpResponse:
    return cover_response(_find(request, public_id))
