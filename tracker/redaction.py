"""Takes secrets out of an answer before it is kept or shown."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import msgspec

REMOVED = "[removed]"
LONGEST = 100_000
_SECRET_NAME = re.compile(
    r"(?i)api_?key|authorization|secret|password|token$|^token|notify_?hook|call_?back_?url|^key$|cookie"
)
_SECRET_TEXT = re.compile(r"(?i)\b(?:sk|pk|rk)-[a-z0-9_-]{8,}|\bbearer\s+[^\s\"']{8,}")

# Looking for a few letters is ten times cheaper than the patterns, and most answers have none of them.
_SECRET_STARTS = (b"sk-", b"pk-", b"rk-", b"bearer")
_NAME_STEMS = (b"key", b"token", b"secret", b"auth", b"password", b"hook", b"call", b"cookie")


def redact_answer(body: bytes, *, key: str) -> str:
    """``body`` as text without ``key``, fields that name a secret, or what looks like a key.

    What is not JSON is kept as text, with the same removals. At most 100,000 characters are kept.
    """
    lower = body.lower()
    try:
        # An escaped sign may hide any name.
        if b"\\u" in lower or any(stem in lower for stem in _NAME_STEMS):
            body = msgspec.json.encode(_redact(msgspec.json.decode(body), 0))
            lower = body.lower()
        text = body.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
        text = body.decode("utf-8", "replace")
    return _without_keys(text.replace("\0", "")[:LONGEST], lower, key)


def redact_text(text: str, *, key: str) -> str:
    """``text`` without ``key`` and without anything that looks like one."""
    return _without_keys(text, text.encode("utf-8", "replace").lower(), key)


def _without_keys(text: str, lower: bytes, key: str) -> str:
    """``lower`` is the text in small letters: bytes are searched several times faster than Chinese text."""
    if key:
        text = text.replace(key, REMOVED)
    if any(start in lower for start in _SECRET_STARTS):
        text = _SECRET_TEXT.sub(REMOVED, text)
    return text


@lru_cache(maxsize=1000)
def _names_a_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def _redact(value: Any, depth: int) -> Any:
    if depth > 50:
        return REMOVED
    if isinstance(value, dict):
        return {
            name: REMOVED if inner and _names_a_secret(name) else _redact(inner, depth + 1)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_redact(inner, depth + 1) for inner in value]
    return value
