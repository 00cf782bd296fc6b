"""The credentials pages: list, form, test, and what becomes of a credential's tasks."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.conftest import KEY, make_credential
from tracker.demo.running import DemoServer
from tracker.models import Activity, Credential, Membership, MusicTask, PollTally, Role, Team, User
from tracker.models.credentials import Hold
from tracker.models.health import Tally

NEW_KEY = "sk-another-key-0123456789-c3d4"
FORM = {"provider": "suno-fetch", "label": "Studio relay", "base_url": "https://relay.example.org", "key": KEY}
HTMX = {"HX-Request": "true"}

PRIVATE = [
    "http://169.254.169.254/",
    "http://169.254.169.254/latest/meta-data",
    "http://127.0.0.1:8000",
    "http://2130706433",
    "http://0x7f.1",
    "http://0177.0.0.1",
    "http://127.1",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://10.0.0.8",
    "http://192.168.1.4:3000/v1",
    "https://172.16.9.1",
    "http://0.0.0.0",
    "http://localhost:3000",
    "http://relay.localhost",
    "http://１２７.0.0.1",
]


def text(response: HttpResponse) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def error_at(response: HttpResponse, field: str) -> str:
    found = re.search(rf'<ul class="errorlist" id="id_{field}_error">(.*?)</ul>', text(response))
    return re.sub(r"<.*?>", "", found[1]) if found else ""


def track(credential: Credential, *task_ids: str) -> list[MusicTask]:
    return MusicTask.objects.track(
        team=credential.team,
        credential=credential,
        task_ids=task_ids,
        added_by=credential.owner,
        now=timezone.now(),
    )


@pytest.fixture
def stored(team: Team, alice: User) -> Credential:
    return make_credential(team, alice, base_url="https://relay.example.org")


# The list -------------------------------------------------------------------------------------------------


def test_an_empty_list_says_what_to_do(signed_in: Client) -> None:
    page = text(signed_in.get("/credentials/"))
    assert "No credential yet" in page
    assert "/credentials/add/" in page


def test_the_list_shows_the_last_four_and_never_the_key(signed_in: Client, stored: Credential) -> None:
    response = signed_in.get("/credentials/")
    assert "…a1b2" in text(response)
    assert KEY not in response.content.decode()
    assert "no-store" in response["Cache-Control"]


def test_a_refused_key_says_why_what_waits_and_what_to_do(signed_in: Client, stored: Credential) -> None:
    track(stored, "one", "two")
    stored.rest(Hold.KEY_REFUSED, now=timezone.now(), status=401, detail="无效的令牌")
    page = text(signed_in.get("/credentials/"))
    assert "Suno API relay (/suno/fetch) refused this key (401). Replace it." in page
    assert "无效的令牌" in page
    assert "2 tasks wait for it." in page
    assert "Tries again by itself in 9" in page
    assert "Replace key" in page
    assert "Try again now" in page


def test_an_account_without_credit_is_told_apart_from_a_refused_key(signed_in: Client, stored: Credential) -> None:
    stored.rest(Hold.QUOTA, now=timezone.now(), status=403)
    page = text(signed_in.get("/credentials/"))
    assert "No credit" in page
    assert "Key refused" not in page


def test_the_list_takes_the_same_number_of_queries_for_one_and_for_many(
    signed_in: Client, stored: Credential, team: Team, alice: User, django_assert_num_queries: object
) -> None:
    with CaptureQueriesContext(connection) as few:
        signed_in.get("/credentials/")
    for _ in range(8):
        track(make_credential(team, alice, base_url="https://relay.example.org"), "same-id")
    with django_assert_num_queries(len(few)):  # type: ignore[operator]
        signed_in.get("/credentials/")


def test_bob_and_charlie_see_nothing_of_alices_credential(
    client: Client, stored: Credential, bob: User, charlie: User
) -> None:
    address = f"/credentials/{stored.public_id}/"
    for person in (bob, charlie):
        client.force_login(person)
        assert stored.label not in text(client.get("/credentials/"))
        for page in ("", "delete/"):
            assert client.get(address + page).status_code == 404
        for action in ("", "wake/", "disable/", "enable/", "delete/"):
            assert client.post(address + action, {"label": "Mine"}).status_code == 404
        typed = {**FORM, "key": "", "credential": str(stored.public_id)}
        assert client.post("/credentials/test/", typed).status_code == 404
    stored.refresh_from_db()
    assert stored.state == Credential.State.ACTIVE


def test_a_viewer_keeps_no_credentials(client: Client, bob: User) -> None:
    Membership.objects.filter(user=bob).update(role=Role.VIEWER)
    client.force_login(bob)
    page = client.get("/credentials/")
    assert page.status_code == 200
    assert "/credentials/add/" not in text(page)
    assert client.get("/credentials/add/").status_code == 403
    assert client.post("/credentials/add/", FORM).status_code == 403
    assert client.post("/credentials/test/", FORM).status_code == 403


def test_somebody_without_a_team_is_refused_politely(client: Client, db: None) -> None:
    client.force_login(User.objects.create_user("dora@example.org", "correct horse battery", name="Dora"))
    assert client.get("/credentials/").status_code == 403


# Adding ---------------------------------------------------------------------------------------------------


def test_a_credential_is_added(signed_in: Client, alice: User, team: Team) -> None:
    response = signed_in.post("/credentials/add/", FORM)
    assert (response.status_code, response["Location"]) == (302, "/credentials/")
    credential = Credential.objects.get()
    assert (credential.owner, credential.team, credential.label) == (alice, team, "Studio relay")
    assert (credential.provider, credential.base_url) == ("suno-fetch", "https://relay.example.org")
    assert credential.reveal() == KEY
    assert credential.last_four == "a1b2"


def test_a_provider_with_a_fixed_address_ignores_the_typed_one(signed_in: Client) -> None:
    signed_in.post("/credentials/add/", {**FORM, "provider": "qhaigc", "base_url": "https://evil.example"})
    assert Credential.objects.get().base_url == "https://api.qhaigc.net"


def test_a_mirror_takes_the_place_of_a_fixed_address(signed_in: Client, settings: object) -> None:
    settings.PROVIDER_BASE_URLS = {"huiyan": "https://mirror.example.org/h/"}  # type: ignore[attr-defined]
    signed_in.post("/credentials/add/", {**FORM, "provider": "huiyan", "base_url": ""})
    assert Credential.objects.get().base_url == "https://mirror.example.org/h"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (" https://Relay.Example.org:443/ ", "https://relay.example.org"),
        ("https://relay.example.org/v2/suno/fetch/ba46ad15", "https://relay.example.org/v2"),
    ],
)
def test_an_address_is_kept_in_its_one_spelling(signed_in: Client, typed: str, kept: str) -> None:
    signed_in.post("/credentials/add/", {**FORM, "base_url": typed})
    assert Credential.objects.get().base_url == kept


@pytest.mark.parametrize("base_url", PRIVATE)
def test_a_private_address_is_refused_at_its_field_in_every_spelling(signed_in: Client, base_url: str) -> None:
    for address in ("/credentials/add/", "/credentials/test/"):
        response = signed_in.post(address, {**FORM, "base_url": base_url})
        assert response.status_code == 200
        assert "private or reserved network" in error_at(response, "base_url")
        assert not Credential.objects.exists()


def test_an_opened_network_may_be_used(signed_in: Client, settings: object) -> None:
    settings.OUTBOUND_ALLOW_NETS = ["192.168.1.0/24"]  # type: ignore[attr-defined]
    signed_in.post("/credentials/add/", {**FORM, "base_url": "http://192.168.1.4:3000"})
    assert Credential.objects.get().base_url == "http://192.168.1.4:3000"


@pytest.mark.parametrize(
    ("base_url", "words"),
    [
        ("", "Type the address"),
        ("relay.example.org", "begins with https://"),
        ("ftp://relay.example.org", "begins with https://"),
        ("javascript:alert(1)", "begins with https://"),
        ("https://lin:secret@relay.example.org", "before the @"),
        ("https://relay.example.org/?key=1", "from the ? or #"),
        ("https://", "names no server"),
        ("https://relay.example.org:99999", "port in this address is not valid"),
        ("https://re lay.example.org", "character"),
        ("https://" + "a" * 600, "at most 500 characters"),
    ],
)
def test_a_wrong_address_is_explained_at_its_field(signed_in: Client, base_url: str, words: str) -> None:
    response = signed_in.post("/credentials/add/", {**FORM, "base_url": base_url})
    assert words in error_at(response, "base_url")
    assert not Credential.objects.exists()


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("", "Type the key."),
        ("   ", "Type the key."),
        ("sk-one\nsk-two", "line break"),
        ("sk-one\r\nsk-two", "line break"),
        ("sk-one sk-two", "space"),
        ("sk-\u00a0nbsp", "space"),
        ("sk-钥匙-0123456789", "plain letters"),
        ("sk-\u200b0123456789", "plain letters"),
        ("sk-\x07bell", "plain letters"),
        ("k" * 501, "at most 500"),
    ],
)
def test_a_wrong_key_is_explained_at_its_field_and_the_rest_is_kept(signed_in: Client, key: str, words: str) -> None:
    response = signed_in.post("/credentials/add/", {**FORM, "key": key})
    assert words in error_at(response, "key")
    assert 'value="Studio relay"' in text(response)
    assert 'value="https://relay.example.org"' in text(response)
    assert not Credential.objects.exists()


def test_bytes_that_are_no_text_make_no_error_page(signed_in: Client) -> None:
    body = "provider=suno-fetch&label=x&base_url=https%3A%2F%2Fa.example&key=%00%ff%fe"
    response = signed_in.post("/credentials/add/", body, content_type="application/x-www-form-urlencoded")
    assert response.status_code == 200
    assert error_at(response, "key")


def test_a_pasted_bearer_is_taken_off(signed_in: Client) -> None:
    signed_in.post("/credentials/add/", {**FORM, "key": f"Bearer {KEY}\n"})
    assert Credential.objects.get().reveal() == KEY


def test_a_name_twice_is_refused_at_its_field(signed_in: Client, stored: Credential) -> None:
    response = signed_in.post("/credentials/add/", {**FORM, "label": stored.label})
    assert "of this name already" in error_at(response, "label")


def test_a_key_with_an_error_beside_it_is_not_sent_back(signed_in: Client) -> None:
    response = signed_in.post("/credentials/add/", {**FORM, "label": ""})
    assert KEY not in response.content.decode()
    assert "type the key again" in text(response)


def test_an_unknown_provider_is_refused(signed_in: Client) -> None:
    response = signed_in.post("/credentials/add/", {**FORM, "provider": "other"})
    assert error_at(response, "provider")


# Testing --------------------------------------------------------------------------------------------------


def verdict(client: Client, **typed: str) -> str:
    response = client.post("/credentials/test/", {**FORM, **typed}, headers=HTMX)
    assert response.status_code == 200
    assert typed.get("key", KEY) not in response.content.decode() or not typed.get("key", KEY)
    assert "<form" not in response.content.decode()
    return text(response)


@pytest.mark.parametrize("path", ["qhaigc", "relay", "huiyan"])
def test_a_test_tells_that_the_key_works(signed_in: Client, demo: DemoServer, settings: object, path: str) -> None:
    provider = {"relay": "suno-fetch"}.get(path, path)
    settings.PROVIDER_BASE_URLS = {path: f"{demo.url}/{path}"}  # type: ignore[attr-defined]
    assert "It works" in verdict(signed_in, provider=provider, base_url=f"{demo.url}/relay", label="")
    assert not Credential.objects.exists()


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("refused-0123456789", "refused this key (401)"),
        ("empty-0123456789", "no credit left"),
        ("limited-0123456789", "limiting requests right now"),
    ],
)
def test_a_test_tells_refused_empty_and_busy_keys_apart(
    signed_in: Client, demo: DemoServer, key: str, words: str
) -> None:
    assert words in verdict(signed_in, base_url=f"{demo.url}/relay", key=key)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/nowhere", "does not know this address (404)"),
        ("/media", "does not know this address (404)"),
    ],
)
def test_a_test_tells_a_wrong_path(signed_in: Client, demo: DemoServer, path: str, words: str) -> None:
    assert words in verdict(signed_in, base_url=demo.url + path)


def test_a_test_tells_an_address_where_nothing_answers(signed_in: Client, demo: DemoServer) -> None:
    assert "cannot be reached" in verdict(signed_in, base_url="http://127.0.0.1:1")


def test_a_test_tells_a_name_that_does_not_exist(signed_in: Client) -> None:
    assert "cannot be reached" in verdict(signed_in, base_url="https://no-such-name.invalid")


def test_a_test_tells_an_error_at_a_field_without_losing_the_form(signed_in: Client) -> None:
    assert "Type the key." in verdict(signed_in, key="")


def test_without_a_script_a_test_shows_the_form_again(signed_in: Client, demo: DemoServer) -> None:
    response = signed_in.post("/credentials/test/", {**FORM, "base_url": f"{demo.url}/relay", "label": ""})
    page = text(response)
    assert "It works" in page
    assert "type the key again" in page
    assert f'value="{demo.url}/relay"' in page
    assert KEY not in page
    assert not error_at(response, "label")


def test_a_stored_key_is_tested_at_its_own_address_only(signed_in: Client, relay: Credential) -> None:
    own = {"credential": str(relay.public_id), "key": "", "base_url": relay.base_url, "stamp": "x", "label": "y"}
    assert "It works" in verdict(signed_in, **own)
    other = {**own, "base_url": "https://collector.example.org"}
    assert "Enter the key again: it would be sent to a new address." in verdict(signed_in, **other)


# Changing -------------------------------------------------------------------------------------------------


def edit_form(client: Client, credential: Credential) -> dict[str, str]:
    page = text(client.get(f"/credentials/{credential.public_id}/"))
    stamp = re.search(r'name="stamp" value="([0-9a-f]+)"', page)
    assert stamp
    return {"label": credential.label, "base_url": credential.base_url, "key": "", "stamp": stamp[1]}


def test_the_form_of_a_stored_credential_holds_no_key(signed_in: Client, stored: Credential) -> None:
    response = signed_in.get(f"/credentials/{stored.public_id}/")
    assert KEY not in response.content.decode()
    assert stored.sealed_key not in response.content.decode()
    assert "stored key …a1b2" in text(response)
    assert "no-store" in response["Cache-Control"]


def test_a_name_changes_and_the_key_stays(signed_in: Client, stored: Credential) -> None:
    form = edit_form(signed_in, stored)
    assert signed_in.post(f"/credentials/{stored.public_id}/", {**form, "label": "Night shift"}).status_code == 302
    stored.refresh_from_db()
    assert (stored.label, stored.reveal()) == ("Night shift", KEY)


def test_another_address_takes_the_key_anew(signed_in: Client, stored: Credential) -> None:
    form = {**edit_form(signed_in, stored), "base_url": "https://collector.example.org"}
    response = signed_in.post(f"/credentials/{stored.public_id}/", form)
    assert "Enter the key again: it would be sent to a new address." in error_at(response, "key")
    stored.refresh_from_db()
    assert stored.base_url == "https://relay.example.org"
    signed_in.post(f"/credentials/{stored.public_id}/", {**form, "key": NEW_KEY})
    stored.refresh_from_db()
    assert (stored.base_url, stored.reveal(), stored.last_four) == ("https://collector.example.org", NEW_KEY, "c3d4")


def test_another_spelling_of_the_same_address_is_no_other_address(signed_in: Client, stored: Credential) -> None:
    form = {**edit_form(signed_in, stored), "base_url": "https://RELAY.example.org:443/"}
    assert signed_in.post(f"/credentials/{stored.public_id}/", form).status_code == 302


def test_a_stale_form_is_told_and_keeps_what_was_typed(signed_in: Client, stored: Credential) -> None:
    form = {**edit_form(signed_in, stored), "label": "Mine"}
    stored.replace_key(NEW_KEY, now=timezone.now())
    response = signed_in.post(f"/credentials/{stored.public_id}/", form)
    assert "changed in the meantime" in text(response)
    assert 'value="Mine"' in text(response)
    stored.refresh_from_db()
    assert stored.label != "Mine"
    again = re.search(r'name="stamp" value="([0-9a-f]+)"', text(response))
    assert again
    assert signed_in.post(f"/credentials/{stored.public_id}/", {**form, "stamp": again[1]}).status_code == 302


def test_a_rest_in_between_makes_no_form_stale(signed_in: Client, stored: Credential) -> None:
    form = edit_form(signed_in, stored)
    stored.rest(Hold.KEY_REFUSED, now=timezone.now(), status=401)
    assert signed_in.post(f"/credentials/{stored.public_id}/", {**form, "key": NEW_KEY}).status_code == 302


def test_replacing_a_refused_key_heals_its_tasks_at_once(signed_in: Client, relay: Credential) -> None:
    track(relay, "done-waiting")
    relay.rest(Hold.KEY_REFUSED, now=timezone.now(), status=401)
    form = edit_form(signed_in, relay)
    signed_in.post(f"/credentials/{relay.public_id}/", {**form, "key": NEW_KEY})
    relay.refresh_from_db()
    assert relay.state == Credential.State.ACTIVE
    task = MusicTask.objects.get()
    assert (task.hold, task.status) == (Hold.NONE, "succeeded")


# Rest, disable, delete ------------------------------------------------------------------------------------


def test_waking_a_key_that_is_still_refused_says_so_at_once(
    signed_in: Client, team: Team, alice: User, demo: DemoServer
) -> None:
    refused = make_credential(team, alice, base_url=f"{demo.url}/relay", key="refused-0123456789")
    track(refused, "one")
    refused.rest(Hold.KEY_REFUSED, now=timezone.now() - timedelta(hours=1), status=401)
    page = text(signed_in.post(f"/credentials/{refused.public_id}/wake/", follow=True))
    assert "Key refused" in page
    assert "is used again" not in page


def test_a_disabled_credential_waits_with_its_tasks_until_it_is_enabled(signed_in: Client, relay: Credential) -> None:
    track(relay, "done-later")
    page = text(signed_in.post(f"/credentials/{relay.public_id}/disable/", follow=True))
    assert "1 task is not checked while it is disabled." in page
    assert MusicTask.objects.get().hold == Hold.DISABLED
    signed_in.post(f"/credentials/{relay.public_id}/enable/")
    relay.refresh_from_db()
    assert relay.state == Credential.State.ACTIVE
    assert MusicTask.objects.get().hold == Hold.NONE


@pytest.mark.parametrize("action", ["wake", "disable", "enable"])
def test_a_look_changes_nothing(signed_in: Client, stored: Credential, action: str) -> None:
    assert signed_in.get(f"/credentials/{stored.public_id}/{action}/").status_code == 405
    stored.refresh_from_db()
    assert stored.state == Credential.State.ACTIVE


def test_deleting_asks_first_and_leaves_the_tasks(signed_in: Client, stored: Credential) -> None:
    track(stored, "one", "two")
    page = text(signed_in.get(f"/credentials/{stored.public_id}/delete/"))
    assert "Its 2 tasks stay on the board" in page
    assert "can no longer be checked" in page
    assert Credential.objects.exists()
    signed_in.post(f"/credentials/{stored.public_id}/delete/")
    assert not Credential.objects.exists()
    assert {task.hold for task in MusicTask.objects.all()} == {Hold.NO_CREDENTIAL}


def test_a_deleted_credentials_page_is_not_there(signed_in: Client, stored: Credential) -> None:
    address = f"/credentials/{stored.public_id}/"
    stored.remove()
    response = signed_in.get(address)
    assert response.status_code == 404
    assert "There is nothing here" in text(response)


# Lending --------------------------------------------------------------------------------------------------


@pytest.fixture
def admin(client: Client, bob: User) -> Client:
    """A browser in which Bob is signed in, who manages the team's credentials."""
    Membership.objects.filter(user=bob).update(role=Role.ADMIN)
    client.force_login(bob)
    return client


