"""Serves the portal: gunicorn with threads, or waitress where there is no gunicorn."""

from __future__ import annotations

import hashlib
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from musicboard.keys import write_private
from tracker.supervisor import port_problem

WORKERS = 2
THREADS = 16
"""Per worker: a person who listens holds one while the sound is sent."""


class Command(BaseCommand):
    help = "Serve the portal, until stopped (Ctrl-C or SIGTERM)."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
        parser.add_argument("--port", type=int, default=8000, help="default: 8000")

    def handle(self, *, host: str, port: int, **_options: Any) -> None:
        if problem := port_problem(host, port):
            raise CommandError(problem)
        collect_static()
        # A worker must not share a connection with the process it is forked from.
        connections.close_all()
        if sys.platform == "win32":
            serve_with_waitress(host, port)
        else:
            serve_with_gunicorn(host, port)


def collect_static() -> None:
    """Gather the static files under their hashed names, unless nothing has changed since the last time."""
    stamp_path = Path(f"{settings.STATIC_ROOT}.stamp")
    stamp = _static_stamp()
    if stamp_path.exists() and stamp_path.read_text(encoding="ascii").strip() == stamp:
        return
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    call_command("collectstatic", interactive=False, verbosity=0)
    write_private(stamp_path, stamp, replace=True)


def _static_stamp() -> str:
    digest = hashlib.sha256(str(settings.STATIC_ROOT).encode())
    for finder in get_finders():
        for path, storage in finder.list([]):
            stat = Path(storage.path(path)).stat()
            digest.update(f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def serve_with_gunicorn(host: str, port: int) -> None:
    from gunicorn.app.base import BaseApplication

    class Server(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            for name, value in gunicorn_settings(host, port).items():
                self.cfg.set(name, value)

        def load(self) -> Any:
            from musicboard.wsgi import application

            return application

    Server().run()


def gunicorn_settings(host: str, port: int) -> dict[str, Any]:
    memory = Path("/dev/shm")  # noqa: S108
    return {
        "bind": f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}",
        "worker_class": "gthread",
        "workers": WORKERS,
        "threads": THREADS,
        "graceful_timeout": 8,
        "timeout": 60,
        "keepalive": 5,
        "control_socket_disable": True,
        "loglevel": "warning",
        # On a disk a worker's sign of life may wait for other writing; memory does not.
        "worker_tmp_dir": str(memory) if memory.is_dir() else None,
    }


def serve_with_waitress(host: str, port: int) -> None:
    import waitress

    from musicboard.wsgi import application

    waitress.serve(application, host=host, port=port, threads=THREADS)
