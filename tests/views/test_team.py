"""The team's page: who is in it, roles, invitations, and which team one looks at."""

from __future__ import annotations

import re
import smtplib
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from tests.conftest import make_credential
from tests.views.test_board import make_task
from tracker.models import Activity, Credential, Invitation, Membership, MusicTask, Role, ShareLink, Team, User
from tracker.models.people import found_team

pytestmark = pytest.mark.django_db
BASE = "https://relay.example.com"
Kind = Activity.Kind


def text(response: HttpResponse) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def as_(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def place(user: User, team: Team) -> Membership:
    return Membership.objects.select_related("team", "user").get(user=user, team=team)


def add(team: Team, name: str, role: Role) -> User:
    user = User.objects.create_user(f"{name.lower()}@example.org", "correct horse battery", name=name)
    Membership.objects.create(team=team, user=user, role=role)
    return user


def invite(team: Team, by: User, role: Role = Role.MEMBER, **fields: Any) -> Invitation:
    values = {"email": "", "lifetime": timedelta(days=7), "now": timezone.now(), **fields}
    return Invitation.issue(by=place(by, team), role=role, **values)


@pytest.fixture
def vera(team: Team) -> User:
    return add(team, "Vera", Role.VIEWER)


@pytest.fixture
def adam(team: Team) -> User:
    return add(team, "Adam", Role.ADMIN)


# Which team -----------------------------------------------------------------------------------------------


@pytest.fixture
def second(alice: User) -> Team:
    """Alice's other team."""
    return found_team("Late Night Radio", owner=alice).team


def test_everything_shown_belongs_to_the_team_one_looks_at(
    signed_in: Client, team: Team, second: Team, alice: User
) -> None:
    here = make_credential(team, alice, base_url=BASE)
    there = make_credential(second, alice, base_url=BASE)
    task, other = make_task(here, "id-1", title="City Lights", clips=1), make_task(there, "id-2", title="Neon", clips=1)
    signed_in.get("/")
    assert "City Lights" in text(signed_in.get("/"))
    response = signed_in.post("/team/switch/", {"team": str(second.public_id)})
    assert (response.status_code, response["Location"]) == (302, "/")
    board = text(signed_in.get("/"))
    assert "Neon" in board
    assert "City Lights" not in board
    assert "City Lights" not in text(signed_in.get("/", {"q": "city"}))
    assert signed_in.get(f"/tasks/{other.public_id}/").status_code == 200
    assert there.label in text(signed_in.get("/credentials/"))
    assert here.label not in text(signed_in.get("/credentials/"))
    clip = task.clips.get()
    for address in (
        f"/tasks/{task.public_id}/",
        f"/clips/{clip.public_id}/card/",
        f"/clips/{clip.public_id}/sound/",
        f"/credentials/{here.public_id}/",
        f"/team/members/{place(alice, team).public_id}/remove/",
    ):
        assert signed_in.get(address).status_code == 404, address
    for address in (
        f"/tasks/{task.public_id}/remove/",
        f"/tasks/{task.public_id}/restore/",
        f"/credentials/{here.public_id}/disable/",
        f"/team/members/{place(alice, team).public_id}/role/",
        f"/team/invitations/{invite(team, alice).public_id}/revoke/",
    ):
        assert signed_in.post(address, {"role": "viewer"}).status_code == 404, address
    assert MusicTask.objects.get(pk=task.pk).removed_at is None
    signed_in.post("/track/", {"ids": "one-new-id", "credential": str(here.public_id)})
    assert MusicTask.objects.count() == 2


def test_the_switcher_stands_on_every_page_and_marks_the_team(signed_in: Client, team: Team, second: Team) -> None:
    signed_in.post("/team/switch/", {"team": str(second.public_id)})
    for address in ("/", "/team/", "/credentials/", "/account/", "/team/activity/"):
        page = text(signed_in.get(address))
        assert f'name="team" value="{team.public_id}">' in page, address
        assert f'name="team" value="{second.public_id}" aria-current="true">' in page, address


def test_a_team_one_is_not_in_cannot_be_chosen(signed_in: Client, charlie: User, second: Team) -> None:
    signed_in.get("/team/")
    for wanted in (str(charlie.teams.get().public_id), "nonsense", ""):
        assert signed_in.post("/team/switch/", {"team": wanted}).status_code == 404
    assert signed_in.get("/team/switch/").status_code == 405
    assert "<h1>Studio North</h1>" in text(signed_in.get("/team/"))


def test_whoever_is_removed_finds_themselves_in_another_team(client: Client, team: Team, bob: User) -> None:
    other = found_team("Bob’s own", owner=bob).team
    client.force_login(bob)
    client.post("/team/switch/", {"team": str(team.public_id)})
    assert "Studio North" in text(client.get("/team/"))
    place(bob, team).delete()
    response = client.get("/team/")
    assert response.status_code == 200
    assert f"<h1>{other.name}</h1>" in text(response)
    assert "Studio North" not in text(response)


# A team of one's own --------------------------------------------------------------------------------------


def test_anybody_makes_a_team_and_owns_it(client: Client, vera: User) -> None:
    client.force_login(vera)
    response = client.post("/team/new/", {"name": "  Vera’s \n band "}, follow=True)
    assert response.redirect_chain == [("/team/", 302)]
    assert "<h1>Vera’s band</h1>" in text(response)
    assert place(vera, Team.objects.get(name="Vera’s band")).role == Role.OWNER


def test_somebody_in_no_team_reads_so_and_makes_one(client: Client) -> None:
    client.force_login(User.objects.create_user("dora@example.org", "correct horse battery", name="Dora"))
    for address in ("/", "/team/"):
        response = client.get(address)
        assert response.status_code == 200
        assert "You are in no team yet" in text(response)
        assert "/team/new/" in text(response)
    assert client.get("/account/").status_code == 200
    assert client.get("/team/activity/").status_code == 403
    client.post("/team/new/", {"name": "First"})
    assert "<h1>First</h1>" in text(client.get("/team/"))


@pytest.mark.parametrize("name", ["", "   ", "x" * 1000, "a\x00b"])
@pytest.mark.parametrize("address", ["/team/new/", "/team/rename/"])
def test_a_name_that_is_none_is_explained_at_its_field(signed_in: Client, team: Team, address: str, name: str) -> None:
    response = signed_in.post(address, {"name": name})
    assert response.status_code == 200
    assert re.search(r'<ul class="errorlist" id="id_name_error">', text(response))
    assert Team.objects.get().name == "Studio North"
    if len(name) == 1000:
        assert "at most 80 characters" in text(response)
        assert name in text(response)


def test_a_team_is_renamed_by_admins_and_owners(team: Team, alice: User, adam: User, bob: User, vera: User) -> None:
    for user, name in ((alice, "One"), (adam, "Two")):
        assert as_(user).post("/team/rename/", {"name": name}).status_code == 302
        assert Team.objects.get().name == name
    for user in (bob, vera):
        assert as_(user).post("/team/rename/", {"name": "Three"}).status_code == 403
    assert Team.objects.get().name == "Two"
    assert as_(alice).get("/team/rename/")["Location"] == "/team/"


# Members --------------------------------------------------------------------------------------------------


def test_everybody_sees_the_members_and_only_admins_the_controls(
    team: Team, alice: User, adam: User, bob: User, vera: User
) -> None:
    waiting = invite(team, alice, email="mei@example.org")
    for user in (alice, adam, bob, vera):
        page = text(as_(user).get("/team/"))
        for words in ("alice@example.org", "Adam", "Bob", "Vera", "Owner", "Viewer", "since"):
            assert words in page
        manages = user in (alice, adam)
        for controls in ('action="/team/invite/"', "mei@example.org", waiting.token, "/remove/", 'name="role"'):
            assert (controls in page) is manages, (user, controls)
        assert ("/team/delete/" in page) is (user == alice)
        assert ("/team/activity/" in page) is (user != vera)
        assert "no-store" in as_(user).get("/team/")["Cache-Control"]


def test_charlie_sees_nothing_of_the_team(charlie: User, alice: User, bob: User, team: Team) -> None:
    page = text(as_(charlie).get("/team/"))
    assert "Elsewhere" in page
    assert "Studio North" not in page
    assert "bob@example.org" not in page
    for address in (f"/team/members/{place(bob, team).public_id}/remove/",):
        assert as_(charlie).get(address).status_code == 404
        assert as_(charlie).post(address).status_code == 404
    assert place(bob, team)


def test_the_page_asks_the_same_few_questions_for_many(
    signed_in: Client, team: Team, alice: User, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(5):
        signed_in.get("/team/")
    for number in range(12):
        add(team, f"Person{number}", Role.MEMBER)
        invite(team, alice)
        found_team(f"Team {number}", owner=alice)
    signed_in.get("/team/")
    with django_assert_num_queries(5):
        signed_in.get("/team/")


def test_an_owner_gives_any_role(signed_in: Client, team: Team, bob: User) -> None:
    address = f"/team/members/{place(bob, team).public_id}/role/"
    for role in ("viewer", "admin", "owner", "member"):
        assert signed_in.post(address, {"role": role}).status_code == 302
        assert place(bob, team).role == role
    assert signed_in.get(address).status_code == 405


@pytest.mark.parametrize("role", ["admin", "owner"])
def test_a_role_raised_by_editing_the_form_is_refused(
    team: Team, alice: User, adam: User, bob: User, vera: User, role: str
) -> None:
    for user, target in ((adam, bob), (adam, adam), (adam, alice), (bob, bob), (vera, vera)):
        before = place(target, team).role
        response = as_(user).post(f"/team/members/{place(target, team).public_id}/role/", {"role": role})
        assert response.status_code == 403
        assert "Your role in the team does not allow this" in text(response)
        assert place(target, team).role == before
    response = as_(adam).post("/team/invite/", {"role": role, "days": "7", "email": ""})
    assert "You may not give this role" in text(response)
    assert as_(bob).post("/team/invite/", {"role": "viewer", "days": "7"}).status_code == 403
    assert not Invitation.objects.exists()
    assert not Activity.objects.exists()


@pytest.mark.parametrize("role", ["root", "", "\x00"])
def test_a_role_that_is_none_changes_nothing(signed_in: Client, team: Team, bob: User, role: str) -> None:
    response = signed_in.post(f"/team/members/{place(bob, team).public_id}/role/", {"role": role}, follow=True)
    assert "Choose a role." in text(response)
    assert place(bob, team).role == Role.MEMBER


def test_the_only_owner_is_told_why_they_stay(signed_in: Client, team: Team, alice: User, bob: User) -> None:
    own = place(alice, team)
    page = text(signed_in.post(f"/team/members/{own.public_id}/role/", {"role": "member"}, follow=True))
    assert "A team needs an owner" in page
    assert place(alice, team).role == Role.OWNER
    assert signed_in.get(f"/team/members/{own.public_id}/remove/")["Location"] == f"/account/leave/{own.public_id}/"


def test_removing_says_first_what_will_happen(signed_in: Client, team: Team, bob: User) -> None:
    lent = make_credential(team, bob, base_url=BASE)
    tasks = [make_task(lent, f"id-{number}", title=f"Song {number}") for number in range(3)]
    ShareLink(team=team, task=tasks[0], created_by=bob, created_at=timezone.now()).draw_token().save()
    address = f"/team/members/{place(bob, team).public_id}/remove/"
    page = text(signed_in.get(address))
    for words in ("Remove Bob?", "3 tasks stay", "1 credential is disabled", "1 public link rests"):
        assert words in page
    assert place(bob, team)
    assert Credential.objects.get().state == Credential.State.ACTIVE
    assert "Bob is no longer in the team." in text(signed_in.post(address, follow=True))
    assert Credential.objects.get().state == Credential.State.DISABLED
    assert "Song 2" in text(signed_in.get("/"))
    assert signed_in.post(address).status_code == 404


def test_whoever_was_removed_is_out_at_once(signed_in: Client, team: Team, bob: User) -> None:
    task = make_task(make_credential(team, bob, base_url=BASE))
    theirs = as_(bob)
    assert theirs.get(f"/tasks/{task.public_id}/").status_code == 200
    signed_in.post(f"/team/members/{place(bob, team).public_id}/remove/")
    assert theirs.get(f"/tasks/{task.public_id}/").status_code == 404
    assert "You are in no team yet" in text(theirs.get("/"))


# Handing over and deleting --------------------------------------------------------------------------------


def test_an_owner_hands_the_team_over_and_stays_as_admin(signed_in: Client, team: Team, alice: User, bob: User) -> None:
    page = text(signed_in.post("/team/transfer/", {"to": str(place(bob, team).public_id)}, follow=True))
    assert "Bob owns the team now; you are an admin." in page
    assert (place(alice, team).role, place(bob, team).role) == (Role.ADMIN, Role.OWNER)
    assert signed_in.get("/team/transfer/").status_code == 403


def test_a_team_is_not_handed_to_oneself_nor_to_a_stranger(
    signed_in: Client, team: Team, alice: User, bob: User, charlie: User
) -> None:
    for member in (place(alice, team), charlie.memberships.get()):
        response = signed_in.post("/team/transfer/", {"to": str(member.public_id)})
        assert "Choose somebody of the team." in text(response)
    assert place(alice, team).role == Role.OWNER


def test_a_team_is_deleted_by_typing_its_name(signed_in: Client, team: Team, alice: User, bob: User) -> None:
    make_task(make_credential(team, alice, base_url=BASE), title="City Lights")
    page = text(signed_in.get("/team/delete/"))
    assert "1 task is deleted" in page
    assert "2 people lose the team" in page
    assert "This cannot be undone" in page
    response = signed_in.post("/team/delete/", {"name": "studio south"})
    assert "Nothing was deleted." in text(response)
    assert MusicTask.objects.exists()
    response = signed_in.post("/team/delete/", {"name": "Studio North"}, follow=True)
    assert "“Studio North” is deleted" in text(response)
    assert "You are in no team yet" in text(response)
    assert not Team.objects.exists()
    assert not MusicTask.objects.exists()


@pytest.mark.parametrize("address", ["/team/delete/", "/team/transfer/"])
def test_only_owners_end_or_hand_over(team: Team, adam: User, bob: User, vera: User, address: str) -> None:
    for user in (adam, bob, vera):
        assert as_(user).get(address).status_code == 403
        assert (
            as_(user).post(address, {"name": "Studio North", "to": str(place(user, team).public_id)}).status_code == 403
        )
    assert Team.objects.exists()


# Invitations ----------------------------------------------------------------------------------------------

FORM = {"role": "member", "days": "7", "email": ""}


def test_an_invitation_is_made_and_its_link_stays_copyable(signed_in: Client, team: Team, alice: User) -> None:
    before = timezone.now()
    page = text(signed_in.post("/team/invite/", {**FORM, "email": "Mei@Example.org", "role": "viewer"}, follow=True))
    invitation = Invitation.objects.get()
    link = f"http://testserver/join/{invitation.token}/"
    assert f'value="{link}" readonly' in page
    assert f'data-copy="{link}"' in page
    assert "invitation--new" in page
    assert "only for mei@example.org" in page
    assert (invitation.email, invitation.role, invitation.invited_by) == ("mei@example.org", Role.VIEWER, alice)
    assert timedelta(days=7) <= invitation.expires_at - before < timedelta(days=7, minutes=1)
    again = text(signed_in.get("/team/"))
    assert link in again
    assert "invitation--new" not in again


@pytest.mark.parametrize("days", [1, 7, 30])
def test_an_invitation_lasts_as_long_as_chosen(signed_in: Client, days: int) -> None:
    signed_in.post("/team/invite/", {**FORM, "days": str(days)})
    invitation = Invitation.objects.get()
    assert invitation.expires_at - invitation.created_at == timedelta(days=days)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"email": "not an address"}, "valid email address"),
        ({"email": "a@b\nBcc: c@d.example"}, "valid email address"),
        ({"email": "alice@example.org"}, "in the team already"),
        ({"days": "3650"}, "Select a valid choice"),
        ({"days": ""}, "required"),
        ({"role": "root"}, "You may not give this role"),
        ({"role": ""}, "required"),
    ],
)
def test_a_wrong_invitation_is_explained_and_keeps_what_was_typed(
    signed_in: Client, typed: dict[str, str], words: str
) -> None:
    response = signed_in.post("/team/invite/", {**FORM, **typed})
    assert response.status_code == 200
    assert words in text(response)
    assert not Invitation.objects.exists()
    if typed.get("email") == "not an address":
        assert 'value="not an address"' in text(response)


