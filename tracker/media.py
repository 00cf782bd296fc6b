"""The sound and the cover of a clip as this site serves them, from the archive or passed through.

No page ever holds a provider's link.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from tracker.archive.downloading import GONE
from tracker.archive.serving import PICTURE_CACHE, SOUND_CACHE, WINDOW, file_response, picture_response
from tracker.archive.storing import THUMBNAILS
from tracker.cards import TINTS, problem_words
from tracker.checking import outbound_policy
from tracker.models import ArchivedFile, Clip
from tracker.models.archive import kept_file
from tracker.outbound import AUDIO_MAX_BYTES, IMAGE_MAX_BYTES, MediaWindow, Outbound
from tracker.providers import ProviderError
from tracker.ranges import ByteRange, read_range
from tracker.sniffing import looks_like_text, sniff_picture, sniff_sound

logger = logging.getLogger(__name__)

STREAM_SECONDS = 600
HEAD = 64
"""Bytes that are enough to tell a sound by."""
SQUARES = dict(zip(("small", "large"), THUMBNAILS, strict=True))
Problem = Clip.SoundProblem


# -- Sound ----------------------------------------------------------------------------------------------


class SoundError(Exception):
    """The sound cannot be had; ``problem`` is kept on the clip."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem


def sound_response(request: HttpRequest, clip: Clip) -> HttpResponseBase:
    """The clip's sound: from the archive, else passed through, with Range where it is a finished file.

    Whether the asker may hear it was decided before.
    """
    if (kept := _kept_response(request, clip, ArchivedFile.Kind.SOUND)) is not None:
        return kept
    if not clip.is_playable:
        return _plain(_("This clip has no sound yet."), status=404)
    if clip.audio_url and clip.stream_url and "stream" in request.GET:
        return _fallback(request, clip)
    try:
        response = _file(request, clip) if clip.audio_url else _stream(request, clip)
    except SoundError as error:
        clip.note_sound(error.problem)
        return _refusal(error.problem)
    clip.note_sound(Problem.NONE)
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _fallback(request: HttpRequest, clip: Clip) -> HttpResponseBase:
    """The stream of a clip whose file did not come. What is noted on the clip is about the file, and stays."""
    try:
        response = _stream(request, clip)
    except SoundError as error:
        return _refusal(error.problem)
    response["X-Content-Type-Options"] = "nosniff"
    return response


def video_response(request: HttpRequest, clip: Clip) -> HttpResponseBase:
    """The clip's video, which is only ever sent from the archive."""
    kept = _kept_response(request, clip, ArchivedFile.Kind.VIDEO)
    return kept if kept is not None else _plain(_("No video of this clip is kept."), status=404)


def _kept_response(request: HttpRequest, clip: Clip, kind: ArchivedFile.Kind) -> HttpResponseBase | None:
    file = kept_file(clip, kind)
    response = file_response(request, file) if file else None
    if file and response is None:
        logger.error("a kept file is gone: %s", file.name)
    return response


def _refusal(problem: Problem) -> HttpResponse:
    return _plain(problem_words(problem), status=410 if problem == Problem.EXPIRED else 502)


def _plain(words: str, *, status: int) -> HttpResponse:
    return HttpResponse(
        words, status=status, content_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-store"}
    )


def _file(request: HttpRequest, clip: Clip) -> HttpResponseBase:
    """A finished file: a window of it, or all of it window by window."""
    etag = f'"{hashlib.sha256(clip.audio_url.encode()).hexdigest()[:20]}"'
    wanted = read_range(request.headers.get("Range", ""))
    if request.headers.get("If-Range", etag) != etag or request.method == "HEAD":
        wanted = None
    if wanted is not None and wanted.start is None:
        wanted = wanted.from_end(_window(clip.audio_url, 0, 1).total_size)
    start = wanted.start if wanted and wanted.start is not None else 0
    length = min(wanted.length or WINDOW, WINDOW) if wanted else WINDOW
    # Safari asks for two bytes first: too few to tell what they are.
    window = _window(clip.audio_url, start, max(length, HEAD) if request.method != "HEAD" else HEAD)
    response = _answer(clip, window, wanted, start, length)
    response["Accept-Ranges"] = "bytes"
    response["Cache-Control"] = SOUND_CACHE
    response["ETag"] = etag
    return response


