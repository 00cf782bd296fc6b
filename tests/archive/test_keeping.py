"""What a provider delivered is kept, whatever its host does; what is no sound is not."""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.archive.conftest import MP3, SOUNDS, MakeClip, archive_of, make_due, picture, stored
from tests.archive.host import FileHost, file_host
from tests.test_poller import eventually, poll_once, polling, track
from tracker.archive.downloading import Limits, may_copy
from tracker.archive.upkeep import archive_now
from tracker.demo.running import DemoServer
from tracker.models import ArchivedFile, Clip, ClipArchive, Credential, Membership, MusicTask, Role, Team, User
from tracker.models.archive import TRY_AGAIN_AFTER

pytestmark = pytest.mark.django_db(transaction=True)
FAST = Limits(deadline_seconds=5, stall_seconds=0.5)
HTML = b"<!DOCTYPE html><html><body>404</body></html>" + b" " * 4000
Problem = ClipArchive.Problem


def card(client: Client, clip: Clip) -> str:
    return client.get(f"/clips/{clip.public_id}/card/").content.decode()


@pytest.mark.parametrize(
    ("ending", "content_type"),
    [
        ("mp3", "audio/mpeg"), ("m4a", "audio/mp4"), ("aac", "audio/aac"), ("ogg", "audio/ogg"),
        ("opus", "audio/ogg"), ("flac", "audio/flac"), ("wav", "audio/wav"),
    ],
)  # fmt: skip
def test_a_clip_plays_on_when_its_host_has_died(
    signed_in: Client, folder: Path, make_clip: MakeClip, settings: Any, ending: str, content_type: str
) -> None:
    settings.OUTBOUND_ALLOW_NETS = ["127.0.0.1/32"]
    content = (SOUNDS / f"two_seconds.{ending}").read_bytes()
    with file_host() as host:
        # The host lies about the type; the bytes decide.
        clip = make_clip(host.add("/a", content, content_type="text/html"), image_url=host.add("/b", picture()))
        archive_now(FAST)
        assert host.asked == {"/a": 1, "/b": 1}
        assert all("Authorization" not in headers for headers in host.headers)
    response = signed_in.get(f"/clips/{clip.public_id}/sound/")
    assert (response.status_code, response["Content-Type"]) == (200, content_type)
    assert b"".join(response.streaming_content) == content
    digest = hashlib.sha256(content).hexdigest()
    assert response["ETag"] == f'"{digest}"'
    assert signed_in.get(f"/clips/{clip.public_id}/cover/")["Content-Type"] == "image/jpeg"
    assert "clip__kept" not in card(signed_in, clip)
    assert next(path for path in stored(folder) if path.name.startswith(digest)).parent.name == digest[:2]


def test_the_poller_keeps_what_it_sees_finish(signed_in: Client, folder: Path, relay: Credential) -> None:
    track(relay, "done-kept-1")
    with polling():
        eventually(lambda: ClipArchive.objects.filter(state="kept").count() == 2)
        eventually(lambda: ArchivedFile.objects.filter(kind="sound").exclude(peaks=None).count() == 2)
    clip = Clip.objects.first()
    assert clip is not None
    Clip.objects.update(audio_url="http://127.0.0.1:9/gone.mp3")
    assert signed_in.get(f"/clips/{clip.public_id}/sound/", headers={"Range": "bytes=0-1"}).status_code == 206
    peaks = signed_in.get(f"/clips/{clip.public_id}/peaks/")
    assert len(peaks.json()) > 100
    assert max(peaks.json()) == 255
    assert "max-age" in peaks["Cache-Control"]


def test_the_card_shows_the_outline_and_a_plain_bar_where_there_is_none(
    signed_in: Client, folder: Path, host: FileHost, make_clip: MakeClip
) -> None:
    clip = make_clip(host.add("/a.mp3", MP3))
    archive_now(FAST, draws=False)
    assert 'class="clip__line' in card(signed_in, clip)
    stamp = MusicTask.objects.get().stamp
    archive_now(FAST)
    drawn = card(signed_in, clip)
    assert "clip__line" not in drawn
    path = re.search(r'class="clip__wave.*? d="([^"]+)"', drawn)
    assert path is not None
    assert path[1].count("M") == path[1].count("v") == 64
    assert MusicTask.objects.get().stamp == stamp + 1
    # A sound that no decoder reads has an empty outline, for good.
    file = ArchivedFile.objects.get(kind="sound")
    file.keep_outline(b"")
    assert 'class="clip__line' in card(signed_in, clip)
    assert MusicTask.objects.get().stamp == stamp + 1


def test_polling_once_leaves_the_keeping_to_the_command(folder: Path, relay: Credential) -> None:
    track(relay, "done-once-1")
    poll_once()
    assert list(ClipArchive.objects.values_list("state", flat=True)) == ["waiting", "waiting"]
    assert stored(folder) == []