def test_the_invitation_form_is_left_by_reloading(signed_in: Client) -> None:
    assert signed_in.get("/team/invite/")["Location"] == "/team/"


def test_an_admin_gets_no_link_to_a_place_above_their_own(team: Team, alice: User, adam: User) -> None:
    """With it they could let themselves in as owner, under another name."""
    above = [invite(team, alice, role) for role in (Role.OWNER, Role.ADMIN)]
    below = invite(team, alice, Role.MEMBER)
    client = as_(adam)
    page = text(client.get("/team/"))
    assert below.token in page
    for one in above:
        assert one.token not in page
        assert client.post(f"/team/invitations/{one.public_id}/revoke/").status_code == 403
        assert one.token in text(as_(alice).get("/team/"))


def test_a_revoked_invitation_is_gone_from_the_list(signed_in: Client, team: Team, alice: User) -> None:
    invitation = invite(team, alice)
    page = text(signed_in.post(f"/team/invitations/{invitation.public_id}/revoke/", follow=True))
    assert "Its link no longer works." in page
    assert invitation.token not in page
    again = signed_in.post(f"/team/invitations/{invitation.public_id}/revoke/", follow=True)
    assert "had ended already" in text(again)
    assert Activity.objects.filter(kind=Kind.INVITATION_REVOKED).count() == 1


