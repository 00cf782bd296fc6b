"""The team's activity: sentences, filters, pages, and for whom."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone, translation

from tests.conftest import KEY
from tests.views.test_board import make_task
from tracker.deeds import TOPICS, words_of
from tracker.models import Activity, Credential, Membership, Role, Team, User

pytestmark = pytest.mark.django_db
Kind = Activity.Kind


def deeds(response: HttpResponse) -> list[str]:
    assert response.status_code == 200
    return re.findall(r'<span class="deed__words">(.*?)</span>', response.content.decode())


def note(team: Team, actor: User | None, kind: Activity.Kind, subject: str = "", **detail: Any) -> Activity:
    return Activity.objects.note(kind, team=team, actor=actor, now=timezone.now(), subject=subject, **detail)


def member(team: Team, user: User) -> str:
    return str(Membership.objects.get(team=team, user=user).public_id)


def test_what_people_do_is_told_the_newest_first(
    signed_in: Client, team: Team, alice: User, bob: User, relay: Credential
) -> None:
    signed_in.post("/track/", {"ids": "first-id second-id third-id", "credential": str(relay.public_id)})
    signed_in.post("/track/", {"ids": "first-id", "credential": str(relay.public_id)})
    task = relay.tasks.get(task_id="first-id")
    signed_in.post(f"/tasks/{task.public_id}/remove/")
    signed_in.post(f"/team/members/{member(team, bob)}/role/", {"role": "admin"})
    signed_in.post("/team/invite/", {"role": "viewer", "days": "1", "email": "mei@example.org"})
    signed_in.post("/team/rename/", {"name": "Studio South"})
    signed_in.post("/team/rename/", {"name": "Studio South"})
    signed_in.post(f"/team/members/{member(team, bob)}/remove/")
    task.refresh_from_db()
    assert deeds(signed_in.get("/team/activity/")) == [
        "Alice removed Bob from the team",
        "Alice named the team “Studio South”",
        "Alice invited mei@example.org (Viewer)",
        "Alice changed the role of Bob: Member → Admin",
        f"Alice removed “{task}” from the board",
        "Alice tracked 3 tasks",
    ]


def test_every_kind_has_a_sentence_and_a_place_in_the_filter(team: Team, alice: User) -> None:
    told = [words_of(kind, "Alice", "City Lights", {"role": "member"}) for kind in Kind.values]
    assert all(words.startswith("Alice ") for words in told)
    assert len(set(told)) == len(Kind.values)
    assert {kind.value for _label, kinds in TOPICS for kind in kinds} == set(Kind.values)


@pytest.mark.parametrize(
    ("kind", "subject", "detail", "words"),
    [
        (Kind.TRACKED, "", {"count": 1}, "Bob tracked 1 task"),
        (Kind.TRACKED, "", {"count": 3}, "Bob tracked 3 tasks"),
        (Kind.SHARED, "City Lights", {}, "Bob shared “City Lights”"),
        (Kind.SHARED, "", {"count": 4}, "Bob made 4 links"),
        (Kind.HANDED, "City Lights", {"count": 1}, "Bob gave “City Lights” another credential"),
        (Kind.INVITED, "", {"role": "member"}, "Bob made an invitation (Member)"),
        (Kind.KEY_REPLACED, "Relay …a1b2", {}, "Bob replaced the key of “Relay …a1b2”"),
        (Kind.SHARED, "100 %(who)s %d", {}, "Bob shared “100 %(who)s %d”"),
        (Kind.ROLE_CHANGED, "Lin", {"before": "nonsense"}, "Bob changed the role of Lin: – → –"),
        ("a_kind_of_tomorrow", "x", {}, "a_kind_of_tomorrow"),
    ],
)
def test_sentences(kind: str, subject: str, detail: dict[str, Any], words: str) -> None:
    assert words_of(kind, "Bob", subject, detail) == words


def test_the_words_are_made_when_they_are_read(team: Team, alice: User) -> None:
    with translation.override("zh-hans"):
        note(team, alice, Kind.ROLE_CHANGED, "Bob", before="member", after="admin")
    assert "Member" not in str(Activity.objects.values().get()["detail"])
    with translation.override("en"):
        assert words_of(Kind.ROLE_CHANGED, "Alice", "Bob", {"before": "member", "after": "admin"}).endswith("Admin")


def test_filters_stand_in_the_address(signed_in: Client, team: Team, alice: User, bob: User) -> None:
    note(team, alice, Kind.TRACKED, count=2)
    note(team, bob, Kind.TRACKED, count=3)
    note(team, bob, Kind.SHARED, "City Lights")
    get = lambda query: deeds(signed_in.get(f"/team/activity/{query}"))  # noqa: E731
    assert get("?kind=tracked") == ["Bob tracked 3 tasks", "Alice tracked 2 tasks"]
    assert get(f"?person={bob.pk}") == ["Bob shared “City Lights”", "Bob tracked 3 tasks"]
    assert get(f"?kind=tracked&person={bob.pk}") == ["Bob tracked 3 tasks"]
    page = signed_in.get(f"/team/activity/?kind=tracked&person={bob.pk}").content.decode()
    assert '<option value="tracked" selected>' in page
    assert f'<option value="{bob.pk}" selected>Bob' in page
    assert get("?kind=nonsense&person=x&before=-1") == get("")
    assert get("?kind=left") == []
    assert "Nothing matches" in signed_in.get("/team/activity/?kind=left").content.decode()


def test_pages_go_back_and_forth_with_their_filters(signed_in: Client, team: Team, alice: User) -> None:
    for number in range(1, 121):
        note(team, alice, Kind.SHARED, f"Song {number}")
        note(team, alice, Kind.TRACKED, count=number)
    seen: list[str] = []
    address, addresses = "/team/activity/?kind=shared", []
    while address:
        response = signed_in.get(address)
        seen += deeds(response)
        addresses.append(address)
        older = re.search(r'rel="next" href="([^"]+)"', response.content.decode())
        address = older[1].replace("&amp;", "&") if older else ""
    assert seen == [f"Alice shared “Song {number}”" for number in range(120, 0, -1)]
    assert len(addresses) == 3
    newer = re.search(r'rel="prev" href="([^"]+)"', signed_in.get(addresses[-1]).content.decode())
    assert newer
    assert deeds(signed_in.get(newer[1].replace("&amp;", "&"))) == seen[50:100]


def test_the_page_asks_the_same_few_questions_for_much(
    signed_in: Client, team: Team, alice: User, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(5):
        signed_in.get("/team/activity/")
    for number in range(40):
        user = User.objects.create_user(f"p{number}@example.org", "correct horse battery", name=f"Person {number}")
        Membership.objects.create(team=team, user=user)
        note(team, user, Kind.TRACKED, count=number + 2)
    with django_assert_num_queries(5):
        assert len(deeds(signed_in.get("/team/activity/"))) == 40


def test_viewers_and_other_teams_do_not_see_it(client: Client, team: Team, alice: User, charlie: User) -> None:
    note(team, alice, Kind.SHARED, "City Lights")
    viewer = User.objects.create_user("vera@example.org", "correct horse battery", name="Vera")
    Membership.objects.create(team=team, user=viewer, role=Role.VIEWER)
    client.force_login(viewer)
    assert client.get("/team/activity/").status_code == 403
    client.force_login(charlie)
    assert deeds(client.get("/team/activity/")) == []
    assert deeds(client.get(f"/team/activity/?person={alice.pk}")) == []
    assert "Alice" not in client.get("/team/activity/").content.decode()


def test_who_has_left_can_still_be_asked_for(signed_in: Client, team: Team, alice: User, bob: User) -> None:
    note(team, bob, Kind.TRACKED, count=2)
    signed_in.post(f"/team/members/{member(team, bob)}/remove/")
    page = signed_in.get("/team/activity/").content.decode()
    assert f'<option value="{bob.pk}">Bob</option>' in page
    bob.delete()
    assert deeds(signed_in.get("/team/activity/"))[-1] == "Somebody who has left tracked 2 tasks"


def test_names_are_text_and_not_markup(signed_in: Client, team: Team, alice: User) -> None:
    note(team, alice, Kind.SHARED, "<script>alert(1)</script>")
    assert "<script>alert" not in signed_in.get("/team/activity/").content.decode()


def test_no_key_and_no_link_is_told(signed_in: Client, team: Team, alice: User, relay: Credential) -> None:
    task = make_task(relay, title="City Lights")
    signed_in.post(f"/tasks/{task.public_id}/remove/")
    signed_in.post("/team/invite/", {"role": "viewer", "days": "1", "email": ""})
    page = signed_in.get("/team/activity/").content.decode()
    assert KEY not in page
    assert "/join/" not in page


def test_moments_are_dated(signed_in: Client, team: Team, alice: User) -> None:
    Activity.objects.note(Kind.TRACKED, team=team, actor=alice, now=timezone.now() - timedelta(days=3), count=2)
    page = signed_in.get("/team/activity/").content.decode()
    assert re.search(
        r'<span class="deed__when"><time datetime="\d{4}-\d\d-\d\dT[^"]+" title="[^"]+"[^>]*>3 d ago', page
    )
