"""A storage that is full, closed or gone loses nothing, and operations can read it."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.archive.conftest import MP3, MakeClip, archive_of, make_due, stored, use_folder
from tests.archive.host import FileHost
from tests.archive.test_leases import archive_process
from tracker.archive.upkeep import archive_now
from tracker.models import ClipArchive

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """A small file system in memory at ``folder``; skipped where this process may not mount."""
    folder.mkdir(parents=True, exist_ok=True)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", str(folder).encode(), b"tmpfs", 0, options.encode()):
        pytest.skip(f"no right to mount: {os.strerror(ctypes.get_errno())}")
    try:
        yield
    finally:
        libc.umount2(str(folder).encode(), 2)


def card(client: Client, clip: Any) -> str:
    return client.get(f"/clips/{clip.public_id}/card/").content.decode()


def expect_full(client: Client, folder: Path, clips: list[Any], archives: int) -> None:
    health = ClipArchive.objects.health(timezone.now())
    assert health.storage_problem == "The archive’s disk is full"
    assert health.storage_since is not None
    assert health.storage_count >= 1
    failed = ClipArchive.objects.storage_troubles().first()
    assert failed is not None
    assert (failed.state, failed.tries) == ("failed", 0), "it is not the clip's fault"
    assert failed.due_at is not None
    assert failed.due_at < timezone.now() + timedelta(minutes=3)
    assert "the archive’s disk is full" in card(client, failed.clip)
    assert not [path for path in stored(folder) if path.parent.name == ".incoming"]
    assert ClipArchive.objects.filter(state="kept").count() == archives
    assert all(archive_of(clip).due_at for clip in clips if archive_of(clip).state != "kept")


def test_a_full_disk(signed_in: Client, folder: Path, host: FileHost, make_clip: MakeClip) -> None:
    clips = [make_clip(host.add(f"/{number}.mp3", MP3 + bytes([number]) * 1_500_000)) for number in range(6)]
    with mounted(folder, "size=4m"):
        archive_now()
        kept = ClipArchive.objects.filter(state="kept").count()
        assert 1 <= kept <= 2
        expect_full(signed_in, folder, clips, kept)
        good = ClipArchive.objects.exclude(sound=None).select_related("clip")[0].clip
        assert signed_in.get(f"/clips/{good.public_id}/sound/", headers={"Range": "bytes=0-1"}).status_code == 206
    # Room was made: what is due is kept, and nothing is said any more.
    make_due()
    ClipArchive.objects.update(sound=None, state="waiting", due_at=timezone.now())
    archive_now()
    assert ClipArchive.objects.filter(state="kept").count() == 6
    health = ClipArchive.objects.health(timezone.now())
    assert (health.storage_problem, health.storage_count, health.counts) == ("", 0, {"kept": 6})
    assert health.bytes > 6 * 1_500_000


def test_a_file_system_that_takes_no_more(signed_in: Client, folder: Path, host: FileHost, make_clip: MakeClip) -> None:
    clip = make_clip(host.add("/a.mp3", MP3 + bytes(3_000_000)))
    # A limit of the process on the size of a file: the kernel refuses as it does with a quota.
    with archive_process(folder, command="archive_missing") as free:
        free.communicate(timeout=30)
    assert archive_of(clip).state == "kept"
    ClipArchive.objects.update(sound=None, state="waiting", due_at=timezone.now())
    for path in stored(folder):
        path.unlink()
    script = "ulimit -f 1024; exec python manage.py archive_missing"
    with archive_process(folder) as template:
        template.kill()
    assert isinstance(template.args, list)
    done = subprocess.run(
        ["bash", "-c", script.replace("python", str(template.args[0]))],
        env=os.environ | limited_environment(folder), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "The archive’s disk is full" in done.stdout, done
    expect_full(signed_in, folder, [clip], 0)


def limited_environment(folder: Path) -> dict[str, str]:
    from tests.test_poll_process import database_url

    return {
        "DJANGO_SETTINGS_MODULE": "musicboard.settings", "DATA_DIR": str(folder.parent), "DATABASE_URL": database_url(),
        "OUTBOUND_ALLOW_NETS": "127.0.0.0/8", "ARCHIVE_MIN_FREE_MB": "0",
    }  # fmt: skip


def test_a_disk_that_is_nearly_full_is_left_to_the_database(
    signed_in: Client, folder: Path, host: FileHost, make_clip: MakeClip, settings: Any
) -> None:
    settings.ARCHIVE_MIN_FREE_MB = 10**9
    clip = make_clip(host.add("/a.mp3", MP3))
    archive_now()
    assert host.asked == {}
    expect_full(signed_in, folder, [clip], 0)


def test_a_folder_that_may_not_be_written_to(
    signed_in: Client, folder: Path, host: FileHost, make_clip: MakeClip
) -> None:
    clip = make_clip(host.add("/a.mp3", MP3))
    with mounted(folder, "size=4m"):
        if ctypes.CDLL(None).mount(b"none", str(folder).encode(), b"tmpfs", 1 | 32, None):
            pytest.skip("no right to mount it read-only")
        archive_now()
    assert archive_of(clip).problem == "storage_denied"
    assert ClipArchive.objects.health(timezone.now()).storage_problem == "The archive’s folder may not be written to"
    assert "the archive cannot be written to" in card(signed_in, clip)


def test_a_storage_that_is_no_folder_ends_nobody(
    signed_in: Client, folder: Path, host: FileHost, make_clip: MakeClip, tmp_path: Path, settings: Any
) -> None:
    (tmp_path / "file").write_text("in the way")
    use_folder(settings, tmp_path / "file" / "archive")
    clip = make_clip(host.add("/a.mp3", MP3))
    archive_now()
    assert archive_of(clip).problem == "storage_error"
    use_folder(settings, folder)
    make_due()
    archive_now()
    assert archive_of(clip).state == "kept"
