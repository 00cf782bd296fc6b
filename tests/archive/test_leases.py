"""Several archivers, killed ones and late ones: each file is fetched once, and none is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from tests.archive.conftest import MP3, MakeClip, archive_of, make_due, stored
from tests.archive.host import FileHost
from tests.test_poll_process import manage_process
from tests.test_poller import eventually
from tracker.archive.storing import clear_leftovers
from tracker.archive.upkeep import archive_now
from tracker.models import ArchivedFile, ClipArchive
from tracker.models.archive import LEASE, Outcome

pytestmark = pytest.mark.django_db(transaction=True)


def archive_process(
    folder: Path, *arguments: str, command: str = "archive_missing"
) -> AbstractContextManager[subprocess.Popen[str]]:
    """A command in a process of its own, with the test's database and ``folder`` as its data folder's archive."""
    return manage_process(
        command, *arguments,
        DATA_DIR=str(folder.parent), STATIC_ROOT=str(settings.STATIC_ROOT), ARCHIVE_MIN_FREE_MB="0",
    )  # fmt: skip


def test_two_archivers_fetch_each_file_once(folder: Path, host: FileHost, make_clip: MakeClip) -> None:
    paths = [f"/{number}.mp3" for number in range(24)]
    for number, path in enumerate(paths):
        make_clip(host.add(path, MP3 + bytes([number]) * 5000, seconds=0.05))
    with archive_process(folder) as first, archive_process(folder) as second:
        outputs = [process.communicate(timeout=60)[0] for process in (first, second)]
    assert host.asked == dict.fromkeys(paths, 1), outputs
    assert ClipArchive.objects.filter(state="kept").count() == 24
    assert len(stored(folder)) == 24


def test_a_killed_archiver_leaves_nothing_half(folder: Path, host: FileHost, make_clip: MakeClip) -> None:
    song = MP3 + bytes(3_000_000)
    clip = make_clip(host.add("/a.mp3", song, pause_after=2_500_000))
    with archive_process(folder) as process:
        eventually(lambda: any(path.stat().st_size > 1_000_000 for path in stored(folder)), 20)
        process.send_signal(signal.SIGKILL)
        process.wait(5)
    (leftover,) = stored(folder)
    assert leftover.parent.name == ".incoming"
    archive = archive_of(clip)
    assert archive.sound is None
    assert archive.due_at is not None
    assert timezone.now() < archive.due_at <= timezone.now() + LEASE
    archive_now()
    assert host.asked["/a.mp3"] == 1, "nobody else begins before the lease has ended"
    host.add("/a.mp3", song)
    make_due()
    archive_now()
    assert archive_of(clip).state == "kept"
    assert leftover.exists(), "somebody may still be writing to it"
    os.utime(leftover, (0, 0))
    assert clear_leftovers() == 1
    (kept,) = stored(folder)
    assert kept.read_bytes() == song


def test_a_stopped_poller_gives_back_what_it_was_fetching(folder: Path, host: FileHost, make_clip: MakeClip) -> None:
    clip = make_clip(host.add("/a.mp3", MP3 * 400, pause_after=1_200_000))
    with archive_process(folder, command="poll") as process:
        eventually(lambda: host.asked["/a.mp3"] == 1, 20)
        process.terminate()
        output, _ = process.communicate(timeout=10)
    assert process.returncode == 0, output
    archive = archive_of(clip)
    assert (archive.state, archive.lease, archive.tries) == ("waiting", None, 0)
    assert archive.due_at is not None
    assert archive.due_at <= timezone.now()
    assert stored(folder) == []


def test_what_comes_after_the_lease_was_lost_is_not_written(folder: Path, make_clip: MakeClip) -> None:
    clip = make_clip("https://files.example.com/a.mp3")
    (late,) = ClipArchive.objects.claim(timezone.now(), limit=5)
    assert ClipArchive.objects.claim(timezone.now(), limit=5) == []
    (second,) = ClipArchive.objects.claim(timezone.now() + LEASE + timedelta(seconds=1), limit=5)
    assert not ClipArchive.objects.settle([(late, Outcome(problem="expired"))], timezone.now())
    assert archive_of(clip).state == "waiting"
    assert ClipArchive.objects.settle([(second, Outcome(problem="expired"))], timezone.now())
    assert archive_of(clip).state == "failed"


def test_claims_in_parallel_share_what_is_due(folder: Path, make_clip: MakeClip) -> None:
    for _ in range(40):
        make_clip("https://files.example.com/a.mp3")
    taken: list[int] = []

    def work() -> None:
        try:
            while claims := ClipArchive.objects.claim(timezone.now(), limit=3):
                taken.extend(claim.pk for claim in claims)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(taken) == len(set(taken)) == 40


def test_what_is_due_is_found_by_its_index(db: None) -> None:
    sql, values = ClipArchive.objects.due(timezone.now()).order_by("due_at").values("pk").query.sql_with_params()
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {sql} LIMIT 8", values)
        else:
            cursor.execute("SET enable_seqscan = off")
            cursor.execute(f"EXPLAIN {sql} LIMIT 8", values)
        plan = " ".join(str(row) for row in cursor.fetchall())
    assert "archive_due" in plan
    assert "SCAN tracker" not in plan
    sql, values = ArchivedFile.objects.to_draw().order_by("pk").values("pk").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {'QUERY PLAN ' * (connection.vendor == 'sqlite')}{sql} LIMIT 1", values)
        assert "file_to_draw" in " ".join(str(row) for row in cursor.fetchall()), sql
