"""Watches tracked tasks: asks the providers for what is due, for ever or once."""

from __future__ import annotations

import asyncio
import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from tracker.poller import Poller, settle_process


class Command(BaseCommand):
    help = "Watch tracked tasks: ask the providers for what is due, until stopped (Ctrl-C or SIGTERM)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="ask for everything that is due now, then end")

    def handle(self, *, once: bool, **_options: Any) -> None:
        asyncio.run(poll(once=once))


async def poll(*, once: bool) -> None:
    """Run a poller that SIGINT and SIGTERM stop within ten seconds, with nothing lost."""
    settle_process()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:  # Windows knows no such handlers.
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
    await Poller(once=once).run(stop)
