"""A Chromium, signed in, at a live musicboard; whatever it complains about fails the test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client
from django.utils import timezone
from playwright.sync_api import BrowserContext, Page
from pytest_django.live_server_helper import LiveServer

from tracker.checking import check_now
from tracker.models import MusicTask, User

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def _find_browser() -> str | None:
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


# pytest-base-url, which pytest-playwright brings along, declares its fixture in a way that pytest 9 warns of.
_TOLERATED = pytest.mark.filterwarnings("ignore:Session-scoped fixtures defined as instance methods")


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    # Marked before others choose by marks.
    mine = {item for item in items if "/browser/" in item.path.as_posix()}
    missing = _find_browser() is None
    for item in mine:
        item.add_marker(_TOLERATED)
        item.add_marker(pytest.mark.browser)
        if missing:
            item.add_marker(pytest.mark.skip(reason="no Chromium on the PATH (CHROMIUM may name one)"))
    yield
    # Playwright's loop runs on in this thread until the session ends: whatever needs a loop of its own comes before.
    items.sort(key=lambda item: item in mine)
    if mine & set(items) and missing and os.environ.get("CI") == "true":
        pytest.exit("no Chromium on the PATH, and CI=true", returncode=1)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    return {
        **browser_type_launch_args,
        "executable_path": _find_browser(),
        "args": ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--disable-background-networking"],
    }


@pytest.fixture(autouse=True, scope="module")
def _allow_async() -> Iterator[None]:
    """Playwright's loop runs in this thread, in which Django would refuse the test's own queries.

    For the module, so that it still holds when the database is emptied after a test.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        yield


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained about; a test that provokes something clears it."""
    return []


@pytest.fixture
def _watched(context: BrowserContext, complaints: list[str]) -> Iterator[None]:
    """Console errors, errors in scripts and violations of the content security policy."""
    context.add_init_script(
        "document.addEventListener('securitypolicyviolation',"
        " event => console.error('CSP ' + event.violatedDirective + ' ' + event.blockedURI));"
    )

    def watch(page: Page) -> None:
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))

    context.on("page", watch)
    yield
    assert complaints == []


SignIn = Callable[[User], Page]


@pytest.fixture
def sign_in(
    transactional_db: None, live_server: LiveServer, context: BrowserContext, page: Page, _watched: None
) -> SignIn:
    """Signs a person in by cookie and opens the board."""

    def as_user(user: User) -> Page:
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        cookie = client.cookies[settings.SESSION_COOKIE_NAME]
        context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live_server.url}])
        page.goto(live_server.url)
        return page

    return as_user


@pytest.fixture
def page(_watched: None, context: BrowserContext) -> Page:
    page = context.new_page()
    page.set_default_timeout(10_000)
    return page


@pytest.fixture
def poll() -> Callable[[], None]:
    """One round of the poller over everything live, whenever it was due."""

    def work() -> None:
        live = MusicTask.objects.live()
        live.update(next_poll_at=timezone.now(), lease=None)
        check_now(list(live.values_list("pk", flat=True)), deadline_seconds=5)
        connections.close_all()

    def ask() -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(work).result()

    return ask
