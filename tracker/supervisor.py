"""Keeps the parts of musicboard running: starts them, starts again what dies, and stops them all together.

A part is one of musicboard's commands in a process group of its own, so that Ctrl-C reaches the supervisor alone. Its
standard input is a pipe whose other end the supervisor holds: when the supervisor is gone, however it went, the pipe
closes and the part stops itself. Needs neither Django's settings nor the database.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

STOP_SECONDS = 9.0
"""A part may take this long to finish what it is doing; then it is killed."""
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 60.0
"""A part that ran for this long before it died is started again at once."""
TICK_SECONDS = 0.1


@dataclass(slots=True)
class Part:
    """One running command."""

    name: str
    arguments: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    failures: int = 0
    """Deaths since it last ran steadily."""


@dataclass(slots=True)
class Supervisor:
    """``say`` gets one line for each thing a person should know. ``environment`` is added to that of the parts."""

    say: Callable[[str], None]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    stopping: bool = False

    def listen(self) -> None:
        """From now on Ctrl-C and SIGTERM mean: stop. To be called in the main thread."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def start(self, name: str, *arguments: str) -> None:
        """Start a part; ``arguments`` are those of ``manage.py``."""
        part = Part(name, arguments)
        self.parts.append(part)
        self._launch(part)

    def watch(self) -> None:
        """Keep every part running until a signal comes."""
        while not self.stopping:
            self.look(time.monotonic())
            time.sleep(TICK_SECONDS)

    def look(self, now: float) -> None:
        """Note which parts have died, and start again those whose pause is over."""
        for part in self.parts:
            if part.process is None:
                if now >= part.start_at:
                    self._launch(part)
            elif (code := part.process.poll()) is not None:
                self._note_death(part, code, now)

    def wait_for(self, port: int, *, host: str = "127.0.0.1", seconds: float = 20.0) -> bool:
        """Whether something listens at ``port`` within ``seconds``; parts that die meanwhile are started again."""
        until = time.monotonic() + seconds
        while not self.stopping and time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=0.5):
                return True
            self.look(time.monotonic())
            time.sleep(TICK_SECONDS)
        return False

    def stop(self) -> None:
        """Ask all parts to stop, together; kill what is left after ``STOP_SECONDS``."""
        running = [part.process for part in self.parts if part.process is not None]
        for process in running:
            with contextlib.suppress(OSError):
                process.terminate()
        until = time.monotonic() + STOP_SECONDS
        for process in running:
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                _kill(process)
            if process.stdin is not None:
                process.stdin.close()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping = True

    def _launch(self, part: Part) -> None:
        part.process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "tracker.supervisor", *part.arguments],
            cwd=self.folder,
            env={**os.environ, **self.environment, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        part.started_at = time.monotonic()

    def _note_death(self, part: Part, code: int, now: float) -> None:
        ran_steadily = now - part.started_at >= STEADY_SECONDS
        part.failures = 0 if ran_steadily else part.failures + 1
        pause = 0.0 if ran_steadily else min(2.0 ** (part.failures - 1), LONGEST_PAUSE_SECONDS)
        if part.process is not None and part.process.stdin is not None:
            part.process.stdin.close()
        part.process = None
        part.start_at = now + pause
        self.say(f"{part.name} stopped ({_describe(code)}); it starts again in {pause:g} s.")


def port_problem(host: str, port: int) -> str:
    """Why nothing can listen at ``host`` and ``port``, in words; empty where it can."""
    if not 0 < port < 65536:
        return f"{port} is not a port: use a number from 1 to 65535."
    try:
        socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        with listening_socket(host, port):
            return ""
    except socket.gaierror:
        return f"{host} is not an address."
    except PermissionError:
        return f"Port {port} needs more rights than this user has. Use --port with a number above 1023."
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"Port {port} is taken. Stop what uses it, or use --port, such as --port {port + 1}."
        return f"Cannot listen on {host}, port {port}: {os.strerror(error.errno or 0)}."


def free_port(*wanted: int, host: str = "127.0.0.1") -> int:
    """The first of ``wanted`` that can be listened at, or any free port."""
    for port in wanted:
        if not port_problem(host, port):
            return port
    with listening_socket(host, 0) as found:
        return int(found.getsockname()[1])


def listening_socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host.strip("[]"), port), family=family)


def _describe(code: int) -> str:
    if code >= 0:
        return f"exit {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _kill(process: subprocess.Popen[Any]) -> None:
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


# In the part ---------------------------------------------------------------------------------------------


def stop_with_supervisor() -> None:
    """Stop this process when its standard input closes, which it does when the supervisor is gone."""
    threading.Thread(target=_wait_for_end, name="supervisor-watch", daemon=True).start()


def _wait_for_end() -> None:
    with contextlib.suppress(OSError, ValueError):
        while os.read(0, 1024):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    from django.core.management import execute_from_command_line

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "musicboard.settings")
    stop_with_supervisor()
    execute_from_command_line(["manage.py", *sys.argv[1:]])
