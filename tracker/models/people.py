"""What becomes of people in a team: roles that change, leaving, handing over, and the end of a team or an account.

Each order locks the team first and reads the places anew, so that of two that would leave a team without an owner,
one is refused. A place or team that is gone meanwhile raises ``DoesNotExist``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, Q

from tracker.models.activity import Activity
from tracker.models.credentials import Credential
from tracker.models.invitations import Invitation
from tracker.models.roles import Act, Role
from tracker.models.shares import ShareLink
from tracker.models.tasks import MusicTask
from tracker.models.teams import Membership, Team, User

DELETED_AT_ONCE = 500
"""Tasks with all that hangs on them: Django reads what it deletes into memory."""


class LastOwnerError(Exception):
    """The team would be left without an owner."""


@dataclass(frozen=True, slots=True)
class Belongings:
    """What a person has in a team: tasks stay, the rest comes to rest when they go."""

    tasks: int
    credentials: int
    shares: int
    invitations: int

    @classmethod
    def of(cls, membership: Membership, *, now: datetime) -> Belongings:
        team, user = membership.team, membership.user
        return cls(
            tasks=MusicTask.objects.of_team(team).filter(added_by=user).count(),
            credentials=Credential.objects.owned_by(user, team).count(),
            shares=ShareLink.objects.open(now).filter(team=team, created_by=user).count(),
            invitations=Invitation.objects.open(now).made_by(membership).count(),
        )


@transaction.atomic
def found_team(name: str, *, owner: User) -> Membership:
    """A new team, and its first owner's place in it."""
    return Membership.objects.create(team=Team.objects.create(name=name), user=owner, role=Role.OWNER)


@transaction.atomic
def rename_team(team: Team, name: str, *, actor: User, now: datetime) -> None:
    if Team.objects.filter(pk=team.pk).exclude(name=name).update(name=name):
        Activity.objects.note(Activity.Kind.RENAMED, team=team, actor=actor, now=now, subject=name)


@transaction.atomic
def change_role(membership: Membership, role: Role, *, by: Membership, now: datetime) -> None:
    """Raises PermissionDenied where ``by`` has not the power, and :class:`LastOwnerError`."""
    member, actor = _as_they_stand(membership, by)
    before = Role(member.role)
    if not (actor.outranks(before) and actor.outranks(role)):
        raise PermissionDenied
    if role == before:
        return
    if role != Role.OWNER:
        _keep_an_owner(member)
    _give_role(member, role, now=now)
    Activity.objects.note(
        Activity.Kind.ROLE_CHANGED, team=member.team, actor=actor.user, now=now, subject=str(member.user),
        before=before.value, after=role.value,
    )  # fmt: skip


@transaction.atomic
def remove_member(membership: Membership, *, by: Membership, now: datetime) -> None:
    """Take somebody out of the team. Raises PermissionDenied and :class:`LastOwnerError`."""
    member, actor = _as_they_stand(membership, by)
    if not actor.outranks(member.role):
        raise PermissionDenied
    _take_leave(member, now=now)
    Activity.objects.note(Activity.Kind.REMOVED, team=member.team, actor=actor.user, now=now, subject=str(member.user))


@transaction.atomic
def leave_team(membership: Membership, *, now: datetime) -> None:
    """Raises :class:`LastOwnerError`."""
    (member,) = _as_they_stand(membership)
    _take_leave(member, now=now)
    Activity.objects.note(Activity.Kind.LEFT, team=member.team, actor=member.user, now=now, subject=str(member.user))


@transaction.atomic
def hand_over(membership: Membership, *, to: Membership, now: datetime) -> None:
    """Make somebody else owner; who hands over stays as admin. Raises PermissionDenied."""
    owner, heir = _as_they_stand(membership, to)
    if not owner.may(Act.MANAGE_TEAM) or owner.pk == heir.pk:
        raise PermissionDenied
    _give_role(heir, Role.OWNER, now=now)
    _give_role(owner, Role.ADMIN, now=now)
    Activity.objects.note(Activity.Kind.TRANSFERRED, team=owner.team, actor=owner.user, now=now, subject=str(heir.user))


