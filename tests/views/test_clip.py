"""Sound and covers, passed through this site from the simulated provider."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from tests.conftest import make_credential
from tests.views.test_board import make_task
from tracker.demo.running import DemoServer
from tracker.models import Clip, Credential, MusicTask, Team, User
from tracker.ranges import ByteRange, read_range
from tracker.sniffing import sniff_picture, sniff_sound

pytestmark = pytest.mark.django_db(transaction=True)
BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def clip(signed_in: Client, relay: Credential) -> Clip:
    """A finished clip, as the provider gave it."""
    signed_in.post("/track/", {"ids": f"done-{uuid4().hex[:8]}", "credential": str(relay.public_id)})
    return Clip.objects.order_by("position")[0]


def sound(client: Client, clip: Clip, **headers: str) -> Any:
    return client.get(f"/clips/{clip.public_id}/sound/", headers=headers)


def body(response: Any) -> bytes:
    return response.getvalue() if response.streaming else response.content


def change(clip: Clip, **fields: Any) -> Clip:
    Clip.objects.filter(pk=clip.pk).update(**fields)
    clip.refresh_from_db()
    return clip


def test_the_whole_sound(signed_in: Client, clip: Clip) -> None:
    response = sound(signed_in, clip)
    whole = body(response)
    assert response.status_code == 200
    assert response["Content-Type"] == "audio/mpeg"
    assert response["Accept-Ranges"] == "bytes"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Cache-Control"].startswith("private")
    assert int(response["Content-Length"]) == len(whole) > 100_000
    assert sniff_sound(whole) == "audio/mpeg"


def test_a_part_of_the_sound(signed_in: Client, clip: Clip) -> None:
    whole = body(sound(signed_in, clip))
    for header, start, end in (
        ("bytes=0-1", 0, 2),
        ("bytes=0-99", 0, 100),
        ("bytes=1000-1999", 1000, 2000),
        (f"bytes={len(whole) - 10}-", len(whole) - 10, len(whole)),
        ("bytes=-500", len(whole) - 500, len(whole)),
        ("bytes=0-", 0, min(len(whole), 1 << 20)),
    ):
        response = sound(signed_in, clip, Range=header)
        assert response.status_code == 206
        assert response["Content-Range"] == f"bytes {start}-{end - 1}/{len(whole)}"
        assert response.content == whole[start:end]


def test_beyond_the_end_is_416(signed_in: Client, clip: Clip) -> None:
    response = sound(signed_in, clip, Range="bytes=99999999-")
    assert response.status_code == 416
    assert response["Content-Range"].startswith("bytes */")


def test_head_tells_the_length_and_sends_nothing(signed_in: Client, clip: Clip) -> None:
    response = signed_in.head(f"/clips/{clip.public_id}/sound/")
    assert response.status_code == 200
    assert int(response["Content-Length"]) > 100_000
    assert response.getvalue() == b""


def test_a_part_of_another_version_is_not_mixed_in(signed_in: Client, clip: Clip) -> None:
    etag = sound(signed_in, clip, Range="bytes=0-9")["ETag"]
    assert sound(signed_in, clip, **{"Range": "bytes=0-9", "If-Range": etag}).status_code == 206
    assert sound(signed_in, clip, **{"Range": "bytes=0-9", "If-Range": '"old"'}).status_code == 200


def test_sound_and_cover_are_private(client: Client, clip: Clip, bob: User, charlie: User) -> None:
    for path in ("sound", "cover", "card"):
        address = f"/clips/{clip.public_id}/{path}/"
        client.force_login(bob, backend=BACKEND)
        assert client.get(address, headers={"Range": "bytes=0-9"}).status_code in (200, 206)
        client.force_login(charlie, backend=BACKEND)
        assert client.get(address).status_code == 404
        assert Client().get(address).status_code == 302


def test_an_expired_link_is_kept_and_said(signed_in: Client, relay: Credential) -> None:
    signed_in.post("/track/", {"ids": f"expired-{uuid4().hex[:8]}", "credential": str(relay.public_id)})
    clip = Clip.objects.order_by("position")[0]
    stamp = clip.task.stamp
    response = sound(signed_in, clip)
    assert response.status_code == 410
    assert "expired" in response.content.decode()
    clip.refresh_from_db()
    assert clip.sound_problem == Clip.SoundProblem.EXPIRED
    assert MusicTask.objects.get().stamp == stamp + 1
    card = signed_in.get(f"/clips/{clip.public_id}/card/").content.decode()
    assert "Link expired" in card
    assert "data-play" not in card


def test_a_page_instead_of_sound_is_not_passed_on(signed_in: Client, relay: Credential) -> None:
    signed_in.post("/track/", {"ids": f"badsound-html-{uuid4().hex[:8]}", "credential": str(relay.public_id)})
    clip = Clip.objects.order_by("position")[0]
    response = sound(signed_in, clip, Range="bytes=0-")
    assert response.status_code == 502
    assert b"<html" not in response.content.lower()
    clip.refresh_from_db()
    assert clip.sound_problem == Clip.SoundProblem.NOT_SOUND


def test_an_unreachable_host_is_said_until_it_answers_again(signed_in: Client, clip: Clip) -> None:
    good = clip.audio_url
    change(clip, audio_url="http://127.0.0.1:9/a.mp3")
    assert sound(signed_in, clip).status_code == 502
    clip.refresh_from_db()
    assert clip.sound_problem == Clip.SoundProblem.UNREACHABLE
    change(clip, audio_url=good)
    assert sound(signed_in, clip, Range="bytes=0-9").status_code == 206
    clip.refresh_from_db()
    assert clip.sound_problem == ""


@pytest.mark.parametrize(
    "address", ["http://169.254.169.254/latest", "http://10.0.0.1/a.mp3", "file:///etc/passwd", "javascript:1"]
)
def test_no_address_inside_is_fetched(signed_in: Client, clip: Clip, address: str) -> None:
    change(clip, audio_url=address, image_url=address)
    assert sound(signed_in, clip).status_code == 502
    assert signed_in.get(f"/clips/{clip.public_id}/cover/")["Content-Type"] == "image/svg+xml"


def test_a_clip_without_a_link_has_no_sound(signed_in: Client, clip: Clip) -> None:
    assert sound(signed_in, change(clip, audio_url="", stream_url="")).status_code == 404


def test_a_stream_is_passed_on_as_it_comes(signed_in: Client, relay: Credential, demo: DemoServer) -> None:
    signed_in.post("/track/", {"ids": f"half-{uuid4().hex[:8]}", "credential": str(relay.public_id)})
    clip = Clip.objects.filter(audio_url="").exclude(stream_url="").first()
    assert clip is not None
    response = sound(signed_in, clip)
    assert response.status_code == 200
    assert response.streaming
    assert "Content-Length" not in response
    assert response["Cache-Control"] == "no-store"
    first = next(iter(response.streaming_content))
    assert sniff_sound(first) == "audio/mpeg"
    response.close()


def test_the_cover_is_a_picture_of_this_site(signed_in: Client, clip: Clip) -> None:
    response = signed_in.get(f"/clips/{clip.public_id}/cover/")
    assert response["Content-Type"] == "image/jpeg"
    assert sniff_picture(response.content) == "image/jpeg"
    assert "private" in response["Cache-Control"]


def test_markup_is_no_cover(signed_in: Client, clip: Clip, demo: DemoServer) -> None:
    change(clip, image_url=f"{demo.url}/media/fault/html/x.jpeg")
    response = signed_in.get(f"/clips/{clip.public_id}/cover/")
    assert response.status_code == 200
    assert b"<html" not in response.content.lower()


def test_a_clip_says_why_it_cannot_be_heard(signed_in: Client, team: Team, alice: User) -> None:
    task = make_task(make_credential(team, alice, base_url="http://127.0.0.1:9"), clips=1)
    clip = task.clips.get()
    for fields, words in (
        ({"audio_url": "", "state": "running"}, "Still generating"),
        ({"audio_url": "", "state": "queued"}, "Waiting to start"),
        ({"audio_url": "", "state": "running", "stream_url": "https://x.example/s"}, "can be heard already"),
        ({"audio_url": "", "stream_url": "", "state": "failed", "error": "Too long"}, "Failed: Too long"),
        ({"audio_url": "", "stream_url": "", "state": "complete", "error": ""}, "the sound is not there yet"),
    ):
        change(clip, **fields)
        assert words in signed_in.get(f"/clips/{clip.public_id}/card/").content.decode()
    MusicTask.objects.update(ended="final")
    assert "The provider sent no sound" in signed_in.get(f"/clips/{clip.public_id}/card/").content.decode()


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("bytes=0-0", ByteRange(0, 1)),
        ("bytes=5-", ByteRange(5, None)),
        ("bytes=-5", ByteRange(None, 5)),
        ("BYTES = 1-2", ByteRange(1, 2)),
        ("", None),
        ("bytes=-0", None),
        ("bytes=5-1", None),
        ("bytes=0-1,5-6", None),
        ("items=0-1", None),
        ("bytes=-", None),
        ("bytes=" + "9" * 40 + "-", None),
    ],
)
def test_ranges_are_read(header: str, wanted: ByteRange | None) -> None:
    assert read_range(header) == wanted


@pytest.mark.parametrize(
    ("fault", "problem", "words"),
    [
        ("empty", "empty", "The file at the provider’s link is empty."),
        ("short", "broke_off", "breaks off in the middle"),
        ("redirect", "dead_end", "leads on to an address that does not answer"),
    ],
)
def test_what_was_met_is_said_as_it_was(
    signed_in: Client, relay: Credential, fault: str, problem: str, words: str
) -> None:
    signed_in.post("/track/", {"ids": f"badsound-{fault}-{uuid4().hex[:8]}", "credential": str(relay.public_id)})
    clip = Clip.objects.order_by("position")[0]
    response = sound(signed_in, clip, Range="bytes=0-")
    assert response.status_code == 502
    assert words in response.content.decode()
    clip.refresh_from_db()
    assert clip.sound_problem == problem
    assert words in signed_in.get(f"/clips/{clip.public_id}/card/").content.decode()
