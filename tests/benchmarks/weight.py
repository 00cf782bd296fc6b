"""What a board of fifty cards weighs on the wire: loaded for the first time in a browser, and when nothing is new."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import subprocess
import sys
from urllib.parse import urlencode

from django.conf import settings
from django.test import Client
from django.utils import timezone
from playwright.sync_api import sync_playwright

from tests.benchmarks.archive import _free_port, _wait_for
from tests.benchmarks.measuring import Figure, migrate, provider_process
from tracker.archive.upkeep import archive_now
from tracker.checking import check_now
from tracker.models import ClipArchive, Credential, Membership, MusicTask, Role, Team, User

CARDS = 50
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def measure() -> list[Figure]:
    migrate()
    settings.ARCHIVE_MIN_FREE_MB = 0
    with provider_process() as url:
        user = _fill(url)
    port = _free_port()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "web", "--port", str(port)], env=os.environ, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(port)
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
        first = _first_load(f"http://127.0.0.1:{port}/", cookie)
        again = _unchanged(port, f"{settings.SESSION_COOKIE_NAME}={cookie}")
    finally:
        process.terminate()
        process.wait(12)
    return [
        Figure(f"first load of {CARDS} cards with covers, in kB", first / 1000, "≤ 600", f"{first:,} bytes"),
        Figure("unchanged refresh, head and body, in bytes", again, "≤ 300", f"{again:,} bytes"),
    ]


def _fill(url: str) -> User:
    """Finished tasks of the simulated provider, their sound and covers kept."""
    user = User.objects.create_user("weight@example.org", None, name="Weight")
    team = Team.objects.create(name="Weight")
    Membership.objects.create(team=team, user=user, role=Role.OWNER)
    credential = Credential(
        team=team, owner=user, provider="suno-fetch", label="Relay", base_url=f"{url}/relay", answers_batches=True
    )
    credential.seal("sk-benchmark-0123456789")
    credential.save()
    ids = [f"done-weight-{number}" for number in range(CARDS)]
    new = MusicTask.objects.track(team=team, credential=credential, task_ids=ids, added_by=user, now=timezone.now())
    check_now([task.pk for task in new], deadline_seconds=30)
    archive_now(draws=False)
    assert ClipArchive.objects.filter(state="kept").count() == 2 * CARDS
    # One that is still live, so that the page refreshes itself.
    live = new[-1]
    live.request_poll(actor=user, now=timezone.now())
    return user


def _first_load(url: str, cookie: str) -> int:
    """Bytes of every answer, heads included, with an empty cache and scrolled to the end, as the browser counts."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    total = 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": url}])
        page = context.new_page()
        devtools = context.new_cdp_session(page)
        devtools.send("Network.enable")
        sizes: list[int] = []
        devtools.on("Network.loadingFinished", lambda told: sizes.append(int(told["encodedDataLength"])))
        page.goto(url)
        for step in range(60):
            page.evaluate(f"window.scrollTo(0, {step * 400})")
            page.wait_for_timeout(40)
        page.wait_for_timeout(1000)
        assert page.locator("article.task").count() == CARDS
        assert page.evaluate("[...document.images].every(one => one.complete && one.naturalWidth > 0)")
        total = sum(sizes)
        browser.close()
    return total


def _unchanged(port: int, cookie: str) -> int:
    """Bytes of the answer to the refresher's own request."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/", headers={"Cookie": cookie})
    page = connection.getresponse().read().decode()
    seen = re.findall(r'name="(seen|newest)" value="([^"]*)"', page)
    assert seen
    connection.request("GET", f"/refresh/?{urlencode(seen)}", headers={"Cookie": cookie, "HX-Request": "true"})
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 204
    head = sum(len(f"{name}: {value}\r\n") for name, value in answer.getheaders())
    connection.close()
    return len(f"HTTP/1.1 {answer.status} {answer.reason}\r\n\r\n") + head + len(body)
