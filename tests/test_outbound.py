"""The door to the network, against real servers on loopback. 127.0.0.1 plays what is open, 127.0.0.2 what is not."""

from __future__ import annotations

import asyncio
import gzip
import logging
import socket
import sys
import time
import traceback
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from tests.outbound_servers import Names, says, self_signed, serve, talk
from tests.test_addresses import LOOPBACK_SPELLINGS
from tracker.outbound import (
    MediaWindow,
    Outbound,
    OutboundPolicy,
    RawAnswer,
    check_base_url,
    parse_networks,
    parse_retry_after,
)
from tracker.providers.errors import ErrorKind, ProviderError

OPEN = OutboundPolicy(allow_nets=parse_networks(["127.0.0.1/32"]))
NO_CACHE = OutboundPolicy(allow_nets=OPEN.allow_nets, dns_cache_seconds=0)
KEY = "sk-0123456789abcdefdeadbeef"
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

needs_two_loopbacks = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux has 127.0.0.2 without being told"
)


async def refusal(doing: Awaitable[object]) -> ProviderError:
    """The error that must come."""
    with pytest.raises(ProviderError) as caught:
        await doing
    return caught.value


async def get(url: str, policy: OutboundPolicy = OPEN, *, deadline_seconds: float = 5, **how: Any) -> RawAnswer:
    async with Outbound(policy, **how) as outbound:
        return await outbound.request_json("GET", url, bearer=KEY, deadline_seconds=deadline_seconds)


async def download(url: str, policy: OutboundPolicy = OPEN, *, outbound: Outbound | None = None, **how: Any) -> bytes:
    async with outbound or Outbound(policy) as door, door.open_media(url, **how) as media:
        return b"".join([chunk async for chunk in media.aiter_bytes()])


def answers(answer: Callable[[], web.Response]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(request: web.Request) -> web.Response:
        return answer()

    return handler


# --- The guard ---


def test_no_spelling_of_loopback_is_reached() -> None:
    async def main() -> None:
        async with talk(says(b"HTTP/1.1 200 OK\r\n\r\n")) as server, Outbound() as outbound:
            for host in (*LOOPBACK_SPELLINGS, "localhost", "LOCALHOST"):
                url = f"http://{host}:{server.port}/"
                error = await refusal(outbound.request_json("GET", url, bearer=KEY))
                assert (error.kind, error.cause) == (ErrorKind.TRANSIENT, "forbidden_address"), host
                error = await refusal(download(url, outbound=Outbound()))
                assert error.cause == "forbidden_address", host
        assert not server.connections

    asyncio.run(main())


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "::1",
        "::",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "fe80::1%lo",
        "fd00::1",
        "127.1",
        "2130706433",
        "localhost",
    ],
)
def test_a_public_name_with_a_private_address_is_refused_at_the_socket(address: str) -> None:
    async def main() -> None:
        async with talk(says(b"HTTP/1.1 200 OK\r\n\r\n")) as server:
            names = Names(api_example_com=[[address]])
            error = await refusal(get(f"http://api.example.com:{server.port}/", OutboundPolicy(), resolver=names))
        assert error.cause == "forbidden_address"
        assert names.asked == ["api.example.com"]
        assert address not in error.message
        assert not server.connections

    asyncio.run(main())


@needs_two_loopbacks
def test_a_name_that_changes_its_address_is_refused_the_second_time() -> None:
    async def main() -> None:
        names = Names(api_example_com=[["127.0.0.1"], ["127.0.0.2"]])
        closing = answers(lambda: web.Response(text="{}", headers={"Connection": "close"}))
        async with (
            serve(closing) as first,
            serve(host="127.0.0.2", port=first.port) as second,
            Outbound(NO_CACHE, resolver=names) as outbound,
        ):
            url = f"http://api.example.com:{first.port}/"
            assert (await outbound.request_json("GET", url, bearer=KEY)).status == 200
            error = await refusal(outbound.request_json("GET", url, bearer=KEY))
        assert error.cause == "forbidden_address"
        assert (len(first.requests), len(second.requests)) == (1, 0)

    asyncio.run(main())