@transaction.atomic
def delete_team(membership: Membership) -> None:
    """Delete the team with everything in it. Raises PermissionDenied for anybody but an owner."""
    (owner,) = _as_they_stand(membership)
    if not owner.may(Act.MANAGE_TEAM):
        raise PermissionDenied
    _delete_team(owner.team)


@transaction.atomic
def delete_account(user: User, *, now: datetime) -> None:
    """Delete a person: out of every team, a team with nobody else deleted, their keys destroyed.

    Raises :class:`LastOwnerError`, and changes nothing, while a team with others has no other owner.
    """
    # Always in the same order: of two who delete their accounts at once, neither waits for the other for ever.
    for membership in Membership.objects.filter(user=user).order_by("team"):
        (member,) = _as_they_stand(membership)
        if not member.team.memberships.exclude(pk=member.pk).exists():
            _delete_team(member.team)
            continue
        _take_leave(member, now=now)
        Activity.objects.note(Activity.Kind.LEFT, team=member.team, actor=None, now=now, subject=str(user))
    # Those left behind in a team one was removed from before, too.
    for credential in Credential.objects.filter(owner=user):
        credential.remove()
    user.delete()


def teams_in_the_way(user: User) -> list[Team]:
    """Teams with others in them whose only owner is ``user``: each must be handed over before the account goes."""
    teams = Team.objects.annotate(
        people=Count("memberships"), owners=Count("memberships", filter=Q(memberships__role=Role.OWNER))
    )
    own = Membership.objects.owners().filter(user=user).values("team")
    return list(teams.filter(pk__in=own, people__gt=1, owners=1).order_by("name"))


def teams_of_ones_own(user: User) -> list[Team]:
    """Teams with nobody else in them."""
    teams = Team.objects.annotate(people=Count("memberships"))
    own = Membership.objects.filter(user=user).values("team")
    return list(teams.filter(pk__in=own, people=1).order_by("name"))


def _as_they_stand(*memberships: Membership) -> Sequence[Membership]:
    """The places as they are now, while nobody else changes the people of their team."""
    team = Team.objects.locked().get(pk=memberships[0].team_id)
    places = {place.pk: place for place in Membership.objects.filter(team=team).select_related("team", "user")}
    try:
        return [places[membership.pk] for membership in memberships]
    except KeyError:
        raise Membership.DoesNotExist from None


def _keep_an_owner(member: Membership) -> None:
    """Raises :class:`LastOwnerError` where ``member`` is the only owner."""
    if member.is_last_owner():
        raise LastOwnerError


def _give_role(member: Membership, role: Role, *, now: datetime) -> None:
    member.role = role
    member.save(update_fields=["role"])
    # A link to a place that one may no longer give away must not be a way back to it.
    beyond = [one for one in Role if not member.outranks(one)]
    Invitation.objects.open(now).made_by(member).filter(role__in=beyond).update(revoked_at=now)


def _take_leave(member: Membership, *, now: datetime) -> None:
    """End a place. Tasks stay with everything known; what lends the person's name or key to the team rests."""
    _keep_an_owner(member)
    team, user = member.team, member.user
    for credential in Credential.objects.owned_by(user, team):
        credential.team_may_use = False
        credential.save(update_fields=["team_may_use"])
        credential.disable()
    ShareLink.objects.open(now).filter(team=team, created_by=user).update(rested_at=now)
    Invitation.objects.open(now).made_by(member).update(revoked_at=now)
    member.delete()


def _delete_team(team: Team) -> None:
    while rows := list(team.tasks.order_by("pk").values_list("pk", flat=True)[:DELETED_AT_ONCE]):
        MusicTask.objects.filter(pk__in=rows).delete()
    team.delete()
