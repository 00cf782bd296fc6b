"""What becomes of people in a team: who goes, what stays, and that no team is left without an owner."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.db import connections
from django.utils import timezone

from tests.conftest import make_credential
from tests.views.test_board import make_task
from tracker.models import (
    Activity,
    Clip,
    Credential,
    Invitation,
    Membership,
    MusicTask,
    Role,
    ShareLink,
    TaskEvent,
    Team,
    User,
)
from tracker.models.credentials import Hold
from tracker.models.people import (
    Belongings,
    LastOwnerError,
    change_role,
    delete_account,
    delete_team,
    found_team,
    hand_over,
    leave_team,
    remove_member,
    teams_in_the_way,
)
from tracker.poller import keep_house

pytestmark = pytest.mark.django_db
BASE = "https://relay.example.com"


def place(user: User, team: Team) -> Membership:
    return Membership.objects.select_related("team", "user").get(user=user, team=team)


def person(team: Team, name: str, role: Role) -> Membership:
    user = User.objects.create_user(f"{name.lower()}@example.org", "correct horse battery", name=name)
    return Membership.objects.create(team=team, user=user, role=role)


def share(task: MusicTask, user: User) -> ShareLink:
    link = ShareLink(team=task.team, task=task, created_by=user, created_at=timezone.now()).draw_token()
    link.save()
    return link


def invite(by: Membership, role: Role = Role.MEMBER) -> Invitation:
    return Invitation.issue(by=by, role=role, email="", lifetime=timedelta(days=7), now=timezone.now())


@pytest.fixture
def lent(team: Team, bob: User) -> Credential:
    """Bob's key, which the team may use."""
    credential = make_credential(team, bob, base_url=BASE)
    credential.team_may_use = True
    credential.save()
    return credential


# Going ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["removed", "leaves"])
def test_who_goes_leaves_the_tasks_and_takes_what_is_theirs_out_of_use(
    team: Team, alice: User, bob: User, lent: Credential, way: str
) -> None:
    task = make_task(lent, title="City Lights", clips=2)
    link = share(task, bob)
    admin = place(bob, team)
    Membership.objects.filter(pk=admin.pk).update(role=Role.ADMIN)
    waiting = invite(place(bob, team))
    now = timezone.now()
    assert Belongings.of(place(bob, team), now=now) == Belongings(1, 1, 1, 1)
    if way == "removed":
        remove_member(place(bob, team), by=place(alice, team), now=now)
    else:
        leave_team(place(bob, team), now=now)
    task.refresh_from_db()
    lent.refresh_from_db()
    link.refresh_from_db()
    waiting.refresh_from_db()
    assert (task.added_by, task.removed_at, task.clips.count()) == (bob, None, 2)
    assert (lent.state, lent.team_may_use, task.hold) == (Credential.State.DISABLED, False, Hold.DISABLED)
    assert link.rested_at == now
    assert not ShareLink.objects.open(now).exists()
    assert waiting.revoked_at == now
    assert not Membership.objects.filter(user=bob, team=team).exists()
    assert User.objects.filter(pk=bob.pk).exists()


def test_what_others_have_is_left_alone(team: Team, alice: User, bob: User, charlie: User) -> None:
    hers = make_credential(team, alice, base_url=BASE)
    link = share(make_task(hers), alice)
    elsewhere = charlie.teams.get()
    Membership.objects.create(team=elsewhere, user=bob)
    other = make_credential(elsewhere, bob, base_url=BASE)
    leave_team(place(bob, team), now=timezone.now())
    for credential in (hers, other):
        credential.refresh_from_db()
        assert credential.state == Credential.State.ACTIVE
    link.refresh_from_db()
    assert link.rested_at is None
    assert bob.teams.get() == elsewhere


def test_an_ended_link_does_not_come_to_rest_as_well(team: Team, bob: User, lent: Credential) -> None:
    link = share(make_task(lent), bob)
    ShareLink.objects.update(revoked_at=timezone.now())
    leave_team(place(bob, team), now=timezone.now())
    link.refresh_from_db()
    assert link.rested_at is None


# Roles ----------------------------------------------------------------------------------------------------

RANKS = [Role.VIEWER, Role.MEMBER, Role.ADMIN, Role.OWNER]


@pytest.mark.parametrize("before", RANKS)
@pytest.mark.parametrize("after", RANKS)
@pytest.mark.parametrize("by", RANKS)
def test_a_role_is_changed_below_ones_own_and_by_owners_at_will(
    team: Team, alice: User, by: Role, before: Role, after: Role
) -> None:
    actor, member = person(team, "Ann", by), person(team, "Ben", before)
    may = by == Role.OWNER or (by == Role.ADMIN and {before, after} <= {Role.VIEWER, Role.MEMBER})
    if may:
        change_role(member, after, by=actor, now=timezone.now())
    else:
        with pytest.raises(PermissionDenied):
            change_role(member, after, by=actor, now=timezone.now())
    member.refresh_from_db()
    assert member.role == (after if may else before)