@needs_two_loopbacks
@pytest.mark.parametrize(
    "answer", [["127.0.0.2", "127.0.0.1"], ["127.0.0.1", "127.0.0.2"], ["::1", "127.0.0.2", "127.0.0.1"]]
)
def test_of_several_addresses_only_the_open_one_is_used(answer: list[str]) -> None:
    async def main() -> None:
        async with serve() as first, serve(host="127.0.0.2", port=first.port) as second:
            url = f"http://api.example.com:{first.port}/"
            await get(url, resolver=Names(api_example_com=[answer]))
        assert (len(first.requests), len(second.requests)) == (1, 0)

    asyncio.run(main())


@needs_two_loopbacks
def test_an_open_address_that_is_down_does_not_lead_to_a_closed_one() -> None:
    async def main() -> None:
        async with serve(host="127.0.0.2") as closed:
            names = Names(api_example_com=[["127.0.0.1", "127.0.0.2"]])
            error = await refusal(get(f"http://api.example.com:{closed.port}/", resolver=names))
        assert error.cause in {"address", "forbidden_address"}
        assert not closed.connections

    asyncio.run(main())


def test_several_closed_addresses_are_named_as_such() -> None:
    async def main() -> None:
        names = Names(api_example_com=[["127.0.0.2", "::1", "10.0.0.1"]])
        error = await refusal(get("http://api.example.com/", resolver=names))
        assert error.cause == "forbidden_address"

    asyncio.run(main())


@needs_two_loopbacks
def test_allow_nets_open_what_they_say_and_no_more() -> None:
    async def main() -> None:
        async with serve() as first, serve(host="127.0.0.2", port=first.port) as second:
            assert (await get(f"{first.url}/")).status == 200
            assert (await get(f"http://localhost:{first.port}/", resolver=Names(localhost=[["127.0.0.1"]]))).status
            for host in ("127.0.0.2", "[::ffff:127.0.0.2]", "[::1]", "[::127.0.0.1]", "127.2"):
                error = await refusal(get(f"http://{host}:{first.port}/"))
                assert error.cause == "forbidden_address", host
        assert not second.connections

    asyncio.run(main())


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/", "http+unix://%2Ftmp%2Fx/", "file:///etc/passwd", "//127.0.0.1/", ""]
)
def test_other_schemes_are_refused(url: str) -> None:
    async def main() -> None:
        for doing in (get(url), download(url)):
            error = await refusal(doing)
            assert (error.kind, error.cause) == (ErrorKind.TRANSIENT, "address")

    asyncio.run(main())


@pytest.mark.parametrize("path", ["@127.0.0.1/", "\\@127.0.0.1/", "\r\nX: y/", ":x/"])
def test_a_url_that_two_readers_read_differently_is_refused(path: str) -> None:
    async def main() -> None:
        error = await refusal(get(f"http://api.example.com{path}"))
        assert error.cause == "address"

    asyncio.run(main())


def test_proxies_and_netrc_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password else\n")
    netrc.chmod(0o600)

    async def main() -> None:
        async with serve() as server, serve() as proxy:
            monkeypatch.setenv("NETRC", str(netrc))
            for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
                monkeypatch.setenv(name, proxy.url)
                monkeypatch.setenv(name.lower(), proxy.url)
            monkeypatch.delenv("NO_PROXY", raising=False)
            monkeypatch.delenv("no_proxy", raising=False)
            await get(f"{server.url}/")
            await download(f"{server.url}/song.mp3")
        assert len(server.requests) == 2
        assert not proxy.connections
        assert "Authorization" not in server.requests[1].headers

    asyncio.run(main())


# --- What is sent ---


def test_a_request_carries_the_key_our_name_and_json() -> None:
    async def main() -> None:
        bodies = []

        async def handler(request: web.Request) -> web.Response:
            bodies.append(await request.json())
            return web.json_response({})

        async with serve(handler) as server, Outbound(OPEN) as outbound:
            await outbound.request_json("POST", f"{server.url}/v1/a%2Fb?c=d", bearer=KEY, json={"ids": ["1", "春"]})
        (request,) = server.requests
        assert request.method == "POST"
        assert request.path_qs == "/v1/a%2Fb?c=d"
        assert request.headers.getall("Authorization") == [f"Bearer {KEY}"]
        assert request.headers["User-Agent"].startswith("musicboard/")
        assert request.headers.getall("Content-Type") == ["application/json"]
        assert request.headers["Accept-Encoding"] == "gzip, deflate"
        assert bodies == [{"ids": ["1", "春"]}]

    asyncio.run(main())


