"""Works off what is due to be kept: claim, download, put away, write down; then draws the outlines of new sounds.

It lives in the poller's event loop. The network is asynchronous, the disk has threads of its own, and the database
is reached through the one thread that the poller writes with. Of a file in flight no more than a few MB are held.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import shutil
import sys
import tempfile
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from tracker.archive.downloading import Downloader, Limits, NotGotError
from tracker.archive.storing import (
    NotAPictureError,
    StorageError,
    archive_storage,
    clear_leftovers,
    local_path,
    make_thumbnails,
    open_file,
    put_thumbnails,
    require_space,
)
from tracker.models import ArchivedFile, ClipArchive
from tracker.models.archive import ArchiveClaim, Outcome
from tracker.outbound import Outbound
from tracker.peaks import COUNT

log = logging.getLogger("tracker.archive")
T = TypeVar("T")
Kind = ArchivedFile.Kind
Problem = ClipArchive.Problem

AT_ONCE = 8
"""Clips that are fetched at the same time."""
CLAIM_SIZE = 16
IDLE_SECONDS = 1.0
FAULT_SECONDS = 5.0
SETTLE_AFTER_SECONDS = 0.05
"""How long a clip that is put away waits to be written down together with others."""
STORAGE_REST_SECONDS = 30.0
"""Where the storage takes nothing, the next clip is not tried at once."""
CLEAR_SECONDS = 600.0
DRAW_SECONDS = 90
DRAW_CHOICE = 20


class InDatabase(Protocol):
    """Runs work where the database is written."""

    def __call__(self, work: Callable[[], T], /) -> asyncio.Future[T]: ...


class Archivist:
    """One archiver. ``await run(stop)`` goes on until ``stop``; ``await run_out()`` until nothing is due."""

    def __init__(
        self, client: Outbound, in_database: InDatabase, *, limits: Limits | None = None, draws: bool = True
    ) -> None:
        self._in_database = in_database
        self._threads = ThreadPoolExecutor(AT_ONCE + 1, thread_name_prefix="archive")
        self._downloader = Downloader(client, self._threads, limits or Limits())
        self._waiting: deque[ArchiveClaim] = deque()
        self._working: dict[asyncio.Task[None], ArchiveClaim] = {}
        self._finished: list[tuple[ArchiveClaim, Outcome]] = []
        self._settling: asyncio.Task[None] | None = None
        self._drawing: asyncio.Task[None] | None = None
        self._draws = self._draws_again = draws
        self._rests_until = 0.0
        self._clears_at = 0.0
        self.counts: Counter[str] = Counter()
        """What became of the clips: "kept", or the word of a problem; and "stored" files, and "drawn" outlines."""

    async def run(self, stop: asyncio.Event) -> None:
        """Keep what becomes due until ``stop``; then give back what is in hand."""
        try:
            while not stop.is_set():
                try:
                    is_busy = await self._step()
                except Exception:
                    log.exception("the archive could not go on; trying again")
                    await _wait(stop, FAULT_SECONDS)
                    continue
                if not is_busy:
                    await _wait(stop, IDLE_SECONDS)
                else:
                    await _first_of(stop, self._working)
        finally:
            await self._give_up()

    async def run_out(self) -> Counter[str]:
        """Keep all that is due now or becomes so meanwhile, and draw every outline; returns ``counts``."""
        try:
            while await self._step() or self._settling or self._drawing:
                pending = {*self._working, *(task for task in (self._settling, self._drawing) if task)}
                if pending:
                    await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._give_up()
        return self.counts

    # Claiming --------------------------------------------------------------------------------------

    async def _step(self) -> bool:
        """Take up what there is to do; False where nothing is due and nothing in hand."""
        now = asyncio.get_running_loop().time()
        if now >= self._clears_at:
            self._clears_at = now + CLEAR_SECONDS
            await self._downloader.in_thread(clear_leftovers)
        self._draw_next()
        if now < self._rests_until:
            return bool(self._working)
        if not self._waiting and len(self._working) < AT_ONCE:
            self._waiting.extend(
                await self._in_database(lambda: ClipArchive.objects.claim(timezone.now(), limit=CLAIM_SIZE))
            )
        while self._waiting and len(self._working) < AT_ONCE:
            claim = self._waiting.popleft()
            task = asyncio.create_task(self._keep(claim))
            self._working[task] = claim
            task.add_done_callback(self._done)
        return bool(self._working)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._working.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            # Its claim comes back with its lease.
            log.error("a clip could not be kept", exc_info=error)

    async def _give_up(self) -> None:
        """Stop what is in hand, and let whoever comes next begin with it at once."""
        claims = [*self._waiting, *self._working.values()]
        tasks = [*self._working, *([self._drawing] if self._drawing else [])]
        self._waiting.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._settling:
            await asyncio.wait({self._settling})
        # What was settled at the last moment has no lease any more, and is passed over.
        if claims:
            with contextlib.suppress(Exception):
                await self._in_database(lambda: ClipArchive.objects.release(claims, at=timezone.now()))
        self._threads.shutdown(wait=False, cancel_futures=True)

    # Keeping ---------------------------------------------------------------------------------------

    async def _keep(self, claim: ArchiveClaim) -> None:
        outcome = Outcome()
        try:
            await self._downloader.in_thread(require_space)
            await self._keep_sound(claim, outcome)
            outcome.cover = await self._keep_beside(Kind.COVER, claim.image_url, claim.has_cover, outcome)
            if settings.ARCHIVE_VIDEO:
                outcome.video = await self._keep_beside(Kind.VIDEO, claim.video_url, claim.has_video, outcome)
        except StorageError as error:
            self._note_storage(error, outcome)
        self._finished.append((claim, outcome))
        if self._settling is None:
            self._settling = asyncio.create_task(self._settle_all())

    async def _settle_all(self) -> None:
        """Write down what is finished, as many together as come in a moment: alone, each takes its own transaction."""
        try:
            while self._finished:
                await asyncio.sleep(SETTLE_AFTER_SECONDS)
                batch, self._finished = self._finished, []
                await self._settle(batch)
        finally:
            self._settling = None

    async def _settle(self, batch: list[tuple[ArchiveClaim, Outcome]]) -> None:
        try:
            ours = await self._in_database(lambda: settle(batch))
        except StorageError as error:
            await self._settle_apart(batch, error)
            return
        except Exception:
            # Their claims come back with their leases.
            log.exception("%d clips could not be written down", len(batch))
            return
        for claim, outcome in batch:
            if claim.pk in ours:
                self._tell(claim, outcome)

    async def _settle_apart(self, batch: list[tuple[ArchiveClaim, Outcome]], error: StorageError) -> None:
        """A file is gone again: the others are written down without it."""
        if len(batch) > 1:
            for each in batch:
                await self._settle([each])
            return
        ((claim, _),) = batch
        lost = Outcome()
        self._note_storage(error, lost)
        await self._settle([(claim, lost)])

    async def _keep_sound(self, claim: ArchiveClaim, outcome: Outcome) -> None:
        """The finished file, or one of its alternatives; what is told is why the best of them failed."""
        if claim.has_sound:
            return
        failures: list[NotGotError] = []
        for url in claim.audio_urls:
            try:
                outcome.sound = await self._take(url, Kind.SOUND)
            except NotGotError as failure:
                failures.append(failure)
            else:
                return
        # A host that allows no copies is only the reason where no other was asked.
        tried = [failure for failure in failures if failure.problem != Problem.SKIPPED_HOST] or failures
        if tried:
            outcome.problem, outcome.host, outcome.status = tried[0].problem, tried[0].host, tried[0].status

    async def _keep_beside(self, kind: Kind, url: str, has_it: bool, outcome: Outcome) -> ArchivedFile | None:
        """A cover or a video: nice to have beside the sound, and no reason to complain."""
        if has_it or not url:
            return None
        try:
            return await self._take(url, kind)
        except NotGotError as failure:
            outcome.misses_more |= failure.problem != Problem.SKIPPED_HOST
            return None

    async def _take(self, url: str, kind: Kind) -> ArchivedFile:
        """Fetch ``url`` and put it away; the row that is returned is yet to be written down."""
        async with self._downloader.fetch(url, kind) as (incoming, file):
            if kind == Kind.COVER:
                try:
                    squares = await self._downloader.in_thread(make_thumbnails, incoming.path)
                except NotAPictureError:
                    raise NotGotError(Problem.NOT_SOUND) from None
                await self._downloader.in_thread(put_thumbnails, file, squares)
            await self._downloader.in_thread(incoming.put_away, file)
            return file

    def _note_storage(self, error: StorageError, outcome: Outcome) -> None:
        outcome.problem, outcome.host, outcome.status = error.problem, "", None
        self._rests_until = asyncio.get_running_loop().time() + STORAGE_REST_SECONDS
        log.error("the archive takes nothing (%s): %s", error.problem.value, error.__cause__ or error.problem.label)

    def _tell(self, claim: ArchiveClaim, outcome: Outcome) -> None:
        if outcome.problem:
            self.counts[outcome.problem] += 1
            log.info("clip %d is not kept: %s %s", claim.pk, outcome.problem, outcome.host)
        elif outcome.sound is not None:
            self.counts["kept"] += 1
        self.counts["stored"] += len(outcome.files)
        self._draws_again |= self._draws and outcome.sound is not None

    # Drawing ---------------------------------------------------------------------------------------

    def _draw_next(self) -> None:
        """Outlines are drawn one after the other, beside the keeping: the sound is safe already."""
        if self._draws_again and self._drawing is None:
            self._draws_again = False
            self._drawing = asyncio.create_task(self._draw_all())
            self._drawing.add_done_callback(self._drawn)

    def _drawn(self, task: asyncio.Task[None]) -> None:
        self._drawing = None
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("outlines could not be drawn", exc_info=error)

    async def _draw_all(self) -> None:
        while (file := await self._in_database(_pick_undrawn)) is not None:
            peaks = await self._draw(file)
            await self._in_database(partial(file.keep_outline, peaks))
            self.counts["drawn"] += bool(peaks)

    async def _draw(self, file: ArchivedFile) -> bytes:
        path = local_path(file.name)
        if path is not None:
            return await draw_peaks(path, file.content_type)
        copy = await self._downloader.in_thread(_copy_here, file)
        if copy is None:
            return b""
        try:
            return await draw_peaks(copy, file.content_type)
        finally:
            copy.unlink(missing_ok=True)


@transaction.atomic
def settle(batch: list[tuple[ArchiveClaim, Outcome]]) -> set[int]:
    """Write down what was brought, and what became of the claims; returns the clips of those that were still ours."""
    now = timezone.now()
    rows = write_down([file for _, outcome in batch for file in outcome.files.values()], now)

    def row(file: ArchivedFile | None) -> ArchivedFile | None:
        return rows[file.kind, file.digest] if file else None

    # The outcomes themselves stay as they are: where the database does not take it, the same batch comes again.
    settled = [
        (claim, replace(one, sound=row(one.sound), cover=row(one.cover), video=row(one.video))) for claim, one in batch
    ]
    return ClipArchive.objects.settle(settled, now)


def write_down(files: list[ArchivedFile], now: datetime) -> dict[tuple[str, str], ArchivedFile]:
    """The rows of ``files`` by kind and digest; the row of a file is never there without it.

    Pruning takes the row first and in the same transaction the file: it may have gone since it was put away, which is
    a StorageError.
    """
    if not files:
        return {}
    for file in files:
        file.kept_at = now
    ArchivedFile.objects.bulk_create(files, ignore_conflicts=True)
    rows = ArchivedFile.objects.filter(digest__in=[file.digest for file in files]).order_by("pk")
    if connection.features.has_select_for_update:
        rows = rows.select_for_update()
    found = {(row.kind, row.digest): row for row in rows}
    # A row of before knows its type; a reader of today may know it better, but the name would change with it.
    if not all(archive_storage().exists(row.name) for row in found.values()):
        raise StorageError(Problem.STORAGE_ERROR)
    return found


def _pick_undrawn() -> ArchivedFile | None:
    """Any of those that wait longest: drawing one twice does no harm, but two archivers need not go in step."""
    first = list(ArchivedFile.objects.to_draw().order_by("pk")[:DRAW_CHOICE])
    return random.choice(first) if first else None  # noqa: S311


def _copy_here(file: ArchivedFile) -> Path | None:
    """A copy of a kept file that lies elsewhere; None where it is gone."""
    content = open_file(file.name)
    if content is None:
        return None
    with content, tempfile.NamedTemporaryFile(delete=False) as copy:
        shutil.copyfileobj(content, copy)
    return Path(copy.name)


async def draw_peaks(path: Path, content_type: str) -> bytes:
    """The outline of a sound, by a process of its own; empty where there is none to be had."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tracker.peaks", str(path), content_type, cwd=settings.BASE_DIR,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(DRAW_SECONDS):
            output, _ = await process.communicate()
    except TimeoutError:
        return b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return output[:COUNT] if process.returncode == 0 else b""


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


async def _first_of(stop: asyncio.Event, working: dict[asyncio.Task[None], ArchiveClaim]) -> None:
    """Wait until one of ``working`` is done, or ``stop``."""
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({stopped, *working}, timeout=IDLE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