def _answer(clip: Clip, window: MediaWindow, wanted: ByteRange | None, start: int, length: int) -> HttpResponseBase:
    if window.status == 416:
        total = "*" if window.total_size is None else window.total_size
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{total}"})
    content_type = _sound_type(window, start)
    total_size = window.total_size
    if wanted is not None:
        body = window.body[:length]
        total = "*" if total_size is None else total_size
        headers = {"Content-Range": f"bytes {start}-{start + len(body) - 1}/{total}"}
        return HttpResponse(body, status=206, content_type=content_type, headers=headers)
    whole = StreamingHttpResponse(_windows(clip.audio_url, window), content_type=content_type)
    if total_size is not None:
        whole["Content-Length"] = str(total_size)
    return whole


def _sound_type(window: MediaWindow, start: int) -> str:
    """The type from the bytes themselves; further on in a file only what is plainly not sound is refused."""
    sniffed = sniff_sound(window.body) if start == 0 else None
    if sniffed:
        return sniffed
    told = window.content_type.partition(";")[0].strip().lower()
    if (start == 0 and looks_like_text(window.body)) or told in ("text/html", "application/json", "text/xml"):
        raise SoundError(Problem.NOT_SOUND)
    if start == 0 and not told.startswith("audio/"):
        raise SoundError(Problem.NOT_SOUND)
    return told if told.startswith("audio/") else "audio/mpeg"


def _window(url: str, start: int, length: int) -> MediaWindow:
    """A part of the provider's file. Raises :class:`SoundError`."""

    async def fetch() -> MediaWindow:
        async with Outbound(outbound_policy()) as client:
            return await client.fetch_media_window(url, start=start, length=length)

    try:
        window = asyncio.run(fetch())
    except ProviderError as error:
        logger.info("sound not reachable: %s", error.message)
        raise SoundError(_problem_of(error)) from None
    if window.status in GONE:
        raise SoundError(Problem.EXPIRED)
    if window.status not in (200, 206, 416):
        raise SoundError(Problem.SERVER_ERROR)
    if window.status == 416 and start == 0:
        raise SoundError(Problem.EMPTY)
    return window


_PROBLEMS = {
    "timeout": Problem.TIMEOUT,
    "broke_off": Problem.BROKE_OFF,
    "redirect": Problem.DEAD_END,
    "server_error": Problem.SERVER_ERROR,
}


def _problem_of(error: ProviderError) -> Problem:
    return Problem.DEAD_END if error.was_redirected else _PROBLEMS.get(error.cause, Problem.UNREACHABLE)


def _windows(url: str, first: MediaWindow) -> Iterator[bytes]:
    """All of a file, for a caller without Range. A break in the middle ends the answer short, which players notice."""
    yield first.body
    start = len(first.body)
    while start < AUDIO_MAX_BYTES and first.body and (first.total_size is None or start < first.total_size):
        try:
            window = _window(url, start, WINDOW)
        except SoundError:
            return
        if window.status == 416 or not window.body:
            return
        yield window.body
        start += len(window.body)


# -- Streams --------------------------------------------------------------------------------------------


def _stream(request: HttpRequest, clip: Clip) -> HttpResponseBase:
    """A sound that is still being made: passed on as it comes, without length and Range."""
    chunks = _Stepped(_stream_chunks(clip.stream_url))
    try:
        first = next(chunks, b"")
        content_type = sniff_sound(first)
        if content_type is None:
            raise SoundError(Problem.NOT_SOUND if first else Problem.EMPTY)
    except BaseException:
        chunks.close()
        raise
    if request.method == "HEAD":
        chunks.close()
        return HttpResponse(content_type=content_type, headers={"Cache-Control": "no-store"})
    return StreamingHttpResponse(
        _chain(first, chunks), content_type=content_type, headers={"Cache-Control": "no-store", "Accept-Ranges": "none"}
    )