@pytest.mark.parametrize("by", RANKS)
@pytest.mark.parametrize("role", RANKS)
def test_a_person_is_removed_by_those_above(team: Team, alice: User, by: Role, role: Role) -> None:
    actor, member = person(team, "Ann", by), person(team, "Ben", role)
    may = by == Role.OWNER or (by == Role.ADMIN and role in (Role.VIEWER, Role.MEMBER))
    if may:
        remove_member(member, by=actor, now=timezone.now())
    else:
        with pytest.raises(PermissionDenied):
            remove_member(member, by=actor, now=timezone.now())
    assert Membership.objects.filter(pk=member.pk).exists() is not may


def test_power_lost_in_the_meantime_counts_no_more(team: Team, alice: User, bob: User) -> None:
    stale = person(team, "Ann", Role.ADMIN)
    Membership.objects.filter(pk=stale.pk).update(role=Role.VIEWER)
    assert stale.role == Role.ADMIN
    with pytest.raises(PermissionDenied):
        remove_member(place(bob, team), by=stale, now=timezone.now())


def test_the_last_owner_is_neither_demoted_nor_removed_nor_leaves(team: Team, alice: User, bob: User) -> None:
    owner = place(alice, team)
    orders: list[Callable[[], None]] = [
        lambda: change_role(owner, Role.ADMIN, by=owner, now=timezone.now()),
        lambda: remove_member(owner, by=owner, now=timezone.now()),
        lambda: leave_team(owner, now=timezone.now()),
        lambda: delete_account(alice, now=timezone.now()),
    ]
    for order in orders:
        with pytest.raises(LastOwnerError):
            order()
    assert place(alice, team).role == Role.OWNER
    change_role(place(bob, team), Role.OWNER, by=owner, now=timezone.now())
    leave_team(owner, now=timezone.now())
    assert team.memberships.get().user == bob


def test_an_open_invitation_beyond_the_new_role_is_revoked(team: Team, alice: User) -> None:
    """Whoever was an owner must not come back as one through a link they still hold."""
    actor = person(team, "Ann", Role.OWNER)
    above, below = invite(actor, Role.OWNER), invite(actor, Role.VIEWER)
    change_role(actor, Role.ADMIN, by=place(alice, team), now=timezone.now())
    above.refresh_from_db()
    below.refresh_from_db()
    assert above.revoked_at is not None
    assert below.revoked_at is None


def test_handing_over_leaves_an_admin(team: Team, alice: User, bob: User) -> None:
    hand_over(place(alice, team), to=place(bob, team), now=timezone.now())
    assert (place(alice, team).role, place(bob, team).role) == (Role.ADMIN, Role.OWNER)
    with pytest.raises(PermissionDenied):
        hand_over(place(alice, team), to=place(bob, team), now=timezone.now())


# The end of a team and of an account ----------------------------------------------------------------------


def test_a_deleted_team_takes_everything_with_it_and_no_people(
    team: Team, alice: User, bob: User, charlie: User, lent: Credential
) -> None:
    task = make_task(lent, clips=2)
    TaskEvent.objects.create(task=task, at=timezone.now(), kind=TaskEvent.Kind.TRACKED)
    share(task, bob)
    invite(place(alice, team))
    with pytest.raises(PermissionDenied):
        delete_team(place(bob, team))
    delete_team(place(alice, team))
    for model in (MusicTask, Clip, Credential, ShareLink, Invitation, Activity, TaskEvent):
        assert not model.objects.exists()
    assert list(Team.objects.all()) == list(charlie.teams.all())
    assert User.objects.count() == 3


def test_a_deleted_account_destroys_its_keys_and_keeps_the_teams_tasks(
    team: Team, alice: User, bob: User, lent: Credential
) -> None:
    task = make_task(lent, title="City Lights")
    alone = found_team("Bob’s own", owner=bob).team
    delete_account(bob, now=timezone.now())
    task.refresh_from_db()
    assert (task.credential, task.added_by, task.hold) == (None, None, Hold.NO_CREDENTIAL)
    assert not Credential.objects.exists()
    assert not Team.objects.filter(pk=alone.pk).exists()
    assert Team.objects.filter(pk=team.pk).exists()
    assert Activity.objects.get(kind=Activity.Kind.LEFT).subject == "Bob"


def test_only_teams_with_others_and_no_other_owner_stand_in_the_way(team: Team, alice: User, bob: User) -> None:
    found_team("Alone", owner=alice)
    shared = found_team("Two owners", owner=alice).team
    Membership.objects.create(team=shared, user=bob, role=Role.OWNER)
    assert teams_in_the_way(alice) == [team]
    assert teams_in_the_way(bob) == []


