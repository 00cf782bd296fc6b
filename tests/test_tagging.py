"""A clip as a file: its name, its tags in each format, and that nothing but the answer is changed."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import mutagen
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from mutagen.flac import Picture
from mutagen.id3 import ID3
from PIL import Image

from tracker.demo.running import DemoServer
from tracker.models import ArchivedFile, Clip, ClipArchive, Credential, User
from tracker.sniffing import sniff_sound
from tracker.tagging import Song, file_name, tagged

BACKEND = "django.contrib.auth.backends.ModelBackend"


def picture(kind: str = "JPEG") -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (40, 30), "#c04080").save(made, kind)
    return made.getvalue()


SONG = Song(
    title="春天转圈圈",
    style="pop, 女声, 100 BPM",
    lyrics="[Verse]\n春天来了\nSpring is here",
    model="chirp-v4",
    date="2026-03-01",
    cover=picture(),
    cover_type="image/jpeg",
)
CODECS = {
    "mp3": ("audio/mpeg", ["-c:a", "libmp3lame", "-metadata", "title=old", "-metadata", "comment=id=12345"]),
    "m4a": ("audio/mp4", ["-c:a", "aac", "-metadata", "title=old"]),
    "flac": ("audio/flac", ["-c:a", "flac", "-metadata", "title=old"]),
    "ogg": ("audio/ogg", ["-c:a", "libvorbis", "-metadata", "title=old"]),
    "opus": ("audio/ogg", ["-c:a", "libopus", "-metadata", "title=old"]),
}
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg on the PATH")


@pytest.fixture(scope="module")
def make_sound(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bytes]:
    """Real files, a second of a tone each."""
    folder = tmp_path_factory.mktemp("sounds")

    def make(ending: str) -> bytes:
        path = folder / f"tone.{ending}"
        if not path.exists():
            tone = ["-f", "lavfi", "-i", "sine=frequency=440:duration=1", *CODECS[ending][1], str(path)]
            subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *tone], check=True)
        return path.read_bytes()

    return make


def probe(path: Path) -> dict[str, Any]:
    """What another program reads: ffprobe's tags (of the file or of its sound) and streams."""
    asked = ["ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json", str(path)]
    told = json.loads(subprocess.run(asked, check=True, capture_output=True).stdout)
    tags: dict[str, str] = {}
    for place in (told["format"], *(one for one in told["streams"] if one["codec_type"] == "audio")):
        tags |= {name.lower(): value for name, value in place.get("tags", {}).items()}
    return {"tags": tags, "streams": told["streams"], "seconds": float(told["format"]["duration"])}


@needs_ffmpeg
@pytest.mark.parametrize("ending", CODECS)
def test_another_program_reads_the_tags(ending: str, make_sound: Callable[[str], bytes], tmp_path: Path) -> None:
    bare = make_sound(ending)
    path = tmp_path / f"out.{ending}"
    with tagged(io.BytesIO(bare), CODECS[ending][0], SONG) as copy:
        copy.seek(0)
        path.write_bytes(copy.read())
    told = probe(path)
    tags = told["tags"]
    assert tags["title"] == SONG.title
    assert tags["genre"] == SONG.style
    assert tags["comment"] == SONG.model
    assert tags["date"].startswith("2026")
    lyrics = next(value for name, value in tags.items() if name.startswith("lyrics"))
    assert lyrics.replace("\r\n", "\n") == SONG.lyrics
    assert any(one["codec_name"] == "mjpeg" for one in told["streams"])
    assert told["seconds"] == pytest.approx(1, abs=0.15)


@needs_ffmpeg
@pytest.mark.parametrize("ending", CODECS)
def test_the_cover_is_the_very_picture(ending: str, make_sound: Callable[[str], bytes]) -> None:
    with tagged(io.BytesIO(make_sound(ending)), CODECS[ending][0], SONG) as copy:
        copy.seek(0)
        read = mutagen.File(copy)
    assert cover_of(read) == SONG.cover


def cover_of(read: Any) -> bytes:
    if getattr(read, "pictures", None):
        return bytes(read.pictures[0].data)
    if "covr" in read.tags:
        return bytes(read.tags["covr"][0])
    if "metadata_block_picture" in read.tags:
        return bytes(Picture(b64decode(read.tags["metadata_block_picture"][0])).data)
    return bytes(read.tags.getall("APIC")[0].data)


