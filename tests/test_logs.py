"""Log records as JSON."""

from __future__ import annotations

import json
import logging
import sys

from tracker.logs import JsonFormatter


def record(message: str, *arguments: object, fault: bool = False) -> logging.LogRecord:
    made = logging.LogRecord(
        "tracker.poller", logging.WARNING, __file__, 1, message, arguments, sys.exc_info() if fault else None
    )
    made.created = 1_795_176_000.25
    return made


def test_a_record_is_one_line_of_json() -> None:
    line = JsonFormatter().format(record("二 %s\nlines", "of"))
    assert "\n" not in line
    assert json.loads(line) == {
        "at": "2026-11-20T12:00:00.250Z",
        "level": "warning",
        "logger": "tracker.poller",
        "message": "二 of\nlines",
    }


def test_a_fault_stands_in_its_line() -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        line = JsonFormatter().format(record("it broke", fault=True))
    assert "ValueError: broken" in json.loads(line)["exception"]
    assert "\n" not in line
