"""The library: what is listed, found and sorted, for whom, in how many questions to the database."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import make_credential
from tests.models.test_search import list_songs
from tests.views.test_board import make_task
from tracker import library
from tracker.library import PAGE_SIZE, LibraryFilter
from tracker.models import (
    ArchivedFile,
    Clip,
    ClipArchive,
    Credential,
    LibraryEntry,
    Membership,
    MusicTask,
    Role,
    Team,
    User,
)
from tracker.models.search import MOST_FOUND

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def credential(team: Team, alice: User) -> Credential:
    return make_credential(team, alice, base_url="https://relay.example.com")


def page(client: Client, query: str = "") -> str:
    response = client.get(f"/library/{query}")
    assert response.status_code == 200
    return response.content.decode()


def titles(text: str) -> list[str]:
    return [html.unescape(title) for title in re.findall(r'class="clip__title">([^<]*)<', text)]


def link(text: str, rel: str) -> str:
    found = re.search(rf'rel="{rel}" href="/library/([^"]*)"', text)
    return html.unescape(found[1]) if found else ""


def spread(clips: list[Clip]) -> None:
    """Days between the moments at which ``clips`` were added, the first the oldest."""
    for number, clip in enumerate(reversed(clips)):
        LibraryEntry.objects.filter(clip=clip).update(added_at=timezone.now() - timedelta(days=number))


def list_many(credential: Credential, songs: list[dict[str, Any]], *, task_id: str = "many") -> None:
    """The clips of one task, for lists that are long."""
    task = make_task(credential, task_id, status="succeeded", ended="final")
    clips = Clip.objects.bulk_create(
        Clip(task=task, position=place, state="complete", audio_url="https://x.example/a.mp3", **song)
        for place, song in enumerate(songs)
    )
    LibraryEntry.objects.list_clips([(task, clip) for clip in clips], now=timezone.now())


def test_songs_stand_there_with_what_is_known(signed_in: Client, credential: Credential) -> None:
    song = {"title": "春天转圈圈", "tags": "pop, 女声", "duration_seconds": 219, "model": "chirp-v4"}
    (clip,) = list_songs(credential, [song])
    text = page(signed_in)
    for words in (
        "春天转圈圈",
        "pop, 女声",
        "3:39",
        "chirp-v4",
        "Alice",
        credential.provider,
        f"/tasks/{clip.task.public_id}/",
    ):
        assert words in text, words
    assert f'data-sound="/clips/{clip.public_id}/sound/"' in text
    assert f'href="/clips/{clip.public_id}/download/"' in text
    assert "x.example" not in text


def test_what_a_provider_delivers_is_in_the_library(signed_in: Client, relay: Credential) -> None:
    signed_in.post("/track/", {"ids": f"done-{uuid4().hex[:8]}", "credential": str(relay.public_id)})
    title = Clip.objects.order_by("position")[0].title
    assert titles(page(signed_in)) == [title, title]
    assert titles(page(signed_in, f"?q={title[:4]}")) == [title, title]


def test_for_members_only(client: Client, bob: User, charlie: User, credential: Credential) -> None:
    list_songs(credential, [{"title": "City Lights"}])
    assert client.get("/library/").status_code == 302
    client.force_login(bob, backend=BACKEND)
    assert titles(page(client)) == ["City Lights"]
    client.force_login(charlie, backend=BACKEND)
    for query in ("", "?q=city", "?sort=title", "?model=&provider=suno-fetch"):
        assert "City Lights" not in page(client, query)


def test_a_viewer_looks_and_tracks_nothing(client: Client, team: Team, credential: Credential) -> None:
    viewer = User.objects.create_user("vera@example.org", "correct horse battery", name="Vera")
    Membership.objects.create(team=team, user=viewer, role=Role.VIEWER)
    client.force_login(viewer, backend=BACKEND)
    assert "Track a task" not in page(client)
    list_songs(credential, [{"title": "City Lights"}])
    assert titles(page(client)) == ["City Lights"]


def test_somebody_in_no_team_has_no_library(client: Client, db: None) -> None:
    client.force_login(User.objects.create_user("n@example.org", name="N"), backend=BACKEND)
    assert client.get("/library/").status_code in (302, 403)


def test_removed_songs_are_gone_until_they_are_back(signed_in: Client, alice: User, credential: Credential) -> None:
    (clip,) = list_songs(credential, [{"title": "City Lights"}])
    clip.task.remove(actor=alice, now=timezone.now())
    for query in ("", "?q=city", "?sort=title"):
        assert "City Lights" not in page(signed_in, query)
    clip.task.restore(actor=alice, now=timezone.now())
    assert titles(page(signed_in, "?q=city")) == ["City Lights"]


def test_the_orders(signed_in: Client, credential: Credential) -> None:
    songs = [("b", 60), ("", 200), ("C", 61), ("a", None), ("春", 300)]
    spread(list_songs(credential, [{"title": title, "duration_seconds": seconds} for title, seconds in songs]))
    assert titles(page(signed_in)) == ["春", "a", "C", "Untitled", "b"]
    assert titles(page(signed_in, "?sort=oldest")) == ["b", "Untitled", "C", "a", "春"]
    assert titles(page(signed_in, "?sort=title")) == ["a", "b", "C", "春", "Untitled"]
    assert titles(page(signed_in, "?sort=longest")) == ["春", "Untitled", "C", "b", "a"]
    assert titles(page(signed_in, "?sort=shortest")) == ["a", "b", "C", "Untitled", "春"]
    assert titles(page(signed_in, "?sort=nonsense")) == titles(page(signed_in))


@pytest.mark.parametrize("sort", ["newest", "oldest", "title", "longest", "shortest"])
@pytest.mark.parametrize("same", [True, False])
def test_pages_show_each_song_once_there_and_back(
    signed_in: Client, credential: Credential, sort: str, same: bool
) -> None:
    count = 2 * PAGE_SIZE + 7
    songs = [
        {
            "title": "Same" if same else f"T{number:03}",
            "duration_seconds": 7 if same else number / 7,
            "tags": f"n{number}",
        }
        for number in range(count)
    ]
    list_many(credential, songs)
    query, seen, pages = f"?sort={sort}", [], []
    while query:
        text = page(signed_in, query)
        pages.append(re.findall(r'id="clip-([^"]*)"', text))
        seen += pages[-1]
        query = link(text, "next")
    assert [len(one) for one in pages] == [PAGE_SIZE, PAGE_SIZE, 7]
    assert len(set(seen)) == count
    back = page(signed_in, link(text, "prev"))
    assert re.findall(r'id="clip-([^"]*)"', back) == pages[1]
    first = page(signed_in, link(back, "prev"))
    assert re.findall(r'id="clip-([^"]*)"', first) == pages[0]
    assert link(first, "prev") == ""


def test_a_search_finds_title_style_and_lyrics(signed_in: Client, credential: Credential) -> None:
    list_songs(
        credential,
        [
            {"title": "春天转圈圈"},
            {"title": "A", "tags": "春天, pop"},
            {"title": "B", "lyrics": "在春天里"},
            {"title": "C"},
        ],
    )
    assert sorted(titles(page(signed_in, "?q=春天"))) == ["A", "B", "春天转圈圈"]
    assert titles(page(signed_in, "?q=春天+pop")) == ["A"]
    assert "Nothing matches" in page(signed_in, "?q=秋天")
    assert "Nothing matches" in page(signed_in, "?q=%22%2A")


def test_a_search_is_sorted_and_paged_too(signed_in: Client, credential: Credential) -> None:
    list_many(credential, [{"title": f"春天 {number:03}"} for number in range(PAGE_SIZE + 3)] + [{"title": "x"}])
    first = page(signed_in, "?q=春天&sort=title")
    second = page(signed_in, link(first, "next"))
    assert titles(first) + titles(second) == [f"春天 {number:03}" for number in range(PAGE_SIZE + 3)]


def test_the_filters(signed_in: Client, team: Team, bob: User, credential: Credential) -> None:
    songs = [
        {"title": "a", "model": "v3", "duration_seconds": 100}, {"title": "b", "model": "v4", "duration_seconds": 120},
        {"title": "c", "model": "v4", "duration_seconds": 240}, {"title": "d", "model": "", "duration_seconds": None},
    ]  # fmt: skip
    clips = list_songs(credential, songs)
    other = make_credential(team, bob, base_url="https://huiyan.example.com", provider="huiyan")
    clips += list_songs(other, [{"title": "e", "model": "v4", "duration_seconds": 130}])
    spread(clips)
    kept = ArchivedFile.objects.create(
        kind="sound", digest="0" * 64, content_type="audio/mpeg", size=1, kept_at=timezone.now()
    )
    ClipArchive.objects.create(clip=clips[0], state=ClipArchive.State.KEPT, sound=kept)
    ClipArchive.objects.create(clip=clips[1], state=ClipArchive.State.FAILED)
    today = timezone.localdate()
    for query, wanted in (
        ("?model=v4", "ebc"), ("?provider=huiyan", "e"), ("?provider=suno-fetch&model=v4", "bc"),
        (f"?person={bob.pk}", "e"), (f"?person={bob.pk}&model=v3", ""), ("?length=short", "a"),
        ("?length=medium", "be"), ("?length=long", "c"), ("?q=b&model=v4", "b"), ("?q=b&model=v3", ""),
        (f"?since={today}", "e"), (f"?until={today - timedelta(days=3)}", "ab"),
        (f"?since={today - timedelta(days=2)}&until={today - timedelta(days=1)}", "cd"),
        ("?archived=no", "bcde"), ("?archived=yes", "a"), ("?model=none", ""),
        (f"?pick={clips[0].public_id}&pick={clips[3].public_id}&pick=x", "ad"),
    ):  # fmt: skip
        assert sorted(titles(page(signed_in, query))) == sorted(wanted), query


def test_what_makes_no_sense_is_left_out(signed_in: Client, credential: Credential) -> None:
    list_songs(credential, [{"title": "a"}])
    for query in (
        "?person=x", "?person=99999999999999999999999", "?since=yesterday", "?until=0001-01-01", "?length=x", "?view=x",
        "?after=x", "?after=1", "?sort=longest&after=1~x", "?before=x~y", "?pick=x", "?archived=maybe", "?q=%00",
    ):  # fmt: skip
        assert titles(page(signed_in, query)) == ["a"], query


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(
        ["q", "provider", "model", "person", "length", "since", "until", "archived", "sort", "view", "pick"]
    ),
    value=st.text(max_size=30),
    sort=st.sampled_from(["newest", "title", "longest"]),
    place=st.text(max_size=30) | st.from_regex(r"[0-9]{1,20}~.{0,30}", fullmatch=True),
)
def test_no_address_raises(
    signed_in: Client, credential: Credential, name: str, value: str, sort: str, place: str
) -> None:
    assert signed_in.get("/library/", {"sort": sort, "after": place, name: value}).status_code == 200
    assert signed_in.get("/library/", {"sort": sort, "before": place}).status_code == 200


def test_all_of_it_stands_in_the_address() -> None:
    query = "?q=春天&model=v4&length=long&sort=title&view=list&since=2026-01-02"
    shown = LibraryFilter.read(QueryDict(query[1:]))
    assert LibraryFilter.read(QueryDict(shown.query()[1:])) == shown
    assert (shown.narrowings, shown.view) == (3, "list")
    assert LibraryFilter(q="newest", model="grid").query() == "?q=newest&model=grid"
    assert LibraryFilter.read(QueryDict(shown.without_filters[1:])) == LibraryFilter(
        q="春天", sort="title", view="list"
    )


def test_the_look_stays_with_every_link(signed_in: Client, credential: Credential) -> None:
    list_many(credential, [{"title": f"T{number}"} for number in range(PAGE_SIZE + 1)])
    text = page(signed_in, "?view=list")
    assert "library__rows--list" in text
    assert "view=list" in link(text, "next")
    assert '<input type="hidden" name="view" value="list">' in text
    assert "library__rows--grid" in page(signed_in)


def test_the_count_ends_at_a_thousand(signed_in: Client, credential: Credential) -> None:
    (clip,) = list_songs(credential, [{"title": "a"}])
    task = clip.task
    more = Clip.objects.bulk_create(Clip(task=task, position=place, title="b") for place in range(1, 1002))
    assert ">1<" in page(signed_in)
    LibraryEntry.objects.list_clips([(task, one) for one in more], now=timezone.now())
    assert ">1000+<" in page(signed_in)
    assert ">1000+<" in page(signed_in, "?q=b")
    assert ">1<" in page(signed_in, "?q=a")


def test_a_search_with_very_many_hits_says_that_it_was_cut(signed_in: Client, credential: Credential) -> None:
    list_many(credential, [{"title": "春天"}], task_id="first")
    assert "narrow the search" not in page(signed_in, "?q=春天")
    list_many(credential, [{"title": "春天", "model": "v4"}] * MOST_FOUND)
    assert "More than 10000 songs match. The newest 10000" in page(signed_in, "?q=春天")
    assert "The oldest 10000" in page(signed_in, "?q=春天&sort=oldest")
    # What no index is asked for is walked to its end.
    assert "narrow the search" not in page(signed_in, "?provider=suno-fetch")
    assert titles(page(signed_in, "?provider=suno-fetch&sort=oldest"))[0] == "春天"


def test_an_empty_library_says_what_to_do(signed_in: Client) -> None:
    text = page(signed_in)
    assert "No songs yet" in text
    assert 'href="/"' in text


def test_a_page_beyond_the_end_leads_back(signed_in: Client, credential: Credential) -> None:
    (clip,) = list_songs(credential, [{"title": "a"}])
    assert "Go to its beginning" in page(signed_in, f"?sort=title&after={clip.pk}~zzz")


def test_titles_are_text_and_not_markup(signed_in: Client, credential: Credential) -> None:
    list_songs(credential, [{"title": "<script>alert(1)</script>", "model": "<b>v4</b>"}])
    text = page(signed_in, "?q=%3Cscript%3E")
    assert "<script>alert" not in text
    assert "<b>v4" not in text


@pytest.mark.parametrize("query", ["", "?q=春天", "?sort=title&model=v4", "?sort=longest&length=long&view=list"])
def test_the_number_of_queries_does_not_grow(signed_in: Client, credential: Credential, query: str) -> None:
    songs = [{"title": f"春天 {number}", "model": "v4", "duration_seconds": 300} for number in range(PAGE_SIZE + 5)]
    list_many(credential, songs[:1], task_id="first")
    page(signed_in, query)
    with CaptureQueriesContext(connection) as few:
        page(signed_in, query)
    list_many(credential, songs[1:])
    with CaptureQueriesContext(connection) as many:
        text = page(signed_in, query)
    assert len(titles(text)) == PAGE_SIZE
    assert len(many) == len(few) <= 9
    with CaptureQueriesContext(connection) as later:
        page(signed_in, link(text, "next"))
    assert len(later) == len(few)


@pytest.mark.parametrize(
    ("sort", "index"), [("newest", "entry_added"), ("title", "entry_title"), ("longest", "entry_length")]
)
def test_a_page_in_the_middle_is_found_in_its_index(team: Team, credential: Credential, sort: str, index: str) -> None:
    """Walked from its place on, and never counted off from the beginning or sorted."""
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL plans by the size of the tables, which are small here")
    (clip,) = list_songs(credential, [{"title": "a"}])
    place = {"newest": "2026-01-01T00:00:00Z", "title": "a", "longest": "7.5"}[sort]
    shown = LibraryFilter.read(QueryDict(f"sort={sort}&after={clip.pk}~{place}"))
    assert shown.after
    entries = shown.turn(shown.narrow(LibraryEntry.objects.of_team(team), team)[0])
    plan = entries.values_list("pk")[:PAGE_SIZE].explain()
    assert re.search(rf"USING COVERING INDEX {index} \(team_id=\? AND \(\w+,clip_id\)[<>]", plan), plan
    assert "TEMP B-TREE" not in plan


def test_a_search_starts_from_the_team(team: Team, credential: Credential) -> None:
    """The index is asked for the team together with the words: other teams' hits are not walked through."""
    with CaptureQueriesContext(connection) as asked:
        list(LibraryEntry.objects.of_team(team).matching(team, phrases=["qzu6625"]))
    (one,) = asked.captured_queries
    assert "qzf" in one["sql"]


