"""The web part alone."""

from __future__ import annotations

import re
import socket
import time
from pathlib import Path

import requests

from tests.commands.running import free_port, is_listening, running


def wait_for_web(port: int, seconds: float = 40) -> None:
    until = time.monotonic() + seconds
    while not is_listening(port):
        assert time.monotonic() < until
        time.sleep(0.1)


def test_web_serves_pages_and_hashed_files_and_stops_at_once(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, "migrate", "--verbosity", "0") as migrate:
        assert migrate.process.wait(60) == 0
    with running(tmp_path, "createcachetable") as table:
        assert table.process.wait(60) == 0
    with running(tmp_path, "web", "--port", str(port)) as web:
        wait_for_web(port)
        page = requests.get(f"http://127.0.0.1:{port}/accounts/login/", timeout=20)
        assert page.status_code == 200
        sheet = re.search(r'href="(/static/css/tokens\.[0-9a-f]{12}\.css)"', page.text)
        assert sheet
        served = requests.get(f"http://127.0.0.1:{port}{sheet[1]}", timeout=20)
        assert served.status_code == 200
        assert "immutable" in served.headers["Cache-Control"]
        assert web.stop()[0] == 0
        assert not is_listening(port)


def test_static_files_are_gathered_once_and_again_when_they_change(tmp_path: Path) -> None:
    stamp = tmp_path / "static.stamp"
    for _ in range(2):
        port = free_port()
        with running(tmp_path, "web", "--port", str(port)) as web:
            wait_for_web(port)
            made = stamp.stat().st_mtime_ns
            web.stop()
    assert stamp.stat().st_mtime_ns == made
    stamp.write_text("something else")
    port = free_port()
    with running(tmp_path, "web", "--port", str(port)) as web:
        wait_for_web(port)
        web.stop()
    assert stamp.stat().st_mtime_ns != made


def test_a_taken_port_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with running(tmp_path, "web", "--port", str(port)) as web:
            assert web.process.wait(timeout=30) == 1
    time.sleep(0.2)
    assert f"Port {port} is taken" in " ".join(web.lines)


def test_nonsense_for_host_or_port_is_told(tmp_path: Path) -> None:
    for arguments, words in (
        (["--host", "no-such-name.invalid"], "is not an address"),
        (["--host", "192.0.2.1"], "Cannot listen on 192.0.2.1"),
        (["--port", "99999"], "is not a port"),
    ):
        with running(tmp_path, "web", *arguments) as web:
            assert web.process.wait(timeout=30) == 1
        time.sleep(0.2)
        assert words in " ".join(web.lines)
