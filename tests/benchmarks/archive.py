"""How fast sound comes into the archive, and how fast it goes out to a player."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.test import Client
from django.utils import timezone

from tests.benchmarks.measuring import Figure, migrate, seconds, side_by_side
from tests.benchmarks.scale import _team
from tracker.archive.upkeep import archive_now
from tracker.models import ArchivedFile, Clip, ClipArchive, MusicTask, Team

FILES, FILE_BYTES, PART_BYTES, REQUESTS = 100, 4_000_000, 256_000, 300
FAR_MS = 50
SOUND = Path(__file__).resolve().parent.parent / "archive" / "sounds" / "two_seconds.mp3"

SERVER = """
import asyncio, sys
from aiohttp import web
async def serve(request):
    await asyncio.sleep(float(request.match_info["wait"]) / 1000)
    return web.FileResponse(sys.argv[1] + "/" + request.match_info["name"])
app = web.Application()
app.router.add_get("/{wait}/{name}", serve)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[2]), print=None, access_log=None)
"""


def measure() -> list[Figure]:
    migrate()
    settings.ARCHIVE_MIN_FREE_MB = 0
    settings.ALLOWED_HOSTS = ["testserver"]
    with tempfile.TemporaryDirectory() as folder, file_server(Path(folder)) as url:
        clips = make_clips(_team("Archive"))
        near_kept, near_curled = side_by_side(3, lambda: _keep(clips, f"{url}/0"), lambda: _curl(f"{url}/0"))
        far_kept, far_curled = side_by_side(
            3, lambda: _keep(clips, f"{url}/{FAR_MS}"), lambda: _curl(f"{url}/{FAR_MS}")
        )
    private, static = _serve(clips[0])
    size = f"{FILES} files of {FILE_BYTES / 1e6:g} MB"
    return [
        _times(f"archive of {size} ÷ curl one after another", near_kept, near_curled),
        _times(f"the same, from a host {FAR_MS} ms away", far_kept, far_curled),
        Figure(
            f"ranged request of {PART_BYTES // 1000} kB, private ÷ whitenoise", private / static, "≥ 0.7",
            f"{private:,.0f}/s ÷ {static:,.0f}/s",
        ),
    ]  # fmt: skip


def _times(name: str, one: float, other: float) -> Figure:
    return Figure(name, one / other, "≤ 0.7", f"{one:.2f} s ÷ {other:.2f} s")


@contextmanager
def file_server(folder: Path) -> Iterator[str]:
    """Serves ``FILES`` different sounds from a process of its own, each after a pause that the address names."""
    head = SOUND.read_bytes()
    for number in range(FILES):
        (folder / f"{number}.mp3").write_bytes(head + number.to_bytes(4) * ((FILE_BYTES - len(head)) // 4))
    port = _free_port()
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(folder), str(port)])
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def make_clips(team: Team) -> list[Clip]:
    now, credential = timezone.now(), team.credentials.get()
    task = MusicTask.objects.create(
        team=team, credential=credential, provider=credential.provider, base_url=credential.base_url, task_id="archive",
        status="succeeded", ended="final", shelf="done", changed_at=now, created_at=now,
    )  # fmt: skip
    rows = [Clip(task=task, position=number, clip_id=f"{number}", state="complete") for number in range(FILES)]
    return Clip.objects.bulk_create(rows)


def _keep(clips: list[Clip], url: str) -> float:
    """Seconds until all are kept, in a folder that was empty before; outlines are drawn when the sounds are safe."""
    ClipArchive.objects.all().delete()
    ArchivedFile.objects.all().delete()
    shutil.rmtree(settings.DATA_DIR / "archive", ignore_errors=True)
    for number, clip in enumerate(clips):
        clip.audio_url = f"{url}/{number}.mp3"
    Clip.objects.bulk_update(clips, ["audio_url"])
    ClipArchive.objects.make_due(clips, timezone.now())
    took = seconds(lambda: archive_now(draws=False))
    assert ClipArchive.objects.filter(state="kept").count() == FILES
    return took


def _curl(url: str) -> float:
    with tempfile.TemporaryDirectory(dir=settings.DATA_DIR) as folder:

        def fetch() -> None:
            for number in range(FILES):
                target = f"{folder}/{number}.mp3"
                subprocess.run(["curl", "-s", "-o", target, f"{url}/{number}.mp3"], check=True)

        return seconds(fetch)


def _serve(clip: Clip) -> list[float]:
    """Requests a second for a part of the same file: through the view, and as a static file."""
    file = ArchivedFile.objects.get(sound_of__clip=clip)
    shutil.copy(settings.DATA_DIR / "archive" / file.name, settings.STATIC_ROOT / "benchmark.mp3")
    client = Client()
    client.force_login(clip.task.team.members.get(), backend="django.contrib.auth.backends.ModelBackend")
    cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
    port = _free_port()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "web", "--port", str(port)], env=os.environ, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(port)
        private, static = f"/clips/{clip.public_id}/sound/", "/static/benchmark.mp3"
        for path in (private, static):
            _ask(port, path, cookie, 40)
        return side_by_side(
            7, lambda: _ask(port, private, cookie, REQUESTS), lambda: _ask(port, static, cookie, REQUESTS)
        )
    finally:
        process.terminate()
        process.wait(12)


def _ask(port: int, path: str, cookie: str, count: int) -> float:
    """Requests a second, over one connection, for parts from all over the file."""
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def ask() -> None:
        for number in range(count):
            start = number * 7919 % (FILE_BYTES - PART_BYTES)
            headers = {"Range": f"bytes={start}-{start + PART_BYTES - 1}", "Cookie": cookie}
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            assert (answer.status, len(answer.read())) == (206, PART_BYTES)

    try:
        return count / seconds(ask)
    finally:
        connection.close()


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _wait_for(port: int) -> None:
    import socket

    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(port)