def lend(credential: Credential) -> Credential:
    credential.lend(to_team=True)
    return credential


def noted() -> list[tuple[str, str, str]]:
    return list(Activity.objects.order_by("pk").values_list("kind", "subject", "actor__name"))


def test_the_owner_lends_a_credential_and_takes_the_loan_back(signed_in: Client, stored: Credential) -> None:
    address = f"/credentials/{stored.public_id}/"
    page = text(signed_in.post(f"{address}lend/", {"lend": "on"}, follow=True))
    assert "Take the loan back" in page
    assert "tasks they track with it already go on" in page
    stored.refresh_from_db()
    assert stored.team_may_use
    page = text(signed_in.post(f"{address}lend/", {"lend": "off"}, follow=True))
    assert "Yours alone" in page
    stored.refresh_from_db()
    assert not stored.team_may_use
    assert noted() == [("key_lent", stored.label, "Alice"), ("key_kept", stored.label, "Alice")]


def test_the_form_lends_too(signed_in: Client, stored: Credential) -> None:
    signed_in.post("/credentials/add/", {**FORM, "team_may_use": "on"})
    assert Credential.objects.get(label="Studio relay").team_may_use
    form = edit_form(signed_in, stored)
    signed_in.post(f"/credentials/{stored.public_id}/", {**form, "team_may_use": "on"})
    stored.refresh_from_db()
    assert stored.team_may_use
    signed_in.post(f"/credentials/{stored.public_id}/", {**edit_form(signed_in, stored), "key": NEW_KEY})
    stored.refresh_from_db()
    assert not stored.team_may_use
    assert [kind for kind, *_ in noted()] == ["key_added", "key_lent", "key_lent", "key_kept", "key_replaced"]


