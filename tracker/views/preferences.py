"""Language, theme and time zone: kept on the person, or in a cookie for somebody who is not signed in."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping

from django import forms
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods

from tracker.middleware import THEME_COOKIE_NAME
from tracker.models import User

YEAR_SECONDS = 60 * 60 * 24 * 365


class PreferencesForm(forms.Form):
    """Each field may be missing: a button of the page sends only its own."""

    language = forms.ChoiceField(choices=[("", ""), *settings.LANGUAGES], required=False)
    theme = forms.ChoiceField(choices=User.Theme.choices, required=False)
    time_zone = forms.ChoiceField(
        choices=lambda: [("", ""), *((zone, zone) for zone in sorted(zoneinfo.available_timezones()))], required=False
    )

    def chosen(self) -> dict[str, str]:
        """What was sent and is valid."""
        return {name: value for name, value in self.cleaned_data.items() if name in self.data}


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: HttpRequest) -> HttpResponse:
    """One choice, sent by a button of the page; whoever only looks is led to where all of them stand."""
    if request.method != "POST":
        return redirect("account")
    form = PreferencesForm(request.POST)
    form.is_valid()
    chosen = form.chosen()
    response = HttpResponseRedirect(_way_back(request))
    if request.user.is_authenticated and chosen:
        User.objects.filter(pk=request.user.pk).update(**chosen)
    keep_cookies(response, chosen)
    return response


def keep_cookies(response: HttpResponse, chosen: Mapping[str, str]) -> None:
    """Language and theme for the pages before the sign-in."""
    for name, cookie in (("language", settings.LANGUAGE_COOKIE_NAME), ("theme", THEME_COOKIE_NAME)):
        if name in chosen:
            _keep(response, cookie, chosen[name])


def _keep(response: HttpResponse, cookie: str, value: str) -> None:
    """An empty choice means: as the browser says."""
    if not value:
        response.delete_cookie(cookie, samesite="Lax")
        return
    response.set_cookie(cookie, value, max_age=YEAR_SECONDS, samesite="Lax", httponly=True, secure=settings.HTTPS)


def _way_back(request: HttpRequest) -> str:
    for place in (request.POST.get("next"), request.headers.get("HX-Current-URL"), request.headers.get("Referer")):
        if place and url_has_allowed_host_and_scheme(
            place, allowed_hosts={request.get_host()}, require_https=request.is_secure()
        ):
            return place
    return resolve_url(settings.LOGIN_REDIRECT_URL)
