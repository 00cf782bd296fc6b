"""The team: who is in it and as what, who is invited, what was done, and which team one looks at."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.core.mail import send_mail
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from tracker.deeds import TOPICS, ActivityFilter, load_deeds, people_of
from tracker.middleware import PersonRequest, look_at
from tracker.models import Act, Invitation, Membership, Role
from tracker.models.people import (
    Belongings,
    LastOwnerError,
    change_role,
    delete_team,
    found_team,
    hand_over,
    remove_member,
    rename_team,
)
from tracker.models.roles import RANK
from tracker.permissions import require
from tracker.secrets import SealBrokenError
from tracker.team_forms import DeleteTeamForm, HandOverForm, InviteForm, TeamForm, roles_below

log = logging.getLogger(__name__)

NEW_INVITATION = "new_invitation"


@dataclass(frozen=True, slots=True)
class Row:
    """A member as the asking person sees them: with the roles they may give, if any."""

    member: Membership
    roles: list[tuple[str, str]]
    is_oneself: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """An open invitation; its link only for those who could have made it themselves."""

    invitation: Invitation
    link: str
    is_ours: bool
    is_new: bool


@require_safe
@never_cache
def team(request: PersonRequest) -> HttpResponse:
    """Who is in the team."""
    if request.membership is None:
        return render(request, "tracker/team_none.html")
    return _team_page(request, require(request, Act.LOOK))


def _team_page(
    request: PersonRequest, membership: Membership, *, invite: InviteForm | None = None, rename: TeamForm | None = None
) -> HttpResponse:
    manages = membership.may(Act.MANAGE_MEMBERS)
    context = {
        "rows": _rows(membership),
        "manages": manages,
        "owns": membership.may(Act.MANAGE_TEAM),
        "sees_activity": membership.may(Act.SEE_ACTIVITY),
        "waiting": _waiting(request, membership) if manages else [],
        "invite_form": (invite or InviteForm(membership=membership)) if manages else None,
        "rename_form": (rename or TeamForm(initial={"name": membership.team.name})) if manages else None,
        "can_send_mail": settings.CAN_SEND_MAIL,
    }
    return render(request, "tracker/team.html", context)


def _rows(membership: Membership) -> list[Row]:
    members = membership.team.memberships.select_related("user").order_by("user__name", "pk")
    roles = roles_below(membership)
    return [
        Row(
            member,
            roles=roles if membership.outranks(member.role) else [],
            is_oneself=member.pk == membership.pk,
        )
        for member in sorted(members, key=lambda one: -RANK[Role(one.role)])
    ]


def _waiting(request: PersonRequest, membership: Membership) -> list[Waiting]:
    new = request.session.pop(NEW_INVITATION, None)
    invitations = Invitation.objects.open(timezone.now()).filter(team=membership.team).select_related("invited_by")
    return [
        Waiting(
            one,
            # Whoever holds the link could let themselves in with its role: it must not be above their own.
            link=_link(request, one) if membership.outranks(one.role) else "",
            is_ours=membership.outranks(one.role),
            is_new=str(one.public_id) == new,
        )
        for one in invitations
    ]


def _link(request: HttpRequest, invitation: Invitation) -> str:
    try:
        return request.build_absolute_uri(reverse("join", args=[invitation.token]))
    except SealBrokenError:
        return ""


# -- The team itself ------------------------------------------------------------------------------------


@require_POST
def team_switch(request: PersonRequest) -> HttpResponse:
    """Look at another of one's teams."""
    wanted = request.POST.get("team", "")
    found = next((one for one in request.memberships if str(one.team.public_id) == wanted), None)
    if found is None:
        raise Http404
    look_at(request, found)
    return redirect("board")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def team_new(request: PersonRequest) -> HttpResponse:
    """Anybody may make a team, and owns it."""
    form = TeamForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return render(request, "tracker/team_new.html", {"form": form})
    membership = found_team(form.cleaned_data["name"], owner=request.user)
    look_at(request, membership)
    messages.success(request, _("“%(team)s” is there. Now invite the others.") % {"team": membership.team})
    return redirect("team")


def team_rename(request: PersonRequest) -> HttpResponse:
    if request.method != "POST":
        return redirect("team")
    membership = require(request, Act.MANAGE_MEMBERS)
    form = TeamForm(request.POST)
    if not form.is_valid():
        return _team_page(request, membership, rename=form)
    rename_team(membership.team, form.cleaned_data["name"], actor=request.user, now=timezone.now())
    messages.success(request, _("The team is now called “%(team)s”.") % {"team": form.cleaned_data["name"]})
    return redirect("team")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def team_transfer(request: PersonRequest) -> HttpResponse:
    membership = require(request, Act.MANAGE_TEAM)
    others = membership.team.memberships.exclude(pk=membership.pk).select_related("user").order_by("user__name")
    form = HandOverForm(request.POST if request.method == "POST" else None, members=others)
    if not form.is_valid():
        context = {"form": form, "has_others": bool(others)}
        return render(request, "tracker/team_transfer.html", context)
    heir: Membership = form.cleaned_data["to"]
    done = _("%(person)s owns the team now; you are an admin.") % {"person": heir.user}
    return _ordered(request, lambda: hand_over(membership, to=heir, now=timezone.now()), done)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def team_delete(request: PersonRequest) -> HttpResponse:
    membership = require(request, Act.MANAGE_TEAM)
    name = membership.team.name
    form = DeleteTeamForm(request.POST if request.method == "POST" else None, expected=name)
    if not form.is_valid():
        counts = {
            "task_count": membership.team.tasks.filter(removed_at=None).count(),
            "people_count": membership.team.memberships.count(),
        }
        context = {"form": form, **counts}
        return render(request, "tracker/team_delete.html", context)
    done = _("“%(team)s” is deleted with everything in it.") % {"team": name}
    return _ordered(request, lambda: delete_team(membership), done, to="board")


