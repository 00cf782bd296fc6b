"""The outline of a sound, in every format and where there is none to be had."""

from __future__ import annotations

import subprocess
import sys
from array import array
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from tests.archive.conftest import MP3, SOUNDS, MakeClip, archive_of
from tests.archive.host import FileHost
from tracker.archive.upkeep import archive_now
from tracker.peaks import BLOCK, COUNT, as_bytes, loudest, read_peaks
from tracker.sniffing import examine_sound, sniff_sound


@pytest.mark.parametrize("path", sorted(SOUNDS.iterdir()), ids=lambda path: path.suffix)
def test_the_outline_is_that_of_the_sound(path: Path) -> None:
    content = path.read_bytes()
    content_type = examine_sound(lambda place, count: content[place : place + count])
    assert content_type is not None
    peaks = read_peaks(str(path), content_type)
    assert 60 <= len(peaks) <= COUNT
    # One second at 0.8, one at 0.1.
    first, second = peaks[5 : len(peaks) // 2 - 5], peaks[len(peaks) // 2 + 8 : -8]
    assert min(first) > 180
    assert 20 < max(second) < 60


@pytest.mark.parametrize(
    "content", [b"", b"no sound", MP3[:3], b"OggS" + bytes(500), b"RIFF\0\0\0\0WAVE" + b"\xff" * 99]
)
def test_what_no_decoder_reads_has_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    for content_type in ("audio/mpeg", "audio/ogg", "audio/wav", "audio/mp4"):
        assert read_peaks(str(tmp_path / "a"), content_type) == b""


def test_silence_is_flat_and_a_short_sound_has_few_values() -> None:
    assert as_bytes(loudest([array("h", bytes(2 * BLOCK * 400))])) == bytes(COUNT)
    assert as_bytes(loudest([array("h", [0, -32768, 5])])) == b"\xff"
    assert as_bytes([100, 50]) == bytes([255, 127])


def test_it_runs_without_the_rest_of_musicboard() -> None:
    code = "import sys, tracker.peaks; print([name for name in sys.modules if name.split('.')[0] in ('django', 'av')])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=settings.BASE_DIR, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.django_db(transaction=True)
def test_a_sound_that_cannot_be_drawn_is_kept_and_draws_nothing(
    signed_in: Client, folder: Path, host: FileHost, make_clip: MakeClip
) -> None:
    clip = make_clip(host.add("/a.wav", b"RIFF\x00\x10\x00\x00WAVE" + bytes(3000)))
    archive_now()
    archive = archive_of(clip)
    assert archive.state == "kept"
    assert archive.sound is not None
    assert archive.sound.peaks is not None, "it is not tried again and again"
    response = signed_in.get(f"/clips/{clip.public_id}/peaks/")
    assert response.json() == []
    assert response["Cache-Control"] == "private, max-age=10"


def tagged(content: bytes, *, size: int = 300) -> bytes:
    return b"ID3\x04\x00\x00" + bytes([0, 0, size >> 7, size & 127]) + bytes(size) + content


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (tagged(MP3[MP3.index(b"\xff\xf3") :]), "audio/mpeg"),
        (tagged((SOUNDS / "two_seconds.aac").read_bytes()), "audio/aac"),
        (tagged(b"<html>"), None),
        (tagged(b""), None),
        (b"ID3", None),
        (b"ID3\x04\x00\x00\xff\xff\xff\xff" + MP3, None),
        ("<html>".encode("utf-16"), None),
        ("{}".encode("utf-16-be") + bytes(60), None),
        (b"\x00\x00\x00\x1cftypavif" + bytes(60), None),
        (b"\xff\xff\xff\xff" * 9, None),
        (b"", None),
    ],
)
def test_sounds_are_told_by_their_bytes(content: bytes, content_type: str | None) -> None:
    assert examine_sound(lambda place, count: content[place : place + count]) == content_type


def test_a_frame_alone_is_a_sound() -> None:
    assert sniff_sound(b"\xff\xfb\x90\x64") == "audio/mpeg"
    assert sniff_sound(b"\xff\xf1\x50\x80") == "audio/aac"
    assert sniff_sound(b"\xff\xfe\x3c\x00") is None
