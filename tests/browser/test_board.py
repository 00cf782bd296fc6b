"""The main job in a real browser: paste, watch, listen."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SignIn
from tests.conftest import make_credential
from tests.views.test_board import make_task
from tracker.demo.running import DemoServer
from tracker.models import Credential, MusicTask, Team, User

POSITION = "document.querySelector('#player audio').currentTime"


def track(page: Page, *ids: str) -> None:
    page.get_by_label("Paste task ids").fill("\n".join(ids))
    page.get_by_role("button", name="Track").click()


def card(page: Page, task_id: str) -> object:
    return page.locator(f"#task-{MusicTask.objects.get(task_id=task_id).public_id}")


def test_paste_see_the_preview_and_the_first_status(sign_in: SignIn, alice: User, relay: Credential) -> None:
    page = sign_in(alice)
    done = f"done-{uuid4().hex[:8]}"
    page.get_by_label("Paste task ids").fill(f"{done}\nhello")
    expect(page.locator("#preview")).to_contain_text("1 new")
    expect(page.locator("#preview")).to_contain_text("is not a task id")
    page.get_by_role("button", name="Track").click()
    expect(page.locator(".task .state")).to_have_text("Done")
    expect(page.get_by_label("Paste task ids")).to_have_value("")
    expect(page.locator("#messages")).to_contain_text("1 tracked, 1 invalid")


def test_what_cannot_be_tracked_is_kept(sign_in: SignIn, alice: User, relay: Credential) -> None:
    page = sign_in(alice)
    track(page, "hello there")
    expect(page.locator("#ids-error")).to_have_text("There is no task id in this text.")
    expect(page.get_by_label("Paste task ids")).to_have_value("hello there")
    assert page.url.endswith("/")


def test_typing_on_while_the_preview_is_asked_for_is_no_error(sign_in: SignIn, alice: User, relay: Credential) -> None:
    page = sign_in(alice)
    page.route("**/track/preview/", lambda route: (page.wait_for_timeout(400), route.continue_()))
    page.get_by_label("Paste task ids").press_sequentially("id-000001 id-000002 ", delay=120)
    expect(page.locator("#preview")).to_contain_text("2 new")
    page.get_by_label("Paste task ids").fill("\x01\x02")
    expect(page.locator("#preview")).to_have_text("Nothing in it looks like a task id.")


def test_a_bar_moves_and_a_card_ends_without_a_reload(
    sign_in: SignIn, alice: User, relay: Credential, poll: Callable[[], None]
) -> None:
    page = sign_in(alice)
    page.evaluate("window.isTheSamePage = true")
    task_id = f"pace240-{uuid4().hex[:8]}"
    track(page, task_id)
    one = page.locator(".task")
    expect(one.locator("progress")).to_be_visible()
    seen = set()
    for _ in range(40):
        poll()
        page.wait_for_timeout(400)
        if one.locator("progress").count() == 0:
            break
        seen.add(
            one.locator("progress").get_attribute("value", timeout=1000) if one.locator("progress").count() else None
        )
    expect(one.locator(".state")).to_have_text("Done")
    assert len(seen) > 2
    assert page.evaluate("window.isTheSamePage")
    expect(page.locator("#refresher[hx-get]")).to_have_count(0)
    expect(page.locator("#announcer")).to_contain_text("Done")


def test_a_clip_plays_on_while_another_card_changes(
    sign_in: SignIn, alice: User, relay: Credential, poll: Callable[[], None]
) -> None:
    page = sign_in(alice)
    track(page, f"done-{uuid4().hex[:8]}", f"pace300-{uuid4().hex[:8]}")
    expect(page.locator(".task")).to_have_count(2)
    page.get_by_role("button", name="Play").first.click()
    page.wait_for_function(f"() => {POSITION} > 0.3")
    last, changes = page.evaluate(POSITION), 0
    before = page.locator(".stack").inner_text()
    for _ in range(5):
        poll()
        page.wait_for_timeout(2200)
        position = page.evaluate(POSITION)
        assert position > last + 1.5
        last = position
        after = page.locator(".stack").inner_text()
        changes += after != before
        before = after
    assert changes
    expect(page.locator(".clip.is-playing")).to_have_count(1)
    page.keyboard.press("Escape")


def test_a_sound_goes_on_from_page_to_page_and_back(sign_in: SignIn, alice: User, relay: Credential) -> None:
    page = sign_in(alice)
    track(page, f"done-{uuid4().hex[:8]}")
    page.get_by_role("button", name="Play").first.click()
    page.wait_for_function(f"() => {POSITION} > 0.3")
    page.evaluate("document.querySelector('#player audio').isTheSame = true")
    page.locator(".task__title a").click()
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    expect(page.locator(".clip.is-playing")).to_have_count(1)
    page.go_back()
    expect(page.get_by_role("heading", name="Board")).to_be_visible()
    assert page.evaluate("document.querySelector('#player audio').isTheSame")
    at = page.evaluate(POSITION)
    page.wait_for_function(f"() => {POSITION} > {at} + 0.3")


def test_seeking_with_mouse_and_keys(sign_in: SignIn, alice: User, relay: Credential) -> None:
    page = sign_in(alice)
    track(page, f"done-{uuid4().hex[:8]}")
    page.get_by_role("button", name="Play").first.click()
    page.wait_for_function(f"() => {POSITION} > 0.2")
    seek = page.get_by_label("Position")
    box = seek.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.6, box["y"] + box["height"] / 2)
    length = page.evaluate("document.querySelector('#player audio').duration")
    page.wait_for_function(f"() => Math.abs({POSITION} - {length} * 0.6) < 3")
    assert " of " in (seek.get_attribute("aria-valuetext") or "")
    at = page.evaluate(POSITION)
    seek.press("ArrowLeft")
    page.wait_for_function(f"() => {POSITION} < {at} - 2")
    page.locator("h1").click()
    page.keyboard.press("Space")
    page.wait_for_function("() => document.querySelector('#player audio').paused")
    page.keyboard.press("n")
    page.wait_for_function(f"() => !document.querySelector('#player audio').paused && {POSITION} < 5")


def test_one_sound_at_a_time(sign_in: SignIn, alice: User, relay: Credential) -> None:
    page = sign_in(alice)
    track(page, f"done-{uuid4().hex[:8]}")
    page.get_by_role("button", name="Play").first.click()
    page.wait_for_function(f"() => {POSITION} > 0.2")
    page.evaluate("document.querySelector('.clip__native').play()")
    page.wait_for_function("() => document.querySelector('#player audio').paused")


def test_the_player_says_why_it_cannot(sign_in: SignIn, alice: User, relay: Credential, complaints: list[str]) -> None:
    page = sign_in(alice)
    track(page, f"expired-{uuid4().hex[:8]}")
    page.get_by_role("button", name="Play").first.click()
    expect(page.locator("#player [data-player-line]")).to_contain_text("Link expired")
    expect(page.locator(".clip__says--bad")).to_have_count(1)
    # The browser itself logs that the sound did not load.
    complaints[:] = [one for one in complaints if "410" not in one]


def test_focus_menus_and_typed_text_survive_a_refresh(sign_in: SignIn, alice: User, credential: Credential) -> None:
    task = make_task(credential, "id-000001", title="City Lights", progress=10)
    page = sign_in(alice)
    menu = page.locator(".task__menu")
    menu.locator("summary").click()
    menu.locator("summary").focus()
    page.get_by_label("Search title").evaluate("field => field.value = 'typing'")
    MusicTask.objects.filter(pk=task.pk).update(progress=55, stamp=9)
    expect(page.locator("progress")).to_have_attribute("value", "55")
    assert menu.evaluate("menu => menu.open")
    assert page.evaluate("document.activeElement.matches('.task__menu summary')")
    expect(page.get_by_label("Search title")).to_have_value("typing")


def test_a_hidden_tab_rests_and_asks_at_once_on_return(sign_in: SignIn, alice: User, credential: Credential) -> None:
    make_task(credential, "id-000001")
    page = sign_in(alice)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/refresh/" in request.url else None)
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    page.wait_for_timeout(2500)
    asked.clear()
    page.wait_for_timeout(4500)
    assert asked == []
    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(500)
    assert len(asked) == 1


def test_a_lost_connection_is_said_and_recovers(
    sign_in: SignIn, alice: User, credential: Credential, complaints: list[str]
) -> None:
    make_task(credential, "id-000001")
    page = sign_in(alice)
    page.route("**/refresh/**", lambda route: route.fulfill(status=503))
    expect(page.locator("#connection")).to_have_text("Connection lost, trying again")
    page.unroute("**/refresh/**")
    expect(page.locator("#connection")).to_have_text("")
    complaints.clear()


def test_removing_a_card_can_be_undone(sign_in: SignIn, alice: User, credential: Credential) -> None:
    make_task(credential, "id-000001", title="City Lights")
    page = sign_in(alice)
    page.locator(".task__menu summary").click()
    page.get_by_role("button", name="Remove").click()
    expect(page.locator(".task")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".task")).to_have_count(1)


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.innerText"))


def test_the_focus_stays_at_the_card(sign_in: SignIn, alice: User, relay: Credential) -> None:
    page = sign_in(alice)
    page.get_by_label("Paste task ids").fill(f"queued-{uuid4().hex[:8]}")
    page.get_by_role("button", name="Track").click()
    expect(page.locator(".task .state")).to_have_text("Queued")
    page.wait_for_timeout(200)
    assert focused(page) == "Track"
    for name, state in (("Check now", "Queued"), ("Stop tracking", "Stopped")):
        page.locator(".task__menu summary").click()
        with page.expect_response("**/tasks/**"):
            page.get_by_role("button", name=name).click()
        expect(page.locator(".task .state")).to_have_text(state)
        page.wait_for_timeout(200)
        assert focused(page).startswith("More: ")
    with page.expect_response("**/tasks/**"):
        page.locator(".task__do").click()
    expect(page.locator(".task .state")).to_have_text("Queued")
    page.wait_for_timeout(200)
    assert focused(page).startswith("More: ")


def test_the_focus_stays_on_the_page_of_a_task(sign_in: SignIn, alice: User, credential: Credential) -> None:
    make_task(credential, "id-000001", title="City Lights")
    page = sign_in(alice)
    page.locator(".task__title a").click()
    page.get_by_role("button", name="Stop tracking").click()
    expect(page.locator(".panel .state")).to_have_text("Stopped")
    page.wait_for_timeout(200)
    assert page.evaluate("document.activeElement.closest('.panel') !== null")
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("heading", name="Board")).to_be_visible()
    expect(page.get_by_role("button", name="Undo")).to_be_focused()


def test_after_removing_the_focus_is_at_the_way_back(sign_in: SignIn, alice: User, credential: Credential) -> None:
    make_task(credential, "id-000001", title="City Lights")
    make_task(credential, "id-000002", title="Neon")
    page = sign_in(alice)
    page.locator(".task__menu summary").first.focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Remove").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".task")).to_have_count(1)
    expect(page.get_by_role("button", name="Undo")).to_be_focused()


def test_the_last_card_of_a_page_leaves_words_behind(sign_in: SignIn, alice: User, credential: Credential) -> None:
    make_task(credential, "id-000001", title="City Lights")
    make_task(credential, "id-000002", title="Neon")
    page = sign_in(alice)
    page.goto(page.url + "?q=neon")
    page.locator(".task__menu summary").click()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    expect(page.get_by_role("button", name="Undo")).to_be_focused()
    page.goto(page.url.split("?")[0])
    page.locator(".task__menu summary").click()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("No tasks yet")).to_be_visible()


def test_a_provider_that_hangs_is_told_while_it_hangs(sign_in: SignIn, alice: User, relay: Credential) -> None:
    page = sign_in(alice)
    track(page, f"fault-hang-{uuid4().hex[:8]}")
    expect(page.locator(".task .state")).to_have_text("Asking …")
    expect(page.get_by_text("No answer yet, still trying.")).to_be_hidden()
    expect(page.get_by_text("No answer yet, still trying.")).to_be_visible()


def test_search_and_chips_stand_in_the_address_and_back_works(
    sign_in: SignIn, alice: User, credential: Credential
) -> None:
    make_task(credential, "id-000001", title="City Lights")
    make_task(credential, "id-000002", title="Neon", status="failed", ended="final", shelf="failed")
    page = sign_in(alice)
    page.keyboard.press("/")
    page.keyboard.type("city")
    expect(page.locator(".task")).to_have_count(1)
    assert page.url.endswith("?q=city")
    expect(page.get_by_label("Search title")).to_be_focused()
    page.get_by_role("link", name="Failed").click()
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    page.go_back()
    expect(page.locator(".task")).to_have_count(1)
    expect(page.get_by_label("Search title")).to_have_value("city")


def test_by_keyboard_alone(sign_in: SignIn, alice: User, relay: Credential) -> None:
    page = sign_in(alice)
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Paste task ids")).to_be_focused()
    page.keyboard.type(f"done-{uuid4().hex[:8]}")
    page.keyboard.press("Enter")
    expect(page.locator(".task .state")).to_have_text("Done")
    page.get_by_role("button", name="Play").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_function(f"() => {POSITION} > 0.2")


@pytest.fixture
def credential(team: Team, alice: User) -> Credential:
    return make_credential(team, alice, base_url="http://127.0.0.1:9")


def test_it_works_without_javascript(
    browser: object, live_server: object, sign_in: SignIn, alice: User, relay: Credential, demo: DemoServer
) -> None:
    cookies = sign_in(alice).context.cookies()
    context = browser.new_context(java_script_enabled=False)  # type: ignore[attr-defined]
    context.add_cookies(cookies)
    page = context.new_page()
    page.goto(live_server.url)  # type: ignore[attr-defined]
    page.get_by_label("Paste task ids").fill(f"done-{uuid4().hex[:8]}")
    page.get_by_role("button", name="Track").click()
    expect(page.locator(".task .state")).to_have_text("Done")
    expect(page.locator("audio.clip__native").first).to_be_visible()
    page.locator(".task__menu summary").click()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    context.close()
