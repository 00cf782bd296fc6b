"""Rotation while everything runs."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone

from tests.conftest import KEY, make_credential
from tracker import secrets
from tracker.models import Credential, Invitation, MusicTask, ShareLink, Team, User

NEW_KEY = "sk-another-key-0123456789-c3d4"


@pytest.fixture
def ring(tmp_path: Path, settings: object) -> Path:
    """A ring of one key in a file of its own."""
    path = tmp_path / "credential_keys"
    path.write_text(Fernet.generate_key().decode() + "\n", encoding="ascii")
    settings.CREDENTIAL_KEYS_PATH = path  # type: ignore[attr-defined]
    settings.CREDENTIAL_KEYS_IN_FILE = True  # type: ignore[attr-defined]
    return path


def rotate(*arguments: str) -> str:
    out = io.StringIO()
    call_command("rotate_keys", *arguments, stdout=out)
    return out.getvalue()


def keep_newest(ring: Path) -> None:
    ring.write_text(ring.read_text(encoding="ascii").split()[0], encoding="ascii")


def test_every_credential_opens_with_the_newest_key_alone(ring: Path, team: Team, alice: User) -> None:
    for _ in range(3):
        make_credential(team, alice, base_url="https://relay.example.org")
    before = set(Credential.objects.values_list("sealed_key", flat=True))
    said = rotate("--new")
    assert "Re-encrypted: 3." in said
    assert len(ring.read_text(encoding="ascii").split()) == 2
    assert ring.stat().st_mode & 0o777 == 0o600
    assert before.isdisjoint(Credential.objects.values_list("sealed_key", flat=True))
    keep_newest(ring)
    assert {credential.reveal() for credential in Credential.objects.all()} == {KEY}


def test_the_new_key_is_never_printed(ring: Path, db: None) -> None:
    said = rotate("--new")
    assert not [key for key in ring.read_text(encoding="ascii").split() if key in said]


def test_without_new_the_ring_stays(ring: Path, team: Team, alice: User) -> None:
    make_credential(team, alice, base_url="https://relay.example.org")
    before = ring.read_text(encoding="ascii")
    assert "Re-encrypted: 1." in rotate()
    assert ring.read_text(encoding="ascii") == before


def test_a_ring_from_the_environment_says_how_to_change_it(settings: object, db: None) -> None:
    settings.CREDENTIAL_KEYS_IN_FILE = False  # type: ignore[attr-defined]
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]  # type: ignore[attr-defined]
    with pytest.raises(CommandError, match="put it first in CREDENTIAL_KEYS"):
        rotate("--new")


def test_what_cannot_be_opened_is_named_and_the_rest_is_done(ring: Path, team: Team, alice: User) -> None:
    make_credential(team, alice, base_url="https://relay.example.org")
    lost = make_credential(team, alice, base_url="https://relay.example.org")
    sealed_elsewhere = Fernet(Fernet.generate_key()).encrypt(b"x").decode()
    Credential.objects.filter(pk=lost.pk).update(sealed_key=sealed_elsewhere)
    out = io.StringIO()
    with pytest.raises(CommandError, match="1 could not be opened"):
        call_command("rotate_keys", stdout=out)
    assert "Re-encrypted: 1." in out.getvalue()
    assert f"{lost.label} …a1b2 (alice@example.org, Studio North)" in out.getvalue()


def make_links(team: Team, alice: User) -> tuple[ShareLink, Invitation]:
    """A share and an invitation, as their own pages would make them."""
    credential = make_credential(team, alice, base_url="https://relay.example.org")
    now = timezone.now()
    (task,) = MusicTask.objects.track(team=team, credential=credential, task_ids=["one"], added_by=alice, now=now)
    link = ShareLink(team=team, task=task, created_by=alice, created_at=now).draw_token()
    link.save()
    invitation = Invitation(team=team, invited_by=alice, created_at=now, expires_at=now).draw_token()
    invitation.save()
    return link, invitation


def test_links_can_be_copied_again_with_the_newest_key_alone(ring: Path, team: Team, alice: User) -> None:
    link, invitation = make_links(team, alice)
    tokens = link.token, invitation.token
    said = rotate("--new")
    assert "Re-encrypted: 3." in said
    assert not [token for token in tokens if token in said]
    keep_newest(ring)
    assert (ShareLink.objects.get().token, Invitation.objects.get().token) == tokens
    assert ShareLink.objects.for_token(tokens[0]).exists()


def test_a_link_that_cannot_be_opened_is_named_and_still_leads_there(ring: Path, team: Team, alice: User) -> None:
    link, _invitation = make_links(team, alice)
    token = link.token
    for model in (ShareLink, Invitation):
        model.objects.update(sealed_token=Fernet(Fernet.generate_key()).encrypt(b"x").decode())
    out = io.StringIO()
    with pytest.raises(CommandError, match="2 could not be opened"):
        call_command("rotate_keys", stdout=out)
    assert "the link works but cannot be copied again: one (Studio North)" in out.getvalue()
    assert "the invitation works but cannot be copied again: Member (Studio North)" in out.getvalue()
    assert ShareLink.objects.for_token(token).exists()


@pytest.mark.django_db(transaction=True)
def test_a_link_drawn_anew_during_the_rotation_wins(ring: Path, team: Team, alice: User) -> None:
    link, _invitation = make_links(team, alice)
    faults: list[Exception] = []
    tokens = []

    def redraw() -> None:
        for _ in range(40):
            fresh = ShareLink.objects.get(pk=link.pk).draw_token()
            fresh.save(update_fields=["token_hash", "sealed_token"])
            tokens.append(fresh.token)

    with background(redraw, faults):
        for _ in range(10):
            rotate()
    assert not faults
    assert ShareLink.objects.get().token == tokens[-1]


@pytest.mark.django_db(transaction=True)
def test_a_poller_reads_every_key_while_they_are_rotated(ring: Path, team: Team, alice: User) -> None:
    for _ in range(10):
        make_credential(team, alice, base_url="https://relay.example.org")
    faults: list[Exception] = []
    read = 0
    done = threading.Event()

    def poll() -> None:
        nonlocal read
        while not done.is_set():
            for credential in Credential.objects.all():
                assert credential.reveal() == KEY
                read += 1

    with background(poll, faults):
        for _ in range(5):
            rotate("--new")
        done.set()
    assert not faults
    assert read >= 10


@pytest.mark.django_db(transaction=True)
def test_a_key_replaced_during_the_rotation_wins(ring: Path, team: Team, alice: User) -> None:
    credential = make_credential(team, alice, base_url="https://relay.example.org")
    faults: list[Exception] = []

    def replace() -> None:
        for number in range(40):
            Credential.objects.get(pk=credential.pk).replace_key(f"{NEW_KEY}-{number:02}", now=timezone.now())

    with background(replace, faults):
        for _ in range(10):
            rotate()
    assert not faults
    assert Credential.objects.get().reveal() == f"{NEW_KEY}-39"


def test_a_row_that_changed_between_reading_and_writing_is_read_again(ring: Path, team: Team, alice: User) -> None:
    credential = make_credential(team, alice, base_url="https://relay.example.org")
    stale = credential.sealed_key
    credential.replace_key(NEW_KEY, now=timezone.now())
    changed = Credential.objects.filter(pk=credential.pk, sealed_key=stale).update(sealed_key=secrets.reseal(stale))
    assert changed == 0
    rotate()
    assert Credential.objects.get().reveal() == NEW_KEY


class background:  # noqa: N801
    """Runs ``work`` in a thread beside the block and waits for it; what it raises is put into ``faults``."""

    def __init__(self, work: Callable[[], None], faults: list[Exception]) -> None:
        self.work, self.faults = work, faults
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        try:
            self.work()
        except Exception as error:  # noqa: BLE001
            self.faults.append(error)
        finally:
            connections.close_all()

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_fault: object) -> None:
        self.thread.join(timeout=60)
