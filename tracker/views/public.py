"""What a stranger with a link sees and hears. Nobody is signed in here, and nothing tells whose it is.

A link that is revoked, rests or never was, and one to a removed task, give one and the same answer.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import wraps
from time import monotonic
from typing import Any
from urllib.parse import urlencode, urlsplit

from csp.decorators import csp_replace
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.urls import Resolver404, resolve, reverse
from django.utils import timezone, translation
from django.utils.crypto import constant_time_compare
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from tracker.archive.serving import file_from_here
from tracker.media import cover_response, sound_response
from tracker.models import ArchivedFile, Clip, ShareLink
from tracker.models.archive import kept_file
from tracker.models.shares import PasswordLockedError
from tracker.share_pages import PublicPage, file_name, make_public_page, may_be_downloaded

COOKIE_NAME = "musicboard_share"
COOKIE_SECONDS = 7 * 24 * 60 * 60
CHECKED_EVERY_SECONDS = 2.0
"""How often a sound that is sent as a whole asks whether its link still stands."""
AGAIN = "again"
"""In the address of a page that reloads itself: it is no visit."""
EMBED_WIDTH, EMBED_HEIGHT = 480, 184
_signer = signing.TimestampSigner(salt="tracker.views.public")


def public(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """For everybody, in the browser's own language; kept, indexed and told on by nobody.

    There is no CSRF token, which would be a cookie: the one form here asks for a password and changes nothing else.
    """

    @csrf_exempt
    @login_not_required
    @wraps(view)
    def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        timezone.deactivate()
        translation.activate(translation.get_language_from_request(request))
        response = view(request, *args, **kwargs)
        response["Cache-Control"] = "private, no-store"
        response["Referrer-Policy"] = "no-referrer"
        response["X-Robots-Tag"] = "noindex, nofollow"
        return response

    return shown


# -- Finding --------------------------------------------------------------------------------------------


def _find(token: str) -> ShareLink | None:
    return ShareLink.objects.for_token(token).standing().select_related("task").first()


def _find_open(request: HttpRequest, token: str) -> ShareLink | None:
    """A link that shows something to this browser."""
    link = _find(token)
    if link is None or link.has_expired(timezone.now()) or not _has_unlocked(request, link):
        return None
    return link


def _has_unlocked(request: HttpRequest, link: ShareLink) -> bool:
    if not link.password:
        return True
    try:
        key = _signer.unsign(request.COOKIES.get(COOKIE_NAME, ""), max_age=COOKIE_SECONDS)
    except signing.BadSignature:
        return False
    return constant_time_compare(key, link.unlock_key)


def _find_open_clip(request: HttpRequest, token: str, number: int) -> tuple[ShareLink | None, Clip | None]:
    """An open link and its song ``number``, which is None where there is no such song."""
    link = _find_open(request, token)
    clips = link.shared_clips() if link else []
    if link is None or not 1 <= number <= len(clips):
        return link, None
    clip = clips[number - 1]
    clip.task = link.task
    return link, clip


def _gone() -> HttpResponse:
    """The one answer to whatever is not (any more) to be had."""
    return _render("tracker/public_gone.html", {}, status=404)


def _render(template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    # Without the request: neither a session nor a person can get into the page.
    return HttpResponse(render_to_string(template, context), status=status)


# -- The page -------------------------------------------------------------------------------------------


@public
@require_safe
def public_share(request: HttpRequest, token: str) -> HttpResponse:
    link, now = _find(token), timezone.now()
    if link is None:
        return _gone()
    if link.has_expired(now):
        return _render("tracker/public_expired.html", {}, status=410)
    if not _has_unlocked(request, link):
        return _password_page(link, token, now)
    if _is_visit(request):
        link.note_visit(now)
    return _render("tracker/public.html", _context(request, make_public_page(link, token)))


def _is_visit(request: HttpRequest) -> bool:
    """Somebody looks: no HEAD, no page that reloads itself, none that a browser fetches ahead."""
    is_ahead = "prefetch" in request.headers.get("Sec-Purpose", "")
    return request.method == "GET" and AGAIN not in request.GET and not is_ahead


def _context(request: HttpRequest, page: PublicPage) -> dict[str, Any]:
    origin = f"{request.scheme}://{request.get_host()}"
    link = origin + reverse("public_share", args=[page.token])
    return {
        "page": page,
        "origin": origin,
        "link": link,
        "oembed": f"{origin}{reverse('oembed')}?{urlencode({'url': link, 'format': 'json'})}",
        "seen": _seen(page),
    }


def _seen(page: PublicPage) -> str:
    """Changes with whatever the page shows."""
    return hashlib.sha256(repr(page).encode()).hexdigest()[:16]


@public
@require_safe
def public_refresh(request: HttpRequest, token: str) -> HttpResponse:
    """The songs as they stand now; 204, which leaves everything untouched, if they stand as they were seen."""
    link = _find_open(request, token)
    if link is None:
        return _gone()
    context = _context(request, make_public_page(link, token))
    if request.GET.get("seen") == context["seen"]:
        return HttpResponse(status=204)
    return _render("tracker/public_song.html", context)


# -- The password ---------------------------------------------------------------------------------------


def _password_page(link: ShareLink, token: str, now: datetime, *, error: str = "", status: int = 200) -> HttpResponse:
    """The form, or how long no password is taken."""
    minutes = math.ceil((link.locked_until - now).total_seconds() / 60) if link.locked_until else 0
    words = ngettext(
        "Too many wrong passwords. Wait %(minutes)s minute, then try again.",
        "Too many wrong passwords. Wait %(minutes)s minutes, then try again.",
        max(minutes, 1),
    )
    context = {"token": token, "error": error, "locked": words % {"minutes": minutes} if minutes > 0 else ""}
    return _render("tracker/public_password.html", context, status=status)


@public
@require_POST
def public_unlock(request: HttpRequest, token: str) -> HttpResponse:
    """Let a browser in that knows the password, with a cookie for this link alone."""
    link, now = _find(token), timezone.now()
    if link is None:
        return _gone()
    page = reverse("public_share", args=[token])
    if link.has_expired(now) or not link.password:
        return HttpResponseRedirect(page, status=303)
    try:
        is_right = link.try_password(request.POST.get("password", "")[:1000], now=now)
    except PasswordLockedError:
        is_right = False
    if is_right:
        return _let_in(link, page)
    link.refresh_from_db(fields=["locked_until"])
    if link.locked_until and link.locked_until > now:
        response = _password_page(link, token, now, status=429)
        response["Retry-After"] = str(math.ceil((link.locked_until - now).total_seconds()))
        return response
    return _password_page(link, token, now, error=_("This is not the password. Try again."), status=422)


def _let_in(link: ShareLink, page: str) -> HttpResponse:
    response = HttpResponseRedirect(page, status=303)
    response.set_cookie(
        COOKIE_NAME,
        _signer.sign(link.unlock_key),
        max_age=COOKIE_SECONDS,
        path=page,
        httponly=True,
        samesite="Lax",
        secure=settings.HTTPS,
    )
    return response


# -- Sound, cover, file ---------------------------------------------------------------------------------


@public
@require_safe
def public_sound(request: HttpRequest, token: str, number: int) -> HttpResponseBase:
    link, clip = _find_open_clip(request, token, number)
    return _sound(request, link, clip) if link and clip else _gone()


@public
@require_safe
def public_download(request: HttpRequest, token: str, number: int) -> HttpResponseBase:
    """The sound as a file with a name."""
    link, clip = _find_open_clip(request, token, number)
    if link is None or clip is None or not may_be_downloaded(link, clip):
        return _gone()
    response = _sound(request, link, clip)
    if response.status_code in (200, 206):
        content_type = response["Content-Type"].partition(";")[0]
        name = file_name(link, link.shared_clips(), number, content_type)
        response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
        if request.method == "GET" and "Range" not in request.headers:
            link.note_download()
    return response


@public
@require_safe
def public_cover(request: HttpRequest, token: str, number: int) -> HttpResponseBase:
    _link, clip = _find_open_clip(request, token, number)
    if clip is None:
        return _gone()
    # Whoever makes previews of links may know no other pictures than those that were given.
    size = "small" if "small" in request.GET else "" if "whole" in request.GET else "large"
    return cover_response(clip, size=size)


def _sound(request: HttpRequest, link: ShareLink, clip: Clip) -> HttpResponseBase:
    response: HttpResponseBase | None = sound_response(request, clip)
    if response is not None and response.status_code == 302:
        # A signed link to the bucket would outlive the share, and tell the bucket.
        file = kept_file(clip, ArchivedFile.Kind.SOUND)
        response = file_from_here(request, file) if file else None
    if response is None or response.status_code not in (200, 206, 304, 416):
        # Why it cannot be heard is the team's affair.
        return _gone()
    if isinstance(response, StreamingHttpResponse):
        response.streaming_content = _while_open(link, response.streaming_content)  # type: ignore[arg-type]
    return response


def _while_open(link: ShareLink, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """A sound on its way ends with its link, too."""
    checked_at = monotonic()
    for chunk in chunks:
        if monotonic() - checked_at > CHECKED_EVERY_SECONDS:
            mine = ShareLink.objects.filter(pk=link.pk, password=link.password)
            if not mine.standing().open(timezone.now()).exists():
                return
            checked_at = monotonic()
        yield chunk


# -- In other pages -------------------------------------------------------------------------------------


@public
@require_safe
def public_embed(request: HttpRequest, token: str) -> HttpResponseBase:
    """A small player for a frame in somebody else's page, where the link allows it."""
    link = _find_open(request, token)
    if link is None or not link.may_be_embedded:
        return _gone()
    context = _context(request, make_public_page(link, token))

    # Only what is shown may be framed: a refusal looks the same everywhere.
    @xframe_options_exempt
    @csp_replace({"frame-ancestors": ["*"]})
    def framed(_request: HttpRequest) -> HttpResponse:
        return _render("tracker/public_embed.html", context)

    return framed(request)


