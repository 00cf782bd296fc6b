"""The only door to the network: one guarded HTTP client, with limits on time and size.

Every socket is vetted when it is made, with the address that is really about to be reached, so a name that
resolves to a private address, changes its answer between two look-ups, or spells 127.0.0.1 in another way
meets the same table (``addresses.py``). No proxy and no netrc is taken from the environment: a proxy would go
round the guard. No cookies are kept.

What goes wrong is a ``ProviderError`` with a ``cause`` of ``timeout``, ``address``, ``forbidden_address``,
``too_large``, ``tls``, ``redirect``, ``server_error`` or ``bad_key``; cancellation passes through. Seconds
and bytes throughout. HTTP as in RFC 9110, bearer keys as in RFC 6750.
"""

from __future__ import annotations

import asyncio
import functools
import re
import socket
import ssl
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from errno import EACCES
from importlib import metadata
from types import TracebackType
from typing import Any, NoReturn, Self, cast
from urllib.parse import urlsplit

import aiohttp
import httpx
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.http_exceptions import HttpProcessingError
from django.utils.translation import gettext_noop
from httpx_aiohttp import AiohttpTransport
from httpx_aiohttp.transport import AiohttpResponseStream

from tracker.addresses import Network, is_forbidden, normalise_base_url, parse_networks, vet_host
from tracker.providers.errors import ErrorKind, ProviderError

__all__ = [
    "AUDIO_MAX_BYTES",
    "BAD_KEY",
    "IMAGE_MAX_BYTES",
    "JSON_MAX_BYTES",
    "MediaStream",
    "MediaWindow",
    "Outbound",
    "OutboundPolicy",
    "RawAnswer",
    "check_base_url",
    "normalise_base_url",
    "parse_networks",
    "parse_retry_after",
]

BAD_KEY = gettext_noop("This key cannot be sent: it has line breaks or characters that no key has.")

JSON_MAX_BYTES = 2_000_000
AUDIO_MAX_BYTES = 50_000_000
IMAGE_MAX_BYTES = 5_000_000
MEDIA_CHUNK_BYTES = 500_000
"""At most so much of a file is handed on at once; the transport's own 16 kB would be hundreds of steps a song."""
MAX_REDIRECTS = 3
MAX_RETRY_AFTER_SECONDS = 86_400.0
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MEDIA_REQUEST_HEADERS = frozenset({"range", "if-range"})
MEDIA_ANSWER_HEADERS = (
    "accept-ranges",
    "content-length",
    "content-range",
    "content-type",
    "etag",
    "last-modified",
)


def _version() -> str:
    try:
        return metadata.version("musicboard")
    except metadata.PackageNotFoundError:
        return "0"


USER_AGENT = f"musicboard/{_version()}"
JSON_HEADERS = [
    (b"User-Agent", USER_AGENT.encode()),
    (b"Accept", b"application/json"),
    (b"Accept-Encoding", b"gzip, deflate"),
]
MEDIA_HEADERS = [
    (b"User-Agent", USER_AGENT.encode()),
    (b"Accept", b"*/*"),
    (b"Accept-Encoding", b"identity"),
]

FAULTS = (
    aiohttp.ClientError,
    httpx.HTTPError,
    httpx.InvalidURL,
    HttpProcessingError,
    OSError,
    ValueError,
    zlib.error,
)
"""All that httpx, aiohttp, look-ups and TLS raise; TimeoutError and ssl.SSLError are OSErrors."""


@dataclass(frozen=True, slots=True)
class OutboundPolicy:
    """What requests may reach, and how much of it."""

    allow_nets: tuple[Network, ...] = ()
    """Private networks that are opened, for a relay inside; see ``parse_networks``."""
    connections_per_host: int = 200
    max_json_bytes: int = JSON_MAX_BYTES
    """Of a body as it is after decompression."""
    keepalive_seconds: float = 15.0
    dns_cache_seconds: int = 10


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What a provider answered, unread: any status but a redirect, any content type."""

    status: int
    body: bytes
    """Decompressed."""
    content_type: str
    """As it was sent, or an empty string."""
    retry_after: float | None
    """Seconds."""


@dataclass(frozen=True, slots=True)
class MediaWindow:
    """A part of a file, read by ``fetch_media_window``."""

    status: int
    """206 with a body, 416 beyond the end of the file, otherwise the server's own status without a body."""
    body: bytes
    total_size: int | None
    """Bytes of the whole file, where the server told."""
    content_type: str


