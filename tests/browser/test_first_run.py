"""The whole way of a new person: set-up link, sign-in, credential, task, sound; and every page on it is accessible."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.utils import timezone
from playwright.sync_api import BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.browser.conftest import SignIn
from tests.browser.test_pages import is_clean
from tests.conftest import make_credential
from tracker.demo.running import DemoServer
from tracker.models import Credential, EntryLink, Team, User
from tracker.models.credentials import Hold

PASSWORD = "correct horse battery"
POSITION = "document.querySelector('#player audio').currentTime"


@pytest.fixture
def setup_link(transactional_db: None, live_server: LiveServer) -> str:
    token = EntryLink.issue(EntryLink.Purpose.SETUP, now=timezone.now())
    return f"{live_server.url}/setup/{token}/"


def play_past(page: Page, seconds: float) -> None:
    """Wait until the player is beyond ``seconds``; Playwright's own waiting needs an eval that the CSP forbids."""
    for _ in range(100):
        if page.evaluate(POSITION) > seconds:
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"the sound stands at {page.evaluate(POSITION)}")


def test_from_the_set_up_link_to_a_song(
    setup_link: str, live_server: LiveServer, page: Page, demo: DemoServer, poll: Callable[[], None]
) -> None:
    page.goto(setup_link)
    page.get_by_label("Your name").fill("Lin")
    page.get_by_label("E-mail").fill("lin@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Team").fill("Studio North")
    page.locator("main button[type=submit]").click()
    expect(page.get_by_role("heading", name="Board")).to_be_visible()

    page.locator(".rail__me summary").click()
    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{live_server.url}/accounts/login/")
    page.get_by_label("Email").fill("lin@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.locator("main button[type=submit]").first.click()
    expect(page.get_by_role("heading", name="Board")).to_be_visible()

    page.goto(f"{live_server.url}/credentials/add/")
    page.get_by_label("Provider").select_option("suno-fetch")
    page.get_by_label("Name").fill("Our relay")
    page.get_by_label("Base URL").fill(f"{demo.url}/relay")
    page.get_by_label("Key").fill("sk-browser-0123456789-a1b2")
    page.get_by_role("button", name="Test").click()
    expect(page.locator("main")).to_contain_text("works")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("main")).to_contain_text("…a1b2")
    assert "sk-browser" not in page.content()

    page.get_by_role("link", name="Board").first.click()
    live, done = f"pace300-{uuid4().hex[:8]}", f"done-{uuid4().hex[:8]}"
    page.get_by_label("Paste task ids").fill(f"{live} {done}")
    page.get_by_role("button", name="Track").click()
    expect(page.locator(".task")).to_have_count(2)
    expect(page.locator(".task .state", has_text="Done")).to_have_count(1)

    page.locator(".task", has=page.locator(".state", has_text="Done")).locator("button[data-play]").first.click()
    play_past(page, 0.3)
    heard = [page.evaluate(POSITION)]
    for _ in range(4):
        poll()
        page.wait_for_timeout(600)
        heard.append(page.evaluate(POSITION))
    assert heard == sorted(set(heard)), heard
    page.locator("#player input[type=range]").first.focus()
    before = page.evaluate(POSITION)
    page.keyboard.press("ArrowRight")
    play_past(page, before + 3)


@pytest.fixture
def refused(team: Team, alice: User) -> Credential:
    credential = make_credential(team, alice, base_url="https://relay.example.com")
    credential.rest(Hold.KEY_REFUSED, now=timezone.now(), status=401, detail="无效的令牌")
    return credential


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_axe_finds_nothing_on_the_pages_of_an_account(
    sign_in: SignIn, alice: User, refused: Credential, language: str, complaints: list[str]
) -> None:
    User.objects.filter(pk=alice.pk).update(language=language, is_staff=True, is_superuser=True)
    page = sign_in(alice)
    origin = page.url.rstrip("/")
    one = f"/credentials/{refused.public_id}/"
    for address in (
        "/credentials/", "/credentials/add/", one, f"{one}delete/", "/accounts/password/change/", "/accounts/2fa/",
        "/accounts/sessions/", "/accounts/logout/", "/nowhere/",
    ):  # fmt: skip
        page.goto(origin + address)
        assert page.locator("html").get_attribute("lang") == {"en": "en", "zh-hans": "zh-hans"}[language]
        is_clean(page)
    # The browser itself logs the 404.
    complaints[:] = [complaint for complaint in complaints if "404" not in complaint]


@pytest.fixture
def stranger(context: BrowserContext, page: Page) -> Callable[[str], Page]:
    """A page as somebody sees it who is not signed in, in a language."""

    def look(language: str) -> Page:
        context.set_extra_http_headers({"Accept-Language": language})
        return page

    return look


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_axe_finds_nothing_before_the_sign_in(
    setup_link: str, live_server: LiveServer, stranger: Callable[[str], Page], language: str, complaints: list[str]
) -> None:
    page = stranger(language)
    for address in (setup_link, f"{live_server.url}/accounts/login/", f"{live_server.url}/setup/unknown/"):
        page.goto(address)
        is_clean(page)
    complaints[:] = [complaint for complaint in complaints if "404" not in complaint]
