"""A task's own page, and what a person may order there."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from tests.conftest import make_credential
from tests.views.test_board import make_task
from tracker.cards import short_uuid
from tracker.models import Credential, Membership, MusicTask, Role, TaskEvent, TaskText, Team, User
from tracker.models.tasks import Ended

pytestmark = pytest.mark.django_db(transaction=True)
BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def credential(team: Team, alice: User) -> Credential:
    return make_credential(team, alice, base_url="http://127.0.0.1:9")


@pytest.fixture
def task(credential: Credential) -> MusicTask:
    return make_task(credential, "750ced71-1c2d-4e3f-8a9b-0c1d2e3fb888", title="City Lights", clips=2)


def url(task: MusicTask, order: str = "") -> str:
    return f"/tasks/{task.public_id}/{order}"


def test_the_page_says_everything(signed_in: Client, task: MusicTask) -> None:
    TaskText.objects.filter(task=task).update(raw_answer='{"data":{"title":"<b>城市</b>","n":1}}')
    task.clips.update(lyrics="[Verse]\nBlue light")
    TaskEvent.objects.create(
        task=task, at=timezone.now(), kind="status", detail={"status": "running", "raw": "IN_PROGRESS"}
    )
    html = signed_in.get(url(task)).content.decode()
    for words in (
        "City Lights",
        task.task_id,
        "Song 0",
        "Song 1",
        "Blue light",
        "Check now",
        "Stop tracking",
        "Remove",
        "The provider says: running (IN_PROGRESS)",
        "&lt;b&gt;城市&lt;/b&gt;",
    ):
        assert words in html
    assert html.count("Blue light") == 1


def test_the_page_asks_few_questions(signed_in: Client, task: MusicTask, django_assert_max_num_queries: object) -> None:
    for _ in range(30):
        TaskEvent.objects.create(task=task, at=timezone.now(), kind="asked", actor=task.added_by)
    with django_assert_max_num_queries(6):  # type: ignore[operator]
        signed_in.get(url(task))


def test_bob_may_look_and_charlie_gets_404(client: Client, bob: User, charlie: User, task: MusicTask) -> None:
    client.force_login(bob, backend=BACKEND)
    assert client.get(url(task)).status_code == 200
    client.force_login(charlie, backend=BACKEND)
    assert client.get(url(task)).status_code == 404
    for order in ("check/", "stop/", "remove/", "restore/"):
        assert client.post(url(task, order)).status_code == 404
    task.refresh_from_db()
    assert task.is_live


def test_a_viewer_may_look_and_order_nothing(client: Client, team: Team, task: MusicTask) -> None:
    viewer = User.objects.create_user("vera@example.org", name="Vera")
    Membership.objects.create(team=team, user=viewer, role=Role.VIEWER)
    client.force_login(viewer, backend=BACKEND)
    assert "Remove" not in client.get(url(task)).content.decode()
    for order in ("check/", "stop/", "remove/", "restore/"):
        assert client.post(url(task, order)).status_code == 403


@pytest.mark.parametrize("order", ["check/", "stop/", "remove/", "restore/"])
def test_orders_are_not_given_by_following_a_link(signed_in: Client, task: MusicTask, order: str) -> None:
    assert signed_in.get(url(task, order)).status_code == 405


def test_check_now_asks_at_once(signed_in: Client, relay: Credential) -> None:
    task = make_task(relay, f"done-{uuid4().hex[:8]}", ended=Ended.GIVEN_UP)
    html = signed_in.post(url(task, "check/"), follow=True).content.decode()
    assert "Done" in html
    assert MusicTask.objects.get().status == "succeeded"


def test_check_now_on_a_card_answers_with_the_card(signed_in: Client, relay: Credential) -> None:
    task = make_task(relay, f"done-{uuid4().hex[:8]}")
    response = signed_in.post(url(task, "check/"), headers={"HX-Request": "true"})
    html = response.content.decode()
    assert html.lstrip().startswith("<article")
    assert "state--ok" in html
    assert "<html" not in html


def test_a_check_without_an_answer_does_not_say_that_it_was_checked(signed_in: Client, relay: Credential) -> None:
    task = make_task(relay, f"fault-hang-{uuid4().hex[:8]}")
    html = signed_in.post(url(task, "check/"), follow=True).content.decode()
    assert "No answer yet, still trying." in html
    assert "Checked just now" not in html


def test_without_a_credential_nothing_can_be_checked(
    signed_in: Client, task: MusicTask, credential: Credential
) -> None:
    credential.remove()
    html = signed_in.post(url(task, "check/"), follow=True).content.decode()
    assert "cannot be checked" in html
    assert "Its credential was deleted." in html
    assert "formaction" in html


def test_stopping_keeps_what_is_known(signed_in: Client, task: MusicTask) -> None:
    html = signed_in.post(url(task, "stop/"), follow=True).content.decode()
    assert "Stopped" in html
    assert "Song 0" in html
    task.refresh_from_db()
    assert task.next_poll_at is None


def test_removing_can_be_undone(signed_in: Client, task: MusicTask) -> None:
    html = signed_in.post(url(task, "remove/"), follow=True).content.decode()
    assert "Removed “City Lights”." in html
    assert url(task, "restore/") in html
    assert signed_in.get(url(task)).status_code == 404
    assert "City Lights" not in signed_in.get("/").content.decode()
    html = signed_in.post(url(task, "restore/"), follow=True).content.decode()
    assert "“City Lights” is back." in html
    assert signed_in.get(url(task)).status_code == 200


def test_removing_a_card_leaves_nothing_but_the_way_back(signed_in: Client, task: MusicTask) -> None:
    html = signed_in.post(url(task, "remove/"), headers={"HX-Request": "true"}).content.decode()
    assert "<article" not in html
    assert 'id="messages"' in html
    assert "Undo" in html


def test_the_page_of_a_task_that_never_was_is_404(signed_in: Client) -> None:
    assert signed_in.get(f"/tasks/{uuid4()}/").status_code == 404


def test_the_refresher_of_the_page_brings_the_whole_page(signed_in: Client, task: MusicTask) -> None:
    MusicTask.objects.filter(pk=task.pk).update(stamp=3)
    html = signed_in.get(f"/refresh/?on=task&seen={short_uuid(task.public_id)}.0.x").content.decode()
    assert "Timeline" in html
    assert 'id="chips"' not in html


def test_lyrics_tasks_show_lyrics(signed_in: Client, credential: Credential) -> None:
    task = make_task(
        credential, "lyrics-00001", kind="lyrics", status="succeeded", ended="final", title="Blue",
        lyrics_title="Blue", lyrics_text="[Verse]\nBlue light\n" + "x" * 600, lyrics_tags="pop",
    )  # fmt: skip
    board = signed_in.get("/").content.decode()
    assert "Blue light" in board
    assert "x" * 500 not in board
    assert "x" * 600 in signed_in.get(url(task)).content.decode()
