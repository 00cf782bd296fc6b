"""Keys at rest: what a credential's key is sealed with, and how that is rotated.

A sealed text is a Fernet token over ``<uuid>:<key>``. The uuid is the credential's own, so a row copied
over another row does not open. ``CREDENTIAL_KEYS`` is the ring, newest first: the first seals, all open.
"""

from __future__ import annotations

from functools import lru_cache
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from musicboard.keys import write_private


class SealBrokenError(Exception):
    """A sealed key cannot be opened: its ring key is gone, or the row is not the one it was sealed for."""


def seal(key: str, *, owner: UUID) -> str:
    """Encrypt ``key`` for the credential with the uuid ``owner``."""
    return _ring(_ring_text()).encrypt(f"{owner}:{key}".encode()).decode("ascii")


def unseal(sealed: str, *, owner: UUID) -> str:
    """The key sealed for ``owner``. Raises :class:`SealBrokenError`."""
    try:
        text = _ring(_ring_text()).decrypt(sealed.encode("ascii")).decode()
    except (InvalidToken, UnicodeError):
        raise SealBrokenError("This key was sealed with a ring key that is not in CREDENTIAL_KEYS.") from None
    uuid, _, key = text.partition(":")
    if uuid != str(owner):
        raise SealBrokenError("This key was sealed for another credential.")
    return key


def reseal(sealed: str) -> str:
    """The same secret under the newest ring key. Raises :class:`SealBrokenError`."""
    try:
        return _ring(_ring_text()).rotate(sealed.encode("ascii")).decode("ascii")
    except InvalidToken:
        raise SealBrokenError("This key was sealed with a ring key that is not in CREDENTIAL_KEYS.") from None


def add_ring_key() -> None:
    """Put a fresh key first in the ring's file; running processes see it at their next use."""
    ring = [Fernet.generate_key().decode(), *_ring_text()]
    write_private(settings.CREDENTIAL_KEYS_PATH, "\n".join(ring), replace=True)


def _ring_text() -> tuple[str, ...]:
    """The ring as it is now. A file is looked at each time, so that a rotation needs no restart."""
    if not settings.CREDENTIAL_KEYS_IN_FILE:
        return tuple(settings.CREDENTIAL_KEYS)
    path = settings.CREDENTIAL_KEYS_PATH
    stat = path.stat()
    return _read_ring(str(path), stat.st_mtime_ns, stat.st_ino)


@lru_cache(maxsize=4)
def _read_ring(path: str, _changed_ns: int, _inode: int) -> tuple[str, ...]:
    with open(path, encoding="ascii") as file:  # noqa: PTH123
        return tuple(file.read().split())


@lru_cache(maxsize=4)
def _ring(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])
