"""Signing in, and the pages of allauth in musicboard's look."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.test import Client

from tracker.models import User

PASSWORD = "correct horse battery"
STRANGERS_PAGES = ["/accounts/login/", "/accounts/signup/", "/accounts/inactive/"]
OWN_PAGES = [
    "/accounts/logout/",
    "/accounts/password/change/",
    "/accounts/reauthenticate/",
    "/accounts/2fa/",
    "/accounts/sessions/",
]
INLINE = re.compile(
    r"<script(?![^>]*\bsrc=)(?![^>]*type=\"application/json\")|\son[a-z]+=|\sstyle=|<style", re.IGNORECASE
)


def sign_in(client: Client, email: str = "alice@example.org", password: str = PASSWORD, **extra: str) -> object:
    return client.post("/accounts/login/", {"login": email, "password": password, **extra})


@pytest.mark.django_db
def test_a_person_signs_in_with_their_address_in_any_case(client: Client, alice: User) -> None:
    response = sign_in(client, "ALICE@Example.org", next="/credentials/")
    assert response["Location"] == "/credentials/"  # type: ignore[index]
    assert client.get("/credentials/").status_code == 200


@pytest.mark.django_db
def test_a_wrong_password_and_an_unknown_address_read_the_same(client: Client, alice: User) -> None:
    pages = [
        sign_in(client, email, "wrong").content.decode()  # type: ignore[attr-defined]
        for email in ("alice@example.org", "nobody@example.org")
    ]
    errors = [re.findall(r'<ul class="errorlist.*?</ul>', page) for page in pages]
    assert errors[0] == errors[1] != []


@pytest.mark.django_db
def test_guessing_is_limited(client: Client, alice: User) -> None:
    for _ in range(12):
        sign_in(client, password="wrong")
    page = sign_in(client).content.decode()  # type: ignore[attr-defined]
    assert "Too many failed login attempts" in page


@pytest.mark.django_db
def test_nobody_signs_up(client: Client) -> None:
    client.post("/accounts/signup/", {"email": "mallory@example.org", "password1": PASSWORD})
    assert not User.objects.exists()
    assert "Sign-up is closed" in client.get("/accounts/signup/").content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/accounts/email/", "/accounts/confirm-email/", "/accounts/login/code/confirm/"])
def test_pages_that_make_no_sense_here_are_not_there(signed_in: Client, address: str) -> None:
    assert signed_in.get(address).status_code == 404
    assert signed_in.post(address).status_code == 404


@pytest.mark.django_db
def test_without_a_mail_server_the_way_to_a_new_password_is_an_admin(client: Client) -> None:
    page = client.get("/accounts/login/").content.decode()
    assert "Ask an admin" in page
    assert "password/reset" not in page
    assert client.get("/accounts/password/reset/").status_code == 404


@pytest.mark.django_db
def test_with_a_mail_server_a_password_is_reset_by_mail(client: Client, alice: User, settings: object) -> None:
    settings.CAN_SEND_MAIL = True  # type: ignore[attr-defined]
    assert "/accounts/password/reset/" in client.get("/accounts/login/").content.decode()
    client.post("/accounts/password/reset/", {"email": alice.email})
    link = re.search(r"http://testserver(/accounts/password/reset/key/\S+)", mail.outbox[0].body)
    assert link
    form = client.get(link[1], follow=True)
    new = "an otter swims by day"
    client.post(form.redirect_chain[-1][0], {"password1": new, "password2": new})
    assert sign_in(client, password=new).status_code == 302  # type: ignore[attr-defined]


@pytest.mark.django_db
@pytest.mark.parametrize("address", STRANGERS_PAGES + OWN_PAGES)
def test_every_page_wears_our_look_and_nothing_inline(client: Client, alice: User, address: str) -> None:
    if address in OWN_PAGES:
        client.force_login(alice)
    response = client.get(address)
    page = response.content.decode()
    assert response.status_code == 200
    assert "css/tokens.css" in page
    assert not INLINE.search(page), INLINE.search(page)
    assert "default-src 'self'" in response["Content-Security-Policy"]


@pytest.mark.django_db
def test_signing_in_and_out_says_nothing_twice(client: Client, alice: User) -> None:
    sign_in(client)
    assert "toast__text" not in client.get("/credentials/").content.decode()
    response = client.post("/accounts/logout/", follow=True)
    assert "toast__text" not in response.content.decode()


@pytest.mark.django_db
def test_a_page_asks_a_stranger_to_sign_in_and_comes_back(client: Client) -> None:
    response = client.get("/credentials/")
    assert response["Location"] == "/accounts/login/?next=/credentials/"


@pytest.mark.django_db
def test_signing_in_does_not_lead_to_another_site(client: Client, alice: User) -> None:
    response = sign_in(client, next="https://evil.example/")
    assert response["Location"] == "/"  # type: ignore[index]


@pytest.mark.django_db
def test_a_session_can_be_seen_and_ended_from_another_one(client: Client, alice: User) -> None:
    other = Client()
    sign_in(other)
    sign_in(client)
    assert client.get("/accounts/sessions/").content.decode().count("127.0.0.1") == 2
    client.post("/accounts/sessions/")
    assert other.get("/credentials/").status_code == 302
    assert client.get("/credentials/").status_code == 200
