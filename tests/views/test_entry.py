"""The set-up link and the demo's sign-in link."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from tracker.models import EntryLink, Membership, Role, Team, User

FORM = {
    "name": "Lin",
    "email": "Lin@Example.org",
    "password": "a river runs by night",
    "team": "Studio North",
}


def setup_url() -> str:
    return f"/setup/{EntryLink.issue(EntryLink.Purpose.SETUP, now=timezone.now())}/"


def enter_url(user: User) -> str:
    return f"/enter/{EntryLink.issue(EntryLink.Purpose.SIGN_IN, now=timezone.now(), user=user)}/"


@pytest.mark.django_db
def test_the_set_up_link_makes_the_first_person_and_their_team(client: Client) -> None:
    url = setup_url()
    assert "Begin" in client.get(url).content.decode()
    response = client.post(url, FORM)
    assert response.status_code == 302
    assert response["Location"] == "/"
    user = User.objects.get()
    assert (user.email, user.name, user.is_staff, user.is_superuser) == ("lin@example.org", "Lin", True, True)
    assert user.check_password(FORM["password"])
    membership = Membership.objects.get()
    assert (membership.user, membership.team.name, membership.role) == (user, "Studio North", Role.OWNER)
    assert client.get("/credentials/").status_code == 200


@pytest.mark.django_db
def test_looking_at_a_link_uses_nothing_up(client: Client) -> None:
    url = setup_url()
    for _ in range(3):
        assert client.get(url).status_code == 200
    assert EntryLink.objects.get().used_at is None
    assert not User.objects.exists()


@pytest.mark.django_db
def test_a_set_up_link_works_once(client: Client) -> None:
    url = setup_url()
    client.post(url, FORM)
    again = Client().post(url, {**FORM, "email": "mallory@example.org"})
    assert again.status_code == 404
    assert "manage.py up" in again.content.decode()
    assert User.objects.count() == 1


@pytest.mark.django_db
def test_an_expired_and_an_unknown_set_up_link_say_what_to_do(client: Client) -> None:
    url = setup_url()
    EntryLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    for address in (url, "/setup/never-issued/", "/setup/%ED%A0%80/"):
        response = client.get(address)
        assert response.status_code == 404
        page = response.content.decode()
        assert "manage.py up" in page
        assert "/accounts/login/" in page


@pytest.mark.django_db
def test_a_set_up_link_ends_when_somebody_administers(client: Client) -> None:
    url = setup_url()
    User.objects.create_superuser("root@example.org", "a river runs by night", name="Root")
    assert client.get(url).status_code == 404
    assert client.post(url, FORM).status_code == 404


@pytest.mark.django_db
def test_a_weak_password_is_refused_at_its_field_and_the_rest_is_kept(client: Client) -> None:
    url = setup_url()
    response = client.post(url, {**FORM, "password": "lin@example.org"})
    page = response.content.decode()
    assert response.status_code == 200
    assert "too similar" in page
    assert 'value="Lin@Example.org"' in page
    assert 'value="lin@example.org"' not in page
    assert client.post(url, FORM).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_of_two_who_send_the_set_up_form_at_once_one_gets_in() -> None:
    url = setup_url()

    def send(email: str) -> int:
        try:
            return Client().post(url, {**FORM, "email": email}).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        statuses = sorted(pool.map(send, ["one@example.org", "two@example.org"]))
    assert statuses == [302, 404]
    assert User.objects.count() == Team.objects.count() == 1


@pytest.mark.django_db
def test_the_token_is_not_kept() -> None:
    token = EntryLink.issue(EntryLink.Purpose.SETUP, now=timezone.now())
    assert token not in str(EntryLink.objects.values().get())


@pytest.mark.django_db
def test_the_sign_in_link_signs_in_once(client: Client, alice: User) -> None:
    url = enter_url(alice)
    assert "Sign in as Alice" in client.get(url).content.decode()
    assert client.get("/credentials/").status_code == 302
    response = client.post(url)
    assert (response.status_code, response["Location"]) == (302, "/")
    assert client.get("/credentials/").status_code == 200
    # Whoever is in already is led to the board; a stranger is told what to do.
    assert client.get(url)["Location"] == "/"
    stranger = Client().get(url)
    assert stranger.status_code == 404
    assert "manage.py up --demo" in stranger.content.decode()


@pytest.mark.django_db
def test_a_sign_in_link_is_no_set_up_link(client: Client, alice: User) -> None:
    assert client.get(enter_url(alice).replace("enter", "setup")).status_code == 404
    assert client.post(setup_url().replace("setup", "enter")).status_code == 404


@pytest.mark.django_db
def test_a_link_of_somebody_who_was_shut_out_does_not_open(client: Client, alice: User) -> None:
    url = enter_url(alice)
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert client.post(url).status_code == 404


@pytest.mark.django_db
def test_a_new_link_ends_the_earlier_one(client: Client, alice: User) -> None:
    earlier = enter_url(alice)
    assert client.get(enter_url(alice)).status_code == 200
    assert client.get(earlier).status_code == 404
