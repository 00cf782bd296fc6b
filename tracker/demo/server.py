"""A simulated Suno-style music provider, with real sound, for trying musicboard and for its tests.

Base URLs for a credential (any key will do, but see below), one per published format:

    <address>/qhaigc    GET /v1/music/tasks/{id}
    <address>/relay     GET /suno/fetch/{id}, POST /suno/fetch {"ids": [...]}
    <address>/huiyan    GET /suno/fetch/{id} (POST is refused with 404)

Any task id works: it is queued for about 4 s, runs, streams, has one clip and then two, and has succeeded
20 to 60 s after the first question. Song, sounds, covers and pace follow from the id alone.
An id may end in -at<unix seconds> to say itself when it began. What it starts with may say more:

    fast-              finishes in 3 s                  pace<seconds>-  finishes after so many seconds
    done-              succeeded minutes ago            queued-         stays queued
    half-              one clip ready, for ever         stall-          running at 64 %, for ever
    fail-              failed, with a reason            failpart-       failed, but one clip is good
    failing-           fails at 70 % of its way         lyrics-         a lyrics task, done after 6 s
    nosound-           succeeded, all URLs null         expired-        succeeded, the sound answers 403
    badsound-<fault>-  succeeded, the sound is a media fault (below)
    unknown-           400 task_not_exist (new-api)     fault-404-      404 task_not_exist (one-hub)
    fault-strange-     a status nobody knows            fault-script-   hostile title and URLs
    bench-<percent>-   runs for ever; so many percent of the answers change

    whole answers, in a batch too: fault-401- fault-403- fault-429- (Retry-After: 5) fault-500- fault-quota-
    fault-html- (502) fault-truncated- (half the JSON) fault-cut- (connection closed) fault-big- (10 MB)
    fault-hang- (never) fault-type- (text/plain) fault-image- (a PNG)

Keys: none or refused… -> 401, empty… -> 403 insufficient_user_quota, limited… -> 429.

Media: /media/<clip>.mp3 (Range; only once that clip is complete), /media/source/<clip>.mp3 (the same),
/media/<clip>.jpeg, /media/stream/<clip> (progressive, no Range), /media/expired/… (403), and
/media/fault/{html,empty,short,redirect,stall,endless}/…

For tests: GET /_stats; POST /_control with any of {"latency_ms": 50, "advance_seconds": 60, "frozen": true,
"down": true, "force": {"<id>": "done"}, "reset": true}. A forced id behaves as if it had that prefix;
null sets it free. `reset` empties the counters and takes back earlier wishes, except time that was advanced.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from . import faults
from .bench import Bench, BenchBody
from .formats import Format, huiyan, qhaigc, relay
from .media import Media
from .tasks import ClipState, Moment, kind_of, moment, plan

MAX_REMEMBERED = 200_000
MAX_BATCH_BYTES = 16 * 1024 * 1024

Value = TypeVar("Value")
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Control(msgspec.Struct, forbid_unknown_fields=True):
    latency_ms: float | None = None
    advance_seconds: float = 0
    frozen: bool | None = None
    down: bool | None = None
    force: dict[str, str | None] = {}
    reset: bool = False


class Batch(msgspec.Struct):
    ids: list[str]


class Demo:
    """What the provider remembers: when an id was first asked, which clips it told of, what tests set."""

    def __init__(self, public_url: str, clock: Callable[[], float], speed: float) -> None:
        self.media_url = f"{public_url.rstrip('/')}/media"
        self.speed = speed
        self.closing = asyncio.Event()
        self.requests: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.concurrent = self.max_concurrent = 0
        self.latency_seconds = 0.0
        self.is_down = False
        self.bench = Bench()
        self._clock = clock
        self._advanced = 0.0
        self._frozen_at: float | None = None
        self._forced: dict[str, str] = {}
        self._first_asked: dict[str, float] = {}
        self._clips: dict[str, tuple[str, int]] = {}

    def now(self) -> float:
        return (self._clock() if self._frozen_at is None else self._frozen_at) + self._advanced

    def control(self, wish: Control) -> None:
        if wish.reset:
            self._reset()
        if wish.latency_ms is not None:
            self.latency_seconds = wish.latency_ms / 1000
        if wish.down is not None:
            self.is_down = wish.down
        if wish.frozen is not None:
            self._frozen_at = self._clock() if wish.frozen else None
        self._advanced += wish.advance_seconds
        for task_id, kind in wish.force.items():
            self._forced.pop(task_id, None)
            if kind is not None:
                self._forced[task_id] = kind.removesuffix("-")

    def _reset(self) -> None:
        self.requests.clear()
        self.asked.clear()
        self.max_concurrent = self.concurrent
        self.latency_seconds = 0.0
        self.is_down = False
        self._frozen_at = None
        self._forced.clear()

    def stats(self) -> dict[str, Any]:
        return {
            "requests": dict(self.requests),
            "ids": dict(self.asked),
            "concurrent": self.concurrent,
            "max_concurrent": self.max_concurrent,
            "now": self.now(),
        }

    def kind(self, task_id: str) -> str:
        return self._forced.get(task_id) or kind_of(task_id)

    def count(self, task_id: str) -> None:
        if len(self.asked) < MAX_REMEMBERED or task_id in self.asked:
            self.asked[task_id] += 1

    def task_json(self, task_id: str, kind: str, shape: Format) -> bytes:
        task = plan(task_id)
        if task_id not in self._first_asked:
            _remember(self._first_asked, task_id, self.now())
            for position, clip_id in enumerate(task.clip_ids):
                _remember(self._clips, clip_id, (task_id, position))
        return msgspec.json.encode(shape(task, kind, self._moment(task_id, kind), self.media_url))

    def clip_state(self, clip_id: str) -> ClipState | None:
        known = self._clips.get(clip_id)
        if known is None or known[0] not in self._first_asked:
            return None
        task_id, position = known
        clips = self._moment(task_id, self.kind(task_id)).clips
        return clips[position] if clips else "silent"

    def _moment(self, task_id: str, kind: str) -> Moment:
        # The body that a fault spoils is that of a finished task.
        kind = "done" if kind in faults.WHOLE_ANSWER else kind
        asked_at = self._first_asked[task_id]
        return moment(plan(task_id), kind, asked_at=asked_at, now=self.now(), speed=self.speed)


def _remember(memory: dict[str, Value], key: str, value: Value) -> None:
    if len(memory) >= MAX_REMEMBERED:
        del memory[next(iter(memory))]
    memory[key] = value


class Mount:
    """One format under one base URL."""

    def __init__(self, demo: Demo, shape: Format) -> None:
        self._demo = demo
        self._shape = shape
        self._bench_body = BenchBody(shape, demo.media_url, demo.now())

    async def single(self, request: web.Request) -> web.StreamResponse:
        task_id = request.match_info["id"]
        self._demo.count(task_id)
        kind = self._demo.kind(task_id)
        if kind in faults.UNKNOWN:
            return faults.UNKNOWN[kind]()
        body = b'{"code":"success","message":"","data":' + self._task(task_id, kind) + b"}"
        if kind in faults.WHOLE_ANSWER:
            return await faults.WHOLE_ANSWER[kind](request, body, self._demo.closing)
        return faults.answer(body)

    async def batch(self, request: web.Request) -> web.StreamResponse:
        try:
            wanted = msgspec.json.decode(await request.read(), type=Batch).ids
        except msgspec.DecodeError:
            return faults.json_answer({"code": "invalid_request", "message": "invalid ids", "data": None}, 400)
        kinds = {task_id: self._demo.kind(task_id) for task_id in wanted}
        for task_id in kinds:
            self._demo.count(task_id)
        # As a database answers `IN (…)`: once each, in an order of its own, the unknown left out.
        known = sorted((task_id for task_id in kinds if kinds[task_id] not in faults.UNKNOWN), reverse=True)
        tasks = b",".join([self._task(task_id, kinds[task_id]) for task_id in known])
        content = b"null" if wanted and not known else b"[" + tasks + b"]"
        body = b'{"code":"success","message":"","data":' + content + b"}"
        spoiled = next((kind for kind in kinds.values() if kind in faults.WHOLE_ANSWER), None)
        if spoiled is not None:
            return await faults.WHOLE_ANSWER[spoiled](request, body, self._demo.closing)
        return faults.answer(body)

    def _task(self, task_id: str, kind: str) -> bytes:
        if kind == "bench":
            return self._bench_body(task_id, self._demo.bench.progress(task_id))
        return self._demo.task_json(task_id, kind, self._shape)


def _refusal(request: web.Request) -> web.Response | None:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    key = key.strip()
    if scheme.lower() != "bearer" or not key or key.startswith("refused"):
        return faults.key_refused()
    if key.startswith("empty"):
        return faults.key_empty()
    if key.startswith("limited"):
        return faults.too_fast()
    return None


def _observed(demo: Demo, name: str, answer: Answer, *, needs_key: bool = True) -> Answer:
    """Counts, delays and guards a handler."""

    async def observed(request: web.Request) -> web.StreamResponse:
        demo.requests[name] += 1
        demo.concurrent += 1
        demo.max_concurrent = max(demo.max_concurrent, demo.concurrent)
        try:
            if demo.latency_seconds:
                await asyncio.sleep(demo.latency_seconds)
            if demo.is_down:
                return faults.down()
            refused = _refusal(request) if needs_key else None
            return refused or await answer(request)
        finally:
            demo.concurrent -= 1

    return observed


def _media(demo: Demo, name: str, answer: Answer) -> Answer:
    observed = _observed(demo, name, answer, needs_key=False)

    async def media(request: web.Request) -> web.StreamResponse:
        # Keys have no business at a file host: a test can see that none was sent.
        if "Authorization" in request.headers:
            demo.requests["media.with_key"] += 1
        return await observed(request)

    return media


def make_app(*, public_url: str, clock: Callable[[], float] = time.time, speed: float = 1.0) -> web.Application:
    """`public_url` is the address under which media links lead back here; `speed` shortens every life."""
    app = web.Application(client_max_size=MAX_BATCH_BYTES)
    demo = Demo(public_url, clock, speed)
    app[DEMO] = demo
    _add_formats(app, demo)
    _add_media(app, demo)

    async def stats(_request: web.Request) -> web.Response:
        return faults.json_answer(demo.stats())

    async def control(request: web.Request) -> web.Response:
        try:
            demo.control(msgspec.json.decode(await request.read(), type=Control))
        except msgspec.DecodeError as error:
            return faults.json_answer({"error": str(error)}, 400)
        return faults.json_answer(demo.stats())

    async def nowhere(request: web.Request) -> web.StreamResponse:
        return faults.invalid_url(request)

    async def close(_app: web.Application) -> None:
        demo.closing.set()

    app.router.add_get("/_stats", stats)
    app.router.add_post("/_control", control)
    app.router.add_route("*", "/{path:.*}", nowhere)
    app.on_shutdown.append(close)
    return app


def _add_formats(app: web.Application, demo: Demo) -> None:
    mounts = {"qhaigc": Mount(demo, qhaigc), "relay": Mount(demo, relay), "huiyan": Mount(demo, huiyan)}
    paths = {
        "qhaigc": "/qhaigc/v1/music/tasks/{id}",
        "relay": "/relay/suno/fetch/{id}",
        "huiyan": "/huiyan/suno/fetch/{id}",
    }
    for name, mount in mounts.items():
        single = _observed(demo, f"{name}.task", mount.single)
        app.router.add_get(paths[name], single, allow_head=False)

    async def refused(request: web.Request) -> web.StreamResponse:
        return faults.invalid_url(request)

    app.router.add_post("/relay/suno/fetch", _observed(demo, "relay.batch", mounts["relay"].batch))
    app.router.add_post("/huiyan/suno/fetch", _observed(demo, "huiyan.batch", refused, needs_key=False))


def _add_media(app: web.Application, demo: Demo) -> None:
    media = Media(demo.clip_state, demo.speed, demo.closing)
    routes: tuple[tuple[str, str, Answer], ...] = (
        ("/media/{clip}.mp3", "media.sound", media.sound),
        ("/media/source/{clip}.mp3", "media.sound", media.sound),
        ("/media/{clip}.jpeg", "media.cover", media.cover),
        ("/media/stream/{clip}", "media.stream", media.stream),
        ("/media/expired/{path:.*}", "media.expired", media.expired),
        ("/media/fault/{fault}/{path:.*}", "media.fault", media.fault),
    )
    for path, name, answer in routes:
        app.router.add_get(path, _media(demo, name, answer))


DEMO = web.AppKey("demo", Demo)
