"""Starting and stopping the simulated provider: in the foreground for the command, in a thread for tests."""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from .server import DEMO, Control, Demo, make_app

Value = TypeVar("Value")

# What an answer under way may still take after the signal; those that wait for ever are woken before.
SHUTDOWN_SECONDS = 0.3


@contextlib.asynccontextmanager
async def _serving(
    host: str, port: int, *, clock: Callable[[], float], speed: float, access_log: bool = False
) -> AsyncIterator[tuple[str, Demo]]:
    """The address and the memory of a server that stands until the block is left."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, backlog=1024)
    shown_host = f"[{host}]" if ":" in host else host
    url = f"http://{shown_host}:{listening.getsockname()[1]}"
    app = make_app(public_url=url, clock=clock, speed=speed)
    log = _access_log() if access_log else None
    runner = web.AppRunner(app, access_log=log, shutdown_timeout=SHUTDOWN_SECONDS)
    try:
        await runner.setup()
        await web.SockSite(runner, listening, backlog=1024).start()
        yield url, app[DEMO]
    finally:
        await runner.cleanup()
        listening.close()


def _access_log() -> logging.Logger:
    log = logging.getLogger("tracker.demo.access")
    log.setLevel(logging.INFO)
    if not log.handlers:
        log.addHandler(logging.StreamHandler())
    return log


def run(
    port: int,
    host: str = "127.0.0.1",
    *,
    speed: float = 1.0,
    access_log: bool = False,
    announce: Callable[[str], object] | None = None,
) -> None:
    """Serves until SIGINT or SIGTERM; announces the address once it answers. Port 0 takes a free one."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(port, host, speed, access_log, announce or _print_line))


async def _run(port: int, host: str, speed: float, access_log: bool, announce: Callable[[str], object]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Windows has no handlers on the loop; Ctrl-C arrives as KeyboardInterrupt there.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stopping.set)
    async with _serving(host, port, clock=time.time, speed=speed, access_log=access_log) as (url, _demo):
        announce(url)
        await stopping.wait()


def _print_line(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class DemoServer:
    """A server in another thread, as a test holds it."""

    def __init__(self, url: str, demo: Demo, loop: asyncio.AbstractEventLoop) -> None:
        self.url = url
        self._demo = demo
        self._loop = loop

    def stats(self) -> dict[str, Any]:
        return self._ask(self._demo.stats)

    def control(self, **wishes: object) -> None:
        """The wishes of `POST /_control`: latency_ms, advance_seconds, frozen, down, force, reset."""
        wish = msgspec.convert(wishes, Control)
        self._ask(lambda: self._demo.control(wish))

    def advance(self, seconds: float) -> None:
        self.control(advance_seconds=seconds)

    def reset(self) -> None:
        self.control(reset=True)

    def _ask(self, question: Callable[[], Value]) -> Value:
        async def ask() -> Value:
            return question()

        return asyncio.run_coroutine_threadsafe(ask(), self._loop).result(timeout=10)


@contextlib.contextmanager
def demo_server(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    clock: Callable[[], float] = time.time,
    speed: float = 1.0,
) -> Iterator[DemoServer]:
    """A server in a thread, on a free port unless one is named."""
    ready = threading.Event()
    started: list[tuple[DemoServer, asyncio.Event]] = []
    failures: list[BaseException] = []

    async def serve() -> None:
        stopping = asyncio.Event()
        async with _serving(host, port, clock=clock, speed=speed) as (url, demo):
            started.append((DemoServer(url, demo, asyncio.get_running_loop()), stopping))
            ready.set()
            await stopping.wait()

    def live() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:  # noqa: BLE001
            failures.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=live, name="demo-provider", daemon=True)
    thread.start()
    ready.wait()
    if not started:
        thread.join()
        raise failures[0]
    running, stopping = started[0]
    try:
        yield running
    finally:
        with contextlib.suppress(RuntimeError):
            running._loop.call_soon_threadsafe(stopping.set)  # noqa: SLF001
        thread.join(timeout=10)
    if failures:
        raise failures[0]