class MediaStream:
    """An opened sound or picture: status, a few headers (lower-case names), the URL that redirects led to."""

    def __init__(self, response: httpx.Response, *, host: str, max_bytes: int) -> None:
        self.status = response.status_code
        self.headers = {name: response.headers[name] for name in MEDIA_ANSWER_HEADERS if name in response.headers}
        self.url = str(response.request.url)
        if isinstance(response.stream, AiohttpResponseStream):
            response.stream.CHUNK_SIZE = MEDIA_CHUNK_BYTES
        self._response = response
        self._host = host
        self._max_bytes = max_bytes

    async def aiter_bytes(self) -> AsyncGenerator[bytes, None]:
        """Chunks as they come, once. Raises ProviderError: ``too_large`` past ``max_bytes``, or transport."""
        seen = 0
        chunks = _chunks(self._response)
        try:
            async for chunk in chunks:
                seen += len(chunk)
                if seen > self._max_bytes:
                    _refuse_size(self._host, self._max_bytes)
                yield chunk
        except FAULTS as fault:
            raise _explain(fault, self._host) from None
        finally:
            await chunks.aclose()


class Outbound:
    """Connections kept between requests: ``async with Outbound(policy) as outbound``, in one event loop.

    ``resolver`` and ``tls`` take the place of the system's name look-ups and trusted certificates; a resolver
    that is given stays the caller's to close.
    """

    def __init__(
        self,
        policy: OutboundPolicy | None = None,
        *,
        resolver: AbstractResolver | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.policy = policy or OutboundPolicy()
        self._given_resolver = resolver
        self._resolver: AbstractResolver | None = None
        self._tls = tls
        self._transport: AiohttpTransport | None = None
        self._vetted_origins: set[str] = set()

    async def __aenter__(self) -> Self:
        tls = self._tls or _default_tls()
        policy = self.policy
        self._resolver = self._given_resolver or _Resolver()
        connector = aiohttp.TCPConnector(
            limit=0,
            limit_per_host=policy.connections_per_host,
            keepalive_timeout=policy.keepalive_seconds,
            use_dns_cache=policy.dns_cache_seconds > 0,
            ttl_dns_cache=policy.dns_cache_seconds,
            resolver=self._resolver,
            ssl=tls,
            socket_factory=_guarded_sockets(policy.allow_nets),
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            read_bufsize=MEDIA_CHUNK_BYTES,
            trust_env=False,
        )
        # The transport is driven without httpx.AsyncClient, which keeps cookies, logs URLs, and has
        # redirects, proxies and netrc to be switched off one by one.
        self._transport = AiohttpTransport(client=session, verify=tls, trust_env=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.aclose()
        if self._resolver is not None and self._resolver is not self._given_resolver:
            await self._resolver.close()

    async def request_json(
        self,
        method: str,
        url: str,
        *,
        bearer: str | None,
        json: object = None,
        deadline_seconds: float = 15,
        now: datetime | None = None,
    ) -> RawAnswer:
        """One request to a provider's API; the deadline covers it whole: name, connection, headers and body.

        A redirect is an error, every other status an answer, HTML too. ``now`` (aware) serves a Retry-After
        date where the answer has no Date. Raises ProviderError: TRANSIENT, or KEY_REFUSED for a key that no
        header can carry.
        """
        headers = JSON_HEADERS
        if bearer is not None:
            headers = [*JSON_HEADERS, (b"Authorization", _bearer(bearer))]
        content = None
        if json is not None:
            content = msgspec.json.encode(json)
            headers = [*headers, (b"Content-Type", b"application/json")]
        host = self._vet(url)
        try:
            async with asyncio.timeout(deadline_seconds):
                response = await self._send(httpx.Request(method, url, headers=headers, content=content))
                try:
                    if 300 <= response.status_code < 400:
                        _refuse_redirect(response, host)
                    body = await _read(response, host=host, max_bytes=self.policy.max_json_bytes)
                finally:
                    await _close(response)
        except TimeoutError:
            raise _timed_out(host, deadline_seconds) from None
        except FAULTS as fault:
            raise _explain(fault, host) from None
        fields = response.headers
        wait = fields.get("retry-after")
        return RawAnswer(
            status=response.status_code,
            body=body,
            content_type=fields.get("content-type", ""),
            retry_after=parse_retry_after(wait, date=fields.get("date", ""), now=now) if wait else None,
        )

    @asynccontextmanager
    async def open_media(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        max_bytes: int = AUDIO_MAX_BYTES,
        first_byte_seconds: float = 15,
        deadline_seconds: float = 120,
    ) -> AsyncIterator[MediaStream]:
        """A sound or a picture, as it comes; never with a key, through at most 3 redirects, each vetted.

        ``headers`` may hold Range and If-Range only. The first deadline covers all up to the last answer's
        headers, the second the whole ``async with``. Every status but a redirect is yielded. Raises
        ProviderError TRANSIENT.
        """
        request_headers = [*MEDIA_HEADERS, *_media_headers(headers or {})]
        host = self._vet(url)
        total = asyncio.timeout(deadline_seconds)
        try:
            async with total:
                response = await self._follow(url, request_headers, first_byte_seconds)
                host = response.request.url.host
                try:
                    yield MediaStream(response, host=host, max_bytes=max_bytes)
                finally:
                    await _close(response)
        except TimeoutError:
            # Without this question a TimeoutError of the caller's own would be taken for the server's.
            if total.expired():
                raise _timed_out(host, deadline_seconds) from None
            raise

    async def fetch_media_window(
        self,
        url: str,
        *,
        start: int,
        length: int,
        max_bytes: int = AUDIO_MAX_BYTES,
        first_byte_seconds: float = 15,
        deadline_seconds: float = 30,
    ) -> MediaWindow:
        """At most ``length`` bytes from ``start``, to be passed on to a player.

        What a server that ignores Range sends before ``start`` is read and thrown away; at most
        ``max_bytes`` are read in all. Raises ProviderError as ``open_media`` does.
        """
        if start < 0 or length < 1:
            raise ValueError("a window starts at 0 or later and holds at least one byte")
        asked = {"Range": f"bytes={start}-{start + length - 1}"}
        async with self.open_media(
            url,
            headers=asked,
            max_bytes=max_bytes,
            first_byte_seconds=first_byte_seconds,
            deadline_seconds=deadline_seconds,
        ) as media:
            return await _read_window(media, start=start, length=length)

    async def _follow(self, url: str, headers: list[tuple[bytes, bytes]], seconds: float) -> httpx.Response:
        """The first answer that is no redirect."""
        host, hops = "", 0
        try:
            async with asyncio.timeout(seconds):
                for _ in range(MAX_REDIRECTS + 1):
                    host = self._vet(url)
                    response = await self._send(httpx.Request("GET", url, headers=headers))
                    if response.status_code not in REDIRECTS:
                        await _refuse_encoded(response, host)
                        return response
                    await _close(response)
                    if "location" not in response.headers:
                        _refuse_redirect(response, host)
                    url = str(response.request.url.join(response.headers["location"]))
                    hops += 1
        except ProviderError as error:
            error.was_redirected = hops > 0
            raise
        except TimeoutError:
            raise _timed_out(host, seconds) from None
        except FAULTS as fault:
            explained = _explain(fault, host)
            explained.was_redirected = hops > 0
            raise explained from None
        raise ProviderError(
            ErrorKind.TRANSIENT, f"{host} redirected more than {MAX_REDIRECTS} times.", cause="redirect"
        )

    async def _send(self, request: httpx.Request) -> httpx.Response:
        if self._transport is None:
            raise RuntimeError("Outbound is used outside its async with")
        response: httpx.Response = await self._transport.handle_async_request(request)
        return response

    def _vet(self, url: str) -> str:
        """The host, for messages. Other schemes and forbidden literals end here, names at the socket."""
        slash = url.find("/", 8)
        origin = url if slash < 0 else url[:slash]
        if origin not in self._vetted_origins:
            try:
                vet_host(origin, self.policy.allow_nets)
            except ValueError as error:
                if str(error) == "forbidden_address":
                    raise _forbidden(_host(origin)) from None
                raise ProviderError(
                    ErrorKind.TRANSIENT, f"The address is not a web address ({error}).", cause="address"
                ) from None
            if len(self._vetted_origins) >= 1000:
                self._vetted_origins.clear()
            self._vetted_origins.add(origin)
        return _host(origin)


def check_base_url(text: str, policy: OutboundPolicy) -> str:
    """The base URL as ``normalise_base_url`` writes it, for a form to refuse before anything is sent.

    Raises ValueError with one of its codes, or ``forbidden_address`` for a literal address that the policy
    closes.
    """
    url = normalise_base_url(text)
    vet_host(url, policy.allow_nets)
    return url


def parse_retry_after(value: str, *, date: str = "", now: datetime | None = None) -> float | None:
    """Seconds to wait, at most a day; None where the text says nothing usable (RFC 9110, 10.2.3).

    A moment in time is measured from the answer's own Date, so that a wrong clock at the provider does no
    harm, or from ``now`` (aware) where there is none.
    """
    value = value.strip()
    if re.fullmatch(r"[0-9]{1,30}(\.[0-9]{1,9})?", value):
        return min(float(value), MAX_RETRY_AFTER_SECONDS)
    until = _http_date(value)
    since = _http_date(date) or now
    if until is None or since is None or until < since:
        return None
    return min((until - since).total_seconds(), MAX_RETRY_AFTER_SECONDS)


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


# --- The guard ---


class ForbiddenAddressError(OSError):
    """The resolved address must not be reached.

    The text is always the same: aiohttp joins the failures of several addresses unless they are equal, and
    nobody is to learn from it what a name resolves to.
    """

    def __init__(self) -> None:
        super().__init__(EACCES, "forbidden address")


AddrInfo = tuple[Any, Any, Any, Any, Any]


def _guarded_sockets(allow_nets: tuple[Network, ...]) -> Callable[[AddrInfo], socket.socket]:
    def make_socket(info: AddrInfo) -> socket.socket:
        family, kind, protocol, _, address = info
        if family not in {socket.AF_INET, socket.AF_INET6} or is_forbidden(str(address[0]), allow_nets):
            raise ForbiddenAddressError
        return socket.socket(family, kind, protocol)

    return make_socket


class _Resolver(AbstractResolver):
    """The system's look-up, on threads of its own.

    ``asyncio.run`` waits for the loop's threads at its end, which would stretch every deadline by a slow name
    server's time.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(32, thread_name_prefix="name-lookup")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        look_up = functools.partial(
            socket.getaddrinfo, host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=found,
                proto=protocol,
                flags=socket.AI_NUMERICHOST,
            )
            for found, _, protocol, _, address in await loop.run_in_executor(self._threads, look_up)
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


@functools.cache
def _default_tls() -> ssl.SSLContext:
    """certifi's authorities and the system's: a relay inside may have a company's own. Slow, so made once."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context


# --- Requests ---


def _bearer(key: str) -> bytes:
    if not key or not key.isascii() or not key.isprintable() or key != key.strip():
        raise ProviderError(
            ErrorKind.KEY_REFUSED,
            BAD_KEY,
            cause="bad_key",
        )
    return f"Bearer {key}".encode()


def _media_headers(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    for name, value in headers.items():
        if name.lower() not in MEDIA_REQUEST_HEADERS or not value.isascii() or not value.isprintable():
            raise ValueError("a media request carries Range and If-Range only")
    return [(name.encode(), value.encode()) for name, value in headers.items()]


# --- Answers ---


def _chunks(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """The body as it was sent. An async generator, to be closed by who stops early."""
    return cast(AsyncGenerator[bytes, None], aiter(cast(httpx.AsyncByteStream, response.stream)))


async def _close(response: httpx.Response) -> None:
    """A body that was not read to its end costs the connection; the server sees it close."""
    with suppress(*FAULTS):
        await cast(httpx.AsyncByteStream, response.stream).aclose()


async def _read(response: httpx.Response, *, host: str, max_bytes: int) -> bytes:
    encoding = response.headers.get("content-encoding", "")
    unpack = _Unpacker(encoding.strip().lower()) if encoding else None
    parts: list[bytes] = []
    sent = seen = 0
    async with aclosing(_chunks(response)) as chunks:
        async for chunk in chunks:
            part = chunk if unpack is None else unpack.feed(chunk, max_bytes - seen + 1)
            sent += len(chunk)
            seen += len(part)
            if max(sent, seen) > max_bytes:
                _refuse_size(host, max_bytes)
            parts.append(part)
    if unpack is not None:
        unpack.finish()
    return parts[0] if len(parts) == 1 else b"".join(parts)


class _Unpacker:
    """gzip (RFC 1952) and deflate (RFC 1950, or the bare RFC 1951 of some servers), within a limit.

    httpx would unpack a whole chunk to a thousand times its size, and several encodings over each other.
    """

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._inflate: Any = None

    def feed(self, chunk: bytes, limit: int) -> bytes:
        """Raises zlib.error for what is not in this encoding."""
        if self._encoding == "identity" or not chunk:
            return chunk
        if self._inflate is None:
            self._inflate = zlib.decompressobj(self._window(chunk))
        unpacked: bytes = self._inflate.decompress(chunk, limit)
        return unpacked

    def finish(self) -> None:
        """Raises zlib.error where the end is missing."""
        if self._inflate is not None and not self._inflate.eof:
            raise zlib.error("truncated")

    def _window(self, chunk: bytes) -> int:
        if self._encoding in {"gzip", "x-gzip"}:
            return zlib.MAX_WBITS | 16
        if self._encoding == "deflate":
            return zlib.MAX_WBITS if chunk[0] & 0x0F == 8 else -zlib.MAX_WBITS
        raise zlib.error("unknown encoding")


async def _refuse_encoded(response: httpx.Response, host: str) -> None:
    """Sound was asked for as it is; offsets into a packed file would mean nothing."""
    if response.headers.get("content-encoding", "identity").strip().lower() in {"", "identity"}:
        return
    await _close(response)
    raise ProviderError(
        ErrorKind.TRANSIENT,
        f"{host} sent a packed file though the plain one was asked for.",
        http_status=response.status_code,
        cause="server_error",
    )


async def _read_window(media: MediaStream, *, start: int, length: int) -> MediaWindow:
    content_type = media.headers.get("content-type", "")
    if media.status == 206:
        first, total = _content_range(media.headers.get("content-range", ""))
    elif media.status == 200:
        first, total = 0, _number(media.headers.get("content-length", ""))
    else:
        _, total = _content_range(media.headers.get("content-range", ""))
        return MediaWindow(media.status, b"", total, content_type)
    if first is None or first > start:
        raise ProviderError(
            ErrorKind.TRANSIENT, "The server answered with another part of the file.", cause="server_error"
        )
    skip, window = start - first, bytearray()
    async with aclosing(media.aiter_bytes()) as chunks:
        async for chunk in chunks:
            window += chunk[skip : skip + length - len(window)]
            skip = max(0, skip - len(chunk))
            if len(window) == length:
                break
        else:
            if media.status == 200:
                total = start - skip + len(window)
    return MediaWindow(206 if window else 416, bytes(window), total, content_type)


def _content_range(text: str) -> tuple[int | None, int | None]:
    """First place and whole size in ``bytes 0-99/1234``, ``bytes 0-99/*`` or ``bytes */1234``."""
    found = re.fullmatch(r"\s*bytes\s+(?:([0-9]{1,18})-[0-9]{1,18}|\*)/([0-9]{1,18}|\*)\s*", text, re.IGNORECASE)
    return (_number(found[1] or ""), _number(found[2])) if found else (None, None)


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


# --- What went wrong ---


@functools.lru_cache(maxsize=1000)
def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _forbidden(host: str) -> ProviderError:
    return ProviderError(
        ErrorKind.TRANSIENT,
        f"{host} leads to a private or reserved address, which OUTBOUND_ALLOW_NETS does not open.",
        cause="forbidden_address",
    )


def _timed_out(host: str, seconds: float) -> ProviderError:
    return ProviderError(ErrorKind.TRANSIENT, f"{host} did not answer within {seconds:g} s.", cause="timeout")


def _refuse_size(host: str, max_bytes: int) -> NoReturn:
    size = f"{max_bytes / 1_000_000:g} MB"
    raise ProviderError(ErrorKind.TRANSIENT, f"{host} sent more than {size}.", cause="too_large")


def _refuse_redirect(response: httpx.Response, host: str) -> NoReturn:
    raise ProviderError(
        ErrorKind.TRANSIENT,
        f"{host} answered with a redirect ({response.status_code}); the base URL may be wrong.",
        http_status=response.status_code,
        cause="redirect",
    )


EXPLANATIONS: tuple[tuple[tuple[type[BaseException], ...], str, str], ...] = (
    ((ssl.SSLError, aiohttp.ClientSSLError), "tls", "has no certificate that is trusted, or no TLS"),
    ((TimeoutError,), "timeout", "did not answer in time"),
    ((socket.gaierror, aiohttp.ClientConnectorDNSError), "address", "is a name that was not found"),
    ((aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError), "broke_off", "broke off before the end"),
    ((zlib.error,), "server_error", "sent a body that cannot be unpacked"),
    ((HttpProcessingError, aiohttp.ClientResponseError), "server_error", "does not speak HTTP as it should"),
    ((ConnectionResetError, BrokenPipeError), "broke_off", "broke off before the end"),
    ((aiohttp.InvalidURL, httpx.InvalidURL, ValueError), "address", "is not a web address"),
    ((OSError, aiohttp.ClientConnectionError), "address", "could not be reached"),
)


def _explain(fault: BaseException, host: str) -> ProviderError:
    """In words for the person; never the fault's own text, which may quote what was sent."""
    chain = [fault]
    while (cause := chain[-1].__cause__) is not None and len(chain) < 10:
        chain.append(cause)
    if any(isinstance(link, ForbiddenAddressError) for link in chain):
        return _forbidden(host)
    for types, cause_word, words in EXPLANATIONS:
        if any(isinstance(link, types) for link in chain):
            return ProviderError(ErrorKind.TRANSIENT, f"{host} {words}.", cause=cause_word)
    return ProviderError(ErrorKind.TRANSIENT, f"{host} could not be reached.", cause="address")
