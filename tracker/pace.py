"""When to ask again. Pure: seconds and moments in, seconds out; the caller adds the jitter."""

from __future__ import annotations

from datetime import timedelta

FASTEST_SECONDS = 5.0
SLOWEST_SECONDS = 60.0
STALLED_SECONDS = 3600.0
MISSING_SECONDS = 50.0
"""Three tries at this distance take the two minutes that a new id may need to become known."""
REFUSED_SECONDS = 300.0
"""For a task that is refused although its key works for others."""

STALLED_AFTER = timedelta(minutes=60)
GIVE_UP_AFTER = timedelta(hours=24)
SETTLE_AFTER = timedelta(minutes=10)
"""How long a finished task without its finished files is still asked for."""
MISSING_AFTER = timedelta(minutes=2)
MISSING_TRIES = 3


def quiet_pace(quiet: timedelta, age: timedelta) -> float:
    """Seconds to the next check of a task that answered.

    ``quiet`` is the time since its last change, ``age`` since it was tracked: 5 s while something happens, a
    twelfth of the quiet up to 60 s, at least 15 s for a task that keeps changing for hours, hourly when stalled.
    """
    if quiet >= STALLED_AFTER:
        return STALLED_SECONDS
    floor = FASTEST_SECONDS if age < STALLED_AFTER else 15.0
    return max(floor, min(SLOWEST_SECONDS, quiet.total_seconds() / 12))


def error_pace(error_count: int, quiet: timedelta) -> float:
    """Seconds to the next check after ``error_count`` transient errors in a row: doubling from 5 s to 5 min."""
    if quiet >= STALLED_AFTER:
        return STALLED_SECONDS
    return float(min(FASTEST_SECONDS * 2 ** min(max(error_count - 1, 0), 6), 300.0))
