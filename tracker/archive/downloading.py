"""One file from a provider's host into the archive's folder, through the guarded door; or why not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

from django.conf import settings

from tracker.archive.storing import Incoming
from tracker.models import ArchivedFile, ClipArchive
from tracker.outbound import AUDIO_MAX_BYTES, IMAGE_MAX_BYTES, MediaStream, Outbound
from tracker.providers import ProviderError
from tracker.sniffing import (
    PICTURE_ENDINGS,
    SOUND_ENDINGS,
    VIDEO_ENDINGS,
    examine_sound,
    looks_like_text,
    sniff_picture,
    sniff_video,
)

T = TypeVar("T")
Kind = ArchivedFile.Kind
Problem = ClipArchive.Problem
GONE = frozenset({401, 403, 404, 410, 451})
WRITE_BYTES = 1 << 20
"""What is held in memory of a file, at most about twice."""
SMALLEST_SOUND = 1000
"""No song is shorter; a placeholder may be."""


class NotGotError(Exception):
    """The file cannot be had; ``problem`` is kept beside the clip, with its host and the status."""

    def __init__(self, problem: Problem, *, host: str = "", status: int | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.host = host
        self.status = status


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a host may take: for all of a file, and to send anything at all."""

    deadline_seconds: float = 180
    stall_seconds: float = 30


class _Rule(NamedTuple):
    most_bytes: int
    least_bytes: int
    types: frozenset[str]
    examine: Callable[[Incoming], str | None]


def _by_head(sniff: Callable[[bytes], str | None]) -> Callable[[Incoming], str | None]:
    return lambda file: sniff(file.read_at(0, 64))


_RULES = {
    Kind.SOUND: _Rule(
        AUDIO_MAX_BYTES, SMALLEST_SOUND, frozenset(SOUND_ENDINGS), lambda file: examine_sound(file.read_at)
    ),
    Kind.COVER: _Rule(IMAGE_MAX_BYTES, 1, frozenset(PICTURE_ENDINGS), _by_head(sniff_picture)),
    Kind.VIDEO: _Rule(4 * AUDIO_MAX_BYTES, SMALLEST_SOUND, frozenset(VIDEO_ENDINGS), _by_head(sniff_video)),
}


def may_copy(url: str) -> bool:
    """Whether the host of ``url`` is one of which copies may be kept; a name stands for its subdomains too."""
    host = _host(url).rstrip(".")
    return not any(
        host == name or host.endswith(f".{name}")
        for name in (each.strip().lower().strip(".") for each in settings.ARCHIVE_SKIP_HOSTS)
        if name
    )


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").lower()


class Downloader:
    """Fetches files with one client; what touches the disk happens in ``threads``."""

    def __init__(self, client: Outbound, threads: ThreadPoolExecutor, limits: Limits) -> None:
        self._client = client
        self._threads = threads
        self._limits = limits

    async def in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    @asynccontextmanager
    async def fetch(self, url: str, kind: Kind) -> AsyncIterator[tuple[Incoming, ArchivedFile]]:
        """The file of ``url``, whole, with the row that would describe it.

        What is not put away within the block is gone after it. Raises :class:`NotGotError` and ``StorageError``.
        """
        if not may_copy(url):
            raise NotGotError(Problem.SKIPPED_HOST, host=_host(url))
        incoming, rule = Incoming(), _RULES[kind]
        try:
            content_type = await self._receive(url, incoming, rule)
            if content_type not in rule.types or incoming.size < rule.least_bytes:
                raise NotGotError(Problem.NOT_SOUND, host=_host(url))
            yield (
                incoming,
                ArchivedFile(kind=kind, digest=incoming.digest, content_type=content_type, size=incoming.size),
            )
        finally:
            incoming.discard()

    async def _receive(self, url: str, incoming: Incoming, rule: _Rule) -> str | None:
        """Returns the type that the bytes have."""
        limits = self._limits
        try:
            async with self._client.open_media(
                url, max_bytes=rule.most_bytes, deadline_seconds=limits.deadline_seconds
            ) as media:
                return await self._copy(media, incoming, rule)
        except ProviderError as error:
            raise NotGotError(_PROBLEMS.get(error.cause, Problem.UNREACHABLE), host=_host(url)) from None

    async def _copy(self, media: MediaStream, incoming: Incoming, rule: _Rule) -> str | None:
        host = _host(media.url)
        announced = _check_head(media, rule)
        stall = self._limits.stall_seconds
        loop = asyncio.get_running_loop()
        held: list[bytes] = []
        received = held_bytes = 0
        try:
            async with asyncio.timeout(stall) as watch, aclosing(media.aiter_bytes()) as chunks:
                async for chunk in chunks:
                    watch.reschedule(loop.time() + stall)
                    if received == 0 and looks_like_text(chunk):
                        # An error page is recognised by its beginning; the rest of it is not waited for.
                        raise NotGotError(Problem.NOT_SOUND, host=host)
                    held.append(chunk)
                    held_bytes += len(chunk)
                    received += len(chunk)
                    if held_bytes >= WRITE_BYTES:
                        await self.in_thread(incoming.write, held)
                        held, held_bytes = [], 0
        except TimeoutError:
            raise NotGotError(Problem.TIMEOUT, host=host) from None
        if received == 0:
            raise NotGotError(Problem.EMPTY, host=host)
        if announced is not None and announced != received:
            raise NotGotError(Problem.BROKE_OFF, host=host)
        return await self.in_thread(_complete, incoming, held, rule)


def _complete(incoming: Incoming, last: list[bytes], rule: _Rule) -> str | None:
    incoming.write(last)
    return rule.examine(incoming)


def _check_head(media: MediaStream, rule: _Rule) -> int | None:
    """Refuse by status, host and length before a byte is taken; returns the length that was announced."""
    host = _host(media.url)
    if not may_copy(media.url):
        raise NotGotError(Problem.SKIPPED_HOST, host=host)
    if media.status != 200:
        problem = Problem.EXPIRED if media.status in GONE else Problem.SERVER_ERROR
        raise NotGotError(problem, host=host, status=media.status)
    length = media.headers.get("content-length", "")
    announced = int(length) if length.isascii() and length.isdigit() else None
    if announced is not None and announced > rule.most_bytes:
        raise NotGotError(Problem.TOO_LARGE, host=host)
    return announced


_PROBLEMS = {
    "too_large": Problem.TOO_LARGE,
    "forbidden_address": Problem.FORBIDDEN,
    "timeout": Problem.TIMEOUT,
    "broke_off": Problem.BROKE_OFF,
    "server_error": Problem.SERVER_ERROR,
}
