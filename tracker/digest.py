"""What tells one answer from another."""

from __future__ import annotations

import hashlib

PIECE = 2000
"""Bytes; from 2,048 on hashlib gives the interpreter lock away, and waits long to get it back from a busy loop."""


def digest(body: bytes) -> str:
    """32 hexadecimal digits that change with ``body``; SHA-256, because most processors have instructions for it."""
    found = hashlib.sha256(body[:PIECE], usedforsecurity=False)
    for start in range(PIECE, len(body), PIECE):
        found.update(body[start : start + PIECE])
    return found.hexdigest()[:32]
