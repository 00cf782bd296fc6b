"""What most tests stand on: three people, a team, credentials, and the simulated provider on loopback."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from tracker import passes
from tracker.demo.running import DemoServer, demo_server
from tracker.models import Credential, Membership, MusicTask, Role, Team, User

KEY = "sk-test-0123456789abcdef-a1b2"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """The data folder goes with the session that made it, not with each of its workers."""
    if not hasattr(session.config, "workerinput"):
        shutil.rmtree(settings.DATA_DIR, ignore_errors=True)


@pytest.fixture
def team(db: None) -> Team:
    return Team.objects.create(name="Studio North")


@pytest.fixture
def alice(team: Team) -> User:
    """Owns the team and its credentials."""
    user = User.objects.create_user("alice@example.org", "correct horse battery", name="Alice")
    Membership.objects.create(team=team, user=user, role=Role.OWNER)
    return user


@pytest.fixture
def bob(team: Team) -> User:
    """A member of the team."""
    user = User.objects.create_user("bob@example.org", "correct horse battery", name="Bob")
    Membership.objects.create(team=team, user=user, role=Role.MEMBER)
    return user


@pytest.fixture
def charlie(db: None) -> User:
    """An outsider, at home in another team."""
    user = User.objects.create_user("charlie@example.org", "correct horse battery", name="Charlie")
    Membership.objects.create(team=Team.objects.create(name="Elsewhere"), user=user, role=Role.OWNER)
    return user


@pytest.fixture
def signed_in(client: Client, alice: User) -> Client:
    """A browser in which Alice is signed in."""
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture(scope="session")
def _demo_session() -> Iterator[DemoServer]:
    with demo_server(speed=20) as server:
        yield server


@pytest.fixture
def demo(_demo_session: DemoServer, settings: object) -> DemoServer:
    """The simulated provider, twenty times as fast as in the demo; loopback is opened for it."""
    settings.OUTBOUND_ALLOW_NETS = ["127.0.0.0/8"]  # type: ignore[attr-defined]
    return _demo_session


def make_credential(
    team: Team, owner: User, *, base_url: str, provider: str = "suno-fetch", key: str = KEY
) -> Credential:
    """A stored credential for ``provider`` at ``base_url``."""
    count = Credential.objects.count()
    credential = Credential(team=team, owner=owner, provider=provider, label=f"{provider} {count}", base_url=base_url)
    credential.seal(key)
    credential.save()
    return credential


@pytest.fixture
def relay(team: Team, alice: User, demo: DemoServer) -> Credential:
    """Alice's credential at the simulated relay, which answers batches."""
    return make_credential(team, alice, base_url=f"{demo.url}/relay")


@pytest.fixture
def qhaigc(team: Team, alice: User, demo: DemoServer) -> Credential:
    return make_credential(team, alice, base_url=f"{demo.url}/qhaigc", provider="qhaigc")


@pytest.fixture
def huiyan(team: Team, alice: User, demo: DemoServer) -> Credential:
    return make_credential(team, alice, base_url=f"{demo.url}/huiyan", provider="huiyan")


@pytest.fixture
def root(client: Client, alice: User) -> Client:
    """A browser in which Alice administers."""
    User.objects.filter(pk=alice.pk).update(is_staff=True, is_superuser=True)
    client.force_login(alice)
    return client


@pytest.fixture
def stored(team: Team, alice: User) -> Credential:
    return make_credential(team, alice, base_url="https://relay.example.org")


def track(credential: Credential, *task_ids: str) -> list[MusicTask]:
    return MusicTask.objects.track(
        team=credential.team, credential=credential, task_ids=task_ids, added_by=credential.owner, now=timezone.now()
    )


@pytest.fixture(autouse=True)
def forget_passes() -> Iterator[None]:
    """What one test was let through with is nothing to the next."""
    yield
    passes.clear()
