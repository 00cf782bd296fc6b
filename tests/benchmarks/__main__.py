"""Prints the table of ratios: ``python -m tests.benchmarks [name …]``."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tempfile

NAMES = ["reading", "polling", "scale", "memory", "archive", "weight", "library"]


def main(names: list[str]) -> int:
    """Measure each in a process and a data folder of its own; 1 if a bar was missed."""
    if os.environ.get("MUSICBOARD_BENCHMARK"):
        return run(names[0])
    missed = 0
    for name in names or NAMES:
        with tempfile.TemporaryDirectory(prefix="musicboard-benchmark-") as folder:
            environment = os.environ | {
                "MUSICBOARD_BENCHMARK": "1",
                "DATA_DIR": folder,
                "ENV_FILE": os.devnull,
                "DATABASE_URL": "",
                "OUTBOUND_ALLOW_NETS": "127.0.0.0/8",
                "DJANGO_SETTINGS_MODULE": "musicboard.settings",
            }
            environment.pop("DATABASE_URL")
            if name == "library" and "BENCHMARK_DATABASE_URL" in os.environ:
                environment["DATABASE_URL"] = os.environ["BENCHMARK_DATABASE_URL"]
            missed |= subprocess.run(
                [sys.executable, "-m", "tests.benchmarks", name], env=environment, check=False
            ).returncode
    return missed


def run(name: str) -> int:
    import logging

    import django

    django.setup()
    logging.disable(logging.INFO)
    figures = importlib.import_module(f"tests.benchmarks.{name}").measure()
    for figure in figures:
        print(figure, flush=True)
    return 0 if all(figure.holds for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