def test_alternatives_are_tried_in_their_order_and_a_stream_never(
    folder: Path, host: FileHost, make_clip: MakeClip
) -> None:
    clip = make_clip(
        host.add("/first", HTML),
        more_audio_urls="\n".join([host.add("/second", status=404), host.add("/third", MP3), host.add("/fourth", MP3)]),
        stream_url=host.add("/stream", MP3),
    )
    archive_now(FAST)
    assert archive_of(clip).state == "kept"
    assert host.asked == {"/first": 1, "/second": 1, "/third": 1}
    lost = make_clip("", stream_url=host.add("/stream", MP3))
    archive_now(FAST)
    assert archive_of(lost).sound is None
    assert host.asked["/stream"] == 0


def test_what_a_provider_says_under_other_keys_is_an_alternative(relay: Credential, demo: DemoServer) -> None:
    from tracker.providers.unwrapping import read_clip

    said = read_clip(
        {
            "id": "1",
            "audio_url": "https://a.example.com/1.mp3",
            "source_audio_url": "https://b.example.com/1.mp3",
            "url": "https://a.example.com/1.mp3",
            "stream_audio_url": "https://musicfile.example.com/MQ",
        },
        None,
    )
    assert (said.audio_url, said.more_audio_urls) == ("https://a.example.com/1.mp3", ("https://b.example.com/1.mp3",))


# -- Hosts of which no copies are kept ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "may"),
    [
        ("https://suno.ai/a.mp3", False),
        ("https://cdn1.suno.ai/a.mp3", False),
        ("https://CDN1.SUNO.AI./a.mp3", False),
        ("https://suno.com:8443/a.mp3", False),
        ("https://notsuno.ai/a.mp3", True),
        ("https://suno.ai.example.com/a.mp3", True),
        ("https://files.example.com/suno.ai/a.mp3", True),
    ],
)
def test_a_host_stands_for_its_subdomains_and_for_no_other(url: str, may: bool) -> None:
    assert may_copy(url) is may


def test_a_host_that_allows_no_copies_is_not_asked_and_the_card_says_so(
    signed_in: Client, folder: Path, host: FileHost, make_clip: MakeClip, settings: Any
) -> None:
    settings.ARCHIVE_SKIP_HOSTS = ["127.0.0.1"]
    clip = make_clip(host.add("/a.mp3", MP3))
    archive_now(FAST)
    assert host.asked == {}
    archive = archive_of(clip)
    assert (archive.state, archive.due_at, archive.problem_host) == ("skipped", None, "127.0.0.1")
    assert "Not kept: its host does not allow copies." in card(signed_in, clip)
    assert "Try again" not in card(signed_in, clip)
    assert stored(folder) == []


def test_a_redirect_to_such_a_host_is_not_copied_either(
    folder: Path, host: FileHost, make_clip: MakeClip, settings: Any
) -> None:
    settings.ARCHIVE_SKIP_HOSTS = ["localhost"]
    host.add("/b.mp3", MP3)
    clip = make_clip(host.add("/a.mp3", status=302, location=f"http://localhost:{host.port}/b.mp3"))
    archive_now(FAST)
    assert archive_of(clip).state == "skipped"
    assert stored(folder) == []


def test_another_host_may_have_what_the_first_does_not_give(
    folder: Path, host: FileHost, make_clip: MakeClip, settings: Any
) -> None:
    settings.ARCHIVE_SKIP_HOSTS = ["localhost"]
    host.add("/a.mp3", MP3)
    clip = make_clip(f"http://localhost:{host.port}/a.mp3", more_audio_urls=f"{host.url}/a.mp3")
    archive_now(FAST)
    assert archive_of(clip).state == "kept"
    assert host.asked == {"/a.mp3": 1}


def test_where_keeping_is_switched_off_nothing_is_kept_and_the_card_says_so(
    signed_in: Client, folder: Path, relay: Credential, settings: Any
) -> None:
    settings.ARCHIVE = False
    track(relay, "done-off-1")
    with polling():
        eventually(lambda: MusicTask.objects.filter(ended="final").exists())
    assert stored(folder) == []
    clip = Clip.objects.first()
    assert clip is not None
    assert "Not kept: copying is switched off here." in card(signed_in, clip)


# -- What hosts do instead ------------------------------------------------------------------------------

FAULTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "an error page under 200": ({"body": HTML, "content_type": "audio/mpeg"}, "not_sound", "the file is not audio."),
    "a page in UTF-16": ({"body": "<html>no</html>".encode("utf-16") * 200}, "not_sound", "the file is not audio."),
    "a page behind a tag": ({"body": b"ID3\x04\x00\x00\x00\x00\x00\x00" + HTML}, "not_sound", "not audio"),
    "JSON": ({"body": b'{"detail": "no"}' + b" " * 2000}, "not_sound", "the file is not audio."),
    "SVG": ({"body": b"<svg xmlns='http://www.w3.org/2000/svg'/>"}, "not_sound", "the file is not audio."),
    "a picture": ({"body": picture(size=(900, 900))}, "not_sound", "the file is not audio."),
    "a stub": ({"body": MP3[:200]}, "not_sound", "the file is not audio."),
    "nothing": ({"body": b""}, "empty", "the file is empty."),
    "less than announced": ({"body": MP3[:2000], "announced": len(MP3)}, "broke_off", "breaks off in the middle."),
    "half, then silence": ({"body": MP3, "pause_after": 3000}, "timeout", "its host stopped answering."),
    "too much, announced": ({"body": MP3, "announced": 60_000_000}, "too_large", "larger than 50 MB."),
    "expired": ({"status": 403}, "expired", "the provider’s link has expired."),
    "an error": ({"status": 503}, "server_error", "its host answers 503."),
    "a redirect to the machine itself": (
        {"status": 302, "location": "http://127.0.0.3:1/x"}, "forbidden", "the link leads to a private address.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_not_the_sound_is_not_kept_and_said(
    signed_in: Client, folder: Path, host: FileHost, make_clip: MakeClip, fault: str
) -> None:
    answer, problem, words = FAULTS[fault]
    body = answer.pop("body", b"") if "body" in (answer := dict(answer)) else b""
    clip = make_clip(host.add("/a.mp3", body, **answer))
    stamp = clip.task.stamp
    archive_now(FAST)
    archive = archive_of(clip)
    assert (archive.state, archive.problem, archive.tries) == ("failed", problem, 1)
    assert stored(folder) == []
    text = card(signed_in, clip)
    assert "Could not be kept: " in text
    assert words in text
    assert "Tries again at " in text or "Tries again on " in text
    assert f"/clips/{clip.public_id}/archive/" in text
    clip.task.refresh_from_db()
    assert clip.task.stamp > stamp, "an open board is to notice"


def test_an_endless_file_is_cut_off_at_the_limit(folder: Path, host: FileHost, make_clip: MakeClip) -> None:
    clip = make_clip(host.add("/a.mp3", MP3[:4] + bytes(51_000_000), has_length=False))
    archive_now(Limits(deadline_seconds=30, stall_seconds=5))
    assert archive_of(clip).problem == Problem.TOO_LARGE
    assert stored(folder) == []


def test_a_host_that_is_not_there(signed_in: Client, folder: Path, host: FileHost, make_clip: MakeClip) -> None:
    clip = make_clip("http://127.0.0.1:9/a.mp3")
    archive_now(FAST)
    assert archive_of(clip).problem == Problem.UNREACHABLE
    assert "its host could not be reached." in card(signed_in, clip)


def test_a_private_address_is_not_asked(folder: Path, host: FileHost, make_clip: MakeClip, settings: Any) -> None:
    settings.OUTBOUND_ALLOW_NETS = []
    clip = make_clip(host.add("/a.mp3", MP3))
    archive_now(FAST)
    assert archive_of(clip).problem == Problem.FORBIDDEN
    assert host.asked == {}


# -- Trying again ---------------------------------------------------------------------------------------


def test_failures_are_tried_ever_more_rarely_and_then_given_up(
    signed_in: Client, folder: Path, host: FileHost, make_clip: MakeClip
) -> None:
    clip = make_clip(host.add("/a.mp3", status=503))
    for number, wait in enumerate(TRY_AGAIN_AFTER, start=1):
        archive_now(FAST)
        archive = archive_of(clip)
        assert archive.tries == number
        assert archive.due_at is not None
        assert abs(archive.due_at - timezone.now() - wait) < timedelta(seconds=20)
        make_due()
    archive_now(FAST)
    assert archive_of(clip).due_at is None
    text = card(signed_in, clip)
    assert "its host answers 503." in text
    assert "Tries again" not in text
    assert "Try again" in text


def test_a_person_asks_for_another_try(signed_in: Client, folder: Path, host: FileHost, make_clip: MakeClip) -> None:
    clip = make_clip(host.add("/a.mp3", status=503))
    archive_now(FAST)
    host.add("/a.mp3", MP3)
    archive_now(FAST)
    assert archive_of(clip).state == "failed", "its time has not come"
    response = signed_in.post(f"/clips/{clip.public_id}/archive/", headers={"HX-Request": "true"})
    assert "Trying again now." in response.content.decode()
    archive_now(FAST)
    assert archive_of(clip).state == "kept"
    assert card(signed_in, clip).count("clip__kept") == 0


