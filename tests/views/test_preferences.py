"""Language, theme and time zone."""

from __future__ import annotations

import pytest
from django.test import Client

from tracker.models import User


@pytest.mark.django_db
def test_a_persons_choice_is_kept_and_shown_at_once(signed_in: Client, alice: User) -> None:
    response = signed_in.post("/preferences/", {"language": "zh-hans", "next": "/credentials/"}, follow=True)
    assert response.redirect_chain == [("/credentials/", 302)]
    assert response["Content-Language"] == "zh-hans"
    signed_in.post("/preferences/", {"theme": "dark", "time_zone": "Asia/Shanghai"})
    alice.refresh_from_db()
    assert (alice.language, alice.theme, alice.time_zone) == ("zh-hans", "dark", "Asia/Shanghai")
    assert 'data-theme="dark"' in signed_in.get("/credentials/").content.decode()


@pytest.mark.django_db
def test_an_empty_choice_means_as_the_browser_says(signed_in: Client, alice: User) -> None:
    signed_in.post("/preferences/", {"language": "zh-hans"})
    signed_in.post("/preferences/", {"language": ""})
    alice.refresh_from_db()
    assert alice.language == ""
    assert signed_in.get("/credentials/", headers={"accept-language": "en"})["Content-Language"] == "en"


@pytest.mark.django_db
def test_a_strangers_choice_is_kept_in_a_cookie(client: Client) -> None:
    client.post("/preferences/", {"language": "zh-hans"})
    client.post("/preferences/", {"theme": "light"})
    response = client.get("/accounts/login/")
    assert response["Content-Language"] == "zh-hans"
    assert 'data-theme="light"' in response.content.decode()
    client.post("/preferences/", {"language": "", "theme": ""})
    assert client.get("/accounts/login/")["Content-Language"] == "en"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "typed", [{"language": "xx"}, {"theme": "neon"}, {"time_zone": "Atlantis"}, {"language": "\x00"}, {}]
)
def test_nonsense_changes_nothing(signed_in: Client, alice: User, typed: dict[str, str]) -> None:
    assert signed_in.post("/preferences/", typed).status_code == 302
    alice.refresh_from_db()
    assert (alice.language, alice.theme, alice.time_zone) == ("", "", "")


@pytest.mark.django_db
@pytest.mark.parametrize("place", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "\\\\evil"])
def test_the_way_back_stays_on_this_site(client: Client, place: str) -> None:
    response = client.post("/preferences/", {"theme": "dark", "next": place}, headers={"referer": place})
    assert response["Location"] == "/"


@pytest.mark.django_db
def test_without_a_word_the_way_back_is_where_one_came_from(client: Client) -> None:
    response = client.post("/preferences/", {"theme": "dark"}, headers={"referer": "http://testserver/accounts/login/"})
    assert response["Location"] == "http://testserver/accounts/login/"


@pytest.mark.django_db
def test_a_look_changes_nothing_and_leads_to_the_account(signed_in: Client, alice: User) -> None:
    response = signed_in.get("/preferences/?theme=dark")
    assert (response.status_code, response["Location"]) == (302, "/account/")
    alice.refresh_from_db()
    assert alice.theme == ""
