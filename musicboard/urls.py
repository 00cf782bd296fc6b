"""Wiring: the portal, sign-in and Django's admin behind the same sign-in."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

admin.autodiscover()

urlpatterns = [
    path("accounts/", include("allauth.account.urls")),
    path("accounts/2fa/", include("allauth.mfa.urls")),
    path("accounts/sessions/", include("allauth.usersessions.urls")),
    path("admin/", admin.site.urls),
    path("", include("tracker.urls")),
]

handler400 = "tracker.views.errors.bad_request"
handler403 = "tracker.views.errors.forbidden"
handler404 = "tracker.views.errors.not_found"
handler500 = "tracker.views.errors.server_error"