def test_who_may_ask_for_another_try(
    client: Client, team: Team, bob: User, charlie: User, folder: Path, host: FileHost, make_clip: MakeClip
) -> None:
    clip = make_clip(host.add("/a.mp3", status=503))
    archive_now(FAST)
    address = f"/clips/{clip.public_id}/archive/"
    client.force_login(bob, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get(address).status_code == 405
    assert client.post(address).headers["Location"] == f"/tasks/{clip.task.public_id}/"
    archive_now(FAST)
    Membership.objects.filter(user=bob).update(role=Role.VIEWER)
    assert "Could not be kept" in card(client, clip)
    assert "Try again" not in card(client, clip)
    assert client.post(address).status_code == 403
    client.force_login(charlie, backend="django.contrib.auth.backends.ModelBackend")
    assert client.post(address).status_code == 404
    assert client.get(f"/clips/{clip.public_id}/peaks/").status_code == 404


def test_a_new_link_is_a_new_chance(folder: Path, host: FileHost, qhaigc: Credential) -> None:
    (task,) = track(qhaigc, "done-again-1")
    poll_once()
    Clip.objects.update(audio_url=host.add("/gone.mp3", status=403), more_audio_urls="")
    archive_now(FAST)
    assert set(ClipArchive.objects.values_list("state", "problem")) == {("failed", "expired")}
    # The check brings the provider's own link again, which is another than the one that failed.
    task.request_poll(actor=None, now=timezone.now())
    MusicTask.objects.update(clips_hash="")
    poll_once()
    assert set(ClipArchive.objects.values_list("tries", flat=True)) == {0}
    archive_now(FAST)
    assert set(ClipArchive.objects.values_list("state", "problem")) == {("kept", "")}


# -- Files ----------------------------------------------------------------------------------------------


def test_the_same_bytes_are_stored_once(folder: Path, host: FileHost, make_clip: MakeClip) -> None:
    clips = [make_clip(host.add(f"/{name}.mp3", MP3)) for name in "abc"]
    archive_now(FAST)
    assert {archive_of(clip).sound_id for clip in clips} == {ArchivedFile.objects.get().pk}
    assert len(stored(folder)) == 1


def test_a_cover_has_small_squares(signed_in: Client, folder: Path, host: FileHost, make_clip: MakeClip) -> None:
    whole = picture("PNG", (1200, 800))
    clip = make_clip(host.add("/a.mp3", MP3), image_url=host.add("/a.png", whole))
    archive_now(FAST)
    address = f"/clips/{clip.public_id}/cover/"
    from io import BytesIO

    from PIL import Image

    for size, side in (("small", 128), ("large", 320)):
        response = signed_in.get(address, {"size": size})
        assert response["Content-Type"] == "image/webp"
        assert Image.open(BytesIO(response.content)).size == (side, side)
        assert len(response.content) < 3000
        assert response["X-Content-Type-Options"] == "nosniff"
    assert signed_in.get(address).content == whole
    assert signed_in.get(address, {"size": "../../x"}).content == whole
    assert f"{address}?size=small" in card(signed_in, clip)


def bomb() -> bytes:
    """A PNG of a few kB that unfolds to 20,000 × 20,000 pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1_000_000)))


@pytest.mark.parametrize(
    "content", [bomb(), b"<svg xmlns='http://www.w3.org/2000/svg'/>", HTML, b"GIF89a" + bytes(50), picture()[:600]]
)
def test_a_sound_is_kept_without_what_is_no_cover(
    signed_in: Client, folder: Path, host: FileHost, make_clip: MakeClip, content: bytes
) -> None:
    clip = make_clip(host.add("/a.mp3", MP3), image_url=host.add("/a.png", content, content_type="image/png"))
    archive_now(FAST)
    archive = archive_of(clip)
    assert (archive.state, archive.cover, archive.problem) == ("kept", None, "")
    assert archive.due_at is not None, "the cover is tried again"
    for _ in range(3):
        make_due()
        archive_now(FAST)
    assert archive_of(clip).due_at is None
    assert host.asked["/a.mp3"] == 1
    assert "clip__kept" not in card(signed_in, clip)


def test_a_video_is_kept_where_that_is_set(
    signed_in: Client, folder: Path, host: FileHost, make_clip: MakeClip, settings: Any
) -> None:
    content = (SOUNDS / "two_seconds.m4a").read_bytes()
    clip = make_clip(host.add("/a.mp3", MP3), video_url=host.add("/a.mp4", content))
    archive_now(FAST)
    assert host.asked["/a.mp4"] == 0
    assert signed_in.get(f"/clips/{clip.public_id}/video/").status_code == 404
    settings.ARCHIVE_VIDEO = True
    other = make_clip(host.add("/b.mp3", MP3), video_url=f"{host.url}/a.mp4")
    archive_now(FAST)
    response = signed_in.get(f"/clips/{other.public_id}/video/", headers={"Range": "bytes=0-99"})
    assert (response.status_code, response["Content-Type"], response.content) == (206, "video/mp4", content[:100])
