"""Starting and stopping, as a test and as the command."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tracker.demo.running import demo_server

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def command(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The running command and its address."""
    with subprocess.Popen(
        [sys.executable, "manage.py", "demo_provider", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "DATABASE_URL": "sqlite:////nowhere/at/all.sqlite3"},
    ) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            found = re.search(r"http://\S+:\d+", line)
            assert found, process.communicate(timeout=5)
            yield process, found[0]
        finally:
            if process.poll() is None:
                process.kill()


def test_a_server_in_a_thread_stops_within_a_second_though_a_request_hangs() -> None:
    def hang(url: str) -> None:
        with contextlib.suppress(httpx.HTTPError):
            httpx.get(f"{url}/relay/suno/fetch/fault-hang-1", headers={"Authorization": "Bearer sk-test"})

    with demo_server() as server:
        waiting = threading.Thread(target=hang, args=(server.url,))
        waiting.start()
        deadline = time.monotonic() + 5
        while not server.stats()["concurrent"] and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server.stats()["concurrent"] == 1
        begun = time.monotonic()
    assert time.monotonic() - begun < 1
    waiting.join(timeout=5)
    assert not waiting.is_alive()
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)


def test_two_servers_stand_side_by_side() -> None:
    with demo_server() as one, demo_server() as two:
        assert one.url != two.url


def test_a_taken_port_is_an_error_where_it_is_asked_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = demo_server(port=taken.getsockname()[1])
        with pytest.raises(OSError, match="in use"):
            server.__enter__()


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_and_ends_with_zero(number: signal.Signals) -> None:
    with command("--port", "0", "--speed", "5") as (process, url):
        headers = {"Authorization": "Bearer sk-test"}
        assert httpx.get(f"{url}/huiyan/suno/fetch/done-1", headers=headers).status_code == 200
        with httpx.Client(timeout=0.1, headers=headers) as client, pytest.raises(httpx.ReadTimeout):
            client.get(f"{url}/relay/suno/fetch/fault-hang-1")
        hanging = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))
        with hanging:
            hanging.sendall(
                b"GET /relay/suno/fetch/fault-hang-2 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n\r\n"
            )
            time.sleep(0.1)
            begun = time.monotonic()
            process.send_signal(number)
            assert process.wait(timeout=5) == 0
            assert time.monotonic() - begun < 1.5
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_the_command_says_that_a_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "manage.py", "demo_provider", "--port", port],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    assert done.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_help_explains_the_prefixes() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "demo_provider", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    for prefix in ("done-", "half-", "fault-401-", "bench-<percent>-", "refused…"):
        assert prefix in done.stdout
