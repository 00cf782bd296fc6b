"""What musicboard makes of a provider's answer, without a database or the network."""

from __future__ import annotations

import io
import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tracker.providers import PROVIDERS, ErrorKind, ProviderError, WireError, get_provider, snapshot_to_dict


class Command(BaseCommand):
    help = (
        "Reads one answer of a provider, from FILE or standard input, and prints what musicboard makes of it as JSON: "
        '{"outcome": "tasks", "tasks": […]} or {"outcome": "error", "error": {"kind": …, "message": …}}. '
        "Exits 0 in both cases and 2 when it was called wrongly."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--provider", required=True, metavar="SLUG", help=f"one of {', '.join(PROVIDERS)}")
        parser.add_argument("--task-id", metavar="ID", help="the task that was asked for")
        parser.add_argument("--http-status", type=int, default=200, metavar="STATUS", help="of the answer; 200")
        parser.add_argument("file", nargs="?", metavar="FILE", help="the answer's body; standard input without it")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["provider"] not in PROVIDERS:
            raise CommandError(
                f"Unknown provider {options['provider']!r}; known are {', '.join(PROVIDERS)}.", returncode=2
            )
        body = _read(options["file"])
        provider = get_provider(options["provider"])
        outcome: dict[str, Any]
        try:
            tasks = provider.parse(body, http_status=options["http_status"], task_id=options["task_id"])
            outcome = {"outcome": "tasks", "tasks": [snapshot_to_dict(task) for task in tasks]}
        except ProviderError as error:
            outcome = _error(error.kind, error.message)
        except WireError as error:
            outcome = _error(ErrorKind.UNREADABLE, str(error))
        if isinstance(sys.stdout, io.TextIOWrapper):
            # JSON is UTF-8, whatever the terminal of this machine prefers.
            sys.stdout.reconfigure(encoding="utf-8")
        self.stdout.write(json.dumps(outcome, ensure_ascii=False))


def _read(file: str | None) -> bytes:
    if file is None or file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except (OSError, ValueError) as error:
        raise CommandError(f"Cannot read {file!r}: {error}", returncode=2) from error


def _error(kind: ErrorKind, message: str) -> dict[str, Any]:
    return {"outcome": "error", "error": {"kind": kind.value, "message": message}}
