"""Sound and covers over HTTP: finished files with Range, streams without, and a file host's faults."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from . import faults
from .catalogue import COVERS, SOUNDS
from .tasks import ClipState, read_clip_id

BYTES_PER_SECOND = 64_000 // 8
STREAM_PACE = 4
CHUNK = 8192

ClipStateOf = Callable[[str], ClipState | None]


class Media:
    """`state_of` says how far a clip is; None when this server was never asked for its task."""

    def __init__(self, state_of: ClipStateOf, speed: float, closing: asyncio.Event) -> None:
        self._state_of = state_of
        self._speed = speed
        self._closing = closing

    async def sound(self, request: web.Request) -> web.StreamResponse:
        clip_id = request.match_info["clip"]
        names = read_clip_id(clip_id)
        # A clip of before a restart is unknown and, by then, complete.
        if names is None or self._state_of(clip_id) not in ("complete", None):
            return _missing()
        return web.FileResponse(SOUNDS / f"{names[0]}.mp3", headers={"Content-Type": "audio/mpeg"})

    async def cover(self, request: web.Request) -> web.StreamResponse:
        names = read_clip_id(request.match_info["clip"])
        if names is None:
            return _missing()
        return web.FileResponse(COVERS / f"{names[1]}.jpeg", headers={"Content-Type": "image/jpeg"})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        clip_id = request.match_info["clip"]
        names = read_clip_id(clip_id)
        if names is None or self._state_of(clip_id) not in ("streaming", "complete", None):
            return _missing()
        content = (SOUNDS / f"{names[0]}.mp3").read_bytes()
        response = web.StreamResponse(headers={"Content-Type": "audio/mpeg", "Cache-Control": "no-store"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        pause = CHUNK / (BYTES_PER_SECOND * STREAM_PACE * self._speed)
        for start in range(0, len(content), CHUNK):
            await response.write(content[start : start + CHUNK])
            if await self._closes_within(pause):
                break
        await response.write_eof()
        return response

    async def expired(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(status=403, text=faults.MISSING_KEY, content_type="application/xml")

    async def fault(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["fault"]
        known: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = {
            "html": self._html,
            "empty": self._empty,
            "short": self._short,
            "redirect": self._redirect,
            "stall": self._stall,
            "endless": self._endless,
        }
        return await known[name](request) if name in known else _missing()

    async def _html(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(text=faults.ERROR_PAGE, content_type="text/html")

    async def _empty(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"", content_type="audio/mpeg")

    async def _short(self, request: web.Request) -> web.StreamResponse:
        content = _any_sound()
        return await faults.cut_off(request, content[:20_000], len(content), "audio/mpeg")

    async def _redirect(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "http://127.0.0.1:1/sound.mp3"})

    async def _stall(self, request: web.Request) -> web.StreamResponse:
        content = _any_sound()
        headers = {"Content-Type": "audio/mpeg", "Content-Length": str(len(content))}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        await response.write(content[:20_000])
        await self._closing.wait()
        if request.transport is not None:
            request.transport.close()
        return response

    async def _endless(self, request: web.Request) -> web.StreamResponse:
        content = _any_sound()
        response = web.StreamResponse(headers={"Content-Type": "audio/mpeg"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        while not await self._closes_within(0):
            await response.write(content)
        await response.write_eof()
        return response

    async def _closes_within(self, seconds: float) -> bool:
        if seconds < 0.001:
            await asyncio.sleep(0)
            return self._closing.is_set()
        try:
            await asyncio.wait_for(self._closing.wait(), seconds)
        except TimeoutError:
            return False
        return True


def _missing() -> web.Response:
    return web.Response(status=404, text="NoSuchKey", content_type="text/plain")


def _any_sound() -> bytes:
    return min(SOUNDS.glob("*.mp3")).read_bytes()
