"""The whole path of a team: invite, join, track with a colleague's key, share, play as a stranger, revoke."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.browser.conftest import SignIn
from tracker.models import Credential, MusicTask, Role, ShareLink, Team, User


@pytest.fixture
def newcomer(browser: Browser, complaints: list[str]) -> Iterator[Page]:
    """A browser of somebody who was never here."""
    yield from _other_browser(browser, complaints, width=1280)


@pytest.fixture
def stranger(browser: Browser, complaints: list[str]) -> Iterator[Page]:
    """A phone of somebody without an account."""
    yield from _other_browser(browser, complaints, width=390)


def _other_browser(browser: Browser, complaints: list[str], *, width: int) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": width, "height": 844})
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()


def test_from_an_invitation_to_a_link_that_is_revoked(
    live_server: LiveServer,
    sign_in: SignIn,
    newcomer: Page,
    stranger: Page,
    alice: User,
    team: Team,
    relay: Credential,
    poll: Callable[[], None],
    complaints: list[str],
) -> None:
    owner = sign_in(alice)
    owner.goto(f"{live_server.url}/credentials/{relay.public_id}/")
    owner.get_by_role("button", name="Lend it to the team").click()
    expect(owner.get_by_text("The team may use")).to_be_visible()

    owner.goto(f"{live_server.url}/team/")
    owner.get_by_role("button", name="Make an invitation").click()
    link = owner.get_by_label("Link of the invitation").first.input_value()

    newcomer.goto(link)
    newcomer.get_by_label("Your name").fill("Dora")
    newcomer.get_by_label("E-mail address").fill("dora@example.org")
    newcomer.get_by_label("Password", exact=True).fill("a long password of hers")
    newcomer.get_by_role("button", name="Join").click()
    newcomer.wait_for_url(f"{live_server.url}/")
    assert User.objects.get(email="dora@example.org").memberships.get().role == Role.MEMBER

    task_id = f"done-{uuid4().hex[:8]}"
    newcomer.get_by_label("Task ids").fill(task_id)
    newcomer.get_by_label("Credential").first.select_option(str(relay.public_id))
    newcomer.get_by_role("button", name="Track", exact=True).click()
    expect(newcomer.locator("article.task").first).to_contain_text("Done")
    newcomer.goto(f"{live_server.url}/tasks/{MusicTask.objects.get().public_id}/")
    newcomer.get_by_role("link", name="Share", exact=True).first.click()
    newcomer.get_by_role("button", name="Make the link").click()
    shared = newcomer.locator("[data-copy*='/s/']").first.get_attribute("data-copy") or ""
    assert re.fullmatch(rf"{live_server.url}/s/[\w-]{{20,}}/", shared)

    stranger.goto(shared)
    stranger.locator("[data-toggle]").click()
    stranger.wait_for_function("() => document.getElementById('sound').currentTime > 0.5")
    sound = stranger.evaluate("new URL(document.getElementById('sound').currentSrc).pathname")
    assert sound.startswith("/s/")
    text = stranger.content()
    assert not [word for word in (task_id, "Dora", "Alice", team.name, relay.label, relay.base_url) if word in text]

    link_id = ShareLink.objects.get().public_id
    newcomer.goto(f"{live_server.url}/shares/{link_id}/")
    newcomer.on("dialog", lambda dialog: dialog.accept())
    newcomer.get_by_role("button", name="Revoke", exact=True).click()
    expect(newcomer.get_by_text("is revoked").first).to_be_visible()
    assert stranger.request.get(live_server.url + sound).status == 404
    assert stranger.request.get(shared).status == 404
    # The player that was still asking for more has been told so.
    complaints[:] = [one for one in complaints if "404" not in one]
