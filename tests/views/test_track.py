"""Pasting ids: what is tracked at once, what is refused and why."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.utils import timezone

from tests.conftest import KEY, make_credential
from tracker.demo.running import DemoServer
from tracker.models import Credential, Membership, MusicTask, Role, Team, User

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def credential(team: Team, alice: User) -> Credential:
    """Nobody listens there: nothing is asked for long."""
    return make_credential(team, alice, base_url="http://127.0.0.1:9")


def post(client: Client, ids: str, credential: Credential | None, **headers: str) -> object:
    form = {"ids": ids, "credential": str(credential.public_id) if credential else ""}
    return client.post("/track/", form, headers=headers)


def told(response: object) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]  # type: ignore[attr-defined]


def test_a_pasted_id_has_its_first_status_at_once(signed_in: Client, relay: Credential, demo: DemoServer) -> None:
    task_id = f"done-{uuid4().hex[:8]}"
    response = signed_in.post("/track/", {"ids": task_id, "credential": str(relay.public_id)}, follow=True)
    task = MusicTask.objects.get(task_id=task_id)
    assert task.status == "succeeded"
    assert task.clips.count() == 2
    html = response.content.decode()
    assert "1 tracked" in html
    assert task.title in html


def test_a_refused_key_is_said_at_once(signed_in: Client, team: Team, alice: User, demo: DemoServer) -> None:
    bad = make_credential(team, alice, base_url=f"{demo.url}/relay", key="refused-key-000000-dead")
    html = signed_in.post(
        "/track/", {"ids": f"id-{uuid4().hex}", "credential": str(bad.public_id)}, follow=True
    ).content.decode()
    assert "Key refused" in html
    assert "suno-fetch refused this key (401)." in html


def test_an_unknown_id_is_said_at_once(signed_in: Client, relay: Credential) -> None:
    html = signed_in.post(
        "/track/", {"ids": f"unknown-{uuid4().hex}", "credential": str(relay.public_id)}, follow=True
    ).content.decode()
    assert "suno-fetch does not know this id yet." in html


def test_many_ids_with_rubbish_are_counted(signed_in: Client, credential: Credential, alice: User) -> None:
    MusicTask.objects.track(
        team=credential.team, credential=credential, task_ids=["id-000001"], added_by=alice, now=timezone.now()
    )
    response = post(signed_in, "id-000001, id-000002\nid-000003 id-000003\nhello there", credential)
    assert told(response) == ["2 tracked, 1 already here, 1 invalid"]
    assert MusicTask.objects.count() == 3


def test_a_whole_curl_command_is_tracked_and_its_key_is_kept_nowhere(signed_in: Client, credential: Credential) -> None:
    command = f"curl 'https://relay.example.com/suno/fetch/id-000001' \\\n -H 'Authorization: Bearer {KEY}'"
    post(signed_in, command, credential)
    task = MusicTask.objects.get()
    assert task.task_id == "id-000001"
    assert KEY not in signed_in.get("/").content.decode()


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        ("", "Paste at least one task id."),
        ("   \n ", "There is no task id in this text."),
        ("hello", "There is no task id in this text."),
        ("a1" * 5000, "There is no task id in this text."),
        ("\x00\x01\x02", "There is no task id in this text."),
        ("<script>alert(1)</script>", "There is no task id in this text."),
        ("\n".join(f"id-{number:06}" for number in range(201)), "201 ids are too many at once"),
    ],
)
def test_what_cannot_be_tracked_is_said_at_the_field_and_kept(
    signed_in: Client, credential: Credential, ids: str, words: str
) -> None:
    response = post(signed_in, ids, credential)
    html = response.content.decode()  # type: ignore[attr-defined]
    assert response.status_code == 422  # type: ignore[attr-defined]
    assert words in html
    assert "<script>alert" not in html
    assert ids.strip("\x00\x01\x02 \n")[:200].replace("<", "&lt;").replace(">", "&gt;") in html
    assert not MusicTask.objects.exists()


def test_a_script_on_the_page_is_told_without_an_error_status(signed_in: Client, credential: Credential) -> None:
    response = post(signed_in, "hello", credential, **{"HX-Request": "true"})
    assert response.status_code == 200  # type: ignore[attr-defined]
    assert response["HX-Replace-Url"] == "false"  # type: ignore[index]
    assert "There is no task id in this text." in response.content.decode()  # type: ignore[attr-defined]


def test_two_hundred_ids_are_taken(signed_in: Client, credential: Credential) -> None:
    post(signed_in, "\n".join(f"id-{number:06}" for number in range(200)), credential)
    assert MusicTask.objects.count() == 200


def test_a_disabled_or_foreign_credential_is_refused(
    signed_in: Client, team: Team, bob: User, credential: Credential
) -> None:
    credential.disable()
    theirs = make_credential(team, bob, base_url="http://127.0.0.1:9")
    for one in (credential, theirs, None):
        response = post(signed_in, "id-000001", one)
        assert response.status_code == 422  # type: ignore[attr-defined]
        assert "id-000001" in response.content.decode()  # type: ignore[attr-defined]
    assert not MusicTask.objects.exists()


def test_a_viewer_may_not_track(client: Client, team: Team, credential: Credential) -> None:
    viewer = User.objects.create_user("vera@example.org", name="Vera")
    Membership.objects.create(team=team, user=viewer, role=Role.VIEWER)
    client.force_login(viewer, backend="django.contrib.auth.backends.ModelBackend")
    assert post(client, "id-000001", credential).status_code == 403  # type: ignore[attr-defined]
    assert client.post("/track/preview/", {"ids": "id-000001"}).status_code == 403


def test_without_a_csrf_token_nothing_is_tracked(alice: User, credential: Credential) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    assert post(client, "id-000001", credential).status_code == 403  # type: ignore[attr-defined]
    assert not MusicTask.objects.exists()


def test_the_address_of_the_form_leads_to_the_board(signed_in: Client) -> None:
    assert signed_in.get("/track/")["Location"] == "/"


# Preview


def preview(client: Client, ids: str, credential: Credential) -> str:
    return client.post("/track/preview/", {"ids": ids, "credential": str(credential.public_id)}).content.decode()


def test_the_preview_tells_new_here_and_neither(signed_in: Client, alice: User, credential: Credential) -> None:
    (here,) = MusicTask.objects.track(
        team=credential.team, credential=credential, task_ids=["id-000001"], added_by=alice, now=timezone.now()
    )
    html = preview(signed_in, "id-000001 id-000002 id-000003\nhello", credential)
    assert "2 new" in html
    assert "1 already here" in html
    assert f"/tasks/{here.public_id}/" in html
    assert "1 invalid" in html
    assert "hello" in html


def test_the_preview_never_shows_a_key(signed_in: Client, credential: Credential) -> None:
    html = preview(signed_in, f"{KEY}\nAuthorization: Bearer {KEY}", credential)
    assert "This looks like a key, not a task id." in html
    assert KEY not in html


def test_the_preview_of_too_many_says_so(signed_in: Client, credential: Credential) -> None:
    assert "201 ids: up to 200 can be tracked at once" in preview(
        signed_in, "\n".join(f"id-{number:06}" for number in range(201)), credential
    )


def test_the_preview_of_nothing_is_nothing(signed_in: Client, credential: Credential) -> None:
    assert preview(signed_in, "  ", credential).strip() == ""


def test_the_preview_of_rubbish_says_that_no_id_is_in_it(signed_in: Client, credential: Credential) -> None:
    assert "Nothing in it looks like a task id." in preview(signed_in, "\x00\x01\x02", credential)


def test_the_same_id_at_another_provider_is_new(
    signed_in: Client, team: Team, alice: User, credential: Credential
) -> None:
    MusicTask.objects.track(
        team=team, credential=credential, task_ids=["id-000001"], added_by=alice, now=timezone.now()
    )
    other = make_credential(team, alice, base_url="http://127.0.0.1:10")
    assert "1 new" in preview(signed_in, "id-000001", other)
