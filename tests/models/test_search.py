"""The library's index: what is found, in which team, and that no text a person types breaks it."""

from __future__ import annotations

import random
from importlib import import_module
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import make_credential
from tests.views.test_board import make_task
from tracker.models import Clip, Credential, LibraryEntry, MusicTask, Team, User, claim, record
from tracker.models.recording import Answer
from tracker.models.search import asked_words, facet, spell
from tracker.providers import ClipSnapshot, ClipState, TaskSnapshot, TaskStatus

pytestmark = pytest.mark.django_db

LINES = (
    "春天转圈圈", "可爱的春天", "夜里的城市灯光", "城里没有春\n天空很蓝", "City Lights at night", "Spring, spring!",
    "Café del Mar", "don't stop me now", "90e75 bpm", "春雨 Spring Rain", "ＡＢＣ 全角", "我爱你 love you",
    "転がる石", "봄날의 노래", "\\u6625 backslash",
    "天春", "春，天", "a b c d e f", "100% pure_pop", "🎵 春天 🎵",
)  # fmt: skip


@pytest.fixture
def credential(team: Team, alice: User) -> Credential:
    return make_credential(team, alice, base_url="https://relay.example.com")


def list_songs(credential: Credential, songs: list[dict[str, Any]], *, start: int = 0) -> list[Clip]:
    """A task with one clip for each of ``songs``, listed in the library."""
    pairs = []
    for number, song in enumerate(songs, start):
        task = make_task(credential, f"song-{credential.pk}-{number:06}", status="succeeded", ended="final")
        values = {"state": "complete", "audio_url": "https://x.example/a.mp3", **song}
        clip = Clip.objects.create(task=task, position=0, **values)
        pairs.append((task, clip))
    LibraryEntry.objects.list_clips(pairs, now=timezone.now())
    return [clip for _task, clip in pairs]


def found(team: Team, text: str) -> set[int]:
    phrases = asked_words(text)
    return set(LibraryEntry.objects.of_team(team).matching(team, phrases=phrases).values_list("pk", flat=True))


def test_words_are_found_in_title_style_and_lyrics(team: Team, credential: Credential) -> None:
    clips = list_songs(
        credential,
        [
            {"title": "春天转圈圈"},
            {"tags": "dream pop, 女声"},
            {"lyrics": "[Verse]\n城市的灯光\nBlue light"},
            {"title": "Other"},
        ],
    )
    for text, place in (
        ("春天", 0),
        ("圈圈", 0),
        ("女声", 1),
        ("dream pop", 1),
        ("drea", 1),
        ("灯光", 2),
        ("blue", 2),
        ("BLUE LI", 2),
    ):
        assert found(team, text) == {clips[place].pk}, text
    assert found(team, "rea") == set()
    assert found(team, "春天 dream") == set()


def test_a_chinese_word_is_found_as_often_as_with_like(team: Team, credential: Credential) -> None:
    """The counts are LIKE's on both databases: no word is missed, and none is put together over a line's end."""
    rng = random.Random(7)
    songs = [{"title": rng.choice(LINES), "lyrics": "\n".join(rng.sample(LINES, 4))} for _ in range(60)]
    list_songs(credential, songs)
    for word in (
        "春天",
        "天春",
        "春",
        "城市",
        "转圈圈",
        "圈圈",
        "空很",
        "没有春",
        "灯光",
        "我爱",
        "転が",
        "可爱的春天",
        "石头",
    ):
        like = Clip.objects.filter(title__contains=word) | Clip.objects.filter(lyrics__contains=word)
        assert found(team, word) == set(like.values_list("pk", flat=True)), word
    assert len(found(team, "春天")) > 10


def test_accents_full_width_letters_and_case_do_not_matter(team: Team, credential: Credential) -> None:
    cafe, wide = list_songs(credential, [{"title": "Café del Mar"}, {"title": "ＡＢＣ 全角"}])
    assert found(team, "CAFE") == found(team, "café") == {cafe.pk}
    assert found(team, "abc") == found(team, "ａｂｃ") == {wide.pk}


def test_a_number_and_letters_in_one_word_are_one_word(team: Team, credential: Credential) -> None:
    """PostgreSQL alone would read 90e75x as a number and a letter."""
    (clip,) = list_songs(credential, [{"title": "90e75x"}])
    assert found(team, "90e75x") == found(team, "90e7") == {clip.pk}


def test_only_signs_find_no_words() -> None:
    assert asked_words('" * - ( ) ! ? : ^') == []
    assert asked_words("love !") == ["love"]


def test_another_teams_clips_are_never_found(team: Team, credential: Credential, charlie: User) -> None:
    elsewhere = charlie.teams.get()
    mine = list_songs(credential, [{"title": "春天"}])
    theirs = list_songs(make_credential(elsewhere, charlie, base_url="https://y.example"), [{"title": "春天"}])
    assert found(team, "春天") == {mine[0].pk}
    assert found(elsewhere, "春天") == {theirs[0].pk}
    # Not even for somebody who types what stands for the other team.
    assert found(team, facet("team", elsewhere.pk)) == set()


