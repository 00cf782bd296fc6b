"""`parse_payload`, as scripts call it: a payload in, one JSON document out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
WIRE = ROOT / "tests" / "wire"
TASK_KEYS = [
    "task_id", "action", "kind", "status", "raw_status", "final", "partial", "progress", "fail_reason",
    "submitted_at", "started_at", "finished_at", "lyrics", "clips",
]  # fmt: skip
CLIP_KEYS = [
    "clip_id", "title", "tags", "lyrics", "description", "duration_seconds", "model", "state", "error",
    "audio_url", "stream_url", "image_url", "video_url", "created_at", "playable",
]  # fmt: skip


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str]:
    """An environment without a database to connect to, in a folder of its own."""
    environment = {key: value for key, value in os.environ.items() if key not in ("SECRET_KEY", "DATABASE_URL")}
    return {
        **environment,
        "DATA_DIR": str(tmp_path / "data"),
        "DJANGO_SETTINGS_MODULE": "musicboard.settings",
        "LC_ALL": "C",
        "PYTHONIOENCODING": "ascii",
    }


def run(environment: dict[str, str], *arguments: str, body: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, str(ROOT / "manage.py"), "parse_payload", *arguments]
    return subprocess.run(command, input=body, capture_output=True, env=environment, cwd=ROOT, timeout=60)


def outcome(done: subprocess.CompletedProcess[bytes]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    assert done.stdout.endswith(b"\n")
    read: dict[str, Any] = json.loads(done.stdout.decode("utf-8"))
    return read


def test_a_file_becomes_tasks_in_the_order_of_the_contract(nowhere: dict[str, str]) -> None:
    read = outcome(run(nowhere, "--provider", "huiyan", str(WIRE / "huiyan" / "published_finished.json")))
    assert list(read) == ["outcome", "tasks"]
    assert read["outcome"] == "tasks"
    (task,) = read["tasks"]
    assert list(task) == TASK_KEYS
    assert [list(clip) for clip in task["clips"]] == [CLIP_KEYS, CLIP_KEYS]
    assert task["clips"][0]["title"] == "可爱的春天"
    assert task["submitted_at"] == "2025-03-02T04:52:26Z"


def test_standard_input_is_read_without_a_file(nowhere: dict[str, str]) -> None:
    body = (WIRE / "suno-fetch" / "suno_api_bare_clips_finished.json").read_bytes()
    read = outcome(run(nowhere, "--provider", "suno-fetch", "--task-id", "t-1", body=body))
    assert [(task["task_id"], task["status"]) for task in read["tasks"]] == [("t-1", "succeeded")]


def test_a_refusal_is_an_outcome_too(nowhere: dict[str, str]) -> None:
    file = str(WIRE / "errors" / "new_api_unknown_task.json")
    read = outcome(run(nowhere, "--provider", "suno-fetch", "--http-status", "400", file))
    assert read == {"outcome": "error", "error": {"kind": "unknown_task", "message": "task_not_exist"}}


@pytest.mark.parametrize(
    ("body", "kind"), [(b'{"a": 1}', "unreadable"), (b"\xff\xfe\x00", "transient"), (b"", "transient")]
)
def test_bytes_of_any_kind_have_an_outcome(nowhere: dict[str, str], body: bytes, kind: str) -> None:
    read = outcome(run(nowhere, "--provider", "qhaigc", body=body))
    assert read["outcome"] == "error"
    assert read["error"]["kind"] == kind


@pytest.mark.parametrize(
    "arguments",
    [
        ("--provider", "nobody"),
        ("--provider", "qhaigc", "no-such-file.json"),
        ("--provider", "qhaigc", "--http-status", "ok"),
        (),
    ],
)
def test_wrong_usage_exits_2_and_says_why(nowhere: dict[str, str], arguments: tuple[str, ...]) -> None:
    done = run(nowhere, *arguments)
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.strip()
    assert b"Traceback" not in done.stderr
