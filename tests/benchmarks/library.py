"""The library with a million songs: a Chinese word found, and a first page, on SQLite or the database in
``BENCHMARK_DATABASE_URL``."""

from __future__ import annotations

import random

from django.conf import settings
from django.db import connection
from django.db.models import Q
from django.utils import timezone

from tests.benchmarks.measuring import Figure, migrate, seconds, side_by_side
from tests.benchmarks.scale import _pages, _team
from tracker.library import SORTS
from tracker.models import Clip, LibraryEntry, MusicTask, Team
from tracker.models.search import asked_words, facet, spell

SMALL, MANY, TEXTS = 1_000, 1_000_000, 2_000
WORD = "春天"


def measure() -> list[Figure]:
    migrate()
    settings.ALLOWED_HOSTS = ["testserver"]
    texts = _texts(random.Random(5))
    small, big, tiny = _team("Small"), _team("Big"), _team("Tiny")
    for team, count in ((small, SMALL), (tiny, 100), (big, MANY)):
        _fill(team, count, texts)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    bar = "≤ 0.01" if connection.vendor == "sqlite" else "≤ 0.05"
    found, like = _side_by_side_counts(big)
    tiny_found, _tiny_like = _side_by_side_counts(tiny, rounds=25)
    first = _pages(small, big, lambda _team: "/library/")
    middle = _pages(small, big, lambda team: f"/library/{_middle(team)}")
    return [
        _figure(f"search of a Chinese word ÷ LIKE, 1,000,000 songs ({connection.vendor})", found, like, bar),
        _figure("the same search by a team of 100 among them ÷ LIKE", tiny_found, like, bar),
        _figure("library, first page, 1,000,000 songs ÷ 1,000", first[1], first[0], "≤ 1.3"),
        _figure("library, page in the middle by title, 1,000,000 ÷ 1,000", middle[1], middle[0], "≤ 1.3"),
    ]  # fmt: skip


def _figure(name: str, one: float, other: float, bar: str) -> Figure:
    return Figure(name, one / other, bar, f"{one * 1e3:.1f} ms ÷ {other * 1e3:.1f} ms")


def _texts(rng: random.Random) -> list[tuple[str, str]]:
    """Titles and lyrics; the word stands in two of them."""
    signs = [chr(place) for place in range(0x4E00, 0x5200) if chr(place) not in WORD]
    texts = []
    for number in range(TEXTS):
        lines = ["".join(rng.choices(signs, k=9)) for _ in range(12)]
        if number in (3, 1203):
            lines[4] = f"转圈圈{WORD}里"
        texts.append(("".join(rng.choices(signs, k=5)), "\n".join(lines)))
    return texts


def _fill(team: Team, count: int, texts: list[tuple[str, str]]) -> None:
    """``count`` songs, two to a task, made by the database itself; the index is filled as ever, row by row."""
    credential, now = team.credentials.get(), timezone.now()
    is_postgres = connection.vendor == "postgresql"
    blank = MusicTask(
        team=team, credential=credential, added_by=credential.owner, provider=credential.provider,
        base_url=credential.base_url, status="succeeded", raw_status="SUCCESS", ended="final", shelf="done",
        progress=100, title="City Lights", model="chirp-v4", created_at=now, changed_at=now, lyrics_text="",
    )  # fmt: skip
    uuid = "gen_random_uuid()" if is_postgres else "lower(hex(randomblob(16)))"
    own = {"public_id": uuid, "task_id": f"'{team.name}-' || n"}
    fields = [field for field in MusicTask._meta.concrete_fields if not field.primary_key]
    values = [
        field.get_db_prep_save(getattr(blank, field.attname), connection) for field in fields if field.name not in own
    ]
    columns = ", ".join(own.get(field.name, "%s") for field in fields)
    words = [" ".join((facet("team", team.pk), facet("provider", "suno-fetch"), facet("model", "chirp-v4"),
                       facet("person", credential.owner_id), spell("\n".join(text)))) for text in texts]  # fmt: skip
    moment = "now() - c.id * interval '1 second'" if is_postgres else "datetime('now', '-' || c.id || ' seconds')"
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE texts (n integer PRIMARY KEY, title text, lyrics text, words text)")
        cursor.executemany(
            "INSERT INTO texts VALUES (%s, %s, %s, %s)",
            [(number, *text, words[number]) for number, text in enumerate(texts)],
        )
        numbers = f"WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {count // 2}) "
        cursor.execute(
            f"{numbers} INSERT INTO tracker_musictask ({', '.join(field.column for field in fields)}) "
            f"SELECT {columns} FROM number", values,
        )  # fmt: skip
        cursor.execute(
            "INSERT INTO tracker_clip (public_id, task_id, position, clip_id, title, tags, lyrics, description, "
            "duration_seconds, model, state, error, audio_url, stream_url, image_url, video_url, sound_problem) "
            f"SELECT {uuid}, t.id, p, 'c' || p, x.title, 'pop', x.lyrics, '', 60 + t.id %% 240, 'chirp-v4', "
            "'complete', '', 'https://files.example.org/' || t.id || '.mp3', '', '', '', '' "
            "FROM tracker_musictask t CROSS JOIN (SELECT 0 AS p UNION SELECT 1) AS takes "
            f"JOIN texts x ON x.n = (t.id * 2 + p) %% {TEXTS} WHERE t.team_id = %s",
            [team.pk],
        )
        cursor.execute(
            "INSERT INTO tracker_libraryentry (clip_id, team_id, added_at, sort_title, seconds, model, words) "
            f"SELECT c.id, t.team_id, {moment}, c.title, "
            "c.duration_seconds, c.model, x.words FROM tracker_clip c JOIN tracker_musictask t ON t.id = c.task_id "
            f"JOIN texts x ON x.n = (t.id * 2 + c.position) %% {TEXTS} WHERE t.team_id = %s",
            [team.pk],
        )
        cursor.execute("DROP TABLE texts")


def _side_by_side_counts(team: Team, rounds: int = 5) -> list[float]:
    """Median seconds in which the index, and LIKE, count the songs with the word; both find the same."""
    clips = Clip.objects.filter(task__team=team, task__removed_at=None)
    like = clips.filter(Q(title__contains=WORD) | Q(tags__contains=WORD) | Q(lyrics__contains=WORD))
    phrases = asked_words(WORD)
    assert LibraryEntry.objects.hits(team, phrases=phrases) == like.count()
    return side_by_side(
        rounds, lambda: seconds(lambda: LibraryEntry.objects.hits(team, phrases=phrases)), lambda: seconds(like.count)
    )


def _middle(team: Team) -> str:
    """The address of a page in the middle of the titles."""
    column = SORTS["title"].column
    middle = LibraryEntry.objects.filter(team=team).order_by(column, "clip_id")
    value, pk = middle.values_list(column, "clip_id")[middle.count() // 2]
    return f"?sort=title&after={pk}~{value}"