def test_a_removed_tasks_clips_are_not_found_until_it_is_back(team: Team, alice: User, credential: Credential) -> None:
    (clip,) = list_songs(credential, [{"title": "春天"}])
    clip.task.remove(actor=alice, now=timezone.now())
    assert found(team, "春天") == set()
    clip.task.restore(actor=alice, now=timezone.now())
    assert found(team, "春天") == {clip.pk}


def hits_of_all(word: str) -> int:
    """How often the database's own index knows ``word``, whoever's it is."""
    table = LibraryEntry._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"SELECT COUNT(*) FROM {table} WHERE vector @@ to_tsquery('simple', %s)", [spell(word)])
        else:
            cursor.execute(f"SELECT COUNT(*) FROM {table}_words WHERE {table}_words MATCH %s", [spell(word)])
        return int(cursor.fetchone()[0])


def test_the_index_forgets_with_the_clip_the_task_and_the_team(team: Team, credential: Credential) -> None:
    clips = list_songs(credential, [{"title": "zebra"}, {"title": "zebra"}, {"title": "zebra"}])
    assert hits_of_all("zebra") == 3
    clips[0].delete()
    assert hits_of_all("zebra") == 2
    clips[1].task.delete()
    assert hits_of_all("zebra") == 1
    team.delete()
    assert hits_of_all("zebra") == 0
    assert not LibraryEntry.objects.exists()


def answer(credential: Credential, task: MusicTask, *clips: ClipSnapshot) -> None:
    """The provider says that ``task`` has ``clips``."""
    MusicTask.objects.filter(pk=task.pk).update(next_poll_at=timezone.now(), lease=None)
    (claimed,) = claim(timezone.now(), limit=1, only=[task.pk])
    snapshot = TaskSnapshot(task_id=task.task_id, status=TaskStatus.RUNNING, raw_status="RUNNING", clips=clips)
    record([Answer(claimed, snapshot=snapshot)], now=timezone.now(), rng=random.Random(1))


def test_what_a_provider_says_is_found_at_once_and_what_it_unsays_no_more(team: Team, credential: Credential) -> None:
    task = make_task(credential)
    answer(credential, task, ClipSnapshot(clip_id="a", title="春天", state=ClipState.RUNNING))
    assert len(found(team, "春天")) == 1
    added_at = LibraryEntry.objects.get().added_at
    answer(
        credential, task,
        ClipSnapshot(clip_id="a", title="秋天", tags="pop", state=ClipState.COMPLETE, duration_seconds=61.5),
        ClipSnapshot(clip_id="b", title="秋天", state=ClipState.RUNNING),
    )  # fmt: skip
    assert found(team, "春天") == set()
    assert len(found(team, "秋天")) == 2
    first, second = LibraryEntry.objects.order_by("pk")
    assert (first.sort_title, first.seconds, first.added_at) == ("秋天", 61.5, added_at)
    assert second.added_at > added_at


def test_one_clip_named_twice_is_listed_once(team: Team, credential: Credential) -> None:
    twice = ClipSnapshot(clip_id="a", title="春天", state=ClipState.RUNNING)
    answer(credential, make_task(credential), twice, twice)
    assert len(found(team, "春天")) == 1


def test_an_answer_that_changes_nothing_writes_no_words(
    credential: Credential, django_assert_max_num_queries: Any
) -> None:
    task = make_task(credential)
    running = ClipSnapshot(clip_id="a", title="春天", state=ClipState.RUNNING)
    answer(credential, task, running)
    LibraryEntry.objects.update(words="untouched")
    answer(
        credential, task, ClipSnapshot(clip_id="a", title="春天", state=ClipState.COMPLETE, audio_url="https://x/a.mp3")
    )
    assert LibraryEntry.objects.get().words == "untouched"


def test_the_models_of_a_team_are_named_once_each(team: Team, credential: Credential, charlie: User) -> None:
    list_songs(credential, [{"model": name} for name in ("v4", "v3", "v4", "", "v5")])
    list_songs(make_credential(charlie.teams.get(), charlie, base_url="https://y.example"), [{"model": "other"}])
    assert LibraryEntry.objects.models(team) == ["v3", "v4", "v5"]


anything = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
LETTERS = st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00")


@anything
@given(text=st.text(max_size=60))
def test_any_question_is_answered(team: Team, text: str) -> None:
    assert found(team, text) == set()


@anything
@given(title=st.text(LETTERS, max_size=80))
def test_any_song_is_found_by_its_own_words(team: Team, credential: Credential, title: str) -> None:
    (clip,) = list_songs(credential, [{"title": title}], start=MusicTask.objects.count())
    if asked_words(title):
        assert clip.pk in found(team, title), spell(title)


def test_the_migration_lists_what_exists(team: Team, alice: User, credential: Credential) -> None:
    first, second = list_songs(credential, [{"title": "春天"}, {"title": "春天 2"}])
    second.task.remove(actor=alice, now=timezone.now())
    LibraryEntry.objects.all().delete()
    apps = MigrationLoader(connection).project_state(("tracker", "0002_search")).apps
    import_module("tracker.migrations.0002_search").list_what_exists(apps, None)
    assert found(team, "春天") == {first.pk}
    assert LibraryEntry.objects.get().added_at == first.task.created_at
