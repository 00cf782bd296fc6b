"""The admin panel as a site: Django's own, behind our sign-in, with the operations page."""

from __future__ import annotations

from functools import wraps
from typing import Any

from allauth.account.decorators import secure_admin_login
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import admin, messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, URLResolver, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from tracker.views import operations

SECOND_FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]


class Panel(admin.AdminSite):
    site_header = site_title = "musicboard"
    index_title = gettext_lazy("Administration")

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:  # type: ignore[override]
        page: HttpResponseBase = secure_admin_login(super().login)(request, extra_context)
        return page

    def get_urls(self) -> list[URLResolver | URLPattern]:
        page = self.admin_view(require_safe(self.operations))
        return [path("operations/", page, name="operations"), *super().get_urls()]

    def operations(self, request: HttpRequest) -> HttpResponseBase:
        return operations.operations(request, {**self.each_context(request), "title": _("Operations")})

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Every page of the panel, and only for somebody with a second factor where the settings ask for one."""
        page = super().admin_view(view, cacheable)

        @wraps(page)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            asks = settings.ADMIN_REQUIRES_2FA and self.has_permission(request)
            if asks and not is_mfa_enabled(request.user, types=SECOND_FACTORS):
                messages.warning(request, _("The admin panel asks for a second factor. Set one up here, then go on."))
                return redirect("mfa_index")
            answer: HttpResponseBase = page(request, *args, **kwargs)
            return answer

        return guarded
