"""What every benchmark needs: a database of its own, rounds, and a line of the table."""

from __future__ import annotations

import contextlib
import gc
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True)
class Figure:
    """One line of the table: what was measured, the ratio, the bar, and the medians it rests on."""

    name: str
    ratio: float
    bar: str
    detail: str

    @property
    def holds(self) -> bool:
        sign, value = self.bar.split()[:2]
        limit = float(value.replace(",", ""))
        return self.ratio >= limit if sign == "≥" else self.ratio <= limit

    def __str__(self) -> str:
        mark = "ok " if self.holds else "MISSED"
        return f"{mark:6} {self.name:58} {self.ratio:10.3g}   {self.bar:10} {self.detail}"


def seconds(work: Callable[[], object]) -> float:
    """How long one run of ``work`` takes."""
    gc.collect()
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def side_by_side(rounds: int, *works: Callable[[], float]) -> list[float]:
    """The median of each work's own figure, taken in turns so that a busy moment hits all alike."""
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for work, figures in zip(works, taken, strict=True):
            figures.append(work())
    return [statistics.median(figures) for figures in taken]


def migrate() -> None:
    """The tables of the benchmark's own database, and nothing in them."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    call_command("collectstatic", verbosity=0, interactive=False)


@contextlib.contextmanager
def provider_process() -> Iterator[str]:
    """The simulated provider in a process of its own; yields its address."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "demo_provider", "--port", "0"],
        stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield next(word for word in line.split() if word.startswith("http://")).rstrip("/.,")
    finally:
        process.terminate()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


def control(url: str, **orders: Any) -> None:
    httpx.post(f"{url}/_control", json=orders, trust_env=False).raise_for_status()
