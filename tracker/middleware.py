"""Who is asking: their team, their language and their time zone, for every view."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlencode, urlsplit
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from tracker.models import Membership, Team, User

THEME_COOKIE_NAME = "musicboard_theme"
TEAM_KEY = "team"
"""Under which a session keeps the public id of the team it looks at."""

# Pages of allauth that have no place here: an address is given by an admin, and nobody signs in by code.
CLOSED_PAGES = frozenset(
    {"account_email", "account_email_verification_sent", "account_confirm_email", "account_confirm_login_code"}
)
MAIL_PAGES = frozenset({"account_reset_password", "account_reset_password_done"})


class PersonRequest(HttpRequest):
    """A request as a view of the portal sees it. ``user`` is a person: login is required by middleware."""

    user: User
    htmx: HtmxDetails
    memberships: list[Membership]
    """All the person's places, the one looked at last first."""
    membership: Membership | None
    """The place in the team they look at: everything shown belongs to that one."""
    team: Team | None
    theme: str


class PersonMiddleware:
    """Sets ``memberships``, ``membership``, ``team`` and ``theme`` on the request, and speaks the person's language.

    A stranger costs no query: without a session there is nobody to look up.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        user = request.user
        memberships = _memberships_of(user)
        membership = _current(request, memberships)
        request.memberships = memberships  # type: ignore[attr-defined]
        request.membership = membership  # type: ignore[attr-defined]
        request.team = membership.team if membership else None  # type: ignore[attr-defined]
        request.theme = _theme_of(request)  # type: ignore[attr-defined]
        _speak_to(user)
        response = self.get_response(request)
        # What is read from a cookie (language, theme) must not be kept for somebody else.
        patch_vary_headers(response, ("Cookie",))
        return _htmx_login(request, response)

    def process_view(self, request: HttpRequest, *_arguments: object) -> None:
        name = request.resolver_match.view_name if request.resolver_match else ""
        if name in CLOSED_PAGES or (name in MAIL_PAGES and not settings.CAN_SEND_MAIL):
            raise Http404


person_middleware = PersonMiddleware


def look_at(request: HttpRequest, membership: Membership) -> None:
    """From now on this session shows this team; the person's next one begins with it."""
    request.session[TEAM_KEY] = str(membership.team.public_id)
    Membership.objects.filter(pk=membership.pk).update(looked_at=timezone.now())


def _memberships_of(user: User | AnonymousUser) -> list[Membership]:
    """In one query, however many teams there are."""
    if not user.is_authenticated:
        return []
    memberships = list(Membership.objects.of_person(user).select_related("team"))
    for membership in memberships:
        # Known already: asking the membership for its person takes no query.
        membership.user = user
    return memberships


def _current(request: HttpRequest, memberships: list[Membership]) -> Membership | None:
    """The place in the team this session looks at; whoever was removed from it finds themselves in another."""
    if len(memberships) < 2:
        return memberships[0] if memberships else None
    wanted = request.session.get(TEAM_KEY)
    found = next((one for one in memberships if str(one.team.public_id) == wanted), None)
    if found is None:
        found = memberships[0]
        # Kept from now on: choosing another team in another window must not move this one.
        request.session[TEAM_KEY] = str(found.team.public_id)
    return found


def _theme_of(request: HttpRequest) -> str:
    if request.user.is_authenticated:
        return request.user.theme
    theme = request.COOKIES.get(THEME_COOKIE_NAME, "")
    return theme if theme in User.Theme.values else ""


def _speak_to(user: User | AnonymousUser) -> None:
    """Activate the person's language and time zone. Threads are used again, so the zone is always set."""
    timezone.deactivate()
    if not user.is_authenticated:
        return
    if user.language in dict(settings.LANGUAGES):
        translation.activate(user.language)
    if user.time_zone:
        # A name that this machine's tables no longer know is not worth an error page.
        with suppress(KeyError, ValueError, OSError):
            timezone.activate(ZoneInfo(user.time_zone))


def _htmx_login(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """htmx would follow a redirect to the sign-in page and put that page into the middle of this one."""
    login_path = resolve_url(settings.LOGIN_URL)
    location = urlsplit(response.headers.get("Location", ""))
    if response.status_code != 302 or location.path != login_path or not request.headers.get("HX-Request"):
        return response
    back = resolve_url(settings.LOGIN_REDIRECT_URL)
    current = request.headers.get("HX-Current-URL", "")
    if current.startswith("http") and url_has_allowed_host_and_scheme(current, allowed_hosts={request.get_host()}):
        page = urlsplit(current)
        back = f"/{page.path.lstrip('/')}" + (f"?{page.query}" if page.query else "")
    redirect = HttpResponseClientRedirect(f"{login_path}?{urlencode({'next': back})}")
    redirect.cookies = response.cookies
    return redirect
