"""How much memory a poller takes with 10,000 live tasks, as the kernel counts it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks import polling
from tests.benchmarks.measuring import Figure, control, migrate, provider_process
from tracker.models import MusicTask

SECONDS = 25


def measure() -> list[Figure]:
    migrate()
    polling.TASKS = 10_000
    with provider_process() as url:
        control(url, latency_ms=0)
        credential = polling.make_tasks(url, "huiyan", "huiyan", batches=False)
        polling.make_due(credential, polling.TASKS)
        process = subprocess.Popen([sys.executable, "manage.py", "poll"], env=os.environ, stderr=subprocess.DEVNULL)
        try:
            time.sleep(SECONDS)
            peak = _peak_mb(process.pid)
        finally:
            process.terminate()
            process.wait(12)
    assert MusicTask.objects.exclude(polled_at=None).count() == polling.TASKS
    return [Figure("poller's peak memory, 10,000 live tasks, in MB", peak, "≤ 150", f"{SECONDS} s of polling")]


def _peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
