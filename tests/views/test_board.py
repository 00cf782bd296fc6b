"""The board: what is on it, for whom, in how many questions to the database."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from django.utils.html import strip_tags

from tests.conftest import make_credential
from tracker.cards import short_key, short_uuid, thin
from tracker.forms import PAGE_SIZE, BoardFilter
from tracker.models import Clip, Credential, Membership, MusicTask, Role, TaskText, Team, User
from tracker.models.credentials import Hold
from tracker.models.tasks import Ended, Shelf

pytestmark = pytest.mark.django_db
BASE = "https://relay.example.com"


@pytest.fixture
def credential(team: Team, alice: User) -> Credential:
    return make_credential(team, alice, base_url=BASE)


def make_task(credential: Credential, task_id: str = "id-000001", *, clips: int = 0, **fields: Any) -> MusicTask:
    now = timezone.now()
    values = {
        "team": credential.team, "credential": credential, "provider": credential.provider,
        "base_url": credential.base_url, "task_id": task_id, "added_by": credential.owner, "status": "running",
        "raw_status": "IN_PROGRESS", "polled_at": now, "changed_at": now, "created_at": now,
        **fields,
    }  # fmt: skip
    task = MusicTask.objects.create(**values)
    TaskText.objects.create(task=task, search_text=f"{task_id}\n{task.title}".lower())
    for number in range(clips):
        Clip.objects.create(
            task=task, position=number, clip_id=f"{task_id}-{number}", title=f"Song {number}", state="complete",
            audio_url="https://files.example.com/a.mp3", image_url="https://files.example.com/a.jpeg",
            duration_seconds=219, model="chirp-v4", tags="emotional punk",
        )  # fmt: skip
    return task


def page(client: Client, query: str = "") -> str:
    response = client.get(f"/{query}")
    assert response.status_code == 200
    return response.content.decode()


def test_a_stranger_is_sent_to_the_sign_in(client: Client) -> None:
    response = client.get("/")
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/")


def test_a_card_says_what_is_known(signed_in: Client, credential: Credential) -> None:
    make_task(credential, "750ced71-1c2d-4e3f-8a9b-0c1d2e3fb888", title="City Lights", progress=64, clips=1)
    html = page(signed_in)
    for words in (
        "City Lights",
        "Running",
        "64%",
        "Song 0",
        "emotional punk",
        "3:39",
        "chirp-v4",
        "by Alice",
        "750ced71…b888",
    ):
        assert words in html
    assert str(credential) in html


def test_no_page_holds_a_link_of_the_provider_or_a_key(signed_in: Client, credential: Credential) -> None:
    make_task(credential, clips=2)
    html = page(signed_in)
    assert "files.example.com" not in html
    assert credential.reveal() not in html


def test_titles_are_text_and_not_markup(signed_in: Client, credential: Credential) -> None:
    make_task(credential, title="<script>alert(1)</script>", fail_reason="<b>x</b>", status="failed", ended="final")
    html = page(signed_in)
    assert "<script>alert" not in html
    assert "<b>x</b>" not in html


def test_bob_sees_the_teams_tasks(client: Client, bob: User, credential: Credential) -> None:
    make_task(credential, title="City Lights")
    client.force_login(bob, backend="django.contrib.auth.backends.ModelBackend")
    assert "City Lights" in page(client)


def test_charlie_sees_nothing_of_them(client: Client, charlie: User, credential: Credential) -> None:
    task = make_task(credential, title="City Lights", clips=1)
    client.force_login(charlie, backend="django.contrib.auth.backends.ModelBackend")
    assert "City Lights" not in page(client)
    assert "City Lights" not in page(client, "?q=city")
    assert client.get(f"/refresh/?{seen(task)}9").content.count(b"City") == 0


def test_a_viewer_has_no_form_and_no_orders(client: Client, team: Team, credential: Credential) -> None:
    viewer = User.objects.create_user("vera@example.org", "correct horse battery", name="Vera")
    Membership.objects.create(team=team, user=viewer, role=Role.VIEWER)
    make_task(credential, title="City Lights")
    client.force_login(viewer, backend="django.contrib.auth.backends.ModelBackend")
    html = page(client)
    assert "City Lights" in html
    assert 'name="ids"' not in html
    assert "Remove" not in html


def test_somebody_in_no_team_is_told_what_to_do(client: Client, db: None) -> None:
    client.force_login(
        User.objects.create_user("n@example.org", name="N"), backend="django.contrib.auth.backends.ModelBackend"
    )
    assert "no team yet" in page(client)


# Empty states


def test_without_a_credential_the_first_step_is_to_add_one(signed_in: Client) -> None:
    html = page(signed_in)
    assert "Start with a credential" in html
    assert "/credentials/add/" in html


def test_without_a_task_the_first_step_is_to_paste_one(signed_in: Client, credential: Credential) -> None:
    assert "No tasks yet" in page(signed_in)


def test_an_empty_shelf_says_so(signed_in: Client, credential: Credential) -> None:
    make_task(credential)
    assert "Nothing needs you" in page(signed_in, "?state=attention")
    assert "Nothing matches" in page(signed_in, "?q=nowhere")


# Filters, search and pages


def test_chips_count_and_filter(signed_in: Client, credential: Credential) -> None:
    make_task(credential, "id-000001", title="One")
    make_task(credential, "id-000002", title="Two", status="succeeded", ended=Ended.FINAL, shelf=Shelf.DONE)
    make_task(credential, "id-000003", title="Three", hold=Hold.KEY_REFUSED, shelf=Shelf.ATTENTION)
    html = page(signed_in)
    assert "All<b>3</b>" in html
    assert "Done<b>1</b>" in html
    html = page(signed_in, "?state=attention")
    assert "Three" in html
    assert ">One<" not in html
    assert "Stopped" not in html


def test_counts_end_at_a_thousand(signed_in: Client, credential: Credential) -> None:
    now = timezone.now()
    MusicTask.objects.bulk_create(
        MusicTask(
            team=credential.team, credential=credential, provider="suno-fetch", base_url=BASE, task_id=f"id-{n:06}",
            changed_at=now, created_at=now,
        )
        for n in range(1005)
    )  # fmt: skip
    assert "All<b>1000+</b>" in page(signed_in)


@pytest.mark.parametrize("text", ["city", "CITY lights", "id-000001", "城市"])
def test_search_finds_title_and_id(signed_in: Client, credential: Credential, text: str) -> None:
    make_task(credential, "id-000001", title="City Lights 城市")
    make_task(credential, "id-000002", title="Neon")
    html = page(signed_in, f"?q={text}")
    assert "City Lights" in html
    assert "Neon" not in html


def test_filters_by_provider_credential_and_person(
    signed_in: Client, team: Team, alice: User, bob: User, credential: Credential
) -> None:
    other = make_credential(team, bob, base_url=BASE, provider="qhaigc")
    make_task(credential, "id-000001", title="Mine")
    make_task(other, "id-000002", title="Theirs")
    for query in ("provider=qhaigc", f"credential={other.public_id}", f"person={bob.pk}"):
        html = page(signed_in, f"?{query}")
        assert "Theirs" in html
        assert "Mine" not in html


@pytest.mark.parametrize(
    "query",
    ["?state=nonsense", "?before=x&after=-1", "?credential=1", "?person=%00", "?provider=%F0", "?before=" + "9" * 40],
)
def test_a_spoiled_address_shows_the_board(signed_in: Client, credential: Credential, query: str) -> None:
    make_task(credential, title="City Lights")
    assert "City Lights" in page(signed_in, query)


def test_pages_go_back_and_forth_without_gaps(signed_in: Client, credential: Credential) -> None:
    tasks = [make_task(credential, f"id-{number:06}", title=f"T{number:03}") for number in range(120)]
    first = page(signed_in)
    assert "T119" in first
    assert "T069" not in first
    assert "Newer" not in first
    second = page(signed_in, f"?before={tasks[70].pk}")
    assert "T069" in second
    assert "T020" in second
    assert "T019" not in second
    back = page(signed_in, f"?after={tasks[69].pk}")
    assert "T119" in back
    assert "T070" in back
    assert "Newer" not in back
    last = page(signed_in, f"?before={tasks[20].pk}")
    assert "T000" in last
    assert "Older" not in last


def test_the_number_of_questions_does_not_grow(
    signed_in: Client, team: Team, credential: Credential, django_assert_max_num_queries: Any
) -> None:
    make_task(credential, "id-first", clips=2)
    with django_assert_max_num_queries(12) as few:
        page(signed_in)
    for number in range(60):
        person = User.objects.create_user(f"p{number}@example.org", name=f"P{number}")
        Membership.objects.create(team=team, user=person)
        one = make_credential(team, person, base_url=BASE)
        make_task(one, f"id-{number:06}", clips=2)
    with django_assert_max_num_queries(12) as many:
        page(signed_in)
    assert len(few.captured_queries) == len(many.captured_queries)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ({}, "task_board"),
        ({"before": 5}, "task_board"),
        ({"after": 5}, "task_board"),
        ({"state": "done"}, "task_shelf"),
        ({"state": "done", "before": 5}, "task_shelf"),
        ({"provider": "qhaigc"}, "task_provider"),
    ],
)
def test_a_page_is_read_in_the_order_of_an_index(
    team: Team, credential: Credential, query: dict[str, Any], index: str
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("plans are asserted on SQLite")
    rows = BoardFilter(**query).apply(thin(MusicTask.objects.of_team(team)))[:51]
    plan = rows.explain()
    assert f"INDEX {index} " in plan
    assert "TEMP B-TREE" not in plan


# Refreshing


def seen(task: MusicTask, state: str = "running") -> str:
    return f"seen={short_uuid(task.public_id)}.{task.stamp}.{short_key(state)}"


def test_nothing_new_is_204_in_five_questions(
    signed_in: Client, credential: Credential, django_assert_max_num_queries: Any
) -> None:
    tasks = [make_task(credential, f"id-{number:06}", clips=2) for number in range(50)]
    query = "&".join(seen(task) for task in tasks) + f"&newest={tasks[-1].pk}&told=0"
    with django_assert_max_num_queries(5):
        response = signed_in.get(f"/refresh/?{query}")
    assert response.status_code == 204
    assert response.content == b""


def test_only_the_changed_card_comes(signed_in: Client, credential: Credential) -> None:
    calm, changed = make_task(credential, "id-calm-1"), make_task(credential, "id-moved-1", title="City Lights")
    query = f"{seen(calm)}&{seen(changed)}"
    MusicTask.objects.filter(pk=changed.pk).update(stamp=5, progress=70, status="running")
    html = signed_in.get(f"/refresh/?{query}").content.decode()
    assert f'id="task-{changed.public_id}"' in html
    assert 'hx-swap-oob="morph"' in html
    assert str(calm.public_id) not in html
    assert 'id="refresher"' not in html
    assert "announcer" not in html


def test_a_change_of_state_is_said_aloud_once(signed_in: Client, credential: Credential) -> None:
    task = make_task(credential, title="City Lights")
    query = seen(task)
    MusicTask.objects.filter(pk=task.pk).update(
        stamp=5, status="succeeded", ended=Ended.FINAL, shelf=Shelf.DONE, kind="lyrics"
    )
    html = signed_in.get(f"/refresh/?{query}").content.decode()
    assert "City Lights: Done" in html
    assert html.count('id="announcer"') == 1


def test_a_final_card_stops_the_refresher(signed_in: Client, credential: Credential) -> None:
    task = make_task(credential)
    query = seen(task)
    MusicTask.objects.filter(pk=task.pk).update(stamp=5, status="succeeded", ended=Ended.FINAL)
    html = signed_in.get(f"/refresh/?{query}").content.decode()
    assert 'id="refresher"' in html
    assert "every 2s" not in html


def test_a_removed_task_leaves_the_page(signed_in: Client, alice: User, credential: Credential) -> None:
    task = make_task(credential)
    query = seen(task)
    task.remove(actor=alice, now=timezone.now())
    html = signed_in.get(f"/refresh/?{query}").content.decode()
    assert f'<div id="task-{task.public_id}" hx-swap-oob="delete">' in html


def test_new_tasks_of_others_are_told(signed_in: Client, credential: Credential) -> None:
    old = make_task(credential, "id-000001")
    make_task(credential, "id-000002")
    html = signed_in.get(f"/refresh/?{seen(old)}&newest={old.pk}&told=0").content.decode()
    assert "1 new task" in html
    assert signed_in.get(f"/refresh/?{seen(old)}&newest={old.pk}&told=1").status_code == 204


@pytest.mark.parametrize("spoiled", ["", "seen=", "seen=x.y.z", "seen=1&seen=2", "seen=%00.1", "newest=x&told=y"])
def test_a_spoiled_refresh_changes_nothing(signed_in: Client, credential: Credential, spoiled: str) -> None:
    assert signed_in.get(f"/refresh/?{spoiled}").status_code == 204


def test_a_signed_out_refresh_says_where_to_sign_in(client: Client) -> None:
    response = client.get("/refresh/", headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/"})
    assert response["HX-Redirect"].startswith("/accounts/login/")


def test_an_old_task_shows_its_age(signed_in: Client, credential: Credential) -> None:
    make_task(credential, created_at=timezone.now() - timedelta(hours=3))
    assert "3 h ago" in page(signed_in)


def test_a_refresh_of_a_full_page_fits_into_the_shortest_address(signed_in: Client, credential: Credential) -> None:
    for number in range(50):
        make_task(credential, f"id-{number:06}", status="unknown", raw_status="PONDERING", stamp=99_999)
    html = page(signed_in)
    sent = re.findall(r'<input type="hidden" form="refresher" name="seen" value="([^"]+)"', html)
    assert len(sent) == 50
    query = "&".join(f"seen={one}" for one in sent)
    # gunicorn's own limit for the whole request line.
    assert len(f"GET /refresh/?{query}&state=attention&newest={10**9}&told=100 HTTP/1.1") < 4094
    assert signed_in.get(f"/refresh/?{query}").status_code == 204
    narrow = page(signed_in, "?q=" + "字" * 200)
    assert narrow.count("字" * 200) == narrow.split('id="refresher"')[0].count("字" * 200)


def test_a_narrowed_board_keeps_its_chips(signed_in: Client, credential: Credential) -> None:
    task = make_task(credential, title="City Lights")
    query = f"{seen(task)}&narrow=1"
    MusicTask.objects.filter(pk=task.pk).update(stamp=5)
    html = signed_in.get(f"/refresh/?{query}").content.decode()
    assert "City Lights" in html
    assert 'id="chips"' not in html


# Credentials at rest


def refuse(credential: Credential, count: int = 12) -> None:
    for number in range(count):
        make_task(credential, f"{credential.pk}-{number:06}", title=f"T{number}")
    credential.rest(Hold.KEY_REFUSED, now=timezone.now(), status=401)


def banners(html: str) -> list[str]:
    return [strip_tags(one).strip() for one in re.findall(r'id="banner-.*?</div>', html, re.DOTALL)]


def test_one_banner_says_for_all_tasks_that_a_key_was_refused(signed_in: Client, credential: Credential) -> None:
    refuse(credential)
    html = page(signed_in)
    (said,) = banners(html)
    assert "suno-fetch refused this key (401). 12 tasks wait. Replace it under Credentials." in said
    assert html.count("refused this key") == 1
    assert f"/credentials/{credential.public_id}/" in html
    assert html.count("Key refused") == 12


def test_who_was_lent_a_credential_reads_whom_to_ask(client: Client, bob: User, credential: Credential) -> None:
    refuse(credential, 1)
    client.force_login(bob, backend="django.contrib.auth.backends.ModelBackend")
    html = page(client)
    (said,) = banners(html)
    assert "1 task waits. Ask Alice to replace" in said
    assert f"/credentials/{credential.public_id}/" not in html


def test_each_credential_has_its_banner_and_none_that_nobody_waits_for(
    signed_in: Client, team: Team, alice: User, credential: Credential
) -> None:
    other, idle = (make_credential(team, alice, base_url=BASE, provider=name) for name in ("huiyan", "qhaigc"))
    refuse(credential, 1)
    make_task(other, "id-other")
    other.disable()
    idle.rest(Hold.QUOTA, now=timezone.now(), status=402)
    assert len(banners(page(signed_in))) == 2
    assert "is disabled. 1 task waits. Enable it" in "".join(banners(page(signed_in)))


def test_many_banners_ask_no_more_questions_than_one(
    signed_in: Client, team: Team, alice: User, credential: Credential, django_assert_max_num_queries: Any
) -> None:
    refuse(credential, 2)
    with django_assert_max_num_queries(13) as few:
        assert len(banners(page(signed_in))) == 1
    for _ in range(9):
        refuse(make_credential(team, alice, base_url=BASE), 2)
    with django_assert_max_num_queries(13) as many:
        assert len(banners(page(signed_in))) == 10
    assert len(few.captured_queries) == len(many.captured_queries)


def test_a_banner_comes_and_goes_with_the_refresh(signed_in: Client, credential: Credential) -> None:
    task = make_task(credential)
    query = seen(task)
    credential.rest(Hold.KEY_REFUSED, now=timezone.now(), status=401)
    assert len(banners(signed_in.get(f"/refresh/?{query}").content.decode())) == 1
    task.refresh_from_db()
    query = seen(task)
    credential.wake(timezone.now())
    html = signed_in.get(f"/refresh/?{query}").content.decode()
    assert 'id="banners"' in html
    assert banners(html) == []


def test_charlie_sees_no_banner_of_others(client: Client, charlie: User, credential: Credential) -> None:
    refuse(credential, 1)
    make_task(make_credential(charlie.memberships.get().team, charlie, base_url=BASE), "id-charlie")
    client.force_login(charlie, backend="django.contrib.auth.backends.ModelBackend")
    assert banners(page(client)) == []


def test_who_waits_for_the_first_answer_is_told_after_a_while(signed_in: Client, credential: Credential) -> None:
    asking = {"status": "unknown", "raw_status": "", "polled_at": None}
    make_task(credential, "id-000001", **asking)
    assert re.search(r'data-late="[45]\.\d" hidden>No answer yet, still trying\.<', page(signed_in))
    MusicTask.objects.update(created_at=timezone.now() - timedelta(seconds=6))
    html = page(signed_in)
    assert "<b>No answer yet, still trying.</b>" in html
    assert "data-late" not in html


def test_play_all_goes_on_beyond_the_page(signed_in: Client, credential: Credential, charlie: User) -> None:
    for number in range(PAGE_SIZE + 2):
        make_task(credential, f"id-{number:06}", clips=1, status="succeeded", ended="final", shelf="done")
    running = make_task(credential, "id-running", clips=2)
    assert 'data-play-more="/queue/?state=done"' in page(signed_in, "?state=done")
    assert "data-play-more" not in page(signed_in, "?state=running")
    told = signed_in.get("/queue/").json()["items"]
    assert [one["number"] for one in told[:3]] == ["1", "2", "1"]
    assert told[0]["task"] == f"/tasks/{running.public_id}/"
    assert len(told) == PAGE_SIZE + 4
    # From any page of a filter: all of the filter, and what cannot be heard left out.
    Clip.objects.filter(task=running, position=0).update(audio_url="")
    assert len(signed_in.get(f"/queue/?before={running.pk}").json()["items"]) == PAGE_SIZE + 3
    assert len(signed_in.get("/queue/?state=done").json()["items"]) == PAGE_SIZE + 2
    Membership.objects.create(team=Team.objects.create(name="Other"), user=charlie)
    stranger = Client()
    stranger.force_login(charlie, backend="django.contrib.auth.backends.ModelBackend")
    assert stranger.get("/queue/").json() == {"items": []}
