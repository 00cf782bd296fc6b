"""A file host on loopback that serves files, and everything that file hosts do instead."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class File:
    """One answer. ``announced`` is the length that is told where it is not the true one."""

    body: bytes = b""
    content_type: str = "application/octet-stream"
    status: int = 200
    location: str = ""
    announced: int | None = None
    has_length: bool = True
    pause_after: int | None = None
    """Bytes after which nothing comes any more, with the connection open."""
    seconds: float = 0.0
    """How long the answer is waited for."""


@dataclass
class FileHost:
    """What a test sets, and what was asked for."""

    address: str = "127.0.0.1"
    port: int = 0
    files: dict[str, File] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    headers: list[dict[str, str]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port}"

    def add(self, path: str, body: bytes = b"", **fields: object) -> str:
        """Serve ``body`` at ``path``; returns its address."""
        self.files[path] = File(body, **fields)  # type: ignore[arg-type]
        return self.url + path


@contextmanager
def file_host(address: str = "127.0.0.1") -> Iterator[FileHost]:
    """A host that stands until the block is left, or until its ``closing`` is set by a test that lets it die."""
    host = FileHost(address)
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with lock:
                host.asked[self.path] += 1
                host.headers.append(dict(self.headers))
                host.at_once += 1
                host.most_at_once = max(host.most_at_once, host.at_once)
            try:
                with suppress(ConnectionError):
                    self._answer(host.files.get(self.path, File(status=404)))
            finally:
                with lock:
                    host.at_once -= 1

        def _answer(self, file: File) -> None:
            if file.seconds:
                host.closing.wait(file.seconds)
            self.send_response(file.status)
            self.send_header("Content-Type", file.content_type)
            if file.location:
                self.send_header("Location", file.location)
            length = len(file.body) if file.announced is None else file.announced
            if file.has_length:
                self.send_header("Content-Length", str(length))
            else:
                self.close_connection = True
            self.end_headers()
            self.wfile.write(file.body[: file.pause_after])
            if file.pause_after is not None:
                host.closing.wait(60)
            if file.pause_after is not None or length != len(file.body):
                self.close_connection = True

        def log_message(self, *_words: object) -> None:
            pass

    server = ThreadingHTTPServer((address, 0), Handler)
    server.daemon_threads = True
    host.port = server.server_address[1]
    thread = threading.Thread(target=lambda: server.serve_forever(0.05), daemon=True)
    thread.start()
    try:
        yield host
    finally:
        host.closing.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
        # A connection that is kept would answer on.
        time.sleep(0)