def test_a_form_from_before_the_loan_is_told_so(signed_in: Client, stored: Credential) -> None:
    form = edit_form(signed_in, stored)
    lend(stored)
    assert "changed in the meantime" in text(signed_in.post(f"/credentials/{stored.public_id}/", form))
    stored.refresh_from_db()
    assert stored.team_may_use


@pytest.mark.django_db(transaction=True)
def test_a_colleague_tracks_with_a_lent_credential_and_sees_nothing_of_it(
    client: Client, relay: Credential, bob: User, charlie: User
) -> None:
    client.force_login(bob)
    pasted = {"ids": "done-lent-0001", "credential": str(relay.public_id)}
    assert client.post("/track/", pasted).status_code == 422
    lend(relay)
    page = text(client.get("/"))
    assert f"{relay.label} (lent by Alice)" in page
    client.post("/track/", pasted)
    task = MusicTask.objects.get()
    assert (task.credential, task.added_by, task.status) == (relay, bob, "succeeded")
    assert relay.label not in text(client.get("/credentials/"))
    for page in ("", "delete/"):
        assert client.get(f"/credentials/{relay.public_id}/{page}").status_code == 404
    for action in ("", "lend/", "wake/", "disable/", "enable/", "delete/"):
        assert client.post(f"/credentials/{relay.public_id}/{action}", {"lend": "off"}).status_code == 404
    client.force_login(charlie)
    assert client.post("/track/", pasted).status_code == 422
    relay.refresh_from_db()
    assert relay.team_may_use
    assert relay.state == Credential.State.ACTIVE