def test_without_a_key_nothing_is_authorised() -> None:
    async def main() -> None:
        async with serve() as server, Outbound(OPEN) as outbound:
            await outbound.request_json("GET", server.url, bearer=None)
        assert "Authorization" not in server.requests[0].headers

    asyncio.run(main())


def test_cookies_are_not_carried_to_the_next_request() -> None:
    async def handler(request: web.Request) -> web.Response:
        answer = web.json_response({})
        answer.set_cookie("session", "someone")
        return answer

    async def main() -> None:
        # By name: a jar would not keep the cookies of an address.
        names = Names(api_example_com=[["127.0.0.1"]])
        async with serve(handler) as server, Outbound(OPEN, resolver=names) as outbound:
            url = f"http://api.example.com:{server.port}/"
            for _ in range(3):
                await outbound.request_json("GET", url, bearer=KEY)
            async with outbound.open_media(url) as media:
                assert media.status == 200
        assert all("Cookie" not in request.headers for request in server.requests)

    asyncio.run(main())


@pytest.mark.parametrize(
    "key", [f"{KEY}\n", f"{KEY}\r\nX-Evil: 1", f"{KEY}\x00", f" {KEY}", f"{KEY}é", f"{KEY}密钥", ""]
)
def test_a_key_that_no_header_can_carry_is_refused_before_sending(key: str) -> None:
    async def main() -> None:
        async with serve() as server, Outbound(OPEN) as outbound:
            error = await refusal(outbound.request_json("GET", server.url, bearer=key))
        assert (error.kind, error.cause) == (ErrorKind.KEY_REFUSED, "bad_key")
        assert not server.requests
        assert KEY not in f"{error!s}{error!r}{error.message}"

    asyncio.run(main())


def test_no_key_shows_in_errors_or_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    texts = []

    async def one(url: str, key: str = KEY) -> None:
        try:
            async with Outbound(OPEN) as outbound:
                await outbound.request_json("GET", url, bearer=key, deadline_seconds=0.3)
        except ProviderError as error:
            texts.append(f"{error!s}{error!r}{error.message}{traceback.format_exc()}")

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async def main() -> None:
        async with (
            talk(says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")) as short,
            talk(says(b"not http\r\n\r\n")) as garbage,
            talk(says(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n")) as elsewhere,
            talk(silent) as slow,
        ):
            for server in (short, garbage, elsewhere, slow):
                await one(server.url)
            await one(f"https://127.0.0.1:{short.port}/")
            await one(f"{short.url}/", f"{KEY}\n")
        for url in (short.url, "http://127.0.0.2/", "http://nowhere.invalid/", "http://[::1/", "ftp://x/"):
            await one(url)

    asyncio.run(main())
    assert len(texts) == 11
    assert KEY not in "".join(texts)
    assert KEY not in caplog.text


# --- What comes back ---


@pytest.mark.parametrize("status", [200, 201, 204, 400, 401, 403, 404, 429, 500, 502, 503])
def test_every_status_but_a_redirect_is_an_answer(status: int) -> None:
    page = "" if status == 204 else "<html>busy</html>"

    async def main() -> RawAnswer:
        async with serve(answers(lambda: web.Response(status=status, text=page, content_type="text/html"))) as server:
            return await get(server.url)

    answer = asyncio.run(main())
    assert (answer.status, answer.body) == (status, page.encode())
    assert answer.content_type.startswith("text/html")
    assert answer.retry_after is None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 300])
def test_a_redirect_is_not_followed_with_the_key(status: int) -> None:
    async def main() -> None:
        async with serve() as target:
            there = answers(lambda: web.Response(status=status, headers={"Location": f"{target.url}/"}))
            async with serve(there) as server:
                error = await refusal(get(server.url))
        assert (error.kind, error.cause, error.http_status) == (ErrorKind.TRANSIENT, "redirect", status)
        assert str(status) in error.message
        assert not target.requests

    asyncio.run(main())


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "Fri, 20 Nov 2026 12:01:30 GMT", "Date": "Fri, 20 Nov 2026 12:01:00 GMT"}, 30.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": ""}, None),
    ],
)
def test_retry_after_is_read_from_the_answer(headers: dict[str, str], seconds: float | None) -> None:
    async def main() -> RawAnswer:
        async with serve(answers(lambda: web.Response(status=429, headers=headers))) as server:
            return await get(server.url)

    assert asyncio.run(main()).retry_after == seconds


