"""Where kept files lie, and how they get there whole or not at all.

A file comes in under a name of no meaning, is written to the disk, and only then moved to the name that its bytes
give it. Whoever looks under that name finds all of it, whatever was killed or full meanwhile.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import struct
import threading
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, Storage, storages
from PIL import Image, ImageOps

from tracker.models import ArchivedFile, ClipArchive

Problem = ClipArchive.Problem
INCOMING = ".incoming"
LEFT_OVER_AFTER_SECONDS = 1800
"""A file that comes in is written to all the time: one that was not for so long belongs to nobody any more."""
MOST_PIXELS = 20_000_000
"""A picture of a few kB may unfold to gigabytes."""
THUMBNAILS = (128, 320)

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


class StorageError(Exception):
    """The storage took or gave nothing; ``problem`` is kept where operations look."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem


@contextmanager
def storage_faults() -> Iterator[None]:
    """What goes wrong with a storage as a :class:`StorageError`."""
    try:
        yield
    except OSError as error:
        raise StorageError(_problem_of(error)) from error
    except StorageError:
        raise
    except Exception as error:
        # A storage of another kind has errors of its own; none of them may end the archiver.
        raise StorageError(Problem.STORAGE_ERROR) from error


def _problem_of(error: OSError) -> Problem:
    if error.errno in _FULL:
        return Problem.STORAGE_FULL
    return Problem.STORAGE_DENIED if error.errno in _DENIED else Problem.STORAGE_ERROR


def archive_storage() -> Storage:
    return storages["archive"]


def local_path(name: str) -> Path | None:
    """Where ``name`` lies on this machine; None where the archive is elsewhere."""
    storage = archive_storage()
    return Path(storage.path(name)) if isinstance(storage, FileSystemStorage) else None


def open_file(name: str) -> BinaryIO | None:
    """A kept file, to be read; None where it is gone."""
    path = local_path(name)
    try:
        return path.open("rb") if path else archive_storage().open(name)  # type: ignore[return-value]
    except (FileNotFoundError, NotADirectoryError):
        return None


# -- Coming in ------------------------------------------------------------------------------------------


def incoming_folder() -> Path:
    storage = archive_storage()
    root = Path(storage.location) if isinstance(storage, FileSystemStorage) else settings.DATA_DIR / "archive"
    return root / INCOMING


def require_space() -> None:
    """Raises :class:`StorageError` where the disk is nearly full: the database must go on writing beside us."""
    folder = incoming_folder()
    with storage_faults():
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    if free < settings.ARCHIVE_MIN_FREE_MB * 1_000_000:
        raise StorageError(Problem.STORAGE_FULL)


def clear_leftovers(now_seconds: float | None = None) -> int:
    """Remove what a killed archiver left behind; returns how many files."""
    count, now = 0, time.time() if now_seconds is None else now_seconds
    with suppress(OSError):
        for path in incoming_folder().iterdir():
            with suppress(OSError):
                if now - path.stat().st_mtime > LEFT_OVER_AFTER_SECONDS:
                    path.unlink()
                    count += 1
    return count


class Incoming:
    """A file that is coming in. Its methods write to the disk: call them in a thread."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._file: BinaryIO | None = None
        self.size = 0
        self.path = incoming_folder() / secrets.token_hex(16)

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def write(self, parts: Iterable[bytes]) -> None:
        # Each part alone would give the interpreter lock away, and wait for it, twice.
        content = b"".join(parts)
        self._hash.update(content)
        self.size += len(content)
        with storage_faults():
            self._open().write(content)

    def _open(self) -> BinaryIO:
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("x+b")
        return self._file

    def read_at(self, place: int, count: int) -> bytes:
        with storage_faults():
            file = self._open()
            file.seek(place)
            found = file.read(count)
            file.seek(0, os.SEEK_END)
            return found

    def put_away(self, file: ArchivedFile) -> None:
        """Move it to where its bytes say it belongs, when all of it is on the disk; what lies there is the same."""
        with storage_faults():
            content = self._open()
            content.flush()
            os.fsync(content.fileno())
            content.close()
            target = local_path(file.name)
            if target is None:
                _upload(self.path, file)
                return
            target.parent.mkdir(parents=True, exist_ok=True)
            self.path.replace(target)
            _sync_folder(target.parent)

    def discard(self) -> None:
        with suppress(OSError, ValueError):
            if self._file is not None:
                self._file.close()
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """A name is on the disk only when its folder is; Windows knows no such call, and needs none."""
    with suppress(PermissionError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _upload(path: Path, file: ArchivedFile) -> None:
    storage = archive_storage()
    if storage.exists(file.name) and storage.size(file.name) == file.size:
        return
    with path.open("rb") as content:
        upload = File(content, name=file.name)
        upload.content_type = file.content_type  # type: ignore[attr-defined]
        storage.save(file.name, upload)


# -- Thumbnails -----------------------------------------------------------------------------------------

_drawing = threading.Lock()
"""One picture at a time: each may take as much memory as all the rest."""


class NotAPictureError(Exception):
    """The bytes are no picture, or one that unfolds too far."""


def make_thumbnails(path: Path) -> dict[int, bytes]:
    """Squares of a cover as WebP, by their size. Raises :class:`NotAPictureError`."""
    try:
        with _drawing, warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return _draw(path)
    except (
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        struct.error,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        raise NotAPictureError from error


def _draw(path: Path) -> dict[int, bytes]:
    with Image.open(path, formats=("JPEG", "PNG", "WEBP")) as picture:
        if picture.width * picture.height > MOST_PIXELS:
            raise NotAPictureError
        # A JPEG is unpacked no larger than needed; other formats take no notice.
        picture.draft("RGB", (max(THUMBNAILS) * 2, max(THUMBNAILS) * 2))
        upright = ImageOps.exif_transpose(picture).convert("RGB")
    squares = {}
    for size in sorted(THUMBNAILS, reverse=True):
        upright = ImageOps.fit(upright, (size, size))
        squares[size] = _as_webp(upright)
    return squares


def _as_webp(picture: Image.Image) -> bytes:
    content = BytesIO()
    picture.save(content, "WEBP", quality=80)
    return content.getvalue()


def put_thumbnails(file: ArchivedFile, squares: dict[int, bytes]) -> None:
    """They can be drawn again at any time, so they are not synced."""
    storage = archive_storage()
    for size, content in squares.items():
        name = file.thumbnail_name(size)
        with storage_faults():
            if storage.exists(name):
                continue
            upload = ContentFile(content, name=name)
            upload.content_type = "image/webp"  # type: ignore[attr-defined]
            storage.save(name, upload)


def remove(file: ArchivedFile) -> None:
    """Take a file out of the storage, with what was drawn of it."""
    storage = archive_storage()
    names = [file.name]
    if file.kind == ArchivedFile.Kind.COVER:
        names += [file.thumbnail_name(size) for size in THUMBNAILS]
    for name in names:
        with storage_faults():
            storage.delete(name)
