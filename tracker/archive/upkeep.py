"""Orders to the archive as a whole: keep what is missing, look whether it is still there, make room."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, TypeVar

from django.db import connection, transaction

from tracker.archive import storing
from tracker.archive.archivist import Archivist
from tracker.archive.downloading import Limits
from tracker.checking import outbound_policy
from tracker.models import ArchivedFile, Clip, ClipArchive
from tracker.outbound import Outbound

T = TypeVar("T")
BATCH = 500
STRAY_AFTER = timedelta(days=1)
"""A file that was just put away is about to be written down."""
BLOCK = 1 << 20


# -- Keeping what is missing ----------------------------------------------------------------------------


def make_missing_due(now: datetime) -> int:
    """Let everything that is not kept be tried now, also what was given up or comes from before; returns how much."""
    unknown = Clip.objects.exclude(audio_url="").filter(archive=None, task__removed_at=None)
    while clips := list(unknown.only("pk")[:BATCH]):
        ClipArchive.objects.make_due(clips, now)
    missing = ClipArchive.objects.missing() | ClipArchive.objects.filter(
        state=ClipArchive.State.KEPT, cover=None
    ).exclude(clip__image_url="")
    # What somebody keeps at this moment is left to them.
    missing.filter(lease=None).update(due_at=now, tries=0)
    ArchivedFile.objects.filter(kind=ArchivedFile.Kind.SOUND, peaks=b"").update(peaks=None)
    return ClipArchive.objects.due(now).count()


def archive_now(limits: Limits | None = None, *, draws: bool = True) -> Counter[str]:
    """Keep what is due until nothing is, and draw the outlines; returns what became of the clips."""
    return asyncio.run(_run_out(limits, draws=draws))


async def _run_out(limits: Limits | None, *, draws: bool) -> Counter[str]:
    with ThreadPoolExecutor(1, thread_name_prefix="database") as thread:

        def in_database(work: Callable[[], T], /) -> asyncio.Future[T]:
            return asyncio.get_running_loop().run_in_executor(thread, work)

        try:
            async with Outbound(outbound_policy()) as client:
                return await Archivist(client, in_database, limits=limits, draws=draws).run_out()
        finally:
            await in_database(_close_connection)


def _close_connection() -> None:
    """That of the thread in which this runs."""
    connection.close()


# -- Verifying ------------------------------------------------------------------------------------------


class Flaw(StrEnum):
    MISSING = "missing"
    DIFFERS = "differs"


class Finding(NamedTuple):
    name: str
    flaw: Flaw | None


def verify() -> Iterator[Finding]:
    """Every kept file, read anew and compared with the name that its bytes gave it."""
    for file in ArchivedFile.objects.order_by("pk").iterator(BATCH):
        yield Finding(file.name, _flaw_of(file))


def _flaw_of(file: ArchivedFile) -> Flaw | None:
    content = storing.open_file(file.name)
    if content is None:
        return Flaw.MISSING
    found = hashlib.sha256()
    with content:
        while block := content.read(BLOCK):
            found.update(block)
    return None if found.hexdigest() == file.digest else Flaw.DIFFERS


# -- Making room ----------------------------------------------------------------------------------------


class Room(NamedTuple):
    """Files that no clip has any more."""

    files: int
    bytes: int


def prune_clips(older_than: timedelta, now: datetime) -> int:
    """Let clips go that were kept for so long: their sound plays from the provider's link again, while it lives."""
    old = ClipArchive.objects.filter(sound__isnull=False, kept_at__lt=now - older_than)
    count = 0
    for archive in list(old.order_by("pk")):
        archive.prune(now)
        count += 1
    return count


@transaction.atomic
def preview(older_than: timedelta | None, now: datetime) -> tuple[int, Room]:
    """What :func:`prune_clips` and :func:`remove_unused` would do. It is done, counted and taken back."""
    count = prune_clips(older_than, now) if older_than is not None else 0
    sizes = list(ArchivedFile.objects.unused().values_list("size", flat=True))
    transaction.set_rollback(True)
    return count, Room(len(sizes), sum(sizes))


def remove_unused() -> Room:
    """Remove the files that no clip has, from the storage and from the database."""
    count = size = 0
    for file in list(ArchivedFile.objects.unused().order_by("pk")):
        if _remove_one(file):
            count, size = count + 1, size + file.size
    return Room(count, size)


@transaction.atomic
def _remove_one(file: ArchivedFile) -> bool:
    """Row and file go while the row is locked: who keeps the same bytes now finds both or neither."""
    rows = ArchivedFile.objects.filter(pk=file.pk)
    if connection.features.has_select_for_update:
        rows = rows.select_for_update()
    # With the lock in hand, again: a clip may have come meanwhile.
    if not rows.first() or not ArchivedFile.objects.unused().filter(pk=file.pk).exists():
        return False
    storing.remove(file)
    rows.delete()
    return True


def strays(now: datetime) -> Iterator[str]:
    """Names in the storage of which the database knows nothing: put away by somebody who was killed just then."""
    storage = storing.archive_storage()
    for kind in ArchivedFile.Kind.values:
        for folder in _listed(kind)[0]:
            digests = {name: name.partition(".")[0].partition("-")[0] for name in _listed(f"{kind}/{folder}")[1]}
            rows = ArchivedFile.objects.filter(kind=kind, digest__in=set(digests.values()))
            known = set(rows.values_list("digest", flat=True))
            for name in (name for name, digest in digests.items() if digest not in known):
                path = f"{kind}/{folder}/{name}"
                if storage.get_modified_time(path) < now - STRAY_AFTER:
                    yield path


def _listed(folder: str) -> tuple[list[str], list[str]]:
    """Folders and files in ``folder`` of the storage."""
    try:
        return storing.archive_storage().listdir(folder)
    except FileNotFoundError:
        return [], []
