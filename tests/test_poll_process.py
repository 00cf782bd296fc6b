"""``manage.py poll`` as a process: stopped, killed, started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from tests.test_poller import eventually, poll_once, track
from tracker.demo.running import DemoServer
from tracker.models import Credential, MusicTask

pytestmark = pytest.mark.django_db(transaction=True)


def database_url() -> str:
    """The test's own database, as another process is told of it."""
    said = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{said['NAME']}"
    return f"postgres://{said['USER']}:{said['PASSWORD']}@{said['HOST']}:{said['PORT']}/{said['NAME']}"


@contextmanager
def manage_process(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """``manage.py`` in a process of its own, with the test's own database."""
    told = {
        "DJANGO_SETTINGS_MODULE": "musicboard.settings",
        "DATA_DIR": str(settings.DATA_DIR),
        "DATABASE_URL": database_url(),
        "OUTBOUND_ALLOW_NETS": "127.0.0.0/8",
    }
    process = subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=settings.BASE_DIR, env=os.environ | told | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=10)


def poll_process(*arguments: str) -> AbstractContextManager[subprocess.Popen[str]]:
    return manage_process("poll", *arguments)


def test_poll_once_asks_for_what_is_due_and_ends(relay: Credential) -> None:
    track(relay, "done-1", "done-2")
    with poll_process("--once") as process:
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 0, output
    assert MusicTask.objects.filter(ended="final").count() == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_poller_writes_what_was_on_its_way_and_ends_with_0(
    qhaigc: Credential, demo: DemoServer, number: signal.Signals
) -> None:
    before = demo.stats()["concurrent"]
    demo.control(latency_ms=1500)
    try:
        track(qhaigc, *(f"done-stop-{each}" for each in range(20)))
        with poll_process() as process:
            eventually(lambda: demo.stats()["concurrent"] == before + 20)
            process.send_signal(number)
            output, _ = process.communicate(timeout=10)
        assert process.returncode == 0, output
        assert MusicTask.objects.filter(ended="final").count() == 20, output
    finally:
        demo.control(latency_ms=0)


def test_a_hanging_request_does_not_keep_a_stopped_poller(qhaigc: Credential, demo: DemoServer) -> None:
    before = demo.stats()["concurrent"]
    track(qhaigc, "fault-hang-1")
    with poll_process() as process:
        eventually(lambda: demo.stats()["concurrent"] == before + 1)
        process.terminate()
        output, _ = process.communicate(timeout=10)
    assert process.returncode == 0, output


def test_a_task_in_mid_flight_when_the_poller_is_killed_is_taken_up_once_after_its_lease(
    qhaigc: Credential, demo: DemoServer
) -> None:
    before = demo.stats()["concurrent"]
    demo.control(latency_ms=3000)
    try:
        (task,) = track(qhaigc, "done-killed")
        with poll_process() as process:
            eventually(lambda: demo.stats()["concurrent"] == before + 1)
            process.send_signal(signal.SIGKILL)
            process.wait(5)
    finally:
        demo.control(latency_ms=0)
    task.refresh_from_db()
    assert task.status == "unknown"
    assert task.next_poll_at is not None
    assert timezone.now() < task.next_poll_at <= timezone.now() + timedelta(seconds=60)
    poll_once()
    task.refresh_from_db()
    assert task.status == "unknown", "nobody asks before the lease has ended"
    MusicTask.objects.update(next_poll_at=timezone.now())
    poll_once()
    task.refresh_from_db()
    assert (task.status, task.ended) == ("succeeded", "final")
    assert task.clips.count() == 2
    assert task.events.filter(kind="status").count() == 1


def test_the_key_is_in_no_line_of_the_log(qhaigc: Credential) -> None:
    track(qhaigc, "done-1", "fault-500-1", "fault-401-1", "fault-html-1")
    with poll_process() as process:
        eventually(lambda: not MusicTask.objects.filter(polled_at=None).exists())
        process.terminate()
        output, _ = process.communicate(timeout=10)
    assert qhaigc.reveal() not in output
    assert qhaigc.reveal()[:12] not in output
