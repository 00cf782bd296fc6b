"""One command brings everything up, and one signal takes everything down."""

from __future__ import annotations

import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import requests

from tests.commands.running import Running, descendants, free_port, is_listening, running, still_alive

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")
SETUP = r"(http://\S+/setup/\S+/)"
ENTER = r"(http://\S+/enter/\S+/)"


def token_in(page: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert found
    return found[1]


def post(browser: requests.Session, url: str, **typed: str) -> requests.Response:
    """Send the form at ``url`` as a browser does."""
    page = browser.get(url, timeout=20)
    assert page.status_code == 200, page.text
    return browser.post(url, {**typed, "csrfmiddlewaretoken": token_in(page.text)}, timeout=20)


def wait_until_gone(pids: set[int], seconds: float = 15) -> set[int]:
    until = time.monotonic() + seconds
    while (alive := still_alive(pids)) and time.monotonic() < until:
        time.sleep(0.1)
    return alive


@needs_proc
def test_the_first_start_prints_a_set_up_link_and_sigterm_stops_everything(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path / "data", "up", "--port", str(port)) as up, requests.Session() as browser:
        link = up.wait_for(SETUP)
        assert link.startswith(f"http://127.0.0.1:{port}/setup/")
        done = post(browser, link, name="Lin", email="lin@example.org", password="an otter swims by day", team="North")
        assert (done.status_code, done.url) == (200, f"http://127.0.0.1:{port}/")
        assert browser.get(f"http://127.0.0.1:{port}/credentials/", timeout=10).status_code == 200
        assert requests.get(f"http://127.0.0.1:{port}/readyz", timeout=10).json()["ready"]
        children = descendants(up.process.pid)
        assert len(children) >= 4  # web, its two workers, poller
        assert up.stop() == (0, pytest.approx(5, abs=5))
        assert not is_listening(port)
        assert not still_alive(children)
    for name in ("secret_key", "credential_keys"):
        assert (tmp_path / "data" / name).stat().st_mode & 0o777 == 0o600
    assert not [line for line in up.lines if "Traceback" in line]


def test_a_second_start_with_somebody_in_prints_no_set_up_link(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, "up", "--port", str(port)) as up, requests.Session() as browser:
        post(browser, up.wait_for(SETUP), name="Lin", email="l@example.org", password="an otter swims", team="North")
        up.stop()
    with running(tmp_path, "up", "--port", str(port)) as up:
        up.wait_for(r"(musicboard is running)")
        up.wait_for(r"(Ctrl-C)")
        assert up.stop(signal.SIGINT)[0] == 0
    assert "setup" not in " ".join(up.lines)


def test_a_request_in_flight_is_answered_before_it_stops(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, "up", "--port", str(port)) as up:
        up.wait_for(SETUP)
        with socket.create_connection(("127.0.0.1", port), timeout=20) as slow:
            # Half a request: the worker holds it while the signal comes.
            slow.sendall(b"POST /preferences/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 11\r\n")
            slow.sendall(b"Content-Type: application/x-www-form-urlencoded\r\n\r\ntheme=")
            time.sleep(0.5)
            answer: list[bytes] = []

            def finish() -> None:
                time.sleep(1.0)
                slow.sendall(b"darkk")
                answer.append(slow.recv(64))

            thread = threading.Thread(target=finish)
            thread.start()
            code, seconds = up.stop()
            thread.join()
        assert code == 0
        assert seconds < 10
        assert answer[0].startswith(b"HTTP/1.1 403")
        assert not is_listening(port)


def test_a_taken_port_is_told_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with running(tmp_path, "up", "--port", str(port)) as up:
            assert up.process.wait(timeout=30) == 1
    time.sleep(0.2)
    assert f"Port {port} is taken" in " ".join(up.lines)
    assert "--port" in " ".join(up.lines)
    assert not (tmp_path / "musicboard.sqlite3").exists()


def test_a_wide_open_host_asks_for_allowed_hosts(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, "up", "--host", "0.0.0.0", "--port", str(port)) as up:
        assert up.wait_for(r"(ALLOWED_HOSTS)")
        assert up.wait_for(SETUP).startswith("http://localhost:")
        assert up.stop()[0] == 0


@needs_proc
def test_nothing_is_left_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    port, demo_port = free_port(), 0
    with running(tmp_path, "up", "--demo", "--port", str(port)) as up:
        up.wait_for(ENTER)
        demo_port = int(up.wait_for(r"Simulated provider:\s+http://127.0.0.1:(\d+)"))
        children = descendants(up.process.pid)
        assert len(children) >= 5
        up.process.kill()
        up.process.wait()
        assert not wait_until_gone(children)
        assert not is_listening(port)
        assert not is_listening(demo_port)


@needs_proc
def test_a_part_that_dies_is_started_again(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, "up", "--port", str(port)) as up:
        up.wait_for(SETUP)
        poller = next(
            pid
            for pid in descendants(up.process.pid)
            if Path(f"/proc/{pid}/cmdline").read_bytes().endswith(b"\0poll\0")
        )
        before = descendants(up.process.pid)
        subprocess.run(["kill", "-9", str(poller)], check=True)
        up.wait_for(r"(poller stopped \(SIGKILL\); it starts again in 1 s)")
        until = time.monotonic() + 15
        while not descendants(up.process.pid) - before and time.monotonic() < until:
            time.sleep(0.1)
        assert descendants(up.process.pid) - before
        assert requests.get(f"http://127.0.0.1:{port}/healthz", timeout=10).status_code == 200
        assert up.stop()[0] == 0


def test_two_first_starts_at_the_same_moment_make_one_set_of_keys(tmp_path: Path) -> None:
    code = "from musicboard import settings as s; print(s.SECRET_KEY, s.CREDENTIAL_KEYS)"
    folder = str(tmp_path / "data")
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env={"DATA_DIR": folder, "ENV_FILE": "/dev/null", "PYTHONPATH": "."},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    said = {process.communicate(timeout=60)[0] for process in started}
    assert len(said) == 1
    assert said != {""}
    ports = [free_port(), free_port()]
    with (
        running(tmp_path / "two", "up", "--port", str(ports[0])) as one,
        running(tmp_path / "two", "up", "--port", str(ports[1])) as two,
    ):
        for up in (one, two):
            up.wait_for(SETUP)
        assert [up.stop()[0] for up in (one, two)] == [0, 0]


def statuses(folder: Path) -> dict[str, str]:
    with sqlite3.connect(folder / "musicboard.sqlite3") as database:
        rows = database.execute("SELECT task_id, status || ' ' || hold || ' ' || poll_error FROM tracker_musictask")
        found = dict(rows.fetchall())
    database.close()
    return found


def test_the_demo_is_alive_on_its_first_page(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, "up", "--demo", "--port", str(port)) as up, requests.Session() as browser:
        link = up.wait_for(ENTER)
        known = statuses(tmp_path)
        assert "Sign in as Demo" in browser.get(link, timeout=10).text
        board = post(browser, link)
        assert (board.status_code, board.url) == (200, f"http://127.0.0.1:{port}/")
        page = board.text
        assert "Demo Studio" in page
        assert "Key refused" in page
        assert len(known) >= 12
        said = " ".join(known.values())
        for word in ("succeeded", "failed", "running", "queued", "key_refused", "unknown", "transient"):
            assert word in said, word
        credentials = browser.get(f"http://127.0.0.1:{port}/credentials/", timeout=10).text
        assert "refused this key (401)" in credentials
        assert browser.get(link, timeout=10).url == f"http://127.0.0.1:{port}/"
        assert requests.get(link, timeout=10).status_code == 404
        assert up.stop()[0] == 0
    # A second start adds a few fresh tasks to the same team.
    with running(tmp_path, "up", "--demo", "--port", str(port)) as up:
        up.wait_for(ENTER)
        again = statuses(tmp_path)
        assert set(known) < set(again)
        assert 1 <= len(set(again) - set(known)) <= 5
        with sqlite3.connect(tmp_path / "musicboard.sqlite3") as database:
            counts = [database.execute(f"SELECT COUNT(*) FROM tracker_{name}").fetchone()[0] for name in TABLES]
        database.close()
        assert counts == [1, 1, 1, 3]
        assert up.stop()[0] == 0


TABLES = ("team", "user", "membership", "credential")


def test_replacing_the_refused_key_heals_the_demos_task(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, "up", "--demo", "--port", str(port)) as up, requests.Session() as browser:
        post(browser, up.wait_for(ENTER))
        page = browser.get(f"http://127.0.0.1:{port}/credentials/", timeout=10).text
        refused = re.search(r'href="(/credentials/[0-9a-f-]+/)">\s*<svg[^>]*>.*?</svg>\s*Replace key', page)
        assert refused
        form = browser.get(f"http://127.0.0.1:{port}{refused[1]}", timeout=10).text
        stamp = re.search(r'name="stamp" value="([0-9a-f]+)"', form)
        assert stamp
        typed = {"label": "Old key", "key": "sk-any-key-will-do-0123", "stamp": stamp[1]}
        healed = post(browser, f"http://127.0.0.1:{port}{refused[1]}", **typed).text
        assert "Key refused" not in healed
        assert "key_refused" not in " ".join(statuses(tmp_path).values())
        assert up.stop()[0] == 0


def test_what_is_printed_holds_no_key(tmp_path: Path) -> None:
    port = free_port()
    up: Running
    with running(tmp_path, "up", "--demo", "--port", str(port)) as up:
        up.wait_for(ENTER)
        time.sleep(1)
        up.stop()
    said = "\n".join(up.lines)
    assert "sk-demo" not in said
    assert "refused-demo" not in said
    assert not [key for key in (tmp_path / "credential_keys").read_text().split() if key in said]