async def _stream_chunks(url: str) -> AsyncIterator[bytes]:
    try:
        async with (
            Outbound(outbound_policy()) as client,
            client.open_media(url, max_bytes=AUDIO_MAX_BYTES, deadline_seconds=STREAM_SECONDS) as media,
        ):
            if media.status != 200:
                raise SoundError(Problem.EXPIRED if media.status in GONE else Problem.SERVER_ERROR)
            async for chunk in media.aiter_bytes():
                yield chunk
    except ProviderError as error:
        logger.info("stream broke off: %s", error.message)
        raise SoundError(_problem_of(error)) from None


def _chain(first: bytes, rest: _Stepped) -> Iterator[bytes]:
    try:
        yield first
        # The headers are sent: what breaks now only ends the sound.
        with suppress(SoundError):
            yield from rest
    finally:
        rest.close()


class _Stepped:
    """An async iterator in steps, for a thread without a loop: one task reads ahead by a few chunks."""

    AHEAD = 8

    def __init__(self, source: AsyncIterator[bytes]) -> None:
        self._loop = asyncio.new_event_loop()
        self._queue: asyncio.Queue[bytes | Exception | None] = asyncio.Queue(self.AHEAD)
        self._reader = self._loop.create_task(self._read(source))
        self._ended = False

    async def _read(self, source: AsyncIterator[bytes]) -> None:
        # Timeouts belong to the task in which they were set: all reading happens in this one.
        try:
            async for chunk in source:
                await self._queue.put(chunk)
        except Exception as error:  # noqa: BLE001
            await self._queue.put(error)
        else:
            await self._queue.put(None)

    def __iter__(self) -> _Stepped:
        return self

    def __next__(self) -> bytes:
        if self._ended:
            raise StopIteration
        chunk = self._loop.run_until_complete(self._queue.get())
        if isinstance(chunk, bytes):
            return chunk
        self._ended = True
        if chunk is None:
            raise StopIteration
        raise chunk

    def close(self) -> None:
        if self._loop.is_closed():
            return
        self._ended = True
        self._reader.cancel()
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._reader)
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


# -- Covers ---------------------------------------------------------------------------------------------


def cover_response(clip: Clip, *, size: str = "") -> HttpResponse:
    """The clip's picture; where there is none to be had a neutral one, since a card has a place for it.

    ``size`` is ``small`` or ``large`` for a square of that many pixels, where the picture is in the archive; else the
    picture comes as it is.
    """
    kept = kept_file(clip, ArchivedFile.Kind.COVER)
    response = picture_response(kept, SQUARES.get(size)) if kept else None
    return _harmless(response or _passed_on(clip))


def _harmless(response: HttpResponse) -> HttpResponse:
    """A picture that somebody opens by itself runs nothing and is taken for nothing else."""
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


def _passed_on(clip: Clip) -> HttpResponse:
    body = _picture(clip.image_url) if clip.image_url else b""
    content_type = sniff_picture(body)
    if content_type is None:
        response = HttpResponse(_neutral_cover(clip), content_type="image/svg+xml")
        response["Cache-Control"] = "private, max-age=300"
    else:
        response = HttpResponse(body, content_type=content_type)
        response["Cache-Control"] = PICTURE_CACHE
    return response


def _picture(url: str) -> bytes:
    """The picture's bytes, or none."""

    async def fetch() -> MediaWindow:
        async with Outbound(outbound_policy()) as client:
            return await client.fetch_media_window(url, start=0, length=IMAGE_MAX_BYTES, max_bytes=IMAGE_MAX_BYTES)

    try:
        window = asyncio.run(fetch())
    except ProviderError:
        return b""
    if window.total_size is not None and window.total_size > IMAGE_MAX_BYTES:
        return b""
    return window.body


_COLOURS = ("#a78bfa", "#38bdf8", "#fb923c", "#f472b6", "#34d399", "#fbbf24", "#818cf8", "#f87171")


def _neutral_cover(clip: Clip) -> str:
    colour = _COLOURS[int(str(clip.public_id)[:2], 16) % TINTS]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">'
        f'<rect width="64" height="64" fill="{colour}"/>'
        '<circle cx="18" cy="14" r="30" fill="#fff" opacity=".25"/></svg>'
    )
