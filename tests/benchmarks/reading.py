"""Reading a published answer, beside the standard library only decoding it."""

from __future__ import annotations

import json
import timeit
from pathlib import Path

from tests.benchmarks.measuring import Figure, side_by_side
from tracker.providers import PROVIDERS

WIRE = Path(__file__).resolve().parent.parent / "wire"
TIMES = 2000


def measure() -> list[Figure]:
    figures = []
    for slug in PROVIDERS:
        body = (WIRE / slug / "published_finished.json").read_bytes()
        provider = PROVIDERS[slug]
        read, decoded = side_by_side(
            7,
            lambda: timeit.timeit(lambda: provider.parse(body), number=TIMES) / TIMES,  # noqa: B023
            lambda: timeit.timeit(lambda: json.loads(body), number=TIMES) / TIMES,  # noqa: B023
        )
        detail = f"{read * 1e6:.1f} µs ÷ {decoded * 1e6:.1f} µs"
        figures.append(Figure(f"read {slug}'s published body ÷ json.loads", read / decoded, "≤ 3", detail))
    return figures