def test_ended_invitations_are_not_listed(signed_in: Client, team: Team, alice: User) -> None:
    used, expired = invite(team, alice), invite(team, alice)
    Invitation.objects.filter(pk=used.pk).update(accepted_at=timezone.now())
    Invitation.objects.filter(pk=expired.pk).update(expires_at=timezone.now())
    page = text(signed_in.get("/team/"))
    assert used.token not in page
    assert expired.token not in page


def test_a_link_that_cannot_be_opened_any_more_breaks_no_page(signed_in: Client, team: Team, alice: User) -> None:
    invite(team, alice)
    Invitation.objects.update(sealed_token="spoiled")
    response = signed_in.get("/team/")
    assert response.status_code == 200
    assert "The link can no longer be read." in text(response)


def test_neither_database_nor_activity_holds_the_token(team: Team, alice: User) -> None:
    invitation = invite(team, alice)
    assert invitation.token not in str(Invitation.objects.values().get())
    assert invitation.token not in str(Activity.objects.values().get())


# Mail -----------------------------------------------------------------------------------------------------


class RefusingBackend(BaseEmailBackend):
    """A mail server that takes nothing."""

    def send_messages(self, email_messages: Any) -> int:
        raise smtplib.SMTPServerDisconnected("Connection unexpectedly closed")