def test_a_retry_after_date_without_a_date_is_measured_from_now() -> None:
    async def main() -> RawAnswer:
        head = b"HTTP/1.1 503 Busy\r\nRetry-After: Fri, 20 Nov 2026 12:00:10 GMT\r\nContent-Length: 0\r\n\r\n"
        async with talk(says(head)) as server, Outbound(OPEN) as outbound:
            return await outbound.request_json("GET", server.url, bearer=KEY, now=NOW)

    assert asyncio.run(main()).retry_after == 10


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        (" 120 ", 120.0),
        ("1.5", 1.5),
        ("86401", 86_400.0),
        ("99999999999999999999999999", 86_400.0),
        ("-5", None),
        ("+5", None),
        ("1e3", None),
        ("٣", None),
        ("nan", None),
        ("inf", None),
        ("", None),
        ("Fri, 20 Nov 2026 12:00:05 GMT", 5.0),
        ("Friday, 20-Nov-26 12:00:05 GMT", 5.0),
        ("Fri Nov 20 12:00:05 2026", 5.0),
        ("Fri, 20 Nov 2026 14:00:05 +0200", 5.0),
        ("Sat, 20 Nov 2027 12:00:00 GMT", 86_400.0),
        ("Fri, 20 Nov 2026 11:59:59 GMT", None),
        ("Fri, 99 Nov 2026 12:00:05 GMT", None),
        ("Fri, 20 Nov 2026 12:00:05 -99999999999", None),
    ],
)
def test_retry_after_forms(value: str, seconds: float | None) -> None:
    assert parse_retry_after(value, now=NOW) == seconds


def test_a_retry_after_date_is_measured_from_the_answers_own_clock() -> None:
    slow_clock = "Fri, 20 Nov 2026 10:00:00 GMT"
    assert parse_retry_after("Fri, 20 Nov 2026 10:00:20 GMT", date=slow_clock, now=NOW) == 20
    assert parse_retry_after("Fri, 20 Nov 2026 10:00:20 GMT") is None


@given(st.text(), st.text())
def test_no_text_breaks_retry_after(value: str, date: str) -> None:
    seconds = parse_retry_after(value, date=date, now=NOW + timedelta(seconds=1))
    assert seconds is None or 0 <= seconds <= 86_400


def test_gzip_and_deflate_are_unpacked() -> None:
    plain = b'{"title": "' + b"la" * 50_000 + b'"}'
    bare = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = {
        "gzip": gzip.compress(plain),
        "GZIP": gzip.compress(plain),
        "deflate": zlib.compress(plain),
        " deflate ": bare.compress(plain) + bare.flush(),
        "identity": plain,
    }

    async def main() -> None:
        for encoding, body in packed.items():
            head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n"
            async with talk(says(head.encode() + body)) as server:
                assert (await get(server.url)).body == plain, encoding

    asyncio.run(main())


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_is_cut_before_it_unpacks(encoding: str) -> None:
    wbits = zlib.MAX_WBITS | 16 if encoding == "gzip" else zlib.MAX_WBITS
    pack = zlib.compressobj(9, wbits=wbits)
    bomb = b"".join([pack.compress(bytes(1_000_000)) for _ in range(200)]) + pack.flush()

    async def main() -> ProviderError:
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(bomb)}\r\n\r\n"
        async with talk(says(head.encode() + bomb)) as server:
            tracemalloc.start()
            error = await refusal(get(server.url))
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert peak < 20_000_000
        return error

    assert asyncio.run(main()).cause == "too_large"


def test_packed_emptiness_without_end_is_cut() -> None:
    pack = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    start = pack.compress(b"")

    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + start)
        while True:
            writer.write(b"\x00\x00\x00\xff\xff" * 10_000)
            await writer.drain()

    async def main() -> None:
        async with talk(conversation) as server:
            assert (await refusal(get(server.url))).cause == "too_large"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(b"{}" * 1000, mtime=0)[:-12]),
        ("gzip", b"{}"),
        ("deflate", b"\x08{}"),
        ("br", b"{}"),
        ("gzip, gzip", gzip.compress(gzip.compress(b"{}", mtime=0), mtime=0)),
    ],
    ids=["truncated", "not gzip", "not deflate", "unknown", "twice"],
)
def test_a_body_that_cannot_be_unpacked_is_said_so(encoding: str, body: bytes) -> None:
    async def main() -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n"
        async with talk(says(head.encode() + body)) as server:
            assert (await refusal(get(server.url))).cause == "server_error"

    asyncio.run(main())


