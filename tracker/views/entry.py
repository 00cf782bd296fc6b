"""Links that let somebody in once: the first person, a visitor of the demo, a new member of a team.

A look at one uses nothing up.
"""

from __future__ import annotations

from allauth.account.utils import perform_login
from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from tracker.middleware import look_at
from tracker.models import EntryLink, Invitation, Membership, User
from tracker.models.people import found_team
from tracker.team_forms import TAKEN, JoinForm, NameField, NewPersonForm


class SetupForm(NewPersonForm):
    """The first person, who administers, and their team."""

    team = NameField(label=_("Name of your team"), widget=forms.TextInput({"autocomplete": "organization"}))

    def save(self) -> User:
        cleaned = self.cleaned_data
        user = User.objects.create_superuser(cleaned["email"], cleaned["password"], name=cleaned["name"])
        found_team(cleaned["team"], owner=user)
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


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def join(request: HttpRequest, token: str) -> HttpResponse:
    """An invitation, for somebody new or for somebody who has an account."""
    invitation = Invitation.objects.for_token(token).select_related("team", "invited_by").first()
    if invitation is None:
        return _closed(request, "tracker/join.html")
    if request.user.is_authenticated:
        return _join_as(request, request.user, invitation)
    if not invitation.is_open(timezone.now()):
        return _ended(request, invitation)
    form = JoinForm(request.POST if request.method == "POST" else None, invitation=invitation)
    user = _new_member(form) if form.is_valid() else None
    if user is not None:
        return _let_in(request, user)
    if form.is_bound and not form.errors:
        return _ended(request, invitation)
    return render(request, "tracker/join.html", {"invitation": invitation, "form": form})


def _join_as(request: HttpRequest, user: User, invitation: Invitation) -> HttpResponse:
    """One button for somebody who is signed in."""
    here = Membership.objects.filter(user=user, team=invitation.team_id).exists()
    context = {"invitation": invitation, "person": user, "is_here": here}
    if here:
        return render(request, "tracker/join.html", context)
    if not invitation.is_open(timezone.now()):
        return _ended(request, invitation)
    if not invitation.is_for(user):
        return render(request, "tracker/join.html", {**context, "is_for_another": True}, status=403)
    if request.method != "POST":
        return render(request, "tracker/join.html", context)
    membership = invitation.accept(user, now=timezone.now())
    if membership is None:
        return _ended(request, invitation)
    look_at(request, membership)
    messages.success(request, gettext("Welcome to “%(team)s”.") % {"team": membership.team})
    return redirect("board")


class _TooLateError(Exception):
    """Somebody else took the link, or it ended, at this very moment."""


def _new_member(form: JoinForm) -> User | None:
    """The new person, in the team; None, with an error at the field where there is one to show."""
    try:
        with transaction.atomic():
            user = form.save()
            # Without the place there is no account either.
            if form.invitation.accept(user, now=timezone.now()) is None:
                raise _TooLateError
    except _TooLateError:
        return None
    except IntegrityError:
        form.add_error("email", TAKEN)
        return None
    return user


def _ended(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    now = Invitation.objects.filter(pk=invitation.pk).first()
    reason = ""
    if now is not None:
        reason = "revoked" if now.revoked_at else "used" if now.accepted_at else "expired"
    return render(request, "tracker/join.html", {"is_closed": True, "reason": reason}, status=404)


def _open_link(token: str, purpose: EntryLink.Purpose) -> EntryLink | None:
    links = EntryLink.objects.for_token(token).open(timezone.now()).filter(purpose=purpose)
    return links.select_related("user").first()


def _let_in(request: HttpRequest, user: User) -> HttpResponse:
    """Sign in the way the sign-in page does: a second factor is asked for, and the session can be seen and ended."""
    response: HttpResponse = perform_login(request, user, email_verification="none", redirect_url=resolve_url("board"))
    return response


def _closed(request: HttpRequest, template: str) -> HttpResponse:
    return render(request, template, {"is_closed": True}, status=404)