def test_after_the_loan_tasks_go_on_and_no_new_one_begins(client: Client, relay: Credential, bob: User) -> None:
    client.force_login(bob)
    lend(relay)
    MusicTask.objects.track(
        team=relay.team, credential=relay, task_ids=["done-loan-0001"], added_by=bob, now=timezone.now()
    )
    relay.lend(to_team=False)
    task = MusicTask.objects.get()
    assert task.next_poll_at is not None
    client.post(f"/tasks/{task.public_id}/check/")
    task.refresh_from_db()
    assert task.status == "succeeded"
    assert client.post("/track/", {"ids": "done-loan-0002", "credential": str(relay.public_id)}).status_code == 422


def test_the_owner_sees_who_used_it_for_what(
    signed_in: Client, stored: Credential, bob: User, django_assert_num_queries: object
) -> None:
    track(stored, "of-alice-1")[0].stop(actor=None, now=timezone.now())
    MusicTask.objects.track(
        team=stored.team, credential=stored, task_ids=["of-bob-1", "of-bob-2"], added_by=bob, now=timezone.now()
    )
    address = f"/credentials/{stored.public_id}/"
    page = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", signed_in.get(address).content.decode()))
    assert re.search(r"Bob\s+2\s+2\s", page)
    assert re.search(r"Alice\s+1\s+0\s", page)
    assert f"/tasks/{MusicTask.objects.get(task_id='of-bob-2').public_id}/" in text(signed_in.get(address))
    with CaptureQueriesContext(connection) as few:
        signed_in.get(address)
    for number in range(5):
        person = User.objects.create_user(f"person{number}@example.org", None, name=f"Person {number}")
        MusicTask.objects.track(
            team=stored.team, credential=stored, task_ids=[f"more-{number}"], added_by=person, now=timezone.now()
        )
    with django_assert_num_queries(len(few)):  # type: ignore[operator]
        signed_in.get(address)