@pytest.mark.parametrize("head", [b"Content-Length: 1000000000\r\n", b""])
def test_a_large_body_is_cut_and_the_server_sees_it(head: bytes) -> None:
    async def main() -> None:
        cut = asyncio.Event()
        sent = 0

        async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            writer.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
            try:
                while sent < 1_000_000_000:
                    writer.write(b"x" * 100_000)
                    await writer.drain()
                    sent += 100_000
            except ConnectionError:
                cut.set()

        async with talk(conversation) as server, Outbound(OPEN) as outbound:
            error = await refusal(outbound.request_json("GET", server.url, bearer=KEY))
            await asyncio.wait_for(cut.wait(), 5)
        assert error.cause == "too_large"
        assert "2 MB" in error.message
        assert sent < 100_000_000

    asyncio.run(main())


def test_a_body_of_exactly_the_limit_passes() -> None:
    policy = OutboundPolicy(allow_nets=OPEN.allow_nets, max_json_bytes=1000)

    async def main() -> None:
        async with serve(answers(lambda: web.Response(body=b"x" * 1000))) as server:
            assert len((await get(server.url, policy)).body) == 1000
        async with serve(answers(lambda: web.Response(body=b"x" * 1001))) as server:
            assert (await refusal(get(server.url, policy))).cause == "too_large"

    asyncio.run(main())


# --- What goes wrong ---


def drip(head: bytes, seconds: float = 0.05) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(seconds)

    return conversation


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Slow: "])
def test_a_server_that_drips_ends_on_time(head: bytes) -> None:
    async def main() -> None:
        async with talk(drip(head)) as server:
            started = time.monotonic()
            error = await refusal(get(server.url, deadline_seconds=0.4))
            assert time.monotonic() - started < 2
        assert (error.kind, error.cause) == (ErrorKind.TRANSIENT, "timeout")
        assert "0.4 s" in error.message

    asyncio.run(main())


def test_a_slow_name_server_ends_on_time() -> None:
    class Slow(Names):
        async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[Any]:
            await asyncio.sleep(30)
            return []

    async def main() -> None:
        error = await refusal(get("http://api.example.com/", resolver=Slow(), deadline_seconds=0.2))
        assert error.cause == "timeout"

    asyncio.run(main())


def test_waiting_for_a_free_connection_counts() -> None:
    policy = OutboundPolicy(allow_nets=OPEN.allow_nets, connections_per_host=1)

    async def main() -> None:
        async with talk(drip(b"HTTP/1.1 200 OK\r\n\r\n")) as server, Outbound(policy) as outbound:
            requests = [outbound.request_json("GET", server.url, bearer=KEY, deadline_seconds=0.3) for _ in range(3)]
            errors = await asyncio.gather(*requests, return_exceptions=True)
        assert [getattr(error, "cause", error) for error in errors] == ["timeout"] * 3

    asyncio.run(main())


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (b"", "broke_off"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}", "broke_off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}", "broke_off"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "broke_off"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "server_error"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", "server_error"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}", "server_error"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n{}", "server_error"),
    ],
)
def test_a_broken_answer_has_a_cause(answer: bytes, cause: str) -> None:
    async def main() -> None:
        async with talk(says(answer)) as server:
            for doing in (get(server.url), download(server.url)):
                error = await refusal(doing)
                assert (error.kind, error.cause) == (ErrorKind.TRANSIENT, cause)
                assert error.message.startswith("127.0.0.1 ")

    asyncio.run(main())


def test_a_refused_connection_and_an_unknown_name_are_addresses() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        refused = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        assert asyncio.run(refusal(get(refused))).cause == "address"
    error = asyncio.run(refusal(get("http://api.example.com/", resolver=Names())))
    assert error.cause == "address"
    assert error.message == "api.example.com is a name that was not found."


