"""Every page of the portal's face: accessible in both languages, light and dark, and at a phone's width."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import SignIn
from tests.conftest import make_credential
from tests.views.test_board import make_task
from tracker.models import Clip, Credential, MusicTask, TaskEvent, TaskText, Team, User
from tracker.models.credentials import Hold

STATES: list[dict[str, Any]] = [
    {"progress": 64, "clips": 2, "title": "City Lights"},
    {"status": "queued"},
    {"status": "succeeded", "ended": "final", "shelf": "done", "clips": 2, "title": "春天转圈圈", "tags": "pop, 女声"},
    {"hold": Hold.KEY_REFUSED, "shelf": "attention", "title": "可爱的春天"},
    {
        "status": "failed",
        "ended": "final",
        "shelf": "failed",
        "fail_reason": "Tags contained artist name",
        "title": "Neon",
    },
    {"poll_error": "transient", "poll_error_cause": "html", "poll_error_status": 502},
    {
        "ended": "stopped",
        "shelf": "stopped",
        "title": "An exceedinglylongtitlewithoutablankinitthatnobodycouldeverbreakanywhere" * 2,
    },
    {"status": "succeeded", "ended": "final", "kind": "lyrics", "lyrics_text": "[Verse]\nBlue light", "title": "Words"},
]


@pytest.fixture
def tasks(team: Team, alice: User) -> list[MusicTask]:
    """A board with every look on it."""
    credential: Credential = make_credential(team, alice, base_url="https://relay.example.com")
    tasks = [make_task(credential, f"id-{number:06}", **state) for number, state in enumerate(STATES)]
    Clip.objects.update(image_url="", lyrics="[Verse]\nBlue light")
    Clip.objects.filter(task=tasks[0], position=1).update(audio_url="", state="running")
    for kind in TaskEvent.Kind.values:
        TaskEvent.objects.create(task=tasks[0], at=tasks[0].created_at, kind=kind)
    TaskText.objects.filter(task=tasks[0]).update(raw_answer='{"a": 1}')
    return tasks


def addresses(tasks: list[MusicTask]) -> list[str]:
    return ["/", "/?state=attention", "/?q=nothing", *(f"/tasks/{task.public_id}/" for task in (tasks[0], tasks[4]))]


def is_clean(page: Page) -> None:
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing(
    sign_in: SignIn, alice: User, tasks: list[MusicTask], language: str, theme: str, width: int
) -> None:
    User.objects.filter(pk=alice.pk).update(language=language, theme=theme)
    page = sign_in(alice)
    page.set_viewport_size({"width": width, "height": 800})
    origin = page.url.rstrip("/")
    for address in addresses(tasks):
        page.goto(origin + address)
        page.locator("[data-menu] summary").first.click()
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        page.evaluate("player.hidden = false; player.querySelector('[data-player-title]').textContent = 'City Lights'")
        is_clean(page)


@pytest.mark.parametrize("width", [390, 320])
def test_a_phone_never_scrolls_sideways(sign_in: SignIn, alice: User, tasks: list[MusicTask], width: int) -> None:
    page = sign_in(alice)
    page.set_viewport_size({"width": width, "height": 800})
    origin = page.url.rstrip("/")
    for address in addresses(tasks):
        page.goto(origin + address)
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, address


def test_targets_on_a_phone_are_large_enough(sign_in: SignIn, alice: User, tasks: list[MusicTask]) -> None:
    page = sign_in(alice)
    page.set_viewport_size({"width": 390, "height": 844})
    small = page.evaluate(
        """() => [...document.querySelectorAll(
                'button, summary, select, .btn, .chip, .task__title a, .rail a, .search input')]
            .filter(one => one.offsetParent !== null && one.getBoundingClientRect().height > 0)
            .filter(one => one.getBoundingClientRect().height < 43.5 || one.getBoundingClientRect().width < 43.5)
            .map(one => one.outerHTML.slice(0, 120))"""
    )
    assert small == []


def test_an_empty_board_is_accessible(sign_in: SignIn, alice: User) -> None:
    is_clean(sign_in(alice))