# Managing what is lent ------------------------------------------------------------------------------------


def test_an_admin_sees_how_lent_credentials_are_and_no_more(
    admin: Client, team: Team, alice: User, stored: Credential
) -> None:
    lend(stored)
    kept = make_credential(team, alice, base_url="https://other.example.org")
    track(stored, "one", "two")
    PollTally.add([Tally(stored.pk, stored.provider, timezone.now(), 40, 6)])
    stored.rest(Hold.KEY_REFUSED, now=timezone.now(), status=401, detail="account of alice@private.example")
    page = text(admin.get("/credentials/"))
    for shown in (stored.label, "lent by Alice", "…a1b2", "Key refused", "2 live tasks", "15 % of 40 checks failed"):
        assert shown in page
    for hidden in (kept.label, "relay.example.org", "private.example", KEY, stored.sealed_key):
        assert hidden not in page
    assert f"/credentials/{stored.public_id}/delete/" not in page
    assert f'href="/credentials/{stored.public_id}/"' not in page


def test_an_admin_disables_and_wakes_what_is_lent(admin: Client, relay: Credential) -> None:
    lend(relay)
    track(relay, "done-managed-1")
    admin.post(f"/credentials/{relay.public_id}/disable/")
    relay.refresh_from_db()
    assert (relay.state, MusicTask.objects.get().hold) == (Credential.State.DISABLED, Hold.DISABLED)
    admin.post(f"/credentials/{relay.public_id}/enable/")
    relay.refresh_from_db()
    assert (relay.state, MusicTask.objects.get().status) == (Credential.State.ACTIVE, "succeeded")
    assert noted() == [("key_disabled", relay.label, "Bob"), ("key_woken", relay.label, "Bob")]