# At once --------------------------------------------------------------------------------------------------


def at_once(*orders: Callable[[], object]) -> list[str]:
    """Run each order in a thread and on a connection of its own; tells how each ended."""
    barrier = Barrier(len(orders))

    def run(order: Callable[[], object]) -> str:
        try:
            barrier.wait(10)
            order()
        except (LastOwnerError, PermissionDenied, ObjectDoesNotExist) as error:
            return type(error).__name__
        else:
            return "done"
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(orders)) as pool:
        return sorted(pool.map(run, orders))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("round_", range(5))
def test_of_two_owners_who_leave_at_once_one_stays(team: Team, alice: User, bob: User, round_: int) -> None:
    Membership.objects.update(role=Role.OWNER)
    owners = [place(alice, team), place(bob, team)]
    ends = at_once(*(lambda one=one: leave_team(one, now=timezone.now()) for one in owners))
    assert ends == ["LastOwnerError", "done"]
    assert team.memberships.get().role == Role.OWNER


@pytest.mark.django_db(transaction=True)
def test_the_last_owner_leaving_in_two_tabs_stays(team: Team, alice: User, bob: User) -> None:
    owner = place(alice, team)
    order = lambda: leave_team(owner, now=timezone.now())  # noqa: E731
    assert at_once(order, order) == ["LastOwnerError", "LastOwnerError"]
    assert place(alice, team).role == Role.OWNER


@pytest.mark.django_db(transaction=True)
def test_a_member_leaving_in_two_tabs_leaves_once(team: Team, alice: User, bob: User) -> None:
    member = place(bob, team)
    order = lambda: leave_team(member, now=timezone.now())  # noqa: E731
    assert at_once(order, order) == ["DoesNotExist", "done"]
    assert Activity.objects.filter(kind=Activity.Kind.LEFT).count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("round_", range(3))
def test_two_owners_who_demote_each_other_at_once_leave_one(team: Team, alice: User, bob: User, round_: int) -> None:
    Membership.objects.update(role=Role.OWNER)
    one, other = place(alice, team), place(bob, team)
    ends = at_once(
        lambda: change_role(other, Role.MEMBER, by=one, now=timezone.now()),
        lambda: change_role(one, Role.MEMBER, by=other, now=timezone.now()),
    )
    assert ends == ["PermissionDenied", "done"]
    assert team.memberships.filter(role=Role.OWNER).count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_owners_who_delete_their_accounts_at_once_one_stays(team: Team, alice: User, bob: User) -> None:
    Membership.objects.update(role=Role.OWNER)
    person(team, "Vera", Role.VIEWER)
    ends = at_once(*(lambda one=one: delete_account(one, now=timezone.now()) for one in (alice, bob)))
    assert ends == ["LastOwnerError", "done"]
    assert team.memberships.filter(role=Role.OWNER).count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("round_", range(3))
def test_of_two_people_who_take_a_link_at_once_one_gets_in(team: Team, alice: User, charlie: User, round_: int) -> None:
    other = User.objects.create_user("dora@example.org", "correct horse battery", name="Dora")
    invitation = invite(place(alice, team), Role.VIEWER)
    got: list[Membership | None] = []
    copies = [Invitation.objects.get(pk=invitation.pk) for _ in range(2)]
    ends = at_once(
        *(
            lambda one=one, user=user: got.append(one.accept(user, now=timezone.now()))
            for one, user in zip(copies, (charlie, other), strict=True)
        )
    )
    assert ends == ["done", "done"]
    (membership,) = filter(None, got)
    assert team.memberships.exclude(user=alice).get() == membership
    invitation.refresh_from_db()
    assert (invitation.accepted_by, membership.role) == (membership.user, Role.VIEWER)


@pytest.mark.django_db(transaction=True)
def test_one_person_with_two_links_at_once_uses_one(team: Team, alice: User, charlie: User) -> None:
    links = [invite(place(alice, team)), invite(place(alice, team))]
    ends = at_once(*(lambda one=one: one.accept(charlie, now=timezone.now()) for one in links))
    assert ends == ["done", "done"]
    assert Membership.objects.filter(user=charlie, team=team).count() == 1
    assert Invitation.objects.filter(accepted_at=None).count() == 1


# Activity -------------------------------------------------------------------------------------------------


def test_old_activity_is_forgotten_by_the_poller(team: Team, alice: User, settings: object) -> None:
    settings.ACTIVITY_DAYS = 30  # type: ignore[attr-defined]
    now = timezone.now()
    for days in (31, 29):
        Activity.objects.note(Activity.Kind.TRACKED, team=team, actor=alice, now=now - timedelta(days=days), count=days)
    keep_house(now)
    assert [row.detail["count"] for row in Activity.objects.all()] == [29]