def test_a_certificate_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    server_tls, client_tls = self_signed(tmp_path)

    async def plainly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async def main() -> None:
        async with serve(tls=server_tls) as server, talk(plainly) as plain:
            assert (await refusal(get(server.url))).cause == "tls"
            assert (await refusal(download(server.url))).cause == "tls"
            assert (await refusal(get(f"https://127.0.0.1:{plain.port}/"))).cause == "tls"
            assert not server.requests
            assert (await get(server.url, tls=client_tls)).status == 200

    asyncio.run(main())


def test_cancelling_passes_through_and_frees_the_connection() -> None:
    async def main() -> None:
        async with talk(drip(b"HTTP/1.1 200 OK\r\n\r\n")) as server, Outbound(OPEN) as outbound:
            task = asyncio.create_task(outbound.request_json("GET", server.url, bearer=KEY))
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())


def test_concurrent_requests_share_a_limited_number_of_connections() -> None:
    policy = OutboundPolicy(allow_nets=OPEN.allow_nets, connections_per_host=5)

    async def main() -> None:
        async with serve() as server, Outbound(policy) as outbound:
            got = await asyncio.gather(
                *(outbound.request_json("GET", f"{server.url}/{number}", bearer=KEY) for number in range(100))
            )
        assert [answer.body for answer in got] == [b'{"hello": "/%d"}' % number for number in range(100)]
        assert len(server.connections) <= 5

    asyncio.run(main())


def test_a_closed_door_says_so() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="async with"):
            await Outbound(OPEN).request_json("GET", "http://127.0.0.1/", bearer=KEY)

    asyncio.run(main())


# --- Sound and pictures ---

SONG = bytes(range(256)) * 4000
"""1,024,000 bytes."""


async def with_range(request: web.Request) -> web.Response:
    """A file server that knows ranges."""
    asked = request.http_range
    start, stop = asked.start or 0, min(asked.stop or len(SONG), len(SONG))
    if start >= len(SONG):
        return web.Response(status=416, headers={"Content-Range": f"bytes */{len(SONG)}"})
    if "Range" not in request.headers:
        return web.Response(body=SONG, content_type="audio/mpeg")
    place = {"Content-Range": f"bytes {start}-{stop - 1}/{len(SONG)}"}
    return web.Response(status=206, body=SONG[start:stop], headers=place, content_type="audio/mpeg")


async def without_range(request: web.Request) -> web.Response:
    return web.Response(body=SONG, content_type="audio/mpeg")


async def in_pieces(request: web.Request) -> web.StreamResponse:
    """Neither ranges nor a length."""
    answer = web.StreamResponse(headers={"Content-Type": "audio/mpeg"})
    answer.enable_chunked_encoding()
    await answer.prepare(request)
    for place in range(0, len(SONG), 10_000):
        await answer.write(SONG[place : place + 10_000])
    return answer


async def window(url: str, start: int, length: int, **how: Any) -> MediaWindow:
    async with Outbound(OPEN) as outbound:
        return await outbound.fetch_media_window(url, start=start, length=length, **how)


def test_media_come_in_chunks_with_a_few_headers() -> None:
    async def main() -> None:
        async with serve(with_range) as server, Outbound(OPEN) as outbound:
            asked = {"Range": "bytes=10-19", "If-Range": '"tag"'}
            async with outbound.open_media(f"{server.url}/a.mp3", headers=asked) as media:
                assert media.status == 206
                assert media.url == f"{server.url}/a.mp3"
                assert media.headers == {
                    "content-length": "10",
                    "content-range": "bytes 10-19/1024000",
                    "content-type": "audio/mpeg",
                }
                assert b"".join([chunk async for chunk in media.aiter_bytes()]) == SONG[10:20]
            async with outbound.open_media(f"{server.url}/a.mp3") as media:
                chunks = [chunk async for chunk in media.aiter_bytes()]
        assert b"".join(chunks) == SONG
        assert len(chunks) > 1
        ranged, whole = server.requests
        assert (ranged.headers["Range"], ranged.headers["If-Range"]) == ("bytes=10-19", '"tag"')
        assert ranged.headers["User-Agent"].startswith("musicboard/")
        assert ranged.headers["Accept-Encoding"] == "identity"
        assert "Range" not in whole.headers

    asyncio.run(main())


