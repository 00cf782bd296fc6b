"""The library in a real browser: found while typing, selected, heard, and at home on a phone."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SignIn
from tests.browser.test_pages import is_clean
from tests.conftest import make_credential
from tests.models.test_search import list_songs
from tracker.library import PAGE_SIZE
from tracker.models import Clip, Credential, Team, User

SONGS = [
    {"title": "春天转圈圈", "tags": "流行, 女声", "duration_seconds": 219, "model": "chirp-v4", "image_url": ""},
    {"title": "City Lights", "lyrics": "夜里的春天", "duration_seconds": 61, "model": "chirp-v4"},
    {"title": "An exceedinglylongtitlewithoutablankinitthatnobodycouldbreakanywhere" * 2, "model": "m" * 80},
    {"title": "", "state": "failed", "error": "Too long", "audio_url": ""},
]


@pytest.fixture
def songs(team: Team, alice: User) -> list[Clip]:
    return list_songs(make_credential(team, alice, base_url="https://relay.example.com"), SONGS)


def titles(page: Page) -> list[str]:
    return page.locator("#songs .clip__title").all_inner_texts()


def to_library(page: Page, query: str = "") -> None:
    page.goto(page.url.split("?")[0].split("/library")[0].rstrip("/") + "/library/" + query)


def test_songs_are_found_while_typing_and_back_is_back(sign_in: SignIn, alice: User, songs: list[Clip]) -> None:
    page = sign_in(alice)
    page.get_by_role("link", name="Library").click()
    expect(page.locator("#songs .clip")).to_have_count(4)
    # Nobody types within the moment in which the new page is made ready.
    page.wait_for_load_state("networkidle")
    page.keyboard.press("/")
    page.keyboard.type("春天")
    expect(page.locator("#songs .clip")).to_have_count(2)
    expect(page.locator("#search")).to_be_focused()
    assert "q=" in page.url
    expect(page.get_by_role("link", name="List")).to_have_attribute("href", re.compile("q="))
    page.locator("#f-sort").select_option("title")
    expect(page.locator("#songs .clip__title").first).to_have_text("City Lights")
    page.get_by_role("link", name="List").click()
    expect(page.locator(".library__rows--list")).to_be_visible()
    assert len(titles(page)) == 2
    page.go_back()
    expect(page.locator(".library__rows--grid")).to_be_visible()
    page.go_back()
    expect(page.locator("#f-sort")).to_have_value("newest")
    expect(page.locator("#search")).to_have_value("春天")


def test_the_selected_songs_are_played_one_after_the_other(sign_in: SignIn, alice: User, relay: Credential) -> None:
    page = sign_in(alice)
    for _ in range(2):
        page.get_by_label("Paste task ids").fill(f"done-{uuid4().hex[:8]}")
        page.get_by_role("button", name="Track").click()
        expect(page.get_by_label("Paste task ids")).to_have_value("")
    page.get_by_role("link", name="Library").click()
    expect(page.locator("[data-pick]")).to_have_count(4)
    expect(page.get_by_role("button", name="Play selected")).to_be_hidden()
    for number in (3, 1):
        page.locator("[data-pick]").nth(number).check()
    page.get_by_role("button", name="Play selected").click()
    wanted = page.locator("#songs [data-clip]").nth(1).get_attribute("data-clip")
    expect(page.locator("#songs [data-clip].is-playing")).to_have_attribute("data-clip", wanted or "")
    page.get_by_role("button", name="Next", exact=True).click()
    last = page.locator("#songs [data-clip]").nth(3).get_attribute("data-clip")
    expect(page.locator("#songs [data-clip].is-playing")).to_have_attribute("data-clip", last or "")
    page.get_by_role("button", name="Clear selection").click()
    expect(page.get_by_role("button", name="Play all")).to_be_visible()


QUEUED = """() => { const name = Object.keys(localStorage).find(name => name.startsWith("musicboard.queue."));
    return name ? JSON.parse(localStorage[name]).items.map(one => one.title) : []; }"""


def test_play_all_queues_the_other_pages_too(sign_in: SignIn, team: Team, alice: User, relay: Credential) -> None:
    others = make_credential(team, alice, base_url="https://relay.example.com")
    list_songs(others, [{"title": f"Old {number:02}"} for number in range(PAGE_SIZE + 6)])
    page = sign_in(alice)
    page.get_by_label("Paste task ids").fill(f"done-{uuid4().hex[:8]}")
    page.get_by_role("button", name="Track").click()
    expect(page.get_by_label("Paste task ids")).to_have_value("")
    page.get_by_role("link", name="Library").click()
    expect(page.locator("#songs .clip")).to_have_count(PAGE_SIZE)
    page.get_by_role("button", name="Play all").click()
    page.wait_for_function("() => document.querySelector('#player audio').currentTime > 0.2")
    page.wait_for_function(f"() => ({QUEUED})().length === {PAGE_SIZE + 8}")
    queued = page.evaluate(QUEUED)
    assert queued[2:] == [f"Old {number:02}" for number in reversed(range(PAGE_SIZE + 6))]
    assert page.evaluate("document.querySelector('#player audio').paused") is False


def test_a_song_is_downloaded_under_its_name(sign_in: SignIn, alice: User, relay: Credential) -> None:
    page = sign_in(alice)
    page.get_by_label("Paste task ids").fill(f"done-{uuid4().hex[:8]}")
    page.get_by_role("button", name="Track").click()
    expect(page.locator(".clip__download")).to_have_count(2)
    Clip.objects.filter(position=0).update(title="春天转圈圈")
    to_library(page)
    with page.expect_download() as coming:
        page.get_by_role("link", name="Download 春天转圈圈, clip 1").click()
    assert coming.value.suggested_filename == "春天转圈圈.mp3"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing(sign_in: SignIn, alice: User, songs: list[Clip], theme: str, width: int) -> None:
    User.objects.filter(pk=alice.pk).update(theme=theme)
    page = sign_in(alice)
    page.set_viewport_size({"width": width, "height": 800})
    for query in ("", "?view=list", "?q=nothing&length=long"):
        to_library(page, query)
        page.locator(".filters__menu summary").click()
        is_clean(page)
        page.keyboard.press("Escape")
        for box in page.locator("[data-pick]").all()[:1]:
            box.check()
        is_clean(page)


def test_an_empty_library_is_accessible(sign_in: SignIn, alice: User) -> None:
    page = sign_in(alice)
    to_library(page)
    is_clean(page)


@pytest.mark.parametrize("query", ["", "?view=list"])
def test_a_phone_has_one_column_and_large_targets(sign_in: SignIn, alice: User, songs: list[Clip], query: str) -> None:
    page = sign_in(alice)
    for width in (390, 320):
        page.set_viewport_size({"width": width, "height": 844})
        to_library(page, query)
        page.locator("[data-pick]").first.check()
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    assert len({item.bounding_box()["x"] for item in page.locator(".library__item").all()}) == 1  # type: ignore[index]
    small = page.evaluate(
        """() => [...document.querySelectorAll('main button, main summary, main select, main .btn, main a, .library__pick, main .search input')]
            .filter(one => one.offsetParent !== null && one.getBoundingClientRect().height > 0)
            .filter(one => one.getBoundingClientRect().height < 43.5 || one.getBoundingClientRect().width < 43.5)
            .map(one => one.outerHTML.slice(0, 120))"""  # noqa: E501
    )
    assert small == []
