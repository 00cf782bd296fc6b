"""The sound, the cover and the card of a clip, for those who may see its task."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from tracker import passes
from tracker.cards import address, make_clip
from tracker.media import cover_response, sound_response, video_response
from tracker.middleware import PersonRequest
from tracker.models import Act, ArchivedFile, Clip
from tracker.models.archive import archive_of, kept_file
from tracker.permissions import require


def _find(request: PersonRequest, public_id: UUID) -> Clip:
    """A clip the person may see, or 404."""
    clips = Clip.objects.visible_to(request.user, request.team).select_related("task__credential", "archive__sound")
    return get_object_or_404(clips.defer("task__lyrics_text"), public_id=public_id)


_FILE = ("public_id", "task", "audio_url", "stream_url", "image_url", "sound_problem", "archive__state")


def _find_file(request: PersonRequest, public_id: UUID, kind: str) -> Clip:
    """As :func:`_find`, with what is needed to send its kept file: players ask for a song in many parts."""
    clips = Clip.objects.visible_to(request.user, request.team).select_related(f"archive__{kind}")
    return get_object_or_404(clips.only(*_FILE, f"archive__{kind}"), public_id=public_id)


@require_safe
def clip_card(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """The clip's card as it stands now: a player that met an error reads here why."""
    return _card(request, _find(request, public_id))


@require_safe
def clip_sound(request: PersonRequest, public_id: UUID) -> HttpResponseBase:
    clip = _find_file(request, public_id, "sound")
    if file := kept_file(clip, ArchivedFile.Kind.SOUND):
        passes.give(request, file)
    return sound_response(request, clip)


@require_safe
def clip_video(request: PersonRequest, public_id: UUID) -> HttpResponseBase:
    return video_response(request, _find_file(request, public_id, "video"))


@require_safe
def clip_cover(request: PersonRequest, public_id: UUID) -> HttpResponse:
    return cover_response(_find_file(request, public_id, "cover"), size=request.GET.get("size", ""))


@require_safe
def clip_peaks(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """How loud each part of the sound is, 0 to 255, for a waveform; an empty list where that is not known."""
    clip = _find_file(request, public_id, "sound")
    response = JsonResponse(list(clip.peaks), safe=False)
    # They are drawn a moment after the sound is kept, once and for all.
    response["Cache-Control"] = "private, max-age=604800" if clip.peaks else "private, max-age=10"
    return response


@require_POST
def clip_archive(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Try again to keep a copy, now."""
    clip = _find(request, public_id)
    require(request, Act.TRACK)
    archive = archive_of(clip)
    if archive is not None and archive.sound_id is None:
        archive.request(timezone.now())
    if request.htmx:
        return _card(request, clip)
    messages.info(request, _("Trying again to keep a copy. The page tells if it fails."))
    return redirect("task", clip.task.public_id)


def _card(request: PersonRequest, clip: Clip) -> HttpResponse:
    is_large = "large" in request.GET
    url = address("task", str(clip.task.public_id))
    card = make_clip(clip.task, clip, url=url, now=timezone.now(), is_whole=is_large)
    can_track = bool(request.membership and request.membership.may(Act.TRACK))
    context = {"clip": card, "large": is_large, "can_track": can_track}
    response = render(request, "tracker/_clip_card.html", context)
    response["Cache-Control"] = "no-store"
    return response