@pytest.mark.parametrize(
    "headers", [{"Authorization": f"Bearer {KEY}"}, {"Cookie": "a=b"}, {"Range": "bytes=0-\r\nX: y"}, {"Range": "é"}]
)
def test_media_requests_carry_nothing_else(headers: dict[str, str]) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="Range and If-Range"):
            await download("http://127.0.0.1/", headers=headers)

    asyncio.run(main())


def test_three_redirects_are_followed_and_a_fourth_is_not() -> None:
    async def handler(request: web.Request) -> web.Response:
        left = int(request.match_info["path"])
        if not left:
            return web.Response(body=b"song")
        # The long page must neither be read nor hold its connection.
        return web.Response(status=302, text="moved" * 200_000, headers={"Location": f"./{left - 1}"})

    async def main() -> None:
        async with serve(handler) as server:
            assert await download(f"{server.url}/3") == b"song"
            assert all("Authorization" not in request.headers for request in server.requests)
            assert (await refusal(download(f"{server.url}/4"))).cause == "redirect"

    asyncio.run(main())


@needs_two_loopbacks
@pytest.mark.parametrize(
    ("location", "cause"),
    [
        ("http://127.0.0.2:{port}/", "forbidden_address"),
        ("//127.0.0.2:{port}/", "forbidden_address"),
        ("http://2130706434:{port}/", "forbidden_address"),
        ("http://[::ffff:7f00:2]:{port}/", "forbidden_address"),
        ("http://169.254.169.254/latest/meta-data/", "forbidden_address"),
        ("http://inside.example:{port}/", "forbidden_address"),
        ("file:///etc/passwd", "address"),
        ("http://user:pass@127.0.0.1:{port}/", "address"),
        ("http://[::1", "address"),
    ],
)
def test_every_hop_of_a_redirect_is_vetted(location: str, cause: str) -> None:
    async def main() -> None:
        async with serve(host="127.0.0.2") as inside:
            to = location.format(port=inside.port)
            async with serve(answers(lambda: web.Response(status=307, headers={"Location": to}))) as server:
                names = Names(inside_example=[["127.0.0.2"]])
                error = await refusal(download(server.url, outbound=Outbound(OPEN, resolver=names)))
                assert len(server.requests) == 1
        assert (error.kind, error.cause) == (ErrorKind.TRANSIENT, cause)
        assert not inside.connections

    asyncio.run(main())


def test_a_redirect_to_nowhere_is_an_error() -> None:
    async def main() -> None:
        async with serve(answers(lambda: web.Response(status=302))) as server:
            assert (await refusal(download(server.url))).cause == "redirect"
        assert len(server.requests) == 1

    asyncio.run(main())


def test_a_missing_file_is_left_to_the_caller() -> None:
    async def main() -> None:
        async with serve(answers(lambda: web.Response(status=404, text="gone"))) as server, Outbound(OPEN) as outbound:
            async with outbound.open_media(server.url) as media:
                assert media.status == 404
            gone = await outbound.fetch_media_window(server.url, start=0, length=10)
        assert (gone.status, gone.body) == (404, b"")

    asyncio.run(main())


def test_media_are_cut_at_their_limit() -> None:
    async def main() -> None:
        async with serve(without_range) as server:
            assert len(await download(server.url, max_bytes=len(SONG))) == len(SONG)
            assert (await refusal(download(server.url, max_bytes=len(SONG) - 1))).cause == "too_large"

    asyncio.run(main())


def test_packed_media_are_refused() -> None:
    packed = answers(lambda: web.Response(body=gzip.compress(SONG), headers={"Content-Encoding": "gzip"}))

    async def main() -> None:
        async with serve(packed) as server:
            assert (await refusal(download(server.url))).cause == "server_error"

    asyncio.run(main())


def test_both_deadlines_of_media_hold() -> None:
    async def main() -> None:
        async with talk(drip(b"HTTP/1.1 200 OK\r\nX-Slow: ")) as server:
            error = await refusal(download(server.url, first_byte_seconds=0.2, deadline_seconds=30))
            assert (error.cause, "0.2 s" in error.message) == ("timeout", True)
        async with talk(drip(b"HTTP/1.1 200 OK\r\n\r\n")) as server:
            error = await refusal(download(server.url, first_byte_seconds=30, deadline_seconds=0.3))
            assert (error.cause, "0.3 s" in error.message) == ("timeout", True)

    asyncio.run(main())