@public
@require_safe
def oembed(request: HttpRequest) -> HttpResponse:
    """https://oembed.com, 2.2: how a page that was given a link embeds it."""
    link, token = _find_embedded(request)
    if link is None:
        return _gone()
    if request.GET.get("format", "json") != "json":
        return HttpResponse(_("Only JSON is spoken here."), status=501, content_type="text/plain; charset=utf-8")
    page = make_public_page(link, token)
    context = _context(request, page) | {
        "width": _at_most(request.GET.get("maxwidth"), EMBED_WIDTH),
        "height": _at_most(request.GET.get("maxheight"), EMBED_HEIGHT),
    }
    answer = {
        "version": "1.0", "type": "rich", "provider_name": "musicboard", "title": page.title,
        "width": context["width"], "height": context["height"], "cache_age": 0,
        "html": render_to_string("tracker/public_frame.html", context).strip(),
    }  # fmt: skip
    if page.current and page.current.cover:
        cover = context["origin"] + page.current.cover
        answer |= {"thumbnail_url": cover, "thumbnail_width": 512, "thumbnail_height": 512}
    return JsonResponse(answer)


def _find_embedded(request: HttpRequest) -> tuple[ShareLink | None, str]:
    """The link that ``url`` leads to, if it is one of ours that may be embedded."""
    try:
        url = urlsplit(request.GET.get("url", ""))
        match = resolve(url.path)
    except (ValueError, Resolver404):
        return None, ""
    if url.netloc != request.get_host() or match.url_name not in ("public_share", "public_embed"):
        return None, ""
    token: str = match.kwargs["token"]
    link = _find_open(request, token)
    return (link, token) if link and link.may_be_embedded else (None, "")


def _at_most(asked: str | None, most: int) -> int:
    return min(int(asked), most) if asked and asked.isascii() and asked.isdigit() and len(asked) < 9 else most
