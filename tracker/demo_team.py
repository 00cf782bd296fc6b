"""The demo: a team with a person, three credentials at the simulated provider, and tasks in every state."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from secrets import token_hex
from urllib.parse import urlsplit

from django.contrib.auth.models import Permission
from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Replace

from tracker.checking import check_now
from tracker.models import Clip, Credential, Membership, MusicTask, Role, Team, User

EMAIL = "demo@musicboard.invalid"
TEAM = "Demo Studio"
KEY = "sk-demo-any-key-will-do-7d3f"
REFUSED_KEY = "refused-demo-replace-me-0e5c"
PATHS = {"qhaigc": "/qhaigc", "suno-fetch": "/relay", "huiyan": "/huiyan"}

# What an id begins with decides what becomes of it; see the simulated provider's own documentation. The newest
# stands first on the board, so what moves is tracked last.
SETTLED_TASKS: dict[str, Sequence[str]] = {
    "qhaigc": ("done-953f48", "fail-f29d0d", "stall-a09f76"),
    "suno-fetch": (
        "done-a170b3", "nosound-e8e25d", "expired-953198", "failpart-5d9dc9",
        "fault-500-4c2a", "fault-strange-9d1e",
    ),
    "huiyan": ("done-1818e8", "done-892f90"),
}  # fmt: skip
MOVING_TASKS = {
    "qhaigc": ("queued-c3f219", "pace35-a6a3a4"),
    "suno-fetch": ("half-269e0d", "pace28-f2a74d", "pace55-52e6b4"),
}
FRESH_TASKS = {"qhaigc": "pace35-", "suno-fetch": "pace50-"}
REFUSED_TASK = "e0c59a3d-refused"


def base_urls(demo_url: str) -> dict[str, str]:
    """Where each provider is simulated."""
    return {slug: demo_url + path for slug, path in PATHS.items()}


def known_port() -> int | None:
    """The port the simulated provider had last time: the links of the songs lead there."""
    return next((urlsplit(credential.base_url).port for credential in _demo_credentials()), None)


def _demo_credentials() -> list[Credential]:
    """Those that lead to the simulated provider; a visitor may have added real ones, which are left alone."""
    credentials = Credential.objects.filter(owner__email=EMAIL, provider__in=PATHS)
    return [
        credential
        for credential in credentials.select_related("owner", "team")
        if re.fullmatch(r"http://127\.0\.0\.1:\d+" + PATHS[credential.provider], credential.base_url)
    ]


def seed_demo(demo_url: str, *, now: datetime) -> User:
    """The person of the demo, with a team and tasks; a second time a few fresh tasks are added to what is there.

    The simulated provider has to answer already, since the tasks are checked at once.
    """
    person = User.objects.filter(email=EMAIL).first()
    if person is not None and person.memberships.exists():
        _move(demo_url)
        _track_fresh(now)
        return person
    with transaction.atomic():
        person = person or _make_person()
        team = Team.objects.create(name=TEAM)
        Membership.objects.create(team=team, user=person, role=Role.OWNER)
        credentials = {slug: _add_credential(team, person, slug, demo_url) for slug in PATHS}
    for slug, task_ids in SETTLED_TASKS.items():
        _track(credentials[slug], task_ids, now)
    # An id may say when it began: these lyrics were written a minute and a half ago.
    _track(credentials["suno-fetch"], [f"lyrics-392630-at{int(now.timestamp()) - 90}"], now)
    _age_stalled(now)
    credentials["huiyan"].replace_key(REFUSED_KEY, now=now)
    _track(credentials["huiyan"], [REFUSED_TASK], now)
    for slug, task_ids in MOVING_TASKS.items():
        _track(credentials[slug], task_ids, now)
    return person


def _add_credential(team: Team, person: User, slug: str, demo_url: str) -> Credential:
    labels = {"qhaigc": "Lin’s key", "suno-fetch": "Studio relay", "huiyan": "Old key"}
    credential = Credential(
        team=team, owner=person, provider=slug, label=labels[slug], base_url=base_urls(demo_url)[slug]
    )
    credential.seal(KEY)
    credential.save()
    return credential


def _track(credential: Credential, task_ids: Sequence[str], now: datetime) -> None:
    tasks = MusicTask.objects.track(
        team=credential.team, credential=credential, task_ids=task_ids, added_by=credential.owner, now=now
    )
    check_now([task.pk for task in tasks])


def _age_stalled(now: datetime) -> None:
    """Two hours pass for the task that does not move; then it is checked again."""
    then = now - timedelta(hours=2)
    stalled = MusicTask.objects.filter(task_id__startswith="stall-", team__name=TEAM)
    stalled.update(created_at=then, changed_at=then, submitted_at=then, started_at=then, next_poll_at=now)
    check_now([task.pk for task in stalled])


def _make_person() -> User:
    """May see the admin panel too. Not a superuser: who sets musicboard up in earnest is still asked for."""
    person = User.objects.create_user(EMAIL, None, name="Demo", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(content_type__app_label="tracker"))
    return person


def _track_fresh(now: datetime) -> None:
    for credential in _demo_credentials():
        if credential.provider in FRESH_TASKS and credential.state == Credential.State.ACTIVE:
            _track(credential, [FRESH_TASKS[credential.provider] + token_hex(3) for _ in range(2)], now)


@transaction.atomic
def _move(demo_url: str) -> None:
    """Let everything of the demo point to where the simulated provider stands now."""
    fields = ("audio_url", "more_audio_urls", "stream_url", "image_url", "video_url")
    for credential in _demo_credentials():
        path = PATHS[credential.provider]
        old_url = credential.base_url.removesuffix(path)
        if old_url == demo_url:
            continue
        Credential.objects.filter(pk=credential.pk).update(base_url=demo_url + path)
        MusicTask.objects.filter(credential=credential).update(base_url=demo_url + path)
        Clip.objects.filter(task__credential=credential).update(
            **{name: Replace(F(name), Value(old_url), Value(demo_url)) for name in fields}
        )
