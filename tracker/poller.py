"""The loop: claim what is due, ask for it, record what came, for ever or once.

The event loop does the network; one thread does the database, so that SQLite has one writer and nobody waits for
a lock. A claim that is not recorded (killed, cut off, late) ends with its lease and is taken up again by whoever
comes next.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import random
import secrets
import socket
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from tracker import pace
from tracker.archive.archivist import Archivist
from tracker.checking import Job, as_answer, make_jobs, note_batches, open_accesses, outbound_policy, run_job
from tracker.fetching import Access, ask_one, read_one
from tracker.models import (
    Activity,
    Answer,
    Claim,
    Credential,
    MusicTask,
    PollerBeat,
    PollTally,
    claim,
    record,
    release,
)
from tracker.models.health import Tally
from tracker.models.recording import LEASE
from tracker.outbound import Outbound, RawAnswer
from tracker.providers import ErrorKind, ProviderError

log = logging.getLogger("tracker.poller")
T = TypeVar("T")

HELD = 3000
"""Claims in hand at most: waiting, asked for, or waiting to be written."""
CLAIM_SIZE = 1000
READ_SIZE = 50
"""Answers that are read together: one by one, each would find nothing of it left in the processor's caches."""
WRITE_SIZE = 600
WRITE_AFTER_SECONDS = 0.2
"""How long an answer waits for company while others are on their way: a few cost as much to write as hundreds."""
LOOK_AGAIN_SECONDS = 0.02
IDLE_SECONDS = 0.5
HOUSEKEEPING_SECONDS = 15.0
BEAT_SECONDS = 10.0
LAGS_KEPT = 4000
LAGS_STALE_AFTER = timedelta(minutes=2)
"""When nothing was due for so long, what the last checks waited tells nothing about now."""
STOP_SECONDS = 7.0
"""How long requests on their way may still take after a stop; the rest of ten seconds is for writing."""
START_WITHIN = timedelta(seconds=40)
"""A claim that waited longer is not asked for any more: its lease would end in mid-flight."""
KEEP_REMOVED = timedelta(days=30)


