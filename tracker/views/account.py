"""A person's own affairs: name, language, theme and time zone; their teams; the end of the account."""

from __future__ import annotations

from uuid import UUID

from allauth.core import ratelimit
from django.contrib import messages
from django.contrib.auth import logout
from django.core.exceptions import ObjectDoesNotExist
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from tracker.middleware import PersonRequest
from tracker.models import Membership, User
from tracker.models.people import (
    Belongings,
    LastOwnerError,
    delete_account,
    leave_team,
    teams_in_the_way,
    teams_of_ones_own,
)
from tracker.team_forms import AccountForm, DeleteAccountForm
from tracker.views.preferences import keep_cookies


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def account(request: PersonRequest) -> HttpResponse:
    # Another instance than the request's: the page around a refused form still says who the person is.
    person = User.objects.get(pk=request.user.pk) if request.method == "POST" else request.user
    form = AccountForm(request.POST if request.method == "POST" else None, instance=person)
    if not form.is_valid():
        return render(request, "tracker/account.html", {"form": form})
    form.save()
    messages.success(request, _("Saved."))
    response = redirect("account")
    keep_cookies(response, form.cleaned_data)
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def account_leave(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Leave one of one's teams; says first what becomes of everything."""
    own = Membership.objects.filter(user=request.user).select_related("team", "user")
    membership = get_object_or_404(own, public_id=public_id)
    if request.method != "POST":
        return _leave_page(request, membership)
    try:
        leave_team(membership, now=timezone.now())
    except LastOwnerError:
        messages.error(request, _("A team needs an owner, and you are its only one. Hand the team over first."))
        return redirect("account_leave", membership.public_id)
    except ObjectDoesNotExist:
        raise Http404 from None
    messages.success(request, _("You have left “%(team)s”.") % {"team": membership.team})
    return redirect("account")


def _leave_page(request: PersonRequest, membership: Membership) -> HttpResponse:
    context = {
        "membership": membership,
        "belongings": Belongings.of(membership, now=timezone.now()),
        "is_last_owner": membership.is_last_owner(),
        "has_others": membership.team.memberships.exclude(pk=membership.pk).exists(),
    }
    return render(request, "tracker/team_leave.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def account_delete(request: PersonRequest) -> HttpResponse:
    """Delete the account, once every team with others in it has another owner."""
    user = request.user
    in_the_way = teams_in_the_way(user)
    is_last_administrator = _is_last_administrator(user)
    form = DeleteAccountForm(request.POST if request.method == "POST" else None, user=user)
    if form.is_bound and not ratelimit.consume(request, action="reauthenticate", user=user):
        form.add_error("password", _("Too many tries. Wait a minute, then try again."))
    elif form.is_valid() and not in_the_way and not is_last_administrator and _delete(request):
        return redirect("account_login")
    context = {
        "form": form,
        "in_the_way": in_the_way,
        "of_ones_own": teams_of_ones_own(user),
        "is_last_administrator": is_last_administrator,
        "needs_password": not user.has_usable_password(),
    }
    return render(request, "tracker/account_delete.html", context)


def _delete(request: PersonRequest) -> bool:
    try:
        delete_account(request.user, now=timezone.now())
    except (LastOwnerError, ObjectDoesNotExist):
        return False
    logout(request)
    messages.success(request, _("Your account is deleted."))
    return True


def _is_last_administrator(user: User) -> bool:
    """Nobody could administer any more, although others are here."""
    others = User.objects.filter(is_active=True).exclude(pk=user.pk)
    return user.is_superuser and others.exists() and not others.filter(is_superuser=True).exists()
