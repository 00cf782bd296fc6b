"""Links: who may change them, when they end, and how often a password may be guessed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.hashers import identify_hasher
from django.utils import timezone

from musicboard import settings as real_settings
from tests.conftest import make_credential
from tests.views.test_board import make_task
from tracker.models import Activity, Membership, MusicTask, Role, ShareLink, Team, User
from tracker.models.shares import PasswordLockedError
from tracker.share_pages import clean_file_name

pytestmark = pytest.mark.django_db
NOW = timezone.now()
State = ShareLink.State


@pytest.fixture
def task(team: Team, alice: User) -> MusicTask:
    return make_task(make_credential(team, alice, base_url="https://relay.example.com"), title="City Lights", clips=2)


def test_a_token_is_found_by_its_hash_and_can_be_read_again(task: MusicTask, alice: User) -> None:
    link = ShareLink.objects.share(task, by=alice, now=NOW)
    token = link.token
    assert len(token) >= 24
    assert token not in (link.token_hash, link.sealed_token)
    assert ShareLink.objects.for_token(token).get() == link
    assert not ShareLink.objects.for_token(token[:-1] + ("A" if token[-1] != "A" else "B")).exists()
    assert not ShareLink.objects.for_token("\ud800\x00").exists()


def test_states_are_the_same_in_python_and_in_the_database(task: MusicTask, alice: User) -> None:
    past, future = NOW - timedelta(seconds=1), NOW + timedelta(days=1)
    fields = [
        ({}, State.OPEN),
        ({"expires_at": future}, State.OPEN),
        ({"expires_at": NOW}, State.EXPIRED),
        ({"expires_at": past}, State.EXPIRED),
        ({"expires_at": past, "rested_at": past}, State.RESTED),
        ({"revoked_at": past, "rested_at": past}, State.REVOKED),
        ({"revoked_at": past, "expires_at": past}, State.REVOKED),
    ]
    links = {ShareLink.objects.share(task, by=alice, now=NOW, **one): state for one, state in fields}
    for link, state in links.items():
        assert link.state(NOW) == state
    for state in State:
        found = set(ShareLink.objects.in_state(state, NOW))
        assert found == {link for link, wanted in links.items() if wanted == state}
    assert ShareLink.objects.open(NOW).count() == 2


def test_a_link_to_a_removed_task_does_not_stand(task: MusicTask, alice: User) -> None:
    ShareLink.objects.share(task, by=alice, now=NOW)
    assert ShareLink.objects.standing().count() == 1
    task.remove(actor=alice, now=NOW)
    assert not ShareLink.objects.standing().exists()
    task.restore(actor=alice, now=NOW)
    assert ShareLink.objects.standing().count() == 1


def test_the_maker_and_those_who_manage_links_may_change_them(
    task: MusicTask, team: Team, alice: User, bob: User
) -> None:
    link = ShareLink.objects.share(task, by=bob, now=NOW)
    maker, owner = Membership.objects.get(user=bob), Membership.objects.get(user=alice)
    assert link.may_be_changed_by(maker)
    assert link.may_be_changed_by(owner)
    maker.role = Role.VIEWER
    assert not link.may_be_changed_by(maker)
    dora = User.objects.create_user("dora@example.org", name="Dora")
    assert not link.may_be_changed_by(Membership.objects.create(team=team, user=dora))


def test_extending_counts_from_the_end_or_from_now(task: MusicTask, alice: User) -> None:
    soon, past = NOW + timedelta(days=3), NOW - timedelta(days=3)
    for end, wanted in ((soon, soon + timedelta(days=30)), (past, NOW + timedelta(days=30))):
        link = ShareLink.objects.share(task, by=alice, now=NOW, expires_at=end)
        assert link.extend(by=alice, now=NOW)
        link.refresh_from_db()
        assert link.expires_at == wanted
    assert not ShareLink.objects.share(task, by=alice, now=NOW).extend(by=alice, now=NOW)


def test_what_is_revoked_stays_revoked(task: MusicTask, alice: User) -> None:
    link = ShareLink.objects.share(task, by=alice, now=NOW, expires_at=NOW)
    stale = ShareLink.objects.get()
    assert link.revoke(by=alice, now=NOW)
    assert not stale.revoke(by=alice, now=NOW)
    assert not stale.extend(by=alice, now=NOW)
    assert not stale.change(by=alice, now=NOW, clips=[], title="New")
    fresh = ShareLink.objects.get()
    assert fresh.state(NOW) == State.REVOKED
    assert fresh.title == ""


def test_every_verb_is_written_down_once_and_without_the_link(task: MusicTask, alice: User) -> None:
    link = ShareLink.objects.share(task, by=alice, now=NOW, expires_at=NOW)
    link.extend(by=alice, now=NOW)
    link.rested_at = NOW
    link.save()
    link.wake(by=alice, now=NOW)
    link.revoke(by=alice, now=NOW)
    kinds = [one.kind for one in Activity.objects.order_by("pk")]
    assert kinds == ["shared", "share_changed", "share_changed", "share_revoked"]
    assert all(one.actor == alice and link.token not in f"{one.subject}{one.detail}" for one in Activity.objects.all())


# -- The password ---------------------------------------------------------------------------------------


@pytest.fixture
def locked(task: MusicTask, alice: User) -> ShareLink:
    return ShareLink.objects.share(task, by=alice, now=NOW, password="sesame-open")


def test_a_hundred_guesses_are_ten(locked: ShareLink) -> None:
    looked_at = 0
    for number in range(100):
        try:
            assert not locked.try_password(f"guess {number}", now=NOW)
            looked_at += 1
        except PasswordLockedError:
            pass
    assert looked_at == 10


def test_the_right_password_waits_too_and_opens_afterwards(locked: ShareLink) -> None:
    for _ in range(10):
        locked.try_password("wrong", now=NOW)
    for minutes in (0, 14):
        with pytest.raises(PasswordLockedError):
            locked.try_password("sesame-open", now=NOW + timedelta(minutes=minutes))
    later = NOW + timedelta(minutes=15)
    assert not locked.try_password("wrong", now=later)
    assert locked.try_password("sesame-open", now=later)
    locked.refresh_from_db()
    assert (locked.failed_tries, locked.locked_until) == (0, None)


def test_after_the_wait_there_are_ten_tries_again(locked: ShareLink) -> None:
    later = NOW + timedelta(minutes=16)
    for _ in range(10):
        locked.try_password("wrong", now=NOW)
    for _ in range(10):
        assert not locked.try_password("wrong", now=later)
    with pytest.raises(PasswordLockedError):
        locked.try_password("sesame-open", now=later)


def test_the_tenth_try_may_be_the_right_one(locked: ShareLink) -> None:
    for _ in range(9):
        locked.try_password("wrong", now=NOW)
    assert locked.try_password("sesame-open", now=NOW)
    assert not locked.try_password("wrong", now=NOW)


def test_another_password_makes_another_key(locked: ShareLink) -> None:
    before = locked.unlock_key
    locked.set_password("sesame-open")
    assert locked.unlock_key != before


def test_passwords_are_hashed_with_argon2(settings: object) -> None:
    settings.PASSWORD_HASHERS = real_settings.PASSWORD_HASHERS  # type: ignore[attr-defined]
    link = ShareLink()
    link.set_password("sesame-open")
    assert identify_hasher(link.password).algorithm == "argon2"
    assert len(link.password) <= 200


# -- File names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("City Lights", "City Lights.mp3"),
        ("春天转圈圈", "春天转圈圈.mp3"),
        ("../../etc/passwd", "etc passwd.mp3"),
        ('a\\b:c*d?e"f<g>h|i', "a b c d e f g h i.mp3"),
        ("Song\u202egpj\u2066\x00\r\nX: y", "Song gpj X y.mp3"),
        (" .hidden. ", "hidden.mp3"),
        ("", "song.mp3"),
        ("\u202e/", "song.mp3"),
    ],
)
def test_file_names_are_clean(title: str, name: str) -> None:
    assert clean_file_name(title, ".mp3") == name


def test_file_names_are_short_enough_for_any_disk() -> None:
    assert len(clean_file_name("a" * 500, ".mp3")) == 120
    long = clean_file_name("春" * 500, ".mp3")
    assert long.endswith("春.mp3")
    assert len(long.encode()) <= 255
