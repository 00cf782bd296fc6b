"""How fast one poller is, beside the same client only fetching, and beside the loop one writes first."""

from __future__ import annotations

import asyncio
import time

import requests
from django.db import connection
from django.utils import timezone

from tests.benchmarks.measuring import Figure, control, migrate, provider_process, seconds, side_by_side
from tracker.checking import outbound_policy
from tracker.models import Clip, Credential, Membership, MusicTask, Team, User
from tracker.outbound import Outbound
from tracker.poller import Poller, settle_process
from tracker.providers import get_provider

KEY = "sk-benchmark-0123456789"
TASKS = 6000


def measure() -> list[Figure]:
    migrate()
    # As `manage.py poll` does; the other works run in this process and have the good of it too.
    settle_process()
    with provider_process() as url:
        control(url, latency_ms=0)
        single, batch = (
            make_tasks(url, "huiyan", "huiyan", batches=False),
            make_tasks(url, "suno-fetch", "relay", batches=True),
        )
        only_fetching, polled, looped, batched = side_by_side(
            11,
            lambda: _fetch_only(single),
            lambda: _poll(single),
            lambda: _loop(single, 300),
            lambda: _poll(batch),
        )
        control(url, latency_ms=200)
        far_looped, far_polled = side_by_side(3, lambda: _loop(single, 10), lambda: _poll(single, 1000))
    return [
        Figure(
            "poller ÷ the same client only fetching", polled / only_fetching, "≥ 0.75", rates(polled, only_fetching)
        ),
        Figure("poller ÷ requests + ORM loop", polled / looped, "≥ 6", rates(polled, looped)),
        Figure(
            "the same, 200 ms away, 1,000 live tasks", far_polled / far_looped, "≥ 100", rates(far_polled, far_looped)
        ),
        Figure("batch of 50 ÷ single GETs", batched / polled, "≥ 4", rates(batched, polled)),
    ]


def rates(one: float, other: float) -> str:
    return f"{one:,.0f}/s ÷ {other:,.0f}/s"


def make_tasks(url: str, provider: str, mount: str, *, batches: bool) -> Credential:
    """A credential with its live tasks, of which a tenth answers something new each time."""
    user, _ = User.objects.get_or_create(email="bench@example.org", defaults={"name": "Bench"})
    team, _ = Team.objects.get_or_create(name="Bench")
    Membership.objects.get_or_create(team=team, user=user)
    credential = Credential(
        team=team, owner=user, provider=provider, label=mount, base_url=f"{url}/{mount}", answers_batches=batches
    )
    credential.seal(KEY)
    credential.save()
    names = [f"bench-10-{mount}-{number}" for number in range(TASKS)]
    MusicTask.objects.track(team=team, credential=credential, task_ids=names, added_by=user, now=timezone.now())
    make_due(credential, TASKS)
    asyncio.run(Poller(once=True).run(asyncio.Event()))
    return credential


def make_due(credential: Credential, count: int) -> None:
    now = timezone.now()
    MusicTask.objects.update(next_poll_at=None, lease=None)
    pks = MusicTask.objects.filter(credential=credential).order_by("pk").values("pk")[:count]
    MusicTask.objects.filter(pk__in=pks).update(next_poll_at=now, changed_at=now)


def _poll(credential: Credential, count: int | None = None) -> float:
    count = count or TASKS
    make_due(credential, count)
    begun = timezone.now()
    poller = Poller(once=True)
    took = seconds(lambda: asyncio.run(poller.run(asyncio.Event())))
    answered = MusicTask.objects.filter(credential=credential, polled_at__gt=begun, lease=None).count()
    assert answered >= count * 0.99, f"{answered} of {count} were polled"
    return count / took


def _fetch_only(credential: Credential) -> float:
    """Ids of its own: asking for the poller's would move those on, and twice as many of its answers were new."""
    provider = get_provider(credential.provider)
    names = [f"bench-10-only-fetched-{number}" for number in range(TASKS)]
    policy = outbound_policy()

    async def fetch() -> None:
        left = iter(names)

        async def worker(client: Outbound) -> None:
            for name in left:
                answer = await client.request_json(
                    "GET", credential.base_url + provider.task_request(name).path, bearer=KEY
                )
                assert answer.status == 200

        async with Outbound(policy) as client:
            await asyncio.gather(*(worker(client) for _ in range(policy.connections_per_host)))

    return len(names) / seconds(lambda: asyncio.run(fetch()))


def _loop(credential: Credential, count: int) -> float:
    """The loop one writes first: a session, a GET, a save and two update_or_create a task."""
    provider = get_provider(credential.provider)
    tasks = list(MusicTask.objects.filter(credential=credential)[:count])
    session = requests.Session()
    session.trust_env = False
    session.headers["Authorization"] = f"Bearer {KEY}"
    connection.ensure_connection()
    begun = time.perf_counter()
    for task in tasks:
        answer = session.get(credential.base_url + provider.task_request(task.task_id).path, timeout=15)
        (snapshot,) = provider.parse(answer.content, http_status=answer.status_code, task_id=task.task_id)
        task.status, task.progress, task.polled_at = snapshot.status, snapshot.progress, timezone.now()
        task.save()
        for position, clip in enumerate(snapshot.clips):
            Clip.objects.update_or_create(
                task=task,
                position=position,
                defaults={"title": clip.title or "", "state": clip.state, "audio_url": clip.audio_url or ""},
            )
    session.close()
    return count / (time.perf_counter() - begun)
