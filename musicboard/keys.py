"""Keys that are made once, on the first start, and kept in a file that only its owner can read."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def load_or_make(path: Path, make: Callable[[], str]) -> str:
    """The text of ``path``, made with mode 0600 if it is not there yet.

    Two processes that start at the same moment get the same key: the file appears whole, or not at all.
    """
    try:
        with contextlib.suppress(FileNotFoundError):
            return path.read_text(encoding="ascii").strip()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, make(), replace=False)
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"musicboard keeps its keys in {path.parent}, which cannot be used ({error.strerror}). "
            "Set DATA_DIR to a folder of its own, or give SECRET_KEY and CREDENTIAL_KEYS in the environment."
        ) from error


def write_private(path: Path, text: str, *, replace: bool) -> None:
    """Write ``path`` whole with mode 0600; without ``replace`` a file that is already there stays."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
        if replace:
            temporary.replace(path)
        else:
            with contextlib.suppress(FileExistsError):
                os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def make_secret_key() -> str:
    return secrets.token_urlsafe(50)
