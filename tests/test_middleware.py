"""Who is asking: team, language, time zone, theme; and htmx at the door."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from tracker.models import Team, User
from tracker.models.people import found_team


@pytest.mark.django_db
def test_a_stranger_on_a_public_page_costs_no_query(client: Client, django_assert_num_queries: object) -> None:
    with django_assert_num_queries(0):  # type: ignore[operator]
        assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("accepted", "language"), [("zh-CN,zh;q=0.9", "zh-hans"), ("zh", "zh-hans"), ("en-GB", "en"), ("fr", "en")]
)
@pytest.mark.django_db
def test_a_strangers_browser_chooses_the_language(client: Client, accepted: str, language: str) -> None:
    response = client.get("/accounts/login/", headers={"accept-language": accepted})
    assert response["Content-Language"] == language
    assert f'<html lang="{language}"' in response.content.decode()
    assert {"Accept-Language", "Cookie"} <= set(response["Vary"].replace(" ", "").split(","))


@pytest.mark.django_db
def test_a_persons_own_language_wins_over_the_browser(signed_in: Client, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(language="zh-hans")
    response = signed_in.get("/credentials/", headers={"accept-language": "en"})
    assert response["Content-Language"] == "zh-hans"
    assert signed_in.get("/nowhere/", headers={"accept-language": "en"})["Content-Language"] == "zh-hans"


@pytest.mark.django_db
def test_one_persons_language_and_zone_do_not_stay_for_the_next(signed_in: Client, client: Client, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(language="zh-hans", time_zone="Asia/Shanghai")
    signed_in.get("/credentials/")
    assert timezone.get_current_timezone_name() == "Asia/Shanghai"
    response = Client().get("/accounts/login/")
    assert response["Content-Language"] == "en"
    assert timezone.get_current_timezone_name() == settings.TIME_ZONE


@pytest.mark.django_db
@pytest.mark.parametrize("zone", ["Atlantis/Nowhere", "../../etc/passwd", "A/"])
def test_a_zone_that_is_none_makes_no_error_page(signed_in: Client, alice: User, zone: str) -> None:
    User.objects.filter(pk=alice.pk).update(time_zone=zone, language="xx")
    assert signed_in.get("/credentials/").status_code == 200


@pytest.mark.django_db
def test_htmx_is_sent_to_the_sign_in_page_as_a_whole(client: Client) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/credentials/?sort=label"}
    response = client.post("/credentials/test/", headers=headers)
    assert response.status_code == 200
    assert response["HX-Redirect"] == "/accounts/login/?next=%2Fcredentials%2F%3Fsort%3Dlabel"
    assert "Location" not in response


@pytest.mark.django_db
def test_a_path_that_would_lead_elsewhere_is_straightened(client: Client) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver//evil.example/"}
    response = client.get("/credentials/", headers=headers)
    assert response["HX-Redirect"] == "/accounts/login/?next=%2Fevil.example%2F"


@pytest.mark.django_db
@pytest.mark.parametrize("current", ["", "http://[", "https://evil.example/", "javascript:alert(1)", "/credentials/"])
def test_htmx_is_not_sent_anywhere_else_after_signing_in(client: Client, current: str) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": current}
    response = client.get("/credentials/", headers=headers)
    assert response["HX-Redirect"] == "/accounts/login/?next=%2F"


# Which team ------------------------------------------------------------------------------------------------


@pytest.fixture
def second(alice: User) -> Team:
    """Alice's other team."""
    return found_team("Late Night Radio", owner=alice).team


def shown_team(client: Client) -> str:
    found = re.search(r'class="switch__name">(.*?)</b>', client.get("/account/").content.decode())
    assert found
    return found[1]


def choose(client: Client, team: Team) -> None:
    assert client.post("/team/switch/", {"team": str(team.public_id)}).status_code == 302


@pytest.mark.django_db
def test_a_first_session_begins_with_the_first_team(signed_in: Client, team: Team, second: Team) -> None:
    assert shown_team(signed_in) == team.name


@pytest.mark.django_db
def test_a_new_session_begins_with_the_team_looked_at_last(
    signed_in: Client, alice: User, team: Team, second: Team
) -> None:
    choose(signed_in, second)
    later = Client()
    later.force_login(alice)
    assert shown_team(later) == second.name


@pytest.mark.django_db
def test_choosing_in_one_session_moves_no_other(signed_in: Client, alice: User, team: Team, second: Team) -> None:
    other = Client()
    other.force_login(alice)
    assert shown_team(other) == team.name
    choose(signed_in, second)
    assert shown_team(signed_in) == second.name
    assert shown_team(other) == team.name


@pytest.mark.django_db
def test_a_session_of_a_team_that_is_gone_falls_back(signed_in: Client, team: Team, second: Team) -> None:
    choose(signed_in, second)
    second.delete()
    assert shown_team(signed_in) == team.name


@pytest.mark.django_db
def test_many_teams_cost_no_more_questions_than_one(
    signed_in: Client, alice: User, team: Team, django_assert_num_queries: Any
) -> None:
    shown_team(signed_in)
    with django_assert_num_queries(3):
        shown_team(signed_in)
    for number in range(20):
        found_team(f"Team {number}", owner=alice)
    shown_team(signed_in)
    with django_assert_num_queries(3):
        shown_team(signed_in)
