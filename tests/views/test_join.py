"""Taking an invitation: as somebody new, or as somebody with an account; once, in time, and by the right person."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connections
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from tracker.models import Activity, Invitation, Membership, Role, Team, User

pytestmark = pytest.mark.django_db
FORM = {"name": "Mei", "email": "Mei@Example.org", "password": "a river runs by night"}


def text(response: HttpResponse) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


@pytest.fixture
def invitation(team: Team, alice: User) -> Invitation:
    return make_invitation(team, alice)


def make_invitation(team: Team, by: User, *, role: Role = Role.MEMBER, email: str = "") -> Invitation:
    return Invitation.issue(
        by=Membership.objects.get(team=team, user=by), role=role, email=email, lifetime=timedelta(days=7),
        now=timezone.now(),
    )  # fmt: skip


def url(invitation: Invitation) -> str:
    return f"/join/{invitation.token}/"


def is_unused(invitation: Invitation) -> bool:
    return Invitation.objects.open(timezone.now()).filter(pk=invitation.pk, accepted_by=None).exists()


# Somebody new ---------------------------------------------------------------------------------------------


def test_somebody_new_joins_and_is_signed_in(client: Client, team: Team, alice: User, invitation: Invitation) -> None:
    page = text(client.get(url(invitation)))
    for words in ("Join “Studio North”", "Alice invites you", "Your role: Member", f"?next={url(invitation)}"):
        assert words in page
    response = client.post(url(invitation), FORM)
    assert (response.status_code, response["Location"]) == (302, "/")
    user = User.objects.get(email="mei@example.org")
    assert user.check_password(FORM["password"])
    assert (user.name, user.is_staff, user.is_superuser) == ("Mei", False, False)
    assert user.memberships.get().role == Role.MEMBER
    assert "<h1>Studio North</h1>" in text(client.get("/team/"))
    invitation.refresh_from_db()
    assert invitation.accepted_by == user
    assert Activity.objects.filter(kind=Activity.Kind.JOINED, actor=user, team=team).exists()


def test_looking_at_an_invitation_uses_nothing_up(client: Client, invitation: Invitation) -> None:
    for _ in range(3):
        assert client.get(url(invitation)).status_code == 200
        assert client.head(url(invitation)).status_code == 200
    assert is_unused(invitation)
    assert "no-store" in client.get(url(invitation))["Cache-Control"]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"name": ""}, "required"),
        ({"name": "n" * 1000}, "at most 80 characters"),
        ({"email": "not an address"}, "valid email address"),
        ({"email": "ALICE@example.org"}, "Somebody with this address is here already."),
        ({"password": "short"}, "too short"),
        ({"password": "mei@example.org"}, "too similar"),
    ],
)
def test_a_wrong_form_is_explained_and_uses_nothing_up(
    client: Client, invitation: Invitation, typed: dict[str, str], words: str
) -> None:
    response = client.post(url(invitation), {**FORM, **typed})
    assert response.status_code == 200
    assert words in text(response)
    assert is_unused(invitation)
    assert not User.objects.filter(name="Mei").exists()
    assert client.post(url(invitation), FORM).status_code == 302


def test_an_account_cannot_be_made_for_another_address(client: Client, team: Team, alice: User) -> None:
    invitation = make_invitation(team, alice, email="lin@example.org")
    assert "lin@example.org" not in text(client.get(url(invitation)))
    response = client.post(url(invitation), FORM)
    assert "This invitation is for another e-mail address." in text(response)
    taken = client.post(url(invitation), {**FORM, "email": "alice@example.org"})
    assert "is here already" not in text(taken)
    assert is_unused(invitation)
    assert client.post(url(invitation), {**FORM, "email": "LIN@example.org"}).status_code == 302
    assert User.objects.get(email="lin@example.org").teams.get() == team


def test_the_forms_role_is_the_invitations_whatever_is_sent(client: Client, invitation: Invitation) -> None:
    client.post(url(invitation), {**FORM, "role": "owner", "is_staff": "on", "is_superuser": "on"})
    user = User.objects.get(email="mei@example.org")
    assert user.memberships.get().role == Role.MEMBER
    assert not user.is_staff


# Somebody with an account ---------------------------------------------------------------------------------


def test_somebody_signed_in_joins_with_one_button_and_looks_at_the_team(
    client: Client, charlie: User, team: Team, invitation: Invitation
) -> None:
    client.force_login(charlie)
    page = text(client.get(url(invitation)))
    assert "Join as Charlie" in page
    assert 'name="password"' not in page
    response = client.post(url(invitation), follow=True)
    assert response.redirect_chain == [("/", 302)]
    assert "Welcome to “Studio North”." in text(response)
    assert "<h1>Studio North</h1>" in text(client.get("/team/"))
    assert charlie.teams.count() == 2
    assert not is_unused(invitation)


def test_signing_in_first_leads_back_to_the_invitation(client: Client, charlie: User, invitation: Invitation) -> None:
    typed = {"login": charlie.email, "password": "correct horse battery", "next": url(invitation)}
    response = client.post("/accounts/login/", typed)
    assert response["Location"] == url(invitation)
    assert "Join as Charlie" in text(client.get(url(invitation)))


def test_a_member_is_told_and_the_link_stays_open(
    client: Client, team: Team, bob: User, alice: User, invitation: Invitation
) -> None:
    owner_link = make_invitation(team, alice, role=Role.OWNER)
    client.force_login(bob)
    for one in (invitation, owner_link):
        for response in (client.get(url(one)), client.post(url(one))):
            assert response.status_code == 200
            assert "You are in “Studio North” already" in text(response)
        assert is_unused(one)
    assert bob.memberships.get().role == Role.MEMBER


def test_an_invitation_for_somebody_else_says_so_and_is_not_used(
    client: Client, charlie: User, team: Team, alice: User
) -> None:
    invitation = make_invitation(team, alice, email="lin@example.org")
    client.force_login(charlie)
    for response in (client.get(url(invitation)), client.post(url(invitation))):
        assert response.status_code == 403
        assert "This invitation is for somebody else" in text(response)
        assert "charlie@example.org" in text(response)
        assert "lin@example.org" not in text(response)
    assert is_unused(invitation)
    assert charlie.teams.count() == 1


# Ended ----------------------------------------------------------------------------------------------------

ENDS = {
    "revoked": ({"revoked_at": timezone.now()}, "This invitation was revoked"),
    "used": ({"accepted_at": timezone.now()}, "This invitation was used already"),
    "expired": ({"expires_at": timezone.now() - timedelta(seconds=1)}, "This invitation has expired"),
}


@pytest.mark.parametrize("end", list(ENDS))
def test_an_ended_invitation_says_what_to_do(client: Client, charlie: User, invitation: Invitation, end: str) -> None:
    fields, words = ENDS[end]
    Invitation.objects.update(**fields)
    people = User.objects.count()
    stranger, person = Client(), client
    person.force_login(charlie)
    for one in (stranger, person):
        for response in (one.get(url(invitation)), one.post(url(invitation), FORM)):
            assert response.status_code == 404
            page = text(response)
            assert words in page
            assert "new link" in page
            assert "Studio North" not in page
    assert User.objects.count() == people
    assert Membership.objects.filter(team=invitation.team).count() == 1


@pytest.mark.parametrize("token", ["never-issued", "x", "%ED%A0%80", "%00", "a" * 500])
def test_an_unknown_link_says_what_to_do(client: Client, db: None, token: str) -> None:
    response = client.get(f"/join/{token}/")
    assert response.status_code == 404
    assert "This invitation does not work" in text(response)


def test_a_link_works_once(client: Client, invitation: Invitation) -> None:
    client.post(url(invitation), FORM)
    again = Client().post(url(invitation), {**FORM, "email": "mallory@example.org"})
    assert again.status_code == 404
    assert "was used already" in text(again)
    assert not User.objects.filter(email="mallory@example.org").exists()
    # Who used it and opens it once more is where they belong.
    assert "You are in “Studio North” already" in text(client.get(url(invitation)))


def test_an_invitation_of_somebody_who_was_removed_does_not_open(
    client: Client, signed_in: Client, team: Team, bob: User
) -> None:
    Membership.objects.filter(user=bob).update(role=Role.ADMIN)
    invitation = make_invitation(team, bob)
    signed_in.post(f"/team/members/{Membership.objects.get(user=bob).public_id}/remove/")
    assert "was revoked" in text(Client().get(url(invitation)))


def test_without_its_token_the_form_is_refused(invitation: Invitation) -> None:
    response = Client(enforce_csrf_checks=True).post(url(invitation), FORM)
    assert response.status_code == 403
    assert is_unused(invitation)


# At once --------------------------------------------------------------------------------------------------


def race(address: str, *forms: dict[str, Any]) -> list[int]:
    barrier = Barrier(len(forms))

    def send(form: dict[str, Any]) -> int:
        try:
            barrier.wait(10)
            return Client().post(address, form).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(forms)) as pool:
        return sorted(pool.map(send, forms))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("round_", range(3))
def test_of_two_new_people_at_once_one_gets_in(team: Team, alice: User, round_: int) -> None:
    invitation = make_invitation(team, alice)
    statuses = race(url(invitation), *({**FORM, "email": f"{name}@example.org"} for name in ("one", "two")))
    assert statuses == [302, 404]
    # Who came too late has no account either.
    assert User.objects.count() == 2
    assert team.memberships.count() == 2
    invitation.refresh_from_db()
    assert invitation.accepted_by == User.objects.exclude(pk=alice.pk).get()


@pytest.mark.django_db(transaction=True)
def test_a_form_that_is_sent_twice_at_once_makes_one_person(team: Team, alice: User) -> None:
    invitation = make_invitation(team, alice)
    statuses = race(url(invitation), FORM, FORM)
    assert statuses[0] in (200, 302)
    assert 302 in statuses
    assert team.memberships.count() == User.objects.count() == 2