class Sign:
    """What a poller tells of itself every few seconds: that it lives, how late it is, how asking goes."""

    def __init__(self) -> None:
        # A process number comes back soon in a container, where it is always the same.
        self.name = f"{socket.gethostname()[:80]} {os.getpid()} {secrets.token_hex(2)}"
        self._started_at = timezone.now()
        self._given_at: datetime | None = None
        self._claimed_at = self._started_at
        self._lags: deque[timedelta] = deque(maxlen=LAGS_KEPT)
        self._tallies: dict[tuple[int, str, int], list[int]] = {}

    def note_lags(self, claims: Sequence[Claim]) -> None:
        self._claimed_at = claimed_at = claims[0].until - LEASE
        self._lags.extend([claimed_at - one.due_at for one in claims])

    def count(self, answers: Sequence[tuple[Access, Answer]]) -> None:
        """An id that the provider does not know is an answer, too: neither key nor provider failed."""
        step = int(time.time() // PollTally.STEP.total_seconds())
        for access, answer in answers:
            tally = self._tallies.setdefault((access.credential_id, access.provider.slug, step), [0, 0])
            tally[0] += 1
            if answer.error is not None and answer.error.kind is not ErrorKind.UNKNOWN_TASK:
                tally[1] += 1

    def is_due(self, now: datetime) -> bool:
        return self._given_at is None or (now - self._given_at).total_seconds() >= BEAT_SECONDS

    def draw_up(self, now: datetime) -> tuple[dict[str, object], list[Tally]]:
        """The sign of life and the tallies as they are to be written; called where they are counted."""
        self._given_at = now
        p50, p95 = self._percentiles(now)
        told: dict[str, object] = {"started_at": self._started_at, "seen_at": now, "lag_p50": p50, "lag_p95": p95}
        seconds = PollTally.STEP.total_seconds()
        tallies = [
            Tally(credential_id, provider, datetime.fromtimestamp(step * seconds, UTC), *counts)
            for (credential_id, provider, step), counts in self._tallies.items()
        ]
        self._tallies.clear()
        return told, tallies

    def _percentiles(self, now: datetime) -> tuple[float | None, float | None]:
        if now - self._claimed_at > LAGS_STALE_AFTER:
            self._lags.clear()
        lags = sorted(max(lag.total_seconds(), 0.0) for lag in self._lags)
        if not lags:
            return None, None
        return lags[len(lags) // 2], lags[len(lags) * 95 // 100]


@dataclass
class Lane:
    """The requests to one provider host, so that a slow one does not hold up the others."""

    queue: deque[tuple[Job, float]] = field(default_factory=deque)
    """Jobs, and until when (of the monotonic clock) they may start."""
    workers: set[asyncio.Task[None]] = field(default_factory=set)
    held: int = 0


class Poller:
    """One polling process. ``await run(stop)`` returns when ``stop`` is set, or, ``once``, when nothing is due."""

    def __init__(self, *, once: bool = False, rng: random.Random | None = None) -> None:
        self._once = once
        self._rng = rng or random.Random()  # noqa: S311
        self._policy = outbound_policy()
        self._database = ThreadPoolExecutor(1, thread_name_prefix="database")
        self._lanes: dict[str, Lane] = {}
        self._received: list[tuple[Job, RawAnswer | ProviderError]] = []
        """What came for single claims and is not read yet."""
        self._answers: list[Answer] = []
        self._learned: list[Job] = []
        self._writes: set[asyncio.Future[None]] = set()
        self._flushing: asyncio.TimerHandle | None = None
        self._held = 0
        self._handed_over = 0
        self._paused: dict[int, datetime] = {}
        self._tended_at: datetime | None = None
        self.sign = Sign()
        self._stop = asyncio.Event()
        self._stopping = threading.Event()
        self.counts: Counter[str] = Counter()

    async def run(self, stop: asyncio.Event) -> None:
        """Poll until ``stop``; then let what is on its way come in, write it, and give the rest back."""
        self._stop = stop
        async with Outbound(self._policy) as client:
            archiving = self._start_archiving(client)
            try:
                await self._claim_and_dispatch(client)
            finally:
                self._stopping.set()
                if archiving is not None:
                    # What ended the polling is not always the order to stop.
                    stop.set()
                    await asyncio.wait([archiving], timeout=STOP_SECONDS)
                await self._come_to_rest()
                self._flush()
                await asyncio.gather(*self._writes, return_exceptions=True)
                with contextlib.suppress(DatabaseError, InterfaceError):
                    _told, tallies = self.sign.draw_up(timezone.now())
                    await self._in_database(lambda: _give_sign(self.sign.name, None, tallies))
                await self._in_database(_drop_connection)
                self._database.shutdown()

    def _start_archiving(self, client: Outbound) -> asyncio.Task[None] | None:
        """Keep finished clips beside polling; what is done once leaves that to ``archive_missing``."""
        if self._once or not settings.ARCHIVE:
            return None
        return asyncio.create_task(Archivist(client, self._in_database).run(self._stop))

    # Claiming --------------------------------------------------------------------------------------

    async def _claim_and_dispatch(self, client: Outbound) -> None:
        # Once means what was due at the start: a task that is due again meanwhile waits for the next time.
        due_by = timezone.now() if self._once else None
        while not self._stop.is_set():
            await self._tend()
            claims: list[Claim] = []
            if HELD - self._held >= CLAIM_SIZE:
                claims, accesses = await self._in_database(lambda: _claim(due_by))
            if claims:
                self.sign.note_lags(claims)
                await self._dispatch(claims, accesses, client)
            elif self._once and self._held == 0:
                return
            else:
                await self._pause(IDLE_SECONDS if self._held == 0 else LOOK_AGAIN_SECONDS)

    async def _dispatch(
        self, claims: Sequence[Claim], accesses: dict[int, Access | ProviderError], client: Outbound
    ) -> None:
        now = timezone.now()
        pauses = {pk: self._paused_until(pk, accesses, now) for pk in {one.credential_id for one in claims}}
        for credential_id, until in pauses.items():
            if until is not None:
                group = [one for one in claims if one.credential_id == credential_id]
                await self._give_back(group, at=until + timedelta(seconds=self._rng.uniform(0.1, 2)))
        start_by = time.monotonic() + (claims[0].until - LEASE + START_WITHIN - now).total_seconds()
        if any(pauses.values()):
            claims = [one for one in claims if pauses[one.credential_id] is None]
        jobs, answers = make_jobs(claims, accesses)
        self._held += len(answers)
        self._keep(answers)
        refused = [one for job in jobs if not self._enqueue(job, client, start_by) for one in job.claims]
        await self._give_back(refused, at=now + timedelta(seconds=self._rng.uniform(2, 5)))

    def _paused_until(
        self, credential_id: int | None, accesses: dict[int, Access | ProviderError], now: datetime
    ) -> datetime | None:
        """Until when the provider asked not to be asked with this credential; None if now is fine."""
        access = accesses.get(credential_id or 0)
        said = access.paused_until if isinstance(access, Access) else None
        heard = self._paused.get(credential_id or 0)
        until = max((moment for moment in (said, heard) if moment), default=None)
        return until if until and until > now else None

    def _enqueue(self, job: Job, client: Outbound, start_by: float) -> bool:
        """Put ``job`` in its lane; False where that is full."""
        host = urlsplit(job.access.base_url).netloc
        lane = self._lanes.get(host)
        if lane is None:
            lane = self._lanes[host] = Lane()
        if lane.held >= HELD * 6 // 10 and (lane.held >= HELD or self._busy_lanes() > 1):
            return False
        self._held += len(job.claims)
        lane.held += len(job.claims)
        lane.queue.append((job, start_by))
        if len(lane.workers) < self._policy.connections_per_host:
            worker = asyncio.create_task(self._work(lane, client))
            lane.workers.add(worker)
            worker.add_done_callback(lane.workers.discard)
        return True

    def _busy_lanes(self) -> int:
        return sum(1 for lane in self._lanes.values() if lane.held)

    async def _give_back(self, claims: Sequence[Claim], *, at: datetime) -> None:
        if claims:
            await self._in_database(lambda: release(claims, at=at))

    # Asking ----------------------------------------------------------------------------------------

    async def _work(self, lane: Lane, client: Outbound) -> None:
        """Run jobs of one lane until there are none."""
        while lane.queue and not self._stop.is_set():
            job, start_by = lane.queue.popleft()
            count = len(job.claims)
            came: RawAnswer | ProviderError | list[Answer] | None = None
            try:
                if time.monotonic() <= start_by and not self._is_paused(job.access):
                    one = job.claims[0].task_id
                    came = await (ask_one(job.access, one, client) if count == 1 else run_job(job, client))
            except Exception:
                # A fault of ours must not end the worker; the claims come back with their leases.
                log.exception("a check of %s could not be made", job.access.provider.slug)
            finally:
                lane.held -= count
                if came is None:
                    self._held -= count
            if isinstance(came, list):
                self._take_batch(job, came)
            elif came is not None:
                self._receive(job, came)

    def _take_batch(self, job: Job, answers: list[Answer]) -> None:
        self._held -= len(job.claims) - len(answers)
        if job.answers_batches not in (None, job.access.answers_batches):
            self._learned.append(job)
        self._keep(self._heard([(job.access, answer) for answer in answers]))

    def _is_paused(self, access: Access) -> bool:
        until = self._paused.get(access.credential_id)
        return until is not None and until > timezone.now()

    # Reading ---------------------------------------------------------------------------------------

    def _receive(self, job: Job, raw: RawAnswer | ProviderError) -> None:
        """Put what came for a single claim to the others; what may be a refusal is read at once."""
        self._received.append((job, raw))
        is_good = isinstance(raw, RawAnswer) and raw.status == 200
        if len(self._received) >= READ_SIZE or not is_good or self._is_all_here():
            self._keep(self._read())
        else:
            self._flush_soon()

    def _read(self) -> list[Answer]:
        """Read all that has come for single claims."""
        received, self._received = self._received, []
        answers = []
        for job, raw in received:
            (one,) = job.claims
            try:
                reply = read_one(job.access, one.task_id, raw, known_hash=one.answer_hash)
                answers.append((job.access, as_answer(one, reply, job.access)))
            except Exception:
                self._held -= 1
                log.exception("an answer of %s could not be read", job.access.provider.slug)
        return self._heard(answers)

    def _heard(self, answers: Sequence[tuple[Access, Answer]]) -> list[Answer]:
        """Count them, and heed at once what concerns the requests that are about to be made."""
        self.sign.count(answers)
        for access, answer in answers:
            error = answer.error
            self.counts["unchanged" if answer.unchanged else "error" if error else "changed"] += 1
            if error is not None and error.kind is ErrorKind.RATE_LIMITED:
                wait = timedelta(seconds=error.retry_after or pace.FASTEST_SECONDS)
                self._paused[access.credential_id] = timezone.now() + wait
        return [answer for _, answer in answers]

    # Writing ---------------------------------------------------------------------------------------

    def _keep(self, answers: Sequence[Answer]) -> None:
        """Take answers to be written, in batches, as soon as one is full or a moment has passed."""
        self._answers += answers
        if len(self._answers) >= WRITE_SIZE or self._is_all_here():
            self._flush()
        elif self._answers:
            self._flush_soon()

    def _is_all_here(self) -> bool:
        """Whether nothing else is on its way: there is no company to wait for."""
        return len(self._received) + len(self._answers) + self._handed_over >= self._held

    def _flush_soon(self) -> None:
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_later(WRITE_AFTER_SECONDS, self._flush)

    def _flush(self) -> None:
        """Hand what there is to the database thread, and do not wait for it: it never waits for the loop either."""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        self._answers += self._read()
        while self._answers:
            batch, self._answers = self._answers[:WRITE_SIZE], self._answers[WRITE_SIZE:]
            learned, self._learned = self._learned, []
            write = asyncio.ensure_future(self._in_database(partial(_record_batch, batch, learned, self._rng)))
            self._writes.add(write)
            self._handed_over += len(batch)
            write.add_done_callback(partial(self._written, len(batch)))

    def _written(self, count: int, write: asyncio.Future[None]) -> None:
        self._held -= count
        self._handed_over -= count
        self._writes.discard(write)
        if not write.cancelled() and (error := write.exception()) is not None:
            log.warning("%d answers could not be written (%s); their tasks are asked for again", count, error)

    def _in_database(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Run ``work`` in the database thread, after all that was given to it before."""
        return asyncio.get_running_loop().run_in_executor(self._database, self._insist, work)

    def _insist(self, work: Callable[[], T]) -> T:
        """Run ``work``; a database that is away, locked or full is waited for, unless the poller is to stop."""
        wait = 0.2
        while True:
            try:
                return work()
            except (OperationalError, InterfaceError) as error:
                _drop_connection()
                if self._stopping.is_set() and wait > 1:
                    raise
                log.warning("the database does not take it (%s); trying again in %.1f s", error, wait)
                self._stopping.wait(wait)
                wait = min(wait * 2, 10.0)

    # Keeping house and stopping --------------------------------------------------------------------

    async def _tend(self) -> None:
        now = timezone.now()
        if self.sign.is_due(now):
            told, tallies = self.sign.draw_up(now)
            await self._in_database(lambda: _give_sign(self.sign.name, told, tallies))
        if self._tended_at and (now - self._tended_at).total_seconds() < HOUSEKEEPING_SECONDS:
            return
        self._tended_at = now
        await self._in_database(lambda: keep_house(now))
        if self.counts:
            log.info("checks: %s", ", ".join(f"{count} {name}" for name, count in sorted(self.counts.items())))
            self.counts.clear()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)

    async def _come_to_rest(self) -> None:
        """Let requests on their way come in for a while, then cut them off and give everything back."""
        workers = [worker for lane in self._lanes.values() for worker in lane.workers]
        if workers:
            _, late = await asyncio.wait(workers, timeout=STOP_SECONDS)
            for worker in late:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        left = [one for lane in self._lanes.values() for job, _ in lane.queue for one in job.claims]
        with contextlib.suppress(OperationalError, InterfaceError):
            await self._give_back(left, at=timezone.now())


def _claim(due_by: datetime | None) -> tuple[list[Claim], dict[int, Access | ProviderError]]:
    claims = claim(timezone.now(), limit=CLAIM_SIZE, due_by=due_by)
    return claims, open_accesses(claims)


@transaction.atomic
def _give_sign(name: str, told: Mapping[str, object] | None, tallies: Sequence[Tally]) -> None:
    """Write the sign of life, or (None) take it away: a poller that has stopped is not a dead one."""
    PollTally.add(tallies)
    if told is None:
        PollerBeat.objects.filter(name=name).delete()
    else:
        PollerBeat.objects.update_or_create(name=name, defaults=told)


def settle_process() -> None:
    """Make a process that does nothing but poll ready for it; to be called once, when all is loaded."""
    # What is loaded by now stays: the collector need not look through it again and again.
    gc.collect()
    gc.freeze()
    # Requests come in waves of hundreds of objects that go away together: looked at too soon, they are all alive.
    gc.set_threshold(20_000, 20, 50)
    # The database thread works in the pauses that a busy loop makes by itself; it need not press for more.
    sys.setswitchinterval(0.02)


def keep_house(now: datetime) -> None:
    """Let rested credentials try again, and forget for good what was removed long ago."""
    for credential in Credential.objects.to_probe(now):
        credential.probe(now)
    MusicTask.objects.filter(removed_at__lt=now - KEEP_REMOVED).delete()
    Activity.objects.prune(now)
    PollerBeat.objects.filter(seen_at__lt=now - PollerBeat.KEPT_FOR).delete()
    PollTally.objects.filter(starts_at__lt=now - PollTally.KEPT_FOR).delete()


def _record_batch(batch: Sequence[Answer], learned: Sequence[Job], rng: random.Random) -> None:
    note_batches(learned)
    if _fault_in_recording(batch, rng) is None:
        return
    # One answer that cannot be written must not keep the others from it.
    for answer in batch:
        if (fault := _fault_in_recording([answer], rng)) is not None:
            log.error("the answer for task %d cannot be written", answer.claim.pk, exc_info=fault)
            release([answer.claim], at=timezone.now() + timedelta(minutes=5))


def _fault_in_recording(answers: Sequence[Answer], rng: random.Random) -> Exception | None:
    """What keeps ``answers`` from being written; a database that is away is raised, since it will come back."""
    try:
        record(answers, now=timezone.now(), rng=rng)
    except (OperationalError, InterfaceError):
        raise
    except (DatabaseError, ValueError, ArithmeticError) as fault:
        return fault
    return None


def _drop_connection() -> None:
    with contextlib.suppress(DatabaseError):
        connection.close()