def test_the_callers_own_errors_inside_media_are_left_alone() -> None:
    async def main() -> None:
        async with serve(without_range) as server, Outbound(OPEN) as outbound:
            for mine in (TimeoutError("disk"), OSError("disk full"), ValueError("not a song")):
                with pytest.raises(type(mine)) as caught:
                    async with outbound.open_media(server.url):
                        raise mine
                assert caught.value is mine

    asyncio.run(main())


@pytest.mark.parametrize("handler", [with_range, without_range, in_pieces])
@pytest.mark.parametrize(
    ("start", "length"), [(0, 1), (0, 1000), (5, 20_000), (300_000, 100_000), (1_023_990, 1000), (0, 2_000_000)]
)
def test_a_window_of_a_file_is_the_same_with_and_without_range(handler: Any, start: int, length: int) -> None:
    async def main() -> MediaWindow:
        async with serve(handler) as server:
            return await window(server.url, start, length)

    got = asyncio.run(main())
    assert (got.status, got.content_type) == (206, "audio/mpeg")
    assert got.body == SONG[start : start + length]
    # A server that tells no length is read to the end only where the window reaches beyond it.
    assert got.total_size == len(SONG) or (handler is in_pieces and got.total_size is None)


@pytest.mark.parametrize("handler", [with_range, without_range, in_pieces])
def test_a_window_beyond_the_end_is_not_satisfiable(handler: Any) -> None:
    async def main() -> MediaWindow:
        async with serve(handler) as server:
            return await window(server.url, len(SONG), 10)

    got = asyncio.run(main())
    assert (got.status, got.body, got.total_size) == (416, b"", len(SONG))


def test_a_window_stops_reading_when_it_is_full() -> None:
    async def main() -> None:
        cut = asyncio.Event()

        async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 40000000\r\n\r\n")
            try:
                for _ in range(400):
                    writer.write(bytes(100_000))
                    await writer.drain()
            except ConnectionError:
                cut.set()

        async with talk(conversation) as server:
            got = await window(server.url, 1000, 1000)
            await asyncio.wait_for(cut.wait(), 5)
        assert (len(got.body), got.total_size) == (1000, 40_000_000)

    asyncio.run(main())


def test_a_window_is_bounded_where_the_server_ignores_range() -> None:
    async def main() -> None:
        async with serve(without_range) as server:
            error = await refusal(window(server.url, 900_000, 1000, max_bytes=500_000))
        assert error.cause == "too_large"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("place", "body"),
    [
        ("bytes 100-199/1000", bytes(100)),
        ("bytes */1000", bytes(100)),
        ("items 0-9/10", bytes(10)),
        ("", b""),
    ],
)
def test_another_part_than_asked_for_is_an_error(place: str, body: bytes) -> None:
    async def main() -> None:
        part = answers(lambda: web.Response(status=206, body=body, headers={"Content-Range": place}))
        async with serve(part) as server:
            assert (await refusal(window(server.url, 50, 100))).cause == "server_error"

    asyncio.run(main())


def test_an_earlier_and_longer_part_is_cut_to_the_window() -> None:
    async def main() -> MediaWindow:
        part = answers(lambda: web.Response(status=206, body=SONG[10:90], headers={"Content-Range": "bytes 10-89/*"}))
        async with serve(part) as server:
            return await window(server.url, 50, 10)

    got = asyncio.run(main())
    assert (got.status, got.body, got.total_size) == (206, SONG[50:60], None)


@pytest.mark.parametrize(("start", "length"), [(-1, 10), (0, 0), (5, -1)])
def test_a_window_has_a_start_and_a_length(start: int, length: int) -> None:
    with pytest.raises(ValueError, match="window"):
        asyncio.run(window("http://127.0.0.1/", start, length))


# --- Base URLs ---


def test_a_form_can_refuse_a_literal_address_before_any_request() -> None:
    for host in LOOPBACK_SPELLINGS:
        with pytest.raises(ValueError, match=r"^forbidden_address$"):
            check_base_url(f"http://{host}:8080/v1", OutboundPolicy())
    assert check_base_url("HTTP://127.1:8080/v1/", OPEN) == "http://127.0.0.1:8080/v1"
    assert check_base_url(" https://API.example.com/ ", OutboundPolicy()) == "https://api.example.com"
    with pytest.raises(ValueError, match=r"^forbidden_address$"):
        check_base_url("http://127.0.0.2", OPEN)
