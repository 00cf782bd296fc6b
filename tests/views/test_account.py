"""A person's own affairs: preferences, leaving a team, and the end of the account."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from tests.conftest import make_credential
from tests.views.test_board import make_task
from tracker.models import Credential, Membership, Role, Team, User
from tracker.models.people import found_team

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
FORM = {"name": "Alice", "language": "", "theme": "", "time_zone": ""}


def text(response: HttpResponse) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def place(user: User, team: Team) -> Membership:
    return Membership.objects.get(user=user, team=team)


def test_what_a_person_chooses_is_kept_and_shown_at_once(signed_in: Client, alice: User) -> None:
    typed = {"name": " Alice  B. ", "language": "zh-hans", "theme": "dark", "time_zone": "Asia/Shanghai"}
    response = signed_in.post("/account/", typed, follow=True)
    assert response.redirect_chain == [("/account/", 302)]
    assert response["Content-Language"] == "zh-hans"
    assert 'data-theme="dark"' in text(response)
    alice.refresh_from_db()
    assert (alice.name, alice.language, alice.theme, alice.time_zone) == (
        "Alice B.",
        "zh-hans",
        "dark",
        "Asia/Shanghai",
    )
    # The pages before the sign-in speak the same language.
    signed_in.post("/accounts/logout/")
    assert signed_in.get("/accounts/login/")["Content-Language"] == "zh-hans"


def test_the_page_shows_the_address_the_teams_and_the_ways_on(signed_in: Client, alice: User, team: Team) -> None:
    found_team("Late Night Radio", owner=alice)
    page = text(signed_in.get("/account/"))
    for words in (
        "alice@example.org",
        "Late Night Radio",
        "/accounts/password/change/",
        "/accounts/2fa/",
        "/accounts/sessions/",
        f"/account/leave/{place(alice, team).public_id}/",
        "/account/delete/",
    ):
        assert words in page


@pytest.mark.parametrize(
    "typed", [{"name": ""}, {"name": "x" * 1000}, {"language": "xx"}, {"theme": "neon"}, {"time_zone": "Atlantis"}]
)
def test_nonsense_is_explained_and_changes_nothing(signed_in: Client, alice: User, typed: dict[str, str]) -> None:
    response = signed_in.post("/account/", {**FORM, "name": "Other", **typed})
    assert response.status_code == 200
    assert f'id="id_{next(iter(typed))}_error"' in text(response)
    assert "Person and settings: Alice" in text(response)
    alice.refresh_from_db()
    assert (alice.name, alice.language, alice.theme, alice.time_zone) == ("Alice", "", "", "")


def test_nobody_makes_themselves_more_than_they_are(signed_in: Client, alice: User) -> None:
    signed_in.post("/account/", {**FORM, "email": "root@example.org", "is_staff": "on", "is_superuser": "on"})
    alice.refresh_from_db()
    assert (alice.email, alice.is_staff, alice.is_superuser) == ("alice@example.org", False, False)


# Leaving --------------------------------------------------------------------------------------------------


def test_leaving_says_first_what_will_happen(client: Client, team: Team, alice: User, bob: User) -> None:
    make_task(make_credential(team, bob, base_url="https://relay.example.com"))
    client.force_login(bob)
    address = f"/account/leave/{place(bob, team).public_id}/"
    page = text(client.get(address))
    for words in ("Leave “Studio North”?", "1 task stays", "1 credential is disabled"):
        assert words in page
    assert place(bob, team)
    assert "You have left “Studio North”." in text(client.post(address, follow=True))
    assert not bob.memberships.exists()
    assert Credential.objects.get().state == Credential.State.DISABLED
    assert client.post(address).status_code == 404


def test_a_team_is_left_while_looking_at_another(client: Client, team: Team, alice: User, bob: User) -> None:
    own = found_team("Bob’s own", owner=bob).team
    client.force_login(bob)
    client.post("/team/switch/", {"team": str(own.public_id)})
    client.post(f"/account/leave/{place(bob, team).public_id}/")
    assert list(bob.teams.all()) == [own]


def test_the_only_owner_cannot_leave_and_reads_what_to_do(signed_in: Client, team: Team, alice: User) -> None:
    address = f"/account/leave/{place(alice, team).public_id}/"
    assert "/team/delete/" in text(signed_in.get(address))
    Membership.objects.create(
        team=team, user=User.objects.create_user("bob@example.org", PASSWORD, name="Bob"), role=Role.MEMBER
    )
    page = text(signed_in.get(address))
    assert "You cannot leave “Studio North” yet" in page
    assert "/team/transfer/" in page
    assert "you are its only one" in text(signed_in.post(address, follow=True))
    assert place(alice, team).role == Role.OWNER


def test_nobody_leaves_for_somebody_else(signed_in: Client, team: Team, bob: User) -> None:
    address = f"/account/leave/{place(bob, team).public_id}/"
    assert signed_in.get(address).status_code == 404
    assert signed_in.post(address).status_code == 404
    assert place(bob, team)


# The end --------------------------------------------------------------------------------------------------


def test_an_account_is_deleted_with_the_password(client: Client, team: Team, alice: User, bob: User) -> None:
    task = make_task(make_credential(team, bob, base_url="https://relay.example.com"), title="City Lights")
    found_team("Bob’s own", owner=bob)
    client.force_login(bob)
    page = text(client.get("/account/delete/"))
    assert "“Bob’s own” is deleted with everything in it" in page
    assert "“Studio North” is deleted" not in page
    response = client.post("/account/delete/", {"password": "wrong"})
    assert "This is not your password." in text(response)
    assert User.objects.filter(pk=bob.pk).exists()
    response = client.post("/account/delete/", {"password": PASSWORD}, follow=True)
    assert response.redirect_chain == [("/accounts/login/", 302)]
    assert "Your account is deleted." in text(response)
    assert not User.objects.filter(email="bob@example.org").exists()
    assert client.get("/").status_code == 302
    task.refresh_from_db()
    assert task.team == team
    assert [one.name for one in Team.objects.all()] == ["Studio North"]


def test_the_only_owner_of_a_team_with_others_hands_it_over_first(
    signed_in: Client, team: Team, alice: User, bob: User
) -> None:
    for response in (signed_in.get("/account/delete/"), signed_in.post("/account/delete/", {"password": PASSWORD})):
        assert "Your account cannot be deleted yet" in text(response)
        assert "Look at “Studio North”" in text(response)
    assert User.objects.filter(pk=alice.pk).exists()
    signed_in.post("/team/transfer/", {"to": str(place(bob, team).public_id)})
    assert signed_in.post("/account/delete/", {"password": PASSWORD}).status_code == 302
    assert not User.objects.filter(email="alice@example.org").exists()


def test_whoever_administers_alone_stays_while_others_are_here(signed_in: Client, alice: User, charlie: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_superuser=True)
    response = signed_in.post("/account/delete/", {"password": PASSWORD})
    assert "You alone administer this musicboard." in text(response)
    User.objects.filter(pk=charlie.pk).update(is_superuser=True)
    assert signed_in.post("/account/delete/", {"password": PASSWORD}).status_code == 302


def test_guessing_the_password_is_limited(signed_in: Client, alice: User) -> None:
    for _ in range(12):
        signed_in.post("/account/delete/", {"password": "wrong"})
    response = signed_in.post("/account/delete/", {"password": PASSWORD})
    assert "Too many tries." in text(response)
    assert User.objects.filter(pk=alice.pk).exists()


def test_without_a_password_one_is_set_first(signed_in: Client, alice: User) -> None:
    alice.set_unusable_password()
    alice.save()
    signed_in.force_login(alice)
    assert "/accounts/password/set/" in text(signed_in.get("/account/delete/"))


def test_the_rail_leads_to_the_account(signed_in: Client, settings: Any) -> None:
    assert 'href="/account/"' in text(signed_in.get("/"))
