"""A claim and a board, with a million tasks and with few."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import timezone

from tests.benchmarks.measuring import Figure, migrate, seconds, side_by_side
from tracker.cards import short_key, short_uuid
from tracker.models import Credential, Membership, MusicTask, Role, Team, User, claim

FEW, MANY, SMALL, LIVE = 10_000, 1_000_000, 1_000, 2_000
CLAIM = 200


def measure() -> list[Figure]:
    migrate()
    settings.ALLOWED_HOSTS = ["testserver"]
    big, small = _team("Big"), _team("Small")
    _fill(big, FEW)
    (claim_few,) = side_by_side(15, lambda: _claim(FEW))
    _fill(big, MANY - FEW)
    (claim_many,) = side_by_side(15, lambda: _claim(MANY))
    MusicTask.objects.update(next_poll_at=None, lease=None)
    _fill(small, SMALL)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    first = _pages(small, big, lambda _team: "/")
    middle = _pages(small, big, lambda team: f"/?before={_middle(team)}")
    full, unchanged = _refresh(small)
    return [
        _figure("claim of 200 at 1,000,000 rows ÷ at 10,000", claim_many, claim_few, "≤ 4"),
        _figure("first page, 1,000,000 tasks ÷ 1,000", first[1], first[0], "≤ 1.3"),
        _figure("page in the middle, 1,000,000 tasks ÷ 1,000", middle[1], middle[0], "≤ 1.3"),
        _figure("unchanged refresh ÷ full board", unchanged, full, "≤ 0.2"),
    ]


def _figure(name: str, one: float, other: float, bar: str) -> Figure:
    return Figure(name, one / other, bar, f"{one * 1e3:.1f} ms ÷ {other * 1e3:.1f} ms")


def _team(name: str) -> Team:
    team = Team.objects.create(name=name)
    user = User.objects.create_user(f"{name.lower()}@example.org", None, name=name)
    Membership.objects.create(team=team, user=user, role=Role.OWNER)
    credential = Credential(
        team=team, owner=user, provider="suno-fetch", label=name, base_url="https://relay.example.org"
    )
    credential.seal("sk-benchmark-0123456789")
    credential.save()
    return team


def _fill(team: Team, count: int) -> None:
    """``count`` tasks with two clips each, made by the database itself; one in a hundred has failed."""
    credential, now = team.credentials.get(), timezone.now()
    blank = MusicTask(
        team=team, credential=credential, added_by=credential.owner, provider=credential.provider,
        base_url=credential.base_url, status="succeeded", raw_status="SUCCESS", ended="final", shelf="done",
        progress=100, title="City Lights", tags="emotional punk", model="chirp-v4", created_at=now, changed_at=now,
        lyrics_text="",
    )  # fmt: skip
    fields = [field for field in MusicTask._meta.concrete_fields if not field.primary_key]
    own = {
        "public_id": "lower(hex(randomblob(16)))",
        "task_id": f"'{team.name}-' || hex(randomblob(12))",
        "shelf": "CASE n % 100 WHEN 0 THEN 'failed' ELSE 'done' END",
    }
    columns = [own.get(field.name, "%s") for field in fields]
    values = [
        field.get_db_prep_save(getattr(blank, field.attname), connection) for field in fields if field.name not in own
    ]
    names = ", ".join(field.column for field in fields)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COALESCE(MAX(id), 0) FROM {MusicTask._meta.db_table}")
        last = cursor.fetchone()[0]
        cursor.execute(
            f"WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {count}) "
            f"INSERT INTO {MusicTask._meta.db_table} ({names}) SELECT {', '.join(columns)} FROM number",
            values,
        )
        cursor.execute(
            "INSERT INTO tracker_tasktext (task_id, search_text, raw_answer) "
            "SELECT id, 'city lights', replace(hex(zeroblob(500)), '0', 'x') FROM tracker_musictask WHERE id > %s",
            [last],
        )
        cursor.execute(
            "INSERT INTO tracker_clip (public_id, task_id, position, clip_id, title, tags, lyrics, description, "
            "duration_seconds, model, state, error, audio_url, stream_url, image_url, video_url, sound_problem) "
            "SELECT lower(hex(randomblob(16))), id, p, 'c' || p || '-' || id, 'City Lights', 'emotional punk', '', '', "
            "219, 'chirp-v4', 'complete', '', 'https://files.example.org/' || id || '.mp3', '', '', '', '' "
            "FROM tracker_musictask, (SELECT 0 AS p UNION SELECT 1) WHERE id > %s",
            [last],
        )


def _claim(total: int) -> float:
    """Seconds of one claim of 200, with 2,000 of ``total`` tasks due."""
    now = timezone.now()
    MusicTask.objects.filter(next_poll_at__isnull=False).update(next_poll_at=None, lease=None)
    MusicTask.objects.filter(pk__gt=total // 2, pk__lte=total // 2 + LIVE).update(next_poll_at=now)
    taken: list[object] = []
    took = seconds(lambda: taken.extend(claim(timezone.now(), limit=CLAIM)))
    assert len(taken) == CLAIM
    return took


def _client(team: Team) -> Client:
    client = Client()
    client.force_login(team.members.get(), backend="django.contrib.auth.backends.ModelBackend")
    return client


def _get(client: Client, url: str, status: int = 200) -> float:
    answers = []
    took = seconds(lambda: answers.append(client.get(url)))
    assert answers[0].status_code == status, answers[0].status_code
    return took


def _pages(small: Team, big: Team, address: Callable[[Team], str]) -> list[float]:
    """Median seconds of one page for each team, in turns."""
    clients = {team.pk: _client(team) for team in (small, big)}
    urls = {team.pk: address(team) for team in (small, big)}
    return side_by_side(
        25, lambda: _get(clients[small.pk], urls[small.pk]), lambda: _get(clients[big.pk], urls[big.pk])
    )


def _middle(team: Team) -> int:
    low, high = (
        MusicTask.objects.filter(team=team).order_by(order).values_list("pk", flat=True)[0] for order in ("pk", "-pk")
    )
    return (low + high) // 2


def _refresh(team: Team) -> list[float]:
    """A full board of 50 live cards, and the refresh that finds nothing new."""
    newest = MusicTask.objects.filter(team=team).order_by("-pk").values_list("pk", flat=True)[:50]
    MusicTask.objects.filter(pk__in=list(newest)).update(ended="", status="running", shelf="running", progress=40)
    client = _client(team)
    stamps = MusicTask.objects.filter(pk__in=list(newest)).values_list("public_id", "stamp")
    seen = "&".join(f"seen={short_uuid(public_id)}.{stamp}.{short_key('running')}" for public_id, stamp in stamps)
    return side_by_side(25, lambda: _get(client, "/"), lambda: _get(client, f"/refresh/?{seen}", 204))