def test_with_a_mail_server_the_link_is_sent(signed_in: Client, settings: Any) -> None:
    settings.CAN_SEND_MAIL = True
    page = text(signed_in.post("/team/invite/", {**FORM, "email": "mei@example.org"}, follow=True))
    assert "was sent to mei@example.org" in page
    (message,) = mail.outbox
    link = f"http://testserver/join/{Invitation.objects.get().token}/"
    assert link in message.body
    assert message.to == ["mei@example.org"]
    assert "Alice" in message.subject
    assert "Studio North" in message.subject
    assert link in page


@pytest.mark.parametrize(("can_send", "email"), [(False, "mei@example.org"), (True, "")])
def test_without_a_server_or_an_address_nothing_is_sent(
    signed_in: Client, settings: Any, can_send: bool, email: str
) -> None:
    settings.CAN_SEND_MAIL = can_send
    page = text(signed_in.post("/team/invite/", {**FORM, "email": email}, follow=True))
    assert mail.outbox == []
    assert "Copy its link" in page


def test_a_mail_that_cannot_be_sent_says_so_and_the_link_stays(signed_in: Client, settings: Any) -> None:
    settings.CAN_SEND_MAIL = True
    settings.EMAIL_BACKEND = f"{__name__}.RefusingBackend"
    page = text(signed_in.post("/team/invite/", {**FORM, "email": "mei@example.org"}, follow=True))
    assert "The mail to mei@example.org could not be sent." in page
    assert f"/join/{Invitation.objects.get().token}/" in page


