"""The player in a real browser: it plays on, whatever the page does, and says what it cannot play."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import SignIn
from tests.conftest import make_credential
from tracker.demo.running import DemoServer
from tracker.models import Clip, Credential, Membership, MusicTask, Team, User

AUDIO = "document.querySelector('#player audio')"
POSITION = f"{AUDIO}.currentTime"
# Runs in the page: remembers every pause, and every step back of the sound.
WATCH = f"""() => {{
    const audio = {AUDIO};
    window.faults = [];
    let last = audio.currentTime;
    audio.addEventListener('pause', () => window.faults.push('pause at ' + audio.currentTime));
    audio.addEventListener('emptied', () => window.faults.push('emptied'));
    setInterval(() => {{
        if (audio.currentTime < last) window.faults.push(last + ' to ' + audio.currentTime);
        last = audio.currentTime;
    }}, 50);
}}"""


def new_id(prefix: str = "done") -> str:
    return f"{prefix}-{uuid4().hex[:8]}"


def track(page: Page, *ids: str) -> None:
    page.get_by_label("Paste task ids").fill("\n".join(ids))
    page.get_by_role("button", name="Track").click()
    expect(page.get_by_label("Paste task ids")).to_have_value("")


def play(page: Page, number: int = 0) -> None:
    page.locator("[data-play]").nth(number).click()
    plays(page)


def plays(page: Page, after: float = 0.2) -> None:
    page.wait_for_function(f"() => !{AUDIO}.paused && {POSITION} > {after}")


def goes_on(page: Page) -> None:
    at = page.evaluate(POSITION)
    page.wait_for_function(f"() => {POSITION} > {at} + 0.4")


def seek(page: Page, seconds: float) -> None:
    page.evaluate(f"{POSITION} = {seconds}")


def control(demo: DemoServer, **wish: Any) -> None:
    request = urllib.request.Request(
        f"{demo.url}/_control", data=json.dumps(wish).encode(), headers={"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request).close()


def current(page: Page) -> str:
    return str(page.locator("[data-clip].is-current").get_attribute("data-clip"))


def line(page: Page) -> Locator:
    return page.locator("[data-player-line]")


def test_it_plays_on_through_pages_back_and_refreshes(
    sign_in: SignIn, alice: User, relay: Credential, poll: Callable[[], None]
) -> None:
    page = sign_in(alice)
    track(page, new_id(), new_id("pace300"))
    expect(page.locator(".task")).to_have_count(2)
    play(page)
    page.evaluate(WATCH)
    before = page.locator(".stack").inner_text()
    page.locator(".task__title a").first.click()
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    expect(page.locator(".clip.is-playing")).to_have_count(1)
    goes_on(page)
    page.get_by_role("link", name="Credentials").click()
    expect(page.get_by_role("heading", name="Credentials")).to_be_visible()
    goes_on(page)
    page.get_by_role("link", name="Board").first.click()
    expect(page.get_by_role("heading", name="Board")).to_be_visible()
    page.get_by_role("link", name="Done", exact=False).first.click()
    expect(page.locator(".task")).to_have_count(1)
    goes_on(page)
    page.go_back()
    expect(page.locator(".task")).to_have_count(2)
    for _ in range(3):
        poll()
        page.wait_for_timeout(2100)
    assert page.locator(".stack").inner_text() != before
    expect(page.locator(".clip.is-playing")).to_have_count(1)
    assert page.evaluate("window.faults") == []


def test_a_stream_moves_on_to_the_finished_file_at_the_same_place(
    sign_in: SignIn, alice: User, relay: Credential, demo: DemoServer, poll: Callable[[], None]
) -> None:
    page = sign_in(alice)
    task_id = new_id("half")
    track(page, task_id)
    stream = page.locator("[data-clip][data-sound$='?stream']")
    stream.locator("[data-play]").click()
    plays(page, after=1.5)
    assert page.evaluate(f"{AUDIO}.src.endsWith('?stream')")
    control(demo, force={task_id: "done"})
    poll()
    page.wait_for_function(f"() => !{AUDIO}.src.endsWith('?stream')")
    at = page.evaluate(
        """async () => {
            const player = document.querySelector('#player audio');
            while (player.readyState < 3) await new Promise((done) => setTimeout(done, 20));
            return player.currentTime;
        }"""
    )
    assert at > 1.4
    plays(page, after=at + 0.3)
    expect(page.get_by_label("Position")).to_be_enabled()
    control(demo, reset=True)


def test_a_queue_is_played_to_its_end(sign_in: SignIn, alice: User, relay: Credential) -> None:
    page = sign_in(alice)
    track(page, new_id())
    page.get_by_role("button", name="Play all").click()
    plays(page)
    first = current(page)
    expect(page.get_by_role("button", name="Previous")).to_be_disabled()
    page.wait_for_function(f"() => {AUDIO}.duration > 5")
    seek(page, page.evaluate(f"{AUDIO}.duration - 0.6"))
    page.wait_for_function(f"() => document.querySelector('.clip.is-current').dataset.clip !== '{first}'")
    plays(page)
    expect(page.get_by_role("button", name="Next")).to_be_disabled()
    page.wait_for_function(f"() => {AUDIO}.duration > 5")
    seek(page, page.evaluate(f"{AUDIO}.duration - 0.6"))
    page.wait_for_function(f"() => {AUDIO}.ended")
    expect(page.locator("#player [data-player-do='toggle']")).to_have_accessible_name("Play")
    page.get_by_role("button", name="Repeat: off").click()
    expect(page.get_by_role("button", name="Repeat: all")).to_be_visible()
    page.get_by_role("button", name="Next").click()
    plays(page)
    assert current(page) == first
    page.get_by_role("button", name="Repeat: all").click()
    seek(page, page.evaluate(f"{AUDIO}.duration - 0.6"))
    page.wait_for_function(f"() => !{AUDIO}.paused && {POSITION} < 5 && {POSITION} > 0.1")
    assert current(page) == first


def test_the_queue_is_arranged_by_keyboard_and_survives_a_reload(
    sign_in: SignIn, alice: User, bob: User, relay: Credential
) -> None:
    page = sign_in(alice)
    one, two = new_id(), new_id()
    track(page, one, two)
    titles = [page.locator(".clip__title").nth(number).inner_text() for number in (0, 2)]
    for number in (0, 2):
        page.locator(".clip__queue").nth(number).click()
    page.locator("[data-player-do='queue']").focus()
    page.keyboard.press("Enter")
    rows = page.locator(".queue__row")
    expect(rows).to_have_count(2)
    expect(page.locator("[data-queue-close]")).to_be_focused()
    expect(rows.nth(0)).to_contain_text(titles[0])
    rows.nth(0).locator("[data-queue-do='down']").focus()
    page.keyboard.press("Enter")
    expect(rows.nth(0)).to_contain_text(titles[1])
    expect(rows.nth(1).locator("[data-queue-do='up']")).to_be_focused()
    assert Axe().run(page).violations_count == 0
    page.keyboard.press("Escape")
    expect(page.locator("#queue")).to_be_hidden()
    page.reload()
    expect(page.locator("[data-player-count]")).to_have_text("2")
    kept = page.evaluate("JSON.stringify(localStorage)")
    assert "suno-fetch" not in kept
    assert relay.base_url not in kept
    page.locator("[data-player-do='queue']").click()
    expect(rows.nth(0)).to_contain_text(titles[1])
    rows.nth(0).locator("[data-queue-do='play']").click()
    plays(page)
    rows.nth(0).locator("[data-queue-do='remove']").click()
    expect(rows).to_have_count(1)
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_text("Nothing is queued.")).to_be_visible()
    goes_on(page)
    page.keyboard.press("Escape")
    page.locator(".clip__queue").first.click()
    page = sign_in(bob)
    expect(page.locator("[data-player-count]")).to_have_text("")


def test_the_queue_is_arranged_by_dragging(sign_in: SignIn, alice: User, relay: Credential) -> None:
    page = sign_in(alice)
    track(page, new_id(), new_id())
    for number in range(3):
        page.locator(".clip__queue").nth(number).click()
    page.locator("[data-player-do='queue']").click()
    rows = page.locator(".queue__row")
    before = rows.evaluate_all("all => all.map(one => one.dataset.id)")
    assert len(before) == 3
    rows.nth(0).drag_to(rows.nth(2))
    expect(rows.nth(2)).to_have_attribute("data-id", before[0])
    assert rows.evaluate_all("all => all.map(one => one.dataset.id)") == [before[1], before[2], before[0]]
    rows.nth(2).drag_to(rows.nth(1))
    assert rows.evaluate_all("all => all.map(one => one.dataset.id)") == [before[1], before[0], before[2]]


def test_a_clip_of_another_page_is_played_from_the_queue(sign_in: SignIn, alice: User, relay: Credential) -> None:
    page = sign_in(alice)
    track(page, new_id())
    title = page.locator(".clip__title").first.inner_text()
    page.locator(".task__menu summary").click()
    page.get_by_role("button", name="Add to the queue", exact=True).click()
    expect(page.locator("#messages")).to_contain_text("Added to the queue: 2")
    page.goto(page.url + "credentials/")
    expect(page.locator("[data-player-title]")).to_have_text(title)
    page.locator("#player [data-player-do='toggle']").click()
    plays(page)
    expect(line(page)).to_contain_text("suno-fetch")
    page.keyboard.press("n")
    plays(page)
    expect(line(page)).to_contain_text("Clip 2")


def test_siblings_are_compared_at_the_same_place(sign_in: SignIn, alice: User, relay: Credential) -> None:
    page = sign_in(alice)
    track(page, new_id())
    play(page)
    seek(page, 12)
    page.get_by_role("button", name="Next").click()
    page.wait_for_function(f"() => {POSITION} < 5 && {POSITION} > 0.2")
    page.get_by_role("button", name="Compare").click()
    seek(page, 15)
    second = current(page)
    page.keyboard.press("n")
    plays(page, after=14.9)
    assert current(page) != second
    assert page.evaluate(POSITION) < 18
    page.locator(f"#clip-{second} [data-play]").click()
    plays(page, after=14.9)
    assert current(page) == second


def test_the_keys(sign_in: SignIn, alice: User, relay: Credential) -> None:
    page = sign_in(alice)
    track(page, new_id())
    play(page)
    page.locator("h1").click()
    page.keyboard.press("Space")
    page.wait_for_function(f"() => {AUDIO}.paused")
    seek(page, 10)
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"() => Math.abs({POSITION} - 15) < 0.5")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(f"() => Math.abs({POSITION} - 10) < 0.5")
    page.keyboard.press("m")
    assert page.evaluate(f"{AUDIO}.muted")
    page.keyboard.press("Control+m")
    assert page.evaluate(f"{AUDIO}.muted")
    page.keyboard.press("/")
    expect(page.get_by_label("Search title")).to_be_focused()
    page.keyboard.type("m n p?")
    assert page.evaluate(f"{AUDIO}.muted")
    expect(page.locator("#keys")).to_be_hidden()
    page.get_by_label("Search title").fill("")
    page.locator("h1").click()
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("m")
    assert page.evaluate(f"{AUDIO}.muted")
    assert Axe().run(page).violations_count == 0
    page.keyboard.press("Escape")
    page.keyboard.press("m")
    assert not page.evaluate(f"{AUDIO}.muted")


def test_the_lock_screen_knows_the_song(sign_in: SignIn, alice: User, relay: Credential) -> None:
    page = sign_in(alice)
    track(page, new_id())
    play(page)
    title = page.locator("[data-player-title]").inner_text()
    told = page.evaluate(
        """() => { const { metadata, playbackState } = navigator.mediaSession;
            return [metadata.title, metadata.artwork[0].src, playbackState]; }"""
    )
    assert told[0] == title
    assert re.search(r"/clips/[0-9a-f-]+/cover/", told[1])
    assert told[2] == "playing"


def test_signing_out_leaves_nothing_behind(sign_in: SignIn, alice: User, relay: Credential) -> None:
    page = sign_in(alice)
    track(page, new_id())
    page.locator(".clip__queue").first.click()
    play(page)
    page.locator(".rail__me summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert "title" not in page.evaluate("JSON.stringify([localStorage, sessionStorage])")


def test_speed_volume_and_place_survive_a_reload(sign_in: SignIn, alice: User, relay: Credential) -> None:
    page = sign_in(alice)
    track(page, new_id())
    play(page)
    page.get_by_label("Speed").select_option("1.5")
    page.get_by_label("Volume").fill("40")
    seek(page, 20)
    page.wait_for_function(f"() => {POSITION} > 20.2")
    page.reload()
    page.wait_for_function(f"() => {POSITION} > 19 && {POSITION} < 26")
    assert page.evaluate(f"[{AUDIO}.playbackRate, {AUDIO}.volume]") == [1.5, 0.4]
    expect(page.get_by_label("Speed")).to_have_value("1.5")
    expect(page.locator(".clip.is-current")).to_have_count(1)


def test_a_link_opens_at_its_moment(sign_in: SignIn, alice: User, relay: Credential) -> None:
    page = sign_in(alice)
    origin = page.url
    track(page, new_id())
    play(page, 1)
    second = current(page)
    seek(page, 17.4)
    page.wait_for_timeout(300)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the link at this moment").click()
    expect(page.locator("#announcer")).to_have_text("Link copied")
    link = page.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch(rf"{origin}tasks/[0-9a-f-]+/\?t=1[78]#clip-{second}", link)
    page.evaluate("sessionStorage.clear()")
    other = page.context.new_page()
    other.goto(link)
    other.wait_for_function(f"() => {POSITION} > 17 && {POSITION} < 22")
    assert current(other) == second
    # One sound at a time, in all windows.
    assert page.evaluate(f"{AUDIO}.paused")
    other.close()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("html", "The file at the provider’s link is not audio."),
        ("empty", "The file at the provider’s link is empty."),
        ("short", "The file at the provider’s link breaks off in the middle."),
        ("redirect", "The provider’s link leads on to an address that does not answer."),
    ],
)
def test_what_was_met_is_said_on_player_and_card(
    sign_in: SignIn, alice: User, relay: Credential, complaints: list[str], fault: str, words: str
) -> None:
    page = sign_in(alice)
    track(page, new_id(f"badsound-{fault}"))
    page.locator("[data-play]").first.click()
    expect(line(page)).to_contain_text(words)
    expect(page.locator(".clip__says--bad").first).to_contain_text(words)
    expect(page.get_by_role("button", name="Check again")).to_be_visible()
    # The browser itself logs that the sound did not load.
    complaints[:] = [one for one in complaints if "502" not in one]


def test_a_sound_that_stalls_is_said_to_be_loading(sign_in: SignIn, alice: User, relay: Credential) -> None:
    page = sign_in(alice)
    track(page, new_id())
    held: list[Route] = []
    page.route("**/sound/", lambda route: held.append(route))
    page.locator("[data-play]").first.click()
    expect(line(page)).to_have_text("Loading …")
    expect(page.locator(".clip.is-loading")).to_have_count(1)
    expect(line(page)).to_have_text("Still loading: the sound’s host is slow.", timeout=10_000)
    for route in held:
        route.continue_()
    plays(page)
    expect(line(page)).to_contain_text("Clip 1")


def test_check_again_takes_the_new_link(
    sign_in: SignIn, alice: User, relay: Credential, demo: DemoServer, complaints: list[str]
) -> None:
    page = sign_in(alice)
    task_id = new_id("expired")
    track(page, task_id)
    page.locator("[data-play]").first.click()
    expect(line(page)).to_contain_text("Link expired")
    complaints[:] = [one for one in complaints if "410" not in one]
    control(demo, force={task_id: "done"})
    page.get_by_role("button", name="Check again").click()
    plays(page)
    expect(page.get_by_role("button", name="Check again")).to_be_hidden()
    expect(page.locator("#player [data-player-do='toggle']")).to_be_focused()
    expect(page.locator(".clip.is-playing")).to_have_count(1)
    control(demo, reset=True)


def test_a_queue_leaves_out_what_cannot_be_played(
    sign_in: SignIn, alice: User, relay: Credential, complaints: list[str]
) -> None:
    page = sign_in(alice)
    track(page, new_id())
    track(page, new_id("expired"))
    expect(page.locator(".task")).to_have_count(2)
    # The older task first, then both clips whose links have expired.
    page.locator(".task").nth(1).locator(".clip__queue").nth(0).click()
    page.locator(".task").nth(0).locator(".clip__queue").nth(0).click()
    page.locator(".task").nth(1).locator(".clip__queue").nth(1).click()
    page.locator("#player [data-player-do='toggle']").click()
    plays(page)
    page.wait_for_function(f"() => {AUDIO}.duration > 5")
    seek(page, page.evaluate(f"{AUDIO}.duration - 0.5"))
    expect(page.locator("#messages")).to_contain_text("was left out: Link expired")
    expect(line(page)).to_contain_text("Clip 2")
    plays(page)
    complaints[:] = [one for one in complaints if "410" not in one]


def test_the_stream_stands_in_for_a_file_that_does_not_come(
    sign_in: SignIn, alice: User, relay: Credential, demo: DemoServer, complaints: list[str]
) -> None:
    page = sign_in(alice)
    track(page, new_id())
    clip = Clip.objects.order_by("position")[0]
    stream = f"{demo.url}/media/stream/{clip.clip_id}"
    Clip.objects.filter(pk=clip.pk).update(audio_url=f"{demo.url}/media/fault/html/x.mp3", stream_url=stream)
    page.reload()
    play(page)
    assert page.evaluate(f"{AUDIO}.src.endsWith('?stream')")
    complaints[:] = [one for one in complaints if "502" not in one]


def test_the_outline_is_drawn_where_there_is_one(sign_in: SignIn, alice: User, relay: Credential) -> None:
    page = sign_in(alice)
    track(page, new_id())
    page.route("**/peaks/", lambda route: route.fulfill(json=[0, 128, 255, 64] * 50))
    play(page)
    expect(page.locator("#player canvas")).to_be_hidden()
    page.evaluate("document.querySelectorAll('[data-clip]')[1].dataset.peaks = '/clips/x/peaks/'")
    page.keyboard.press("n")
    plays(page)
    expect(page.locator("#player canvas")).to_be_visible()
    drawn = page.evaluate(
        """() => { const one = document.querySelector('#player canvas');
            return one.getContext('2d').getImageData(0, 0, one.width, one.height).data.some((value) => value > 0); }"""
    )
    assert drawn


def test_on_a_phone_the_player_opens_over_the_screen(sign_in: SignIn, alice: User, relay: Credential) -> None:
    page = sign_in(alice)
    page.set_viewport_size({"width": 390, "height": 844})
    track(page, new_id())
    play(page)
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    expect(page.get_by_label("Volume")).to_be_hidden()
    assert small_targets(page) == []
    assert Axe().run(page).violations_count == 0
    page.locator(".player__open").click()
    expect(page.get_by_role("button", name="Close the player")).to_be_focused()
    assert page.evaluate("document.querySelector('.app').inert")
    expect(page.get_by_label("Speed")).to_be_visible()
    assert small_targets(page) == []
    report = Axe().run(page)
    assert report.violations_count == 0, report.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    page.locator("[data-player-do='queue']").click()
    assert small_targets(page) == []
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator(".player__open")).to_be_focused()
    page.locator(".player__open").click()
    page.locator("[data-player-title]").click()
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    expect(page.get_by_label("Speed")).to_be_hidden()
    goes_on(page)


def small_targets(page: Page) -> list[str]:
    return page.evaluate(  # type: ignore[no-any-return]
        """() => [...document.querySelectorAll('#player button, #player select, #player a, #queue:popover-open button')]
            .filter(one => one.checkVisibility() && one.getBoundingClientRect().width > 0)
            .filter(one => !one.matches('#player:not(.is-open) a'))
            .filter(one => one.getBoundingClientRect().height < 43.5 || one.getBoundingClientRect().width < 43.5)
            .map(one => one.outerHTML.slice(0, 120))"""
    )


def test_a_viewer_tries_again_without_asking_the_provider(
    sign_in: SignIn, team: Team, alice: User, charlie: User, demo: DemoServer, complaints: list[str]
) -> None:
    relay = make_credential(team, alice, base_url=f"{demo.url}/relay")
    Membership.objects.filter(user=charlie).update(team=team, role="viewer")
    page = sign_in(alice)
    track(page, new_id("badsound-redirect"))
    page = sign_in(charlie)
    page.locator("[data-play]").first.click()
    expect(line(page)).to_contain_text("leads on to an address")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.method))
    page.get_by_role("button", name="Check again").click()
    expect(line(page)).to_contain_text("leads on to an address")
    assert "POST" not in asked
    assert MusicTask.objects.get().credential == relay
    complaints[:] = [one for one in complaints if "502" not in one]
