"""A kept sound as players ask for it: whole, in parts, conditionally, privately."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from django.test import Client, RequestFactory

from tests.archive.conftest import MP3, MakeClip, archive_of, stored
from tests.archive.host import FileHost
from tracker import passes
from tracker.archive.upkeep import archive_now
from tracker.models import ArchivedFile, Clip, Membership, User

pytestmark = pytest.mark.django_db(transaction=True)
SONG = MP3 + bytes(3_000_000)


@pytest.fixture
def clip(folder: Path, host: FileHost, make_clip: MakeClip) -> Clip:
    """A kept clip of 3 MB, whose link leads nowhere any more."""
    made = make_clip(host.add("/a.mp3", SONG))
    archive_now()
    Clip.objects.update(audio_url="http://127.0.0.1:9/a.mp3")
    return made


def sound(client: Client, clip: Clip, **headers: str) -> Any:
    return client.get(f"/clips/{clip.public_id}/sound/", headers=headers)


def body(response: Any) -> bytes:
    return response.getvalue() if response.streaming else response.content


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        # Safari asks for two bytes first and gives up where it does not get just those.
        ("bytes=0-1", 0, 2),
        ("bytes=0-0", 0, 1),
        (f"bytes=0-{len(SONG) - 1}", 0, len(SONG)),
        ("bytes=500000-1999999", 500_000, 2_000_000),
        ("bytes=0-", 0, 1 << 20),
        ("bytes=2900000-", 2_900_000, len(SONG)),
        ("bytes=2900000-99999999", 2_900_000, len(SONG)),
        ("bytes=-500", len(SONG) - 500, len(SONG)),
        ("bytes=-99999999", 0, len(SONG)),
        (f"bytes={len(SONG) - 1}-", len(SONG) - 1, len(SONG)),
    ],
)
def test_a_part(signed_in: Client, clip: Clip, header: str, start: int, end: int) -> None:
    response = sound(signed_in, clip, Range=header)
    assert response.status_code == 206
    assert response["Content-Range"] == f"bytes {start}-{end - 1}/{len(SONG)}"
    assert int(response["Content-Length"]) == end - start
    assert response["Content-Type"] == "audio/mpeg"
    assert body(response) == SONG[start:end]


@pytest.mark.parametrize("header", [f"bytes={len(SONG)}-", "bytes=99999999-100000000"])
def test_beyond_the_end(signed_in: Client, clip: Clip, header: str) -> None:
    response = sound(signed_in, clip, Range=header)
    assert response.status_code == 416
    assert response["Content-Range"] == f"bytes */{len(SONG)}"


@pytest.mark.parametrize("header", ["bytes=0-1,5-6", "items=0-1", "bytes=5-1", "bytes=-0", "nonsense"])
def test_several_ranges_and_nonsense_get_the_whole(signed_in: Client, clip: Clip, header: str) -> None:
    response = sound(signed_in, clip, Range=header)
    assert response.status_code == 200
    assert int(response["Content-Length"]) == len(SONG)
    assert body(response) == SONG


def test_head_tells_all_and_sends_nothing(signed_in: Client, clip: Clip) -> None:
    response = signed_in.head(f"/clips/{clip.public_id}/sound/", headers={"Range": "bytes=0-1"})
    assert response.status_code == 200
    assert int(response["Content-Length"]) == len(SONG)
    assert response["Accept-Ranges"] == "bytes"
    assert response.getvalue() == b""


def test_the_headers_are_those_of_a_private_file_that_never_changes(signed_in: Client, clip: Clip) -> None:
    response = sound(signed_in, clip)
    response.close()
    assert response["ETag"] == f'"{archive_of(clip).sound.digest}"'  # type: ignore[union-attr]
    assert response["Cache-Control"] == "private, max-age=86400"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "Content-Disposition" not in response
    again = sound(signed_in, clip, **{"If-None-Match": response["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_if_range(signed_in: Client, clip: Clip) -> None:
    etag = sound(signed_in, clip, Range="bytes=0-1")["ETag"]
    assert sound(signed_in, clip, **{"Range": "bytes=0-1", "If-Range": etag}).status_code == 206
    for other in ('"old"', f"W/{etag}", "Sat, 21 Nov 2026 00:00:00 GMT"):
        response = sound(signed_in, clip, **{"Range": "bytes=0-1", "If-Range": other})
        assert response.status_code == 200
        response.close()


def test_who_may_hear_it(client: Client, clip: Clip, bob: User, charlie: User) -> None:
    address = f"/clips/{clip.public_id}/sound/"
    assert client.get(address).status_code == 302
    client.force_login(charlie, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get(address, headers={"Range": "bytes=0-1"}).status_code == 404
    client.force_login(bob, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get(address, headers={"Range": "bytes=0-1"}).status_code == 206


def test_nginx_sends_it_where_that_is_set(signed_in: Client, clip: Clip, settings: Any) -> None:
    settings.ACCEL_REDIRECT_PREFIX = "/archive-files/"
    response = sound(signed_in, clip, Range="bytes=0-1")
    file = archive_of(clip).sound
    assert file is not None
    assert response["X-Accel-Redirect"] == f"/archive-files/sound/{file.digest[:2]}/{file.digest}.mp3"
    assert (response["Content-Type"], response.content) == ("audio/mpeg", b"")
    assert response["Cache-Control"].startswith("private")


def test_a_lost_file_is_passed_through_from_its_link_again(
    signed_in: Client, clip: Clip, folder: Path, host: FileHost
) -> None:
    Clip.objects.update(audio_url=f"{host.url}/a.mp3")
    for path in stored(folder):
        path.unlink()
    assert body(sound(signed_in, clip)) == SONG


def test_a_part_costs_few_questions(signed_in: Client, clip: Clip, django_assert_max_num_queries: Any) -> None:
    sound(signed_in, clip, Range="bytes=0-1")
    with django_assert_max_num_queries(4):
        sound(signed_in, clip, Range="bytes=0-1")


def test_the_next_part_asks_the_database_nothing_and_says_the_same(
    signed_in: Client, clip: Clip, django_assert_num_queries: Any
) -> None:
    first = sound(signed_in, clip, Range="bytes=1000-1999")
    with django_assert_num_queries(0):
        again = sound(signed_in, clip, Range="bytes=1000-1999")
        other = sound(signed_in, clip, Range="bytes=2000-2499")
    assert (first.status_code, body(first)) == (again.status_code, body(again)) == (206, SONG[1000:2000])
    assert body(other) == SONG[2000:2500]
    told = ["Content-Type", "Content-Range", "Content-Length", "Cache-Control", "ETag", "Accept-Ranges"]
    told += ["X-Content-Type-Options", "Content-Security-Policy", "Strict-Transport-Security"]
    assert [first.get(name) for name in told] == [again.get(name) for name in told]
    assert "Cookie" in again["Vary"]


def test_what_one_session_may_hear_is_nothing_to_another(signed_in: Client, clip: Clip, charlie: User) -> None:
    assert sound(signed_in, clip, Range="bytes=0-9").status_code == 206
    assert sound(Client(), clip, Range="bytes=0-9").status_code == 302
    stranger = Client()
    stranger.force_login(charlie, backend="django.contrib.auth.backends.ModelBackend")
    assert sound(stranger, clip, Range="bytes=0-9").status_code == 404
    assert signed_in.post(f"/clips/{clip.public_id}/sound/").status_code == 405


def test_who_was_removed_hears_no_more_after_a_moment(
    signed_in: Client, clip: Clip, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "SECONDS", 0.3)
    assert sound(signed_in, clip, Range="bytes=0-9").status_code == 206
    Membership.objects.filter(user=alice).delete()
    time.sleep(0.35)
    assert sound(signed_in, clip, Range="bytes=0-9").status_code == 404


def test_a_file_that_goes_away_meanwhile_is_looked_for_anew(signed_in: Client, clip: Clip, folder: Path) -> None:
    assert sound(signed_in, clip, Range="bytes=0-9").status_code == 206
    for path in stored(folder):
        path.unlink()
    # Then the provider's link is asked, which leads nowhere.
    assert sound(signed_in, clip, Range="bytes=0-9").status_code == 502


def test_only_so_many_decisions_are_remembered(monkeypatch: pytest.MonkeyPatch, rf: RequestFactory) -> None:
    monkeypatch.setattr(passes, "MOST", 3)
    file = ArchivedFile(kind="sound", digest="0" * 64, content_type="audio/mpeg", size=1)
    for number in range(10):
        passes.give(rf.get(f"/clips/{number}/sound/"), file)
    assert len(passes._passes) == 3
