"""A key that was entered is in no page, log, file or export, ever again."""

from __future__ import annotations

import io
import json
import logging
import pickle
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from django.core import serializers
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from musicboard.keys import load_or_make
from tests.conftest import make_credential
from tracker import secrets
from tracker.models import Credential, MusicTask, Team, User

SECRET = "sk-s3cret-in-no-page-nor-log-8f2e"
FORM = {"provider": "suno-fetch", "label": "Relay", "base_url": "https://relay.example.org", "key": SECRET}


@pytest.fixture
def stored(team: Team, alice: User) -> Credential:
    return make_credential(team, alice, base_url="https://relay.example.org", key=SECRET)


# The seal -------------------------------------------------------------------------------------------------


def test_a_sealed_key_opens_for_its_own_credential_alone() -> None:
    mine, other = uuid4(), uuid4()
    sealed = secrets.seal(SECRET, owner=mine)
    assert SECRET not in sealed
    assert secrets.unseal(sealed, owner=mine) == SECRET
    with pytest.raises(secrets.SealBrokenError):
        secrets.unseal(sealed, owner=other)


@pytest.mark.parametrize("broken", ["", "gAAAAA", "钥匙", "\x00"])
def test_what_was_never_sealed_does_not_open(broken: str) -> None:
    with pytest.raises(secrets.SealBrokenError):
        secrets.unseal(broken, owner=uuid4())


def test_a_key_sealed_under_a_ring_key_that_is_gone_says_so(settings: object) -> None:
    owner = uuid4()
    settings.CREDENTIAL_KEYS_IN_FILE = False  # type: ignore[attr-defined]
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]  # type: ignore[attr-defined]
    sealed = secrets.seal(SECRET, owner=owner)
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]  # type: ignore[attr-defined]
    with pytest.raises(secrets.SealBrokenError) as caught:
        secrets.unseal(sealed, owner=owner)
    assert SECRET not in str(caught.value)
    assert "CREDENTIAL_KEYS" in str(caught.value)


def test_key_files_are_for_their_owner_alone_and_made_once(tmp_path: Path) -> None:
    file = tmp_path / "made" / "key"
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: load_or_make(file, lambda: Fernet.generate_key().decode()), range(32)))
    assert len(made) == 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [made.name for made in file.parent.iterdir()] == ["key"]


# Nowhere in the clear -------------------------------------------------------------------------------------


def test_no_page_holds_a_stored_key(signed_in: Client, stored: Credential, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_staff=True, is_superuser=True)
    MusicTask.objects.track(team=stored.team, credential=stored, task_ids=["one"], added_by=alice, now=timezone.now())
    task = MusicTask.objects.get()
    admin = "/admin/tracker/"
    pages = [
        "/",
        f"/tasks/{task.public_id}/",
        "/credentials/",
        "/credentials/add/",
        f"/credentials/{stored.public_id}/",
        f"/credentials/{stored.public_id}/delete/",
        "/admin/",
        f"{admin}credential/",
        f"{admin}credential/{stored.pk}/change/",
        f"{admin}credential/{stored.pk}/history/",
        f"{admin}credential/{stored.pk}/delete/",
        f"{admin}credential/?q=suno",
        f"{admin}musictask/",
        f"{admin}musictask/{task.pk}/change/",
        f"{admin}user/{alice.pk}/change/",
        f"{admin}team/{stored.team_id}/change/",
    ]
    for page in pages:
        response = signed_in.get(page, follow=True)
        assert response.status_code == 200, page
        content = response.content.decode()
        assert SECRET not in content, page
        assert stored.sealed_key not in content, page


def test_no_answer_to_a_form_holds_the_typed_key(
    signed_in: Client, stored: Credential, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = [
        {"label": ""},
        {"base_url": "http://127.0.0.1"},
        {"provider": "none"},
        {"key": SECRET + " x"},
        {"label": stored.label},
    ]
    for changed in wrong:
        for address in ("/credentials/add/", "/credentials/test/", f"/credentials/{stored.public_id}/"):
            response = signed_in.post(address, {**FORM, **changed})
            assert SECRET not in response.content.decode()
            assert SECRET not in str(response.headers)
    assert SECRET not in caplog.text


@pytest.mark.urls("tests.views.test_errors")
@pytest.mark.parametrize("debug", [True, False])
def test_an_error_page_holds_neither_key_nor_password_nor_ring(
    signed_in: Client, settings: object, caplog: pytest.LogCaptureFixture, debug: bool
) -> None:
    settings.DEBUG = debug  # type: ignore[attr-defined]
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]  # type: ignore[attr-defined]
    signed_in.raise_request_exception = False
    response = signed_in.post(
        "/breaks-with-a-key/",
        {"key": SECRET, "password": "an otter swims", "label": "Relay"},
        headers={"accept": "text/html"},
    )
    assert response.status_code == 500
    page = response.content.decode()
    assert ("RuntimeError" in page) == debug
    for hidden in (SECRET, "an otter swims", settings.CREDENTIAL_KEYS[0], settings.SECRET_KEY):  # type: ignore[attr-defined]
        assert hidden not in page
        assert hidden not in caplog.text


@pytest.mark.django_db(transaction=True)
def test_the_database_file_holds_no_key_in_the_clear(signed_in: Client) -> None:
    assert signed_in.post("/credentials/add/", FORM).status_code == 302
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite keeps its data in a file of ours")
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(FULL)")
    name = Path(str(connection.settings_dict["NAME"]))
    for file in name.parent.glob(f"{name.name}*"):
        content = file.read_bytes()
        assert SECRET.encode() not in content
        assert SECRET[3:-4].encode() not in content


def test_nothing_that_is_printed_or_exported_holds_the_key(
    stored: Credential, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh = Credential.objects.get()
    exported = io.StringIO()
    call_command("dumpdata", "tracker", stdout=exported)
    texts = [
        repr(stored),
        str(stored),
        repr(vars(stored)),
        repr(fresh),
        repr(vars(fresh)),
        repr(Credential.objects.values()[0]),
        repr(pickle.dumps(stored)),
        serializers.serialize("json", [stored]),
        exported.getvalue(),
        json.dumps(list(Credential.objects.values()), default=str),
        repr(secrets.SealBrokenError("x")),
    ]
    assert not [text for text in texts if SECRET in text]
    assert SECRET not in "".join(capsys.readouterr())


def test_a_short_key_shows_none_of_its_characters(team: Team, alice: User) -> None:
    credential = make_credential(team, alice, base_url="https://relay.example.org", key="short")
    assert credential.last_four == ""