def test_an_admin_does_nothing_else_with_it_and_nothing_with_what_is_not_lent(
    admin: Client, stored: Credential, charlie: User
) -> None:
    for action in ("wake/", "disable/", "enable/"):
        assert admin.post(f"/credentials/{stored.public_id}/{action}").status_code == 404
    lend(stored)
    for page in ("", "delete/"):
        assert admin.get(f"/credentials/{stored.public_id}/{page}").status_code == 404
    for action in ("", "lend/", "delete/"):
        assert admin.post(f"/credentials/{stored.public_id}/{action}", {"label": "Mine"}).status_code == 404
    elsewhere = lend(make_credential(charlie.teams.get(), charlie, base_url="https://relay.example.org"))
    assert admin.post(f"/credentials/{elsewhere.public_id}/disable/").status_code == 404
    assert elsewhere.label not in text(admin.get("/credentials/")).replace(stored.label, "")
    stored.refresh_from_db()
    assert (stored.label, stored.state) == ("suno-fetch 0", Credential.State.ACTIVE)


def test_the_list_of_lent_ones_takes_the_same_queries_for_one_and_for_many(
    admin: Client, stored: Credential, team: Team, alice: User, django_assert_num_queries: object
) -> None:
    lend(stored)
    with CaptureQueriesContext(connection) as few:
        admin.get("/credentials/")
    for _ in range(6):
        track(lend(make_credential(team, alice, base_url="https://relay.example.org")), "same-id")
    with django_assert_num_queries(len(few)):  # type: ignore[operator]
        admin.get("/credentials/")


