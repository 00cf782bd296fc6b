"""Everything in one: data folder, keys, database, web and poller; with --demo also a provider to try it with."""

from __future__ import annotations

import contextlib
import os
from argparse import ArgumentParser
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse
from django.utils import timezone

from tracker import demo_team
from tracker.management.commands.web import collect_static
from tracker.models import EntryLink, User
from tracker.supervisor import Supervisor, free_port, port_problem

DEMO_PORT = 8800
LOOPBACK = "127.0.0.1/32"


class Command(BaseCommand):
    help = "Bring musicboard up: web and poller, and on the first start everything they need. Ctrl-C stops it."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
        parser.add_argument("--port", type=int, default=8000, help="default: 8000")
        parser.add_argument("--demo", action="store_true", help="add a simulated provider, a team and songs")

    def handle(self, *, host: str, port: int, demo: bool, **_options: Any) -> None:
        # Database, keys and logs of the database are their owner's alone; the parts inherit this.
        os.umask(0o077)
        if problem := port_problem(host, port):
            raise CommandError(problem)
        self._warn_of_hosts(host)
        supervisor = Supervisor(self._say, settings.BASE_DIR, {"DATA_DIR": str(settings.DATA_DIR)})
        supervisor.listen()
        try:
            prepare()
            demo_url = self._start_demo(supervisor) if demo else ""
            supervisor.start("web", "web", "--host", host, "--port", str(port))
            supervisor.start("poller", "poll")
            if supervisor.wait_for(port, host=reachable(host)):
                self._greet(f"http://{shown_host(host)}:{port}", demo_url)
            supervisor.watch()
            self._say("Stopping …")
        finally:
            supervisor.stop()

    def _start_demo(self, supervisor: Supervisor) -> str:
        """Start the simulated provider and fill the demo's board; returns the provider's address."""
        port = free_port(demo_team.known_port() or DEMO_PORT, DEMO_PORT)
        url = f"http://127.0.0.1:{port}"
        fixed = {slug: base for slug, base in demo_team.base_urls(url).items() if slug != "suno-fetch"}
        # The parts are told by environment; this process, which fills the board, has read its settings already.
        settings.OUTBOUND_ALLOW_NETS = [*settings.OUTBOUND_ALLOW_NETS, LOOPBACK]
        settings.PROVIDER_BASE_URLS = {**settings.PROVIDER_BASE_URLS, **fixed}
        supervisor.environment = {
            **supervisor.environment,
            "OUTBOUND_ALLOW_NETS": ",".join(settings.OUTBOUND_ALLOW_NETS),
            "PROVIDER_BASE_URLS": ",".join(f"{slug}={base}" for slug, base in settings.PROVIDER_BASE_URLS.items()),
            "DEMO_URL": url,
        }
        supervisor.start("simulated provider", "demo_provider", "--port", str(port))
        if not supervisor.wait_for(port):
            if supervisor.stopping:
                return url
            raise CommandError(f"The simulated provider does not answer at {url}.")
        demo_team.seed_demo(url, now=timezone.now())
        return url

    def _greet(self, site: str, demo_url: str) -> None:
        now = timezone.now()
        lines = ["", f"musicboard is running: {site}/", ""]
        if demo_url:
            person = User.objects.get(email=demo_team.EMAIL)
            token = EntryLink.issue(EntryLink.Purpose.SIGN_IN, now=now, user=person)
            lines += [f"  Look around (works once):  {site}{reverse('enter', args=[token])}"]
            lines += [f"  Simulated provider:        {demo_url}"]
        elif not User.objects.administrators().exists():
            token = EntryLink.issue(EntryLink.Purpose.SETUP, now=now)
            lines += [f"  Set it up (works once, 24 hours):  {site}{reverse('setup', args=[token])}"]
        lines += [f"  Data:                      {settings.DATA_DIR}"]
        lines += ["  Stop:                      Ctrl-C", ""]
        for line in lines:
            self._say(line)

    def _warn_of_hosts(self, host: str) -> None:
        if is_loopback(host) or set(settings.ALLOWED_HOSTS) - {"localhost", "127.0.0.1", "[::1]"}:
            return
        self._say(
            f"Listening on {host}, but answering only to localhost: set ALLOWED_HOSTS to the names people will use, "
            "such as ALLOWED_HOSTS=music.example.org,192.168.1.20."
        )

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def prepare() -> None:
    """Data folder, tables and static files, made or brought up to date by one process at a time."""
    settings.DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone():
        call_command("migrate", interactive=False, verbosity=0)
        call_command("createcachetable", verbosity=0)
        call_command("clearsessions")
        collect_static()


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Two starts at the same moment prepare one after the other, where the system has file locks."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with (settings.DATA_DIR / "up.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def reachable(host: str) -> str:
    """Where this machine reaches a server that listens on ``host``."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "[::]": "::1"}.get(host, host.strip("[]"))  # noqa: S104


def shown_host(host: str) -> str:
    """The host of the address that is printed: a name that is allowed, if ``host`` means every address."""
    if host.strip("[]") in {"0.0.0.0", "::"}:  # noqa: S104
        return next((name for name in settings.ALLOWED_HOSTS if name[:1] not in "*."), "127.0.0.1")
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
