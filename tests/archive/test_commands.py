"""The commands of the archive, as somebody who runs musicboard uses them."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from tests.archive.conftest import MP3, MakeClip, archive_of, picture, stored
from tests.archive.host import FileHost
from tracker.archive.upkeep import archive_now
from tracker.models import ArchivedFile, Clip, ClipArchive

pytestmark = pytest.mark.django_db(transaction=True)


def run(command: str, *arguments: str) -> str:
    output = StringIO()
    call_command(command, *arguments, stdout=output)
    return output.getvalue()


def test_archive_missing_keeps_what_comes_from_before_or_was_given_up(
    folder: Path, host: FileHost, make_clip: MakeClip
) -> None:
    make_clip(host.add("/old.mp3", MP3 + b"1"))
    given_up = make_clip(host.add("/given-up.mp3", MP3 + b"2"))
    make_clip(host.add("/bad.mp3", status=503))
    ClipArchive.objects.filter(clip=given_up).update(state="failed", problem="expired", tries=9, due_at=None)
    ClipArchive.objects.exclude(clip=given_up).delete()
    output = run("archive_missing")
    assert "To be kept: 3 clips." in output
    assert "Kept: 2 clips, 2 files; outlines drawn: 2." in output
    assert "Not kept: 1. Its host answers with an error." in output
    assert ClipArchive.objects.filter(state="kept").count() == 2
    assert "Kept: 0 clips, 0 files" in run("archive_missing")


def test_archive_missing_says_that_keeping_is_off(settings: Any) -> None:
    settings.ARCHIVE = False
    with pytest.raises(CommandError, match="ARCHIVE is off"):
        run("archive_missing")


def test_verify_archive_finds_what_is_missing_and_what_differs(
    folder: Path, host: FileHost, make_clip: MakeClip
) -> None:
    for number in range(3):
        make_clip(host.add(f"/{number}.mp3", MP3 + bytes([number])), image_url=host.add("/c.jpg", picture()))
    archive_now()
    assert "Good: 4, missing: 0, different: 0." in run("verify_archive")
    sounds = [folder / file.name for file in ArchivedFile.objects.filter(kind="sound")]
    sounds[0].unlink()
    content = bytearray(sounds[1].read_bytes())
    content[1000] ^= 1
    sounds[1].write_bytes(content)
    output = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("verify_archive", stdout=output)
    assert ended.value.code == 1
    assert f"missing: sound/{sounds[0].parent.name}/{sounds[0].name}" in output.getvalue()
    assert f"differs: sound/{sounds[1].parent.name}/{sounds[1].name}" in output.getvalue()
    assert "Good: 2, missing: 1, different: 1." in output.getvalue()


def test_prune_archive_lets_old_sounds_go_and_they_play_from_their_links(
    signed_in: Client, folder: Path, host: FileHost, make_clip: MakeClip
) -> None:
    old, young, shared = (
        make_clip(host.add(f"/{name}.mp3", MP3 + name.encode()), image_url=host.add("/c.jpg", picture()))
        for name in ("old", "young", "shared")
    )
    sharing = make_clip(f"{host.url}/shared.mp3")
    archive_now()
    before = stored(folder)
    ClipArchive.objects.filter(clip__in=[old, shared]).update(kept_at=timezone.now() - timedelta(days=31))
    told = run("prune_archive", "--older-than", "30", "--dry-run")
    assert "Would let go: the sound of 2 clips." in told
    assert "Would remove: 1 files" in told
    assert (stored(folder), archive_of(old).state) == (before, "kept")
    assert "Removed: 1 files" in run("prune_archive", "--older-than", "30")
    assert len(before) - len(stored(folder)) == 1, "another clip still has the bytes of the other"
    archive = archive_of(old)
    assert (archive.state, archive.sound, archive.due_at) == ("pruned", None, None)
    assert archive.pruned_at is not None
    assert archive.cover is not None
    assert archive_of(young).state == archive_of(sharing).state == "kept"
    asked = host.asked["/old.mp3"]
    assert signed_in.get(f"/clips/{old.public_id}/sound/", headers={"Range": "bytes=0-1"}).status_code == 206
    assert host.asked["/old.mp3"] == asked + 1
    text = signed_in.get(f"/clips/{old.public_id}/card/").content.decode()
    assert "No longer kept: it was taken out to make room." in text
    archive_now()
    assert "To be kept: 0 clips." in run("archive_missing")
    signed_in.post(f"/clips/{old.public_id}/archive/")
    archive_now()
    assert archive_of(old).state == "kept"


def test_files_without_a_clip_go_with_prune_archive_and_only_then(
    folder: Path, host: FileHost, make_clip: MakeClip
) -> None:
    clip = make_clip(host.add("/a.mp3", MP3), image_url=host.add("/c.jpg", picture()))
    archive_now()
    Clip.objects.get(pk=clip.pk).task.delete()
    assert len(stored(folder)) == 4, "a sound, a cover and its two squares"
    archive_now()
    assert len(stored(folder)) == 4
    assert "Removed: 2 files" in run("prune_archive")
    assert stored(folder) == []
    assert not ArchivedFile.objects.exists()


def test_files_of_which_nobody_knows_go_after_a_day(folder: Path, host: FileHost, make_clip: MakeClip) -> None:
    make_clip(host.add("/a.mp3", MP3))
    archive_now()
    for age_hours, name in ((1, "ab" + "0" * 62), (30, "ab" + "1" * 62)):
        path = folder / "sound" / "ab" / f"{name}.mp3"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"stray")
        os.utime(path, (time.time() - age_hours * 3600,) * 2)
    assert "and 1 that nothing knows of." in run("prune_archive", "--dry-run")
    run("prune_archive")
    assert len(stored(folder)) == 2


@pytest.mark.parametrize("days", ["-1", "x", "nan"])
def test_prune_archive_takes_days_only(days: str) -> None:
    with pytest.raises(CommandError):
        run("prune_archive", f"--older-than={days}")
