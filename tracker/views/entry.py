"""Links that let somebody in once: the first person, and a visitor of the demo. A look at one uses nothing up."""

from __future__ import annotations

from typing import Any

from allauth.account.utils import perform_login
from django import forms
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.password_validation import password_validators_help_texts, validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils import timezone
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from tracker.models import EntryLink, Membership, Role, Team, User


def _password_rules() -> str:
    return " ".join(password_validators_help_texts())


class SetupForm(forms.Form):
    """The first person, who administers, and their team."""

    name = forms.CharField(label=_("Your name"), max_length=80, widget=forms.TextInput({"autocomplete": "name"}))
    email = forms.EmailField(label=_("E-mail address"), widget=forms.EmailInput({"autocomplete": "email"}))
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        max_length=1000,
        help_text=lazy(_password_rules, str)(),
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
    )
    team = forms.CharField(
        label=_("Name of your team"), max_length=80, widget=forms.TextInput({"autocomplete": "organization"})
    )

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"].lower()
        if User.objects.filter(email=email).exists():
            raise ValidationError(_("Somebody with this address is here already."))
        return email

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if "password" in cleaned:
            person = User(email=cleaned.get("email", ""), name=cleaned.get("name", ""))
            try:
                validate_password(cleaned["password"], person)
            except ValidationError as error:
                self.add_error("password", error)
        return cleaned

    def save(self) -> User:
        cleaned = self.cleaned_data
        user = User.objects.create_superuser(cleaned["email"], cleaned["password"], name=cleaned["name"])
        team = Team.objects.create(name=cleaned["team"])
        Membership.objects.create(team=team, user=user, role=Role.OWNER)
        return user


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def setup(request: HttpRequest, token: str) -> HttpResponse:
    link = _open_link(token, EntryLink.Purpose.SETUP)
    if link is None or User.objects.administrators().exists():
        return _closed(request, "tracker/setup.html")
    form = SetupForm(request.POST or None)
    if not form.is_valid():
        return render(request, "tracker/setup.html", {"form": form})
    with transaction.atomic():
        # Of two people who send the form at the same moment, one takes the link.
        user = form.save() if link.use(timezone.now()) else None
    if user is None:
        return _closed(request, "tracker/setup.html")
    return _let_in(request, user)


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def enter(request: HttpRequest, token: str) -> HttpResponse:
    link = _open_link(token, EntryLink.Purpose.SIGN_IN)
    if link is None or link.user is None or not link.user.is_active:
        # Whoever opens the link a second time is most likely in already.
        return redirect("board") if request.user.is_authenticated else _closed(request, "tracker/enter.html")
    if request.method != "POST":
        return render(request, "tracker/enter.html", {"person": link.user})
    if not link.use(timezone.now()):
        return _closed(request, "tracker/enter.html")
    return _let_in(request, link.user)


def _open_link(token: str, purpose: EntryLink.Purpose) -> EntryLink | None:
    links = EntryLink.objects.for_token(token).open(timezone.now()).filter(purpose=purpose)
    return links.select_related("user").first()


def _let_in(request: HttpRequest, user: User) -> HttpResponse:
    """Sign in the way the sign-in page does: a second factor is asked for, and the session can be seen and ended."""
    response: HttpResponse = perform_login(request, user, email_verification="none", redirect_url=resolve_url("board"))
    return response


def _closed(request: HttpRequest, template: str) -> HttpResponse:
    return render(request, template, {"is_closed": True}, status=404)