@needs_ffmpeg
def test_an_mp3_has_the_tags_old_players_read(make_sound: Callable[[str], bytes]) -> None:
    with tagged(io.BytesIO(make_sound("mp3")), "audio/mpeg", SONG) as copy:
        copy.seek(0)
        tags = ID3(copy, translate=False)
    assert tags.version == (2, 3, 0)
    assert all(frame.encoding == 1 for frame in tags.values() if hasattr(frame, "text"))
    assert str(tags["TYER"]) == "2026"
    # What the provider had written in is gone: an id is nobody else's business.
    assert "12345" not in str(dict(tags))


@needs_ffmpeg
@pytest.mark.parametrize("ending", CODECS)
def test_a_broken_file_comes_as_it_is(ending: str, make_sound: Callable[[str], bytes]) -> None:
    broken = make_sound(ending)[:70]
    with tagged(io.BytesIO(broken), CODECS[ending][0], SONG) as same:
        same.seek(0)
        assert same.read().endswith(broken[-20:])


@pytest.mark.parametrize("content_type", ["audio/wav", "audio/aac", "audio/webm"])
def test_a_kind_without_tags_comes_as_it_is(content_type: str) -> None:
    sound = io.BytesIO(b"RIFF\xff\xff\xff\xffWAVE")
    assert tagged(sound, content_type, SONG) is sound


@pytest.mark.parametrize(
    ("title", "number", "wanted"),
    [
        ("春天转圈圈", 1, "春天转圈圈.mp3"),
        ("春天转圈圈", 2, "春天转圈圈 2.mp3"),
        ("../../etc/passwd", 1, "etc passwd.mp3"),
        ("a\u202egnp.exe\u202c", 1, "agnp.exe.mp3"),
        ('AC/DC: "Live?"', 1, "AC DC Live.mp3"),
        ("a\x00b\x1b[31m\r\nSet-Cookie: x", 1, "ab[31m Set-Cookie x.mp3"),
        ("con", 1, "con Untitled.mp3"),
        (" . ", 1, "Untitled.mp3"),
        ("", 3, "Untitled 3.mp3"),
    ],
)
def test_names(title: str, number: int, wanted: str) -> None:
    assert file_name(title, number, "mp3") == wanted


@given(st.text(max_size=400), st.integers(1, 50))
def test_any_title_makes_a_name(title: str, number: int) -> None:
    name = file_name(title, number, "flac")
    assert len(name) <= 120
    assert len(name.encode()) <= 255
    assert name.endswith(".flac")
    assert not set(name) & set('/\\:*?"<>|\r\n\x00\u202e\u200f')
    assert not name.startswith((".", " "))


# -- The address ----------------------------------------------------------------------------------------


@pytest.fixture
def clip(signed_in: Client, relay: Credential) -> Clip:
    """A finished clip, as the provider gave it."""
    signed_in.post("/track/", {"ids": f"done-{uuid4().hex[:8]}", "credential": str(relay.public_id)})
    return Clip.objects.order_by("position")[0]


def download(client: Client, clip: Clip) -> Any:
    return client.get(f"/clips/{clip.public_id}/download/")


@pytest.mark.django_db(transaction=True)
def test_a_song_is_taken_away_with_its_name_and_tags(signed_in: Client, clip: Clip) -> None:
    Clip.objects.filter(pk=clip.pk).update(title="春天转圈圈", tags="pop, 女声", lyrics="春天来了", model="chirp-v4")
    response = download(signed_in, clip)
    assert response.status_code == 200
    assert response["Content-Type"] == "audio/mpeg"
    assert response["Content-Disposition"] == (
        "attachment; filename*=utf-8''%E6%98%A5%E5%A4%A9%E8%BD%AC%E5%9C%88%E5%9C%88.mp3"
    )
    assert "no-store" in response["Cache-Control"]
    body = response.getvalue()
    assert int(response["Content-Length"]) == len(body)
    read = mutagen.File(io.BytesIO(body))
    assert str(read.tags["TIT2"]) == "春天转圈圈"
    assert str(read.tags["TCON"]) == "pop, 女声"
    assert read.tags.getall("USLT")[0].text == "春天来了"
    assert read.tags.getall("COMM")[0].text == ["chirp-v4"]
    assert read.tags.getall("APIC")[0].mime == "image/jpeg"
    played = signed_in.get(f"/clips/{clip.public_id}/sound/")
    assert sniff_sound(body) == "audio/mpeg"
    # The sound itself is the one that is played, to the byte.
    assert body.endswith(b"".join(played.streaming_content)[-50_000:])


