"""What goes wrong at a provider: refusals in the words of new-api and one-hub, and broken answers."""

import asyncio
import struct
import zlib
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

JSON = "application/json; charset=utf-8"
BIG_BYTES = 10 * 1024 * 1024

CLOUDFLARE_PAGE = """<!DOCTYPE html>
<html lang="en-US"><head><title>demo.invalid | 502: Bad gateway</title></head>
<body><div id="cf-wrapper"><h1>Bad gateway <span>Error code 502</span></h1>
<p>The web server reported a bad gateway error.</p>
<p>Cloudflare Ray ID: 8f1a2b3c4d5e6f70</p></div></body></html>
"""
ERROR_PAGE = "<!DOCTYPE html><html><head><title>Not found</title></head><body><h1>File not found</h1></body></html>"
MISSING_KEY = (
    '<?xml version="1.0" encoding="UTF-8"?><Error><Code>MissingKey</Code>'
    "<Message>Missing Key-Pair-Id query parameter or cookie value</Message></Error>"
)


def answer(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, headers={"Content-Type": JSON})


def json_answer(content: object, status: int = 200) -> web.Response:
    return answer(msgspec.json.encode(content), status)


def openai_error(status: int, message: str, code: str = "", kind: str = "new_api_error") -> web.Response:
    return json_answer({"error": {"message": message, "type": kind, "param": "", "code": code}}, status)


def key_refused() -> web.Response:
    return openai_error(401, "无效的令牌 (request id: 20261120120000123456789demo)")


def key_empty() -> web.Response:
    message = "用户额度不足, 剩余额度: ＄0.000000 (request id: 20261120120000123456789demo)"
    return openai_error(403, message, "insufficient_user_quota")


def banned() -> web.Response:
    return openai_error(403, "用户已被封禁 (request id: 20261120120000123456789demo)")


def too_fast() -> web.Response:
    answered = openai_error(429, "当前分组上游负载已饱和，请稍后再试")
    answered.headers["Retry-After"] = "5"
    return answered


def invalid_url(request: web.Request) -> web.Response:
    message = f"Invalid URL ({request.method} {request.path})"
    return openai_error(404, message, kind="invalid_request_error")


def down() -> web.Response:
    return openai_error(503, "The server is overloaded or not ready yet", kind="server_error")


def unknown_task() -> web.Response:
    """As new-api says it."""
    return json_answer({"code": "task_not_exist", "message": "task_not_exist", "data": None}, 400)


def unknown_task_404() -> web.Response:
    """As one-hub says it: another status, and no `data` key."""
    return json_answer({"code": "task_not_exist", "message": "task_not_exist"}, 404)


def quota() -> web.Response:
    """The task error, where `key_empty` is the error object: the same relays send both."""
    content = {"code": "insufficient_user_quota", "message": "user quota is not enough", "data": None}
    return json_answer(content, 403)


def server_error() -> web.Response:
    return json_answer({"code": "fail_to_fetch_task", "message": "请求上游地址失败", "data": None}, 500)


def html_page() -> web.Response:
    return web.Response(text=CLOUDFLARE_PAGE, status=502, content_type="text/html")


def png() -> bytes:
    """One violet pixel."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixel = zlib.compress(b"\x00\x5b\x3d\xf5")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")


async def cut_off(request: web.Request, body: bytes, promised: int, content_type: str) -> web.StreamResponse:
    """Promises more than it sends and closes the connection."""
    response = web.StreamResponse(headers={"Content-Type": content_type, "Content-Length": str(promised)})
    await response.prepare(request)
    await response.write(body)
    if request.transport is not None:
        request.transport.close()
    return response


async def _cut(request: web.Request, body: bytes, _closing: asyncio.Event) -> web.StreamResponse:
    return await cut_off(request, body[: len(body) // 2], len(body), JSON)


async def _hang(_request: web.Request, _body: bytes, closing: asyncio.Event) -> web.StreamResponse:
    await closing.wait()
    return down()


def _padded(body: bytes) -> web.Response:
    """Still valid JSON: the padding stands before the last brace."""
    padding = b'"padding":"' + b"x" * BIG_BYTES + b'"'
    return answer(body.rstrip()[:-1] + b"," + padding + b"}")


Fault = Callable[[web.Request, bytes, asyncio.Event], Awaitable[web.StreamResponse]]


def _plain(make: Callable[[], web.Response]) -> Fault:
    async def fault(_request: web.Request, _body: bytes, _closing: asyncio.Event) -> web.StreamResponse:
        return make()

    return fault


def _of_body(make: Callable[[bytes], web.Response]) -> Fault:
    async def fault(_request: web.Request, body: bytes, _closing: asyncio.Event) -> web.StreamResponse:
        return make(body)

    return fault


# These spoil the whole answer, also that of a batch in which only one id asks for it.
WHOLE_ANSWER: dict[str, Fault] = {
    "fault-401": _plain(key_refused),
    "fault-403": _plain(banned),
    "fault-429": _plain(too_fast),
    "fault-500": _plain(server_error),
    "fault-quota": _plain(quota),
    "fault-html": _plain(html_page),
    "fault-truncated": _of_body(lambda body: answer(body[: len(body) * 2 // 3])),
    "fault-cut": _cut,
    "fault-big": _of_body(_padded),
    "fault-hang": _hang,
    "fault-type": _of_body(lambda body: web.Response(body=body, content_type="text/plain")),
    "fault-image": _plain(lambda: web.Response(body=png(), content_type="image/png")),
}

# A single question gets these; a batch leaves the id out.
UNKNOWN: dict[str, Callable[[], web.Response]] = {
    "fault-404": unknown_task_404,
    "unknown": unknown_task,
}