def test_a_name_with_a_line_break_breaks_no_mail(signed_in: Client, team: Team, alice: User, settings: Any) -> None:
    settings.CAN_SEND_MAIL = True
    Team.objects.update(name="Studio\nBcc: mallory@example.org")
    signed_in.post("/team/invite/", {**FORM, "email": "mei@example.org"})
    assert "\n" not in mail.outbox[0].subject
    assert mail.outbox[0].recipients() == ["mei@example.org"]


# At the door ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    ["/team/switch/", "/team/new/", "/team/rename/", "/team/transfer/", "/team/delete/", "/team/invite/", "/account/",
     "/account/delete/"],
)  # fmt: skip
def test_a_form_without_its_token_is_refused(alice: User, team: Team, bob: User, address: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    typed = {"name": "Studio North", "to": str(place(bob, team).public_id), "password": "correct horse battery", **FORM}
    response = client.post(address, typed)
    assert response.status_code == 403
    assert "Please send it again" in text(response)
    assert (Team.objects.get().name, User.objects.count(), Invitation.objects.count()) == ("Studio North", 2, 0)
    assert place(alice, team).role == Role.OWNER


@pytest.mark.parametrize("address", ["/team/", "/team/new/", "/team/activity/", "/account/", "/account/delete/"])
def test_a_stranger_is_sent_to_the_sign_in(client: Client, address: str) -> None:
    for response in (client.get(address), client.post(address)):
        assert response.status_code == 302
        assert response["Location"].startswith("/accounts/login/")
