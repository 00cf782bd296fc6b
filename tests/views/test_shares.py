"""Shares as the team sees them: who may make, copy, change and revoke a link."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.conftest import make_credential
from tests.views.test_board import make_task
from tracker.models import Activity, Clip, Membership, MusicTask, Role, ShareLink, Team, User

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
NOW = timezone.now()


@pytest.fixture
def task(team: Team, alice: User) -> MusicTask:
    credential = make_credential(team, alice, base_url="https://relay.example.com")
    return make_task(credential, title="City Lights", clips=2, status="succeeded", ended="final")


@pytest.fixture
def viewer(team: Team) -> User:
    user = User.objects.create_user("vera@example.org", name="Vera")
    Membership.objects.create(team=team, user=user, role=Role.VIEWER)
    return user


def signed_in_as(user: User) -> Client:
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


def link_of(task: MusicTask, by: User, **limits: Any) -> ShareLink:
    return ShareLink.objects.share(task, by=by, now=NOW, **{"expires_at": NOW + timedelta(days=30), **limits})


def make(client: Client, task: MusicTask, **fields: Any) -> Any:
    return client.post(f"/tasks/{task.public_id}/share/", {"expiry": "30", "show_lyrics": "on", **fields})


# -- Making ---------------------------------------------------------------------------------------------


def test_a_link_is_made_and_shown_at_once(signed_in: Client, task: MusicTask, alice: User) -> None:
    response = make(signed_in, task)
    link = ShareLink.objects.get()
    assert response["Location"] == f"/shares/{link.public_id}/"
    page = signed_in.get(response["Location"]).content.decode()
    assert f'data-copy="http://testserver/s/{link.token}/"' in page
    assert link.created_by == alice
    assert link.expires_at is not None
    assert abs(link.expires_at - timezone.now() - timedelta(days=30)) < timedelta(minutes=1)
    assert (link.show_lyrics, link.allow_download, link.show_prompt, link.allow_embed) == (True, False, False, False)
    assert not link.clips.exists()
    assert Client().get(f"/s/{link.token}/").status_code == 200
    activity = Activity.objects.get(kind=Activity.Kind.SHARED)
    assert (activity.actor, activity.subject) == (alice, "City Lights")


@pytest.mark.parametrize(("expiry", "days"), [("1", 1), ("7", 7), ("90", 90), ("never", None)])
def test_a_link_lasts_as_long_as_was_chosen(signed_in: Client, task: MusicTask, expiry: str, days: int | None) -> None:
    make(signed_in, task, expiry=expiry)
    end = ShareLink.objects.get().expires_at
    if days is None:
        assert end is None
    else:
        assert end is not None
        assert (end - timezone.now() + timedelta(minutes=1)).days == days


def test_a_last_day_ends_with_that_day_where_the_person_lives(signed_in: Client, alice: User, task: MusicTask) -> None:
    User.objects.filter(pk=alice.pk).update(time_zone="Asia/Shanghai")
    day = (timezone.now() + timedelta(days=5)).date()
    make(signed_in, task, expiry="date", expires_on=day.isoformat())
    end = ShareLink.objects.get().expires_at
    assert end is not None
    assert end.isoformat() == f"{day.isoformat()}T15:59:59+00:00"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"title": "x" * 1000}, "at most 200 characters"),
        ({"expiry": "date", "expires_on": "2020-01-31"}, "This day is over."),
        ({"expiry": "date", "expires_on": "9999-12-31"}, "more than ten years"),
        ({"expiry": "date", "expires_on": ""}, "Choose the last day."),
        ({"expiry": "date", "expires_on": "soon"}, "Enter a valid date."),
        ({"expiry": "365"}, "Select a valid choice."),
        ({"password": "1234"}, "at least 6 characters"),
        ({"password": "sesame-open", "allow_embed": "on"}, "cannot be embedded"),
        ({"clips": "750ced71-1c2d-4e3f-8a9b-0c1d2e3fb888"}, "does not belong to the task"),
        ({"clips": "x"}, "does not belong to the task"),
    ],
)
def test_what_cannot_be_is_said_at_its_field(
    signed_in: Client, task: MusicTask, fields: dict[str, str], words: str
) -> None:
    response = make(signed_in, task, **{"title": "Keep this", **fields})
    assert response.status_code == 200
    page = response.content.decode()
    assert words in page
    assert f'value="{fields.get("title", "Keep this")}"' in page
    assert fields.get("password", "no such text") not in page
    assert not ShareLink.objects.exists()


def test_a_song_of_another_task_is_refused(signed_in: Client, task: MusicTask, team: Team) -> None:
    assert task.credential is not None
    other = make_task(task.credential, "id-000002", clips=1)
    page = make(signed_in, task, clips=str(other.clips.get().public_id)).content.decode()
    assert "does not belong to the task" in page
    assert not ShareLink.objects.exists()


def test_one_song_can_be_chosen_from_its_own_button(signed_in: Client, task: MusicTask) -> None:
    clip = task.clips.all()[1]
    page = signed_in.get(f"/tasks/{task.public_id}/").content.decode()
    address = f"/tasks/{task.public_id}/share/?clip={clip.public_id}"
    assert address in page
    form = signed_in.get(address).content.decode()
    assert re.search(rf'value="{clip.public_id}"[^>]*checked', form)
    make(signed_in, task, clips=str(clip.public_id))
    assert list(ShareLink.objects.get().clips.all()) == [clip]


def test_a_password_is_kept_as_a_hash_only(signed_in: Client, task: MusicTask) -> None:
    response = make(signed_in, task, password="sesame-open")
    link = ShareLink.objects.get()
    assert "sesame" not in link.password
    assert link.try_password("sesame-open", now=NOW)
    assert "sesame" not in signed_in.get(response["Location"]).content.decode()


def test_the_board_and_the_task_offer_to_share(signed_in: Client, task: MusicTask, viewer: User) -> None:
    address = f"/tasks/{task.public_id}/share/"
    for page in ("/", f"/tasks/{task.public_id}/"):
        assert address in signed_in.get(page).content.decode()
        assert address not in signed_in_as(viewer).get(page).content.decode()


def test_a_task_tells_what_is_shared_already(signed_in: Client, task: MusicTask, alice: User) -> None:
    link, gone = link_of(task, alice), link_of(task, alice)
    gone.revoke(by=alice, now=NOW)
    page = signed_in.get(f"/tasks/{task.public_id}/share/").content.decode()
    assert f"/s/{link.token}/" in page
    assert str(gone.public_id) not in page


# -- Who may --------------------------------------------------------------------------------------------


def test_a_viewer_looks_and_copies_nothing(viewer: User, task: MusicTask, alice: User) -> None:
    client, link = signed_in_as(viewer), link_of(task, alice)
    assert client.get(f"/tasks/{task.public_id}/share/").status_code == 403
    assert make(client, task).status_code == 403
    for address in ("/shares/", f"/shares/{link.public_id}/"):
        page = client.get(address).content.decode()
        assert "City Lights" in page
        assert link.token not in page
        assert "Revoke<" not in page
    assert client.post(f"/shares/{link.public_id}/", {"expiry": "never"}).status_code == 403
    for order in ("revoke", "extend", "wake"):
        assert client.post(f"/shares/{link.public_id}/{order}/").status_code == 403
        assert client.post("/shares/", {"share": str(link.public_id), "order": order}).status_code == 403
    assert ShareLink.objects.open(NOW).count() == 1


def test_a_member_copies_all_and_changes_their_own(bob: User, task: MusicTask, alice: User) -> None:
    client, hers, his = signed_in_as(bob), link_of(task, alice), link_of(task, bob)
    page = client.get("/shares/").content.decode()
    assert hers.token in page
    assert his.token in page
    assert client.post(f"/shares/{hers.public_id}/revoke/").status_code == 403
    both = {"share": [str(hers.public_id), str(his.public_id)], "order": "revoke"}
    assert client.post("/shares/", both).status_code == 403
    assert ShareLink.objects.open(NOW).count() == 2
    assert client.post(f"/shares/{his.public_id}/revoke/").status_code == 302
    assert ShareLink.objects.open(NOW).get() == hers


def test_an_owner_revokes_everybodys(signed_in: Client, bob: User, task: MusicTask) -> None:
    link = link_of(task, bob)
    signed_in.post(f"/shares/{link.public_id}/revoke/")
    assert Client().get(f"/s/{link.token}/").status_code == 404
    assert Activity.objects.filter(kind=Activity.Kind.SHARE_REVOKED, actor__name="Alice").count() == 1


def test_outsiders_find_nothing(charlie: User, task: MusicTask, alice: User) -> None:
    client, link = signed_in_as(charlie), link_of(task, alice)
    assert client.get(f"/tasks/{task.public_id}/share/").status_code == 404
    assert make(client, task).status_code == 404
    assert "City Lights" not in client.get("/shares/").content.decode()
    assert client.get(f"/shares/{link.public_id}/").status_code == 404
    assert client.post(f"/shares/{link.public_id}/", {"expiry": "never"}).status_code == 404
    for order in ("revoke", "extend", "wake"):
        assert client.post(f"/shares/{link.public_id}/{order}/").status_code == 404
        assert client.post("/shares/", {"share": str(link.public_id), "order": order}).status_code == 404
    assert Client().get("/shares/").status_code == 302


def test_a_rested_link_is_woken_by_who_manages_links(
    signed_in: Client, bob: User, task: MusicTask, alice: User
) -> None:
    link = link_of(task, bob)
    ShareLink.objects.update(rested_at=NOW)
    assert Client().get(f"/s/{link.token}/").status_code == 404
    assert signed_in_as(bob).post(f"/shares/{link.public_id}/wake/").status_code == 403
    assert "At rest" in signed_in.get("/shares/").content.decode()
    signed_in.post(f"/shares/{link.public_id}/wake/")
    assert Client().get(f"/s/{link.token}/").status_code == 200


# -- The list -------------------------------------------------------------------------------------------


def test_the_list_tells_what_is_known_of_a_link(signed_in: Client, task: MusicTask, alice: User) -> None:
    link = link_of(task, alice, clips=[task.clips.all()[1]], password="sesame-open", allow_download=True)
    ShareLink.objects.update(visit_count=12, download_count=3, visited_at=timezone.now() - timedelta(hours=2))
    page = signed_in.get("/shares/").content.decode()
    for words in ("City Lights", "Song 2", "by Alice", "with password", "3 downloads", "12 visits", "2 h ago", "Open"):
        assert words in page
    assert f'data-copy="http://testserver/s/{link.token}/"' in page


def test_the_list_takes_the_same_queries_however_long(
    signed_in: Client, task: MusicTask, alice: User, django_assert_max_num_queries: Any
) -> None:
    def queries() -> int:
        with django_assert_max_num_queries(12) as captured:
            signed_in.get("/shares/")
        return len(captured)

    link_of(task, alice)
    few = queries()
    for _ in range(20):
        link_of(task, alice, clips=[task.clips.all()[0]])
    assert queries() == few


def test_the_list_is_narrowed_by_state(signed_in: Client, task: MusicTask, alice: User) -> None:
    for title in ("Still open", "Long over", "Taken back", "Fast asleep"):
        link_of(task, alice, title=title)
    ShareLink.objects.filter(title="Long over").update(expires_at=NOW)
    ShareLink.objects.filter(title="Taken back").update(revoked_at=NOW)
    ShareLink.objects.filter(title="Fast asleep").update(rested_at=NOW)
    titles = {"open": "Still open", "expired": "Long over", "revoked": "Taken back", "rested": "Fast asleep"}
    for state, title in titles.items():
        page = signed_in.get(f"/shares/?state={state}").content.decode()
        assert {one for one in titles.values() if one in page} == {title}
    assert all(one in signed_in.get("/shares/?state=nonsense").content.decode() for one in titles.values())


def test_pages_lead_there_and_back(signed_in: Client, task: MusicTask, alice: User) -> None:
    for number in range(120):
        link_of(task, alice, title=f"Link {number:03}")
    seen: list[str] = []
    address = "/shares/?state=open"
    for _ in range(3):
        page = signed_in.get(address).content.decode()
        seen += dict.fromkeys(re.findall(r"Link \d{3}", page))
        older = re.search(r'href="(/shares/\?state=open&amp;before=\d+)"', page)
        address = older[1].replace("&amp;", "&") if older else ""
    assert seen == [f"Link {number:03}" for number in reversed(range(120))]
    assert not address
    newer = re.search(r'href="(/shares/\?state=open&amp;after=\d+)"', page)
    assert newer is not None
    back = signed_in.get(newer[1].replace("&amp;", "&")).content.decode()
    assert "Link 069" in back
    assert "Link 020" in back
    assert "Link 019" not in back


@pytest.mark.parametrize("query", ["?before=x", "?after=-1", "?before=" + "9" * 40, "?state=%00"])
def test_a_spoiled_address_shows_the_list(signed_in: Client, task: MusicTask, alice: User, query: str) -> None:
    link_of(task, alice)
    assert "City Lights" in signed_in.get(f"/shares/{query}").content.decode()


def test_an_empty_list_says_how_to_begin(signed_in: Client) -> None:
    assert "Nothing is shared yet" in signed_in.get("/shares/").content.decode()
    assert "No link is in this state" in signed_in.get("/shares/?state=revoked").content.decode()


def test_several_are_extended_or_revoked_at_once(signed_in: Client, task: MusicTask, alice: User, bob: User) -> None:
    links = [link_of(task, alice), link_of(task, bob), link_of(task, alice)]
    chosen = {"share": [str(link.public_id) for link in links[:2]], "state": "open"}
    response = signed_in.post("/shares/", {**chosen, "order": "extend"})
    assert response["Location"] == "/shares/?state=open"
    ends = list(ShareLink.objects.order_by("pk").values_list("expires_at", flat=True))
    assert ends[0] == ends[1] == NOW + timedelta(days=60)
    assert ends[2] == NOW + timedelta(days=30)
    signed_in.post("/shares/", {**chosen, "order": "revoke"})
    assert ShareLink.objects.open(NOW).get() == links[2]
    page = signed_in.get("/shares/").content.decode()
    assert "2 links are revoked." in page


def test_orders_that_make_no_sense_are_refused(signed_in: Client, task: MusicTask, alice: User) -> None:
    link = link_of(task, alice)
    for fields in (
        {"share": "x", "order": "revoke"},
        {"share": str(link.public_id), "order": "delete"},
        {"share": [str(link.public_id), "750ced71-1c2d-4e3f-8a9b-0c1d2e3fb888"], "order": "revoke"},
    ):
        assert signed_in.post("/shares/", fields).status_code == 404
    assert signed_in.post(f"/shares/{link.public_id}/delete/").status_code == 404
    assert signed_in.get(f"/shares/{link.public_id}/revoke/").status_code == 405
    assert "No link was chosen" in signed_in.post("/shares/", {"order": "revoke"}, follow=True).content.decode()
    assert ShareLink.objects.open(NOW).count() == 1


def test_links_to_a_removed_task_go_with_it(signed_in: Client, task: MusicTask, alice: User) -> None:
    link = link_of(task, alice)
    task.remove(actor=alice, now=NOW)
    assert "City Lights" not in signed_in.get("/shares/").content.decode()
    assert signed_in.get(f"/shares/{link.public_id}/").status_code == 404


# -- Changing -------------------------------------------------------------------------------------------


def test_a_link_is_changed_and_keeps_what_was_not(signed_in: Client, task: MusicTask, alice: User) -> None:
    link = link_of(task, alice, password="sesame-open", allow_download=True)
    before = link.password
    first = task.clips.all()[0]
    signed_in.post(f"/shares/{link.public_id}/", {"expiry": "keep", "title": "For you", "clips": str(first.public_id)})
    link.refresh_from_db()
    assert (link.title, link.allow_download, link.password) == ("For you", False, before)
    assert link.expires_at == NOW + timedelta(days=30)
    assert list(link.clips.all()) == [first]
    assert Activity.objects.filter(kind=Activity.Kind.SHARE_CHANGED).count() == 1
    signed_in.post(f"/shares/{link.public_id}/", {"expiry": "never", "remove_password": "on"})
    link.refresh_from_db()
    assert (link.expires_at, link.password, link.title) == (None, "", "")
    assert not link.clips.exists()


def test_a_link_with_a_password_cannot_be_opened_to_frames(signed_in: Client, task: MusicTask, alice: User) -> None:
    link = link_of(task, alice, password="sesame-open")
    address = f"/shares/{link.public_id}/"
    page = signed_in.post(address, {"expiry": "keep", "allow_embed": "on"}).content.decode()
    assert "cannot be embedded" in page
    signed_in.post(address, {"expiry": "keep", "allow_embed": "on", "remove_password": "on"})
    assert ShareLink.objects.get().may_be_embedded


def test_a_revoked_link_can_no_longer_be_changed(signed_in: Client, task: MusicTask, alice: User) -> None:
    link = link_of(task, alice)
    link.revoke(by=alice, now=NOW)
    page = signed_in.get(f"/shares/{link.public_id}/").content.decode()
    assert link.token not in page
    assert "was revoked" in page
    answer = signed_in.post(f"/shares/{link.public_id}/", {"expiry": "never", "title": "New"}, follow=True)
    assert "revoked meanwhile" in answer.content.decode()
    assert ShareLink.objects.get().title == ""


def test_a_link_whose_ring_key_is_gone_says_so(signed_in: Client, task: MusicTask, alice: User) -> None:
    link = link_of(task, alice)
    ShareLink.objects.update(sealed_token="broken")
    assert "can no longer be opened" in signed_in.get(f"/shares/{link.public_id}/").content.decode()
    assert signed_in.get("/shares/").status_code == 200


def test_clips_are_never_lost_from_a_share_by_a_song_that_comes_later(task: MusicTask, alice: User) -> None:
    chosen, all_of_it = link_of(task, alice, clips=[task.clips.all()[0]]), link_of(task, alice)
    Clip.objects.create(task=task, position=2, clip_id="third", audio_url="https://files.example.com/c.mp3")
    assert len(chosen.shared_clips()) == 1
    assert len(all_of_it.shared_clips()) == 3