@pytest.mark.django_db(transaction=True)
def test_only_who_sees_the_task_may_have_the_file(client: Client, clip: Clip, bob: User, charlie: User) -> None:
    client.force_login(bob, backend=BACKEND)
    response = download(client, clip)
    assert response.status_code == 200
    response.close()
    client.force_login(charlie, backend=BACKEND)
    assert download(client, clip).status_code == 404
    assert download(Client(), clip).status_code == 302


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("fault", "words"),
    [("gone", "expired"), ("html", "is not audio"), ("nowhere", "could not be reached"), ("none", "no finished sound")],
)
def test_where_there_is_no_file_the_task_says_why(
    signed_in: Client, clip: Clip, demo: DemoServer, fault: str, words: str
) -> None:
    url = {"nowhere": "http://127.0.0.1:9/a.mp3", "none": ""}.get(fault, f"{demo.url}/media/fault/{fault}/x.mp3")
    Clip.objects.filter(pk=clip.pk).update(audio_url=url, stream_url="")
    response = signed_in.get(f"/clips/{clip.public_id}/download/", follow=True)
    assert response.redirect_chain == [(f"/tasks/{clip.task.public_id}/", 302)]
    assert words in response.content.decode()


@pytest.mark.django_db(transaction=True)
def test_nothing_inside_is_fetched(signed_in: Client, clip: Clip) -> None:
    Clip.objects.filter(pk=clip.pk).update(audio_url="http://169.254.169.254/latest", image_url="http://10.0.0.1/a")
    assert download(signed_in, clip).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_a_song_without_its_cover_is_a_song(signed_in: Client, clip: Clip) -> None:
    Clip.objects.filter(pk=clip.pk).update(image_url="http://127.0.0.1:9/a.jpeg")
    read = mutagen.File(io.BytesIO(download(signed_in, clip).getvalue()))
    assert str(read.tags["TIT2"])
    assert not read.tags.getall("APIC")


def keep(clip: Clip, kind: str, content_type: str, content: bytes) -> None:
    """``clip``'s file as the archive has it."""
    file = ArchivedFile.objects.create(
        kind=kind, digest=hashlib.sha256(content).hexdigest(), content_type=content_type, size=len(content),
        kept_at=timezone.now(),
    )  # fmt: skip
    storages["archive"].save(file.name, ContentFile(content))
    archive, _ = ClipArchive.objects.get_or_create(clip=clip)
    ClipArchive.objects.filter(pk=archive.pk).update(**{kind: file}, state=ClipArchive.State.KEPT)


@needs_ffmpeg
@pytest.mark.django_db(transaction=True)
def test_a_kept_song_outlives_its_link_and_stays_as_it_is(
    signed_in: Client, clip: Clip, make_sound: Callable[[str], bytes]
) -> None:
    kept = make_sound("flac")
    Clip.objects.filter(pk=clip.pk).update(audio_url="http://127.0.0.1:9/a.mp3", image_url="", title="春")
    keep(clip, "sound", "audio/flac", kept)
    keep(clip, "cover", "image/webp", picture("WEBP"))
    response = download(signed_in, clip)
    assert response["Content-Type"] == "audio/flac"
    assert response["Content-Disposition"].endswith("%E6%98%A5.flac")
    read = mutagen.File(io.BytesIO(response.getvalue()))
    assert read["title"] == ["春"]
    # Old players know no WebP.
    assert read.pictures[0].mime == "image/jpeg"
    file = ArchivedFile.objects.get(kind="sound")
    with storages["archive"].open(file.name) as stored:
        assert stored.read() == kept


@pytest.mark.django_db(transaction=True)
def test_a_kept_file_that_is_gone_is_asked_of_the_provider(signed_in: Client, clip: Clip) -> None:
    keep(clip, "sound", "audio/mpeg", b"x")
    storages["archive"].delete(ArchivedFile.objects.get().name)
    assert sniff_sound(download(signed_in, clip).getvalue()) == "audio/mpeg"


@pytest.mark.django_db(transaction=True)
def test_a_file_that_never_ends_is_refused(signed_in: Client, clip: Clip, demo: DemoServer) -> None:
    Clip.objects.filter(pk=clip.pk).update(audio_url=f"{demo.url}/media/fault/endless/x.mp3")
    response = signed_in.get(f"/clips/{clip.public_id}/download/", follow=True)
    assert "larger than 50 MB" in response.content.decode()