def test_the_songs_of_a_deleted_team_are_gone(team: Team, credential: Credential) -> None:
    list_songs(credential, [{"title": "a"}, {"title": "b"}])
    team.delete()
    assert (LibraryEntry.objects.count(), MusicTask.objects.count()) == (0, 0)


def test_play_all_and_selecting_need_no_script(signed_in: Client, credential: Credential) -> None:
    """The player's buttons for a browser with scripts; a form that shows the selection for one without."""
    first, _second = list_songs(credential, [{"title": "a"}, {"title": "b"}])
    text = page(signed_in)
    assert 'data-play-all="#songs"' in text
    assert 'data-queue-picked="#songs"' in text
    assert text.count("data-pick-row") == 2
    assert text.count('<audio class="clip__native"') == 2
    assert titles(page(signed_in, f"?pick={first.public_id}")) == ["a"]


def test_play_all_goes_on_beyond_the_page(
    signed_in: Client, credential: Credential, charlie: User, django_assert_max_num_queries: Any
) -> None:
    songs = [{"title": f"T{number:03}", "tags": "odd" if number % 2 else "even"} for number in range(PAGE_SIZE + 5)]
    list_many(credential, songs)
    assert 'data-play-more="/library/queue/?sort=title"' in page(signed_in, "?sort=title")
    assert "data-play-more" not in page(signed_in, "?q=T001")
    with django_assert_max_num_queries(8):
        told = signed_in.get("/library/queue/?sort=title").json()["items"]
    assert [one["title"] for one in told] == [song["title"] for song in songs]
    first = Clip.objects.get(title="T000")
    assert told[0] == {
        "id": str(first.public_id), "title": "T000", "task": f"/tasks/{first.task.public_id}/", "number": "1",
    }  # fmt: skip
    later = html.unescape(link(page(signed_in, "?sort=title&q=odd"), "next")) or "?sort=title&q=odd"
    assert len(signed_in.get(f"/library/queue/{later}").json()["items"]) == len(songs) // 2
    # What cannot be heard is not queued.
    Clip.objects.filter(title="T001").update(audio_url="", stream_url="")
    assert len(signed_in.get("/library/queue/").json()["items"]) == len(songs) - 1
    Membership.objects.create(team=Team.objects.create(name="Other"), user=charlie)
    stranger = Client()
    stranger.force_login(charlie, backend=BACKEND)
    assert stranger.get("/library/queue/").json() == {"items": []}


def test_a_queue_takes_no_more_than_its_limit(
    signed_in: Client, credential: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "MOST_QUEUED", 3)
    list_songs(credential, [{"title": str(number)} for number in range(5)])
    told = signed_in.get("/library/queue/?sort=title").json()["items"]
    assert [one["title"] for one in told] == ["0", "1", "2"]
