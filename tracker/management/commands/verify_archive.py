"""Reads every kept file anew and compares it with what it was."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand

from tracker.archive.upkeep import Flaw, verify


class Command(BaseCommand):
    help = "Read every kept file and compare its SHA-256; exit code 1 where one is missing or differs."

    def handle(self, **_options: Any) -> None:
        found: Counter[Flaw | None] = Counter()
        for name, flaw in verify():
            found[flaw] += 1
            if flaw:
                self.stdout.write(f"{flaw}: {name}")
        self.stdout.write(
            f"Read: {found.total()} files. Good: {found[None]}, missing: {found[Flaw.MISSING]}, "
            f"different: {found[Flaw.DIFFERS]}."
        )
        if found.total() > found[None]:
            sys.exit(1)