# -- Members --------------------------------------------------------------------------------------------


@require_POST
def member_role(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Give somebody another role, below one's own; an owner gives any."""
    membership, found = _find_member(request, public_id)
    role = request.POST.get("role", "")
    if role not in Role.values:
        messages.error(request, _("Choose a role."))
        return redirect("team")
    if not membership.outranks(role):
        raise PermissionDenied
    done = _("%(person)s: %(role)s.") % {"person": found.user, "role": Role(role).label}
    return _ordered(request, lambda: change_role(found, Role(role), by=membership, now=timezone.now()), done)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def member_remove(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Says first what becomes of everything that is theirs."""
    membership, found = _find_member(request, public_id)
    if found.pk == membership.pk:
        return redirect("account_leave", found.public_id)
    if not membership.outranks(found.role):
        raise PermissionDenied
    if request.method != "POST":
        context = {"member": found, "belongings": Belongings.of(found, now=timezone.now())}
        return render(request, "tracker/team_remove.html", context)
    done = _("%(person)s is no longer in the team.") % {"person": found.user}
    return _ordered(request, lambda: remove_member(found, by=membership, now=timezone.now()), done)


def _find_member(request: PersonRequest, public_id: UUID) -> tuple[Membership, Membership]:
    """The asking person's place and another of the same team; 404 for other teams, 403 below admins."""
    membership = require(request, Act.LOOK)
    members = membership.team.memberships.select_related("user", "team")
    found = get_object_or_404(members, public_id=public_id)
    return require(request, Act.MANAGE_MEMBERS), found


def _ordered(request: PersonRequest, order: Callable[[], None], done: str, *, to: str = "team") -> HttpResponse:
    """Carry out an order about people, and say what came of it."""
    try:
        order()
    except LastOwnerError:
        messages.error(request, _("A team needs an owner, and this is its only one. Make somebody else owner first."))
    except ObjectDoesNotExist:
        raise Http404 from None
    else:
        messages.success(request, done)
    return redirect(to)


# -- Invitations ----------------------------------------------------------------------------------------


def invite(request: PersonRequest) -> HttpResponse:
    """Make a link that lets one person in, and send it where a mail server and an address are given."""
    if request.method != "POST":
        return redirect("team")
    membership = require(request, Act.MANAGE_MEMBERS)
    form = InviteForm(request.POST, membership=membership)
    if not form.is_valid():
        return _team_page(request, membership, invite=form)
    invitation = form.save(timezone.now())
    request.session[NEW_INVITATION] = str(invitation.public_id)
    if not (invitation.email and settings.CAN_SEND_MAIL):
        messages.success(request, _("The invitation is ready. Copy its link and send it."))
    elif _send(request, invitation):
        messages.success(request, _("The invitation was sent to %(email)s.") % {"email": invitation.email})
    else:
        messages.warning(
            request, _("The mail to %(email)s could not be sent. Copy the link instead.") % {"email": invitation.email}
        )
    return redirect("team")


def _send(request: PersonRequest, invitation: Invitation) -> bool:
    """Whether the mail server took it; what it said otherwise is for the log of whoever runs it."""
    context = {"invitation": invitation, "person": request.user, "link": _link(request, invitation)}
    subject = _("%(person)s invites you to “%(team)s” on musicboard") % {
        "person": request.user, "team": invitation.team,
    }  # fmt: skip
    text = render_to_string("tracker/invitation_mail.txt", context)
    try:
        return send_mail(" ".join(subject.split()), text, None, [invitation.email]) == 1
    except OSError as error:
        log.warning("an invitation could not be sent by mail: %s", type(error).__name__)
        return False


@require_POST
def invitation_revoke(request: PersonRequest, public_id: UUID) -> HttpResponse:
    membership = require(request, Act.MANAGE_MEMBERS)
    found = get_object_or_404(Invitation.objects.filter(team=membership.team), public_id=public_id)
    if not membership.outranks(found.role):
        raise PermissionDenied
    if found.revoke(actor=request.user, now=timezone.now()):
        messages.success(request, _("The invitation is revoked. Its link no longer works."))
    else:
        messages.info(request, _("This invitation had ended already."))
    return redirect("team")


# -- Activity -------------------------------------------------------------------------------------------


@require_safe
@never_cache
def team_activity(request: PersonRequest) -> HttpResponse:
    """Who did what, the newest first."""
    membership = require(request, Act.SEE_ACTIVITY)
    shown = ActivityFilter.read(request.GET)
    context = {
        "page": load_deeds(membership.team, shown, now=timezone.now()),
        "shown": shown,
        "topics": [(label, [(kind.value, kind.label) for kind in kinds]) for label, kinds in TOPICS],
        "people": people_of(membership.team),
        "days": settings.ACTIVITY_DAYS,
    }
    return render(request, "tracker/activity.html", context)