def test_a_card_names_the_owner_whom_to_ask_and_links_nowhere_forbidden(
    client: Client, stored: Credential, bob: User
) -> None:
    lend(stored)
    (task,) = track(stored, "one")
    stored.rest(Hold.KEY_REFUSED, now=timezone.now(), status=401)
    client.force_login(bob)
    for page in ("/", f"/tasks/{task.public_id}/"):
        html = text(client.get(page))
        assert "Ask Alice to replace the key." in html, page
        assert f"/credentials/{stored.public_id}/" not in html, page


# Handing over ---------------------------------------------------------------------------------------------


def orphan(credential: Credential, task_id: str = "done-orphan") -> MusicTask:
    """A task whose credential was deleted."""
    gone = make_credential(credential.team, credential.owner, base_url=credential.base_url)
    (task,) = track(gone, task_id)
    gone.remove()
    task.refresh_from_db()
    return task


def test_a_task_without_credential_is_handed_another_and_checked_at_once(
    client: Client, relay: Credential, bob: User
) -> None:
    task = orphan(lend(relay))
    MusicTask.objects.filter(pk=task.pk).update(title="Known", progress=40)
    client.force_login(bob)
    address = f"/tasks/{task.public_id}/"
    page = text(client.get(address))
    assert "Hand it another credential, and tracking goes on." in page
    assert f"{relay.label} (lent by Alice)" in page
    page = text(client.post(f"{address}credential/", {"credential": str(relay.public_id)}, follow=True))
    assert f"This task goes on with {relay.label}." in page
    assert "Given another credential" in page
    task.refresh_from_db()
    assert (task.credential, task.hold, task.status) == (relay, "", "succeeded")
    assert noted() == [("handed", "Known", "Bob")]


def test_a_task_is_handed_nothing_that_does_not_fit(
    client: Client, relay: Credential, qhaigc: Credential, bob: User, charlie: User, team: Team
) -> None:
    task = orphan(relay)
    disabled = make_credential(team, bob, base_url=relay.base_url)
    disabled.disable()
    other = make_credential(team, bob, base_url="https://other.example.org")
    theirs = lend(make_credential(charlie.teams.get(), charlie, base_url=relay.base_url))
    client.force_login(bob)
    assert "You have none for this provider and address." in text(client.get(f"/tasks/{task.public_id}/"))
    for wrong in (relay, lend(qhaigc), disabled, other, theirs):
        response = client.post(
            f"/tasks/{task.public_id}/credential/", {"credential": str(wrong.public_id)}, follow=True
        )
        assert "This credential can no longer be used." in text(response)
    assert client.post(f"/tasks/{task.public_id}/credential/").status_code == 302
    task.refresh_from_db()
    assert (task.credential, task.hold) == (None, Hold.NO_CREDENTIAL)


def test_who_may_hand_over(client: Client, relay: Credential, bob: User, charlie: User) -> None:
    task = orphan(lend(relay))
    address = f"/tasks/{task.public_id}/credential/"
    client.force_login(charlie)
    assert client.post(address, {"credential": str(relay.public_id)}).status_code == 404
    Membership.objects.filter(user=bob).update(role=Role.VIEWER)
    client.force_login(bob)
    assert client.post(address, {"credential": str(relay.public_id)}).status_code == 403
    assert address not in text(client.get(f"/tasks/{task.public_id}/"))
    assert client.get(address).status_code == 405
    task.refresh_from_db()
    assert task.credential is None


def test_a_finished_task_keeps_its_result_and_can_be_checked_again(signed_in: Client, relay: Credential) -> None:
    task = orphan(relay)
    MusicTask.objects.filter(pk=task.pk).update(ended="stopped", hold="")
    signed_in.post(f"/tasks/{task.public_id}/credential/", {"credential": str(relay.public_id)})
    task.refresh_from_db()
    assert (task.credential, task.ended, task.next_poll_at) == (relay, "stopped", None)
    signed_in.post(f"/tasks/{task.public_id}/check/")
    task.refresh_from_db()
    assert task.status == "succeeded"


# A key that rests, tried by a new task --------------------------------------------------------------------


def paste(client: Client, credential: Credential, *task_ids: str) -> None:
    client.post("/track/", {"ids": " ".join(task_ids), "credential": str(credential.public_id)})


def test_pasting_on_a_resting_credential_tries_the_key_and_wakes_it(signed_in: Client, relay: Credential) -> None:
    track(relay, "done-waits-0")
    relay.rest(Hold.QUOTA, now=timezone.now(), status=402)
    paste(signed_in, relay, "done-probe-1", "done-probe-2")
    relay.refresh_from_db()
    assert relay.state == Credential.State.ACTIVE
    assert MusicTask.objects.get(task_id="done-probe-1").status == "succeeded"
    assert not MusicTask.objects.live().filter(next_poll_at=None).exists(), "the others are asked for now"


def test_pasting_on_a_key_that_is_still_refused_asks_once_and_waits(
    signed_in: Client, team: Team, alice: User, demo: DemoServer
) -> None:
    refused = make_credential(team, alice, base_url=f"{demo.url}/qhaigc", provider="qhaigc", key="refused-0123456789")
    refused.rest(Hold.KEY_REFUSED, now=timezone.now(), status=401)
    demo.control(reset=True)
    paste(signed_in, refused, *(f"done-probe-{number}" for number in range(5)))
    assert demo.stats()["requests"].get("qhaigc.task") == 1
    assert set(MusicTask.objects.values_list("hold", "next_poll_at")) == {("key_refused", None)}
    refused.refresh_from_db()
    assert refused.is_resting


def test_pasting_on_a_disabled_credential_asks_nobody(signed_in: Client, relay: Credential, demo: DemoServer) -> None:
    relay.disable()
    demo.control(reset=True)
    track(relay, "done-disabled")
    assert MusicTask.objects.get().next_poll_at is None
    paste(signed_in, relay, "done-disabled-2")
    assert "relay.task" not in demo.stats()["requests"]


def test_the_end_of_a_key_is_for_its_owner_only(signed_in: Client, bob: User, relay: Credential) -> None:
    """Colleagues read a lent credential's name on the board, in the filters and on the task's page."""
    relay.lend(to_team=True)
    (task,) = MusicTask.objects.track(
        team=relay.team, credential=relay, task_ids=["queued-1"], added_by=relay.owner, now=timezone.now()
    )
    colleague = Client()
    colleague.force_login(bob, backend="django.contrib.auth.backends.ModelBackend")
    for address in ("/", f"/tasks/{task.public_id}/"):
        assert relay.last_four in signed_in.get(address).content.decode()
        theirs = colleague.get(address).content.decode()
        assert relay.label in theirs
        assert relay.last_four not in theirs
