"""A shared song in a stranger's browser: heard within two taps, in both languages, gone when it is revoked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, Route, expect
from pytest_django.live_server_helper import LiveServer

from tests.browser.conftest import SignIn
from tests.browser.test_pages import is_clean
from tests.browser.test_player import control
from tests.views.test_board import make_task
from tracker.demo.running import DemoServer
from tracker.models import Clip, Credential, MusicTask, ShareLink, User

POSITION = "document.getElementById('sound').currentTime"
PASSWORD = "sesame-open"
Share = Callable[..., str]
pytestmark = pytest.mark.usefixtures("transactional_db")


@pytest.fixture
def task(transactional_db: None, relay: Credential, poll: Callable[[], None]) -> MusicTask:
    """A finished task of the simulated provider."""
    ids = [f"done-{uuid4().hex[:8]}"]
    MusicTask.objects.track(team=relay.team, credential=relay, task_ids=ids, added_by=None, now=timezone.now())
    poll()
    return MusicTask.objects.get()


@pytest.fixture
def share(task: MusicTask, alice: User, live_server: LiveServer) -> Share:
    """Makes a link and tells its address."""

    def make(of: MusicTask | None = None, **limits: Any) -> str:
        end = timezone.now() + timedelta(days=30)
        link = ShareLink.objects.share(of or task, by=alice, now=timezone.now(), **{"expires_at": end, **limits})
        return f"{live_server.url}/s/{link.token}/"

    return make


@pytest.fixture
def phone(page: Page) -> Page:
    page.set_viewport_size({"width": 390, "height": 844})
    return page


def hears(page: Page, seconds: float) -> None:
    page.wait_for_function(f"() => {POSITION} > {seconds}")


def test_a_stranger_plays_with_one_tap_seeks_and_changes_the_song(phone: Page, share: Share) -> None:
    phone.goto(share())
    phone.locator("[data-toggle]").click()
    hears(phone, 0.4)
    expect(phone.get_by_role("button", name="Pause")).to_be_visible()
    phone.get_by_role("slider", name="Position").fill("20")
    hears(phone, 20.3)
    assert phone.evaluate(POSITION) < 30
    phone.locator("#clip-2 [data-choose]").click()
    phone.wait_for_function(f"() => {POSITION} > 0.3 && {POSITION} < 15")
    expect(phone.locator(".version.is-playing")).to_have_count(1)
    expect(phone.locator("#clip-2")).to_have_class("version is-current is-playing")
    phone.keyboard.press("Tab")
    phone.evaluate("document.activeElement.blur()")
    phone.keyboard.press(" ")
    expect(phone.locator("#clip-2.is-playing")).to_have_count(0)


def test_a_tap_before_the_player_is_there_is_not_lost(phone: Page, share: Share) -> None:
    held: list[Route] = []
    phone.route("**/player/sound*.js", lambda route: held.append(route))
    phone.goto(share(), wait_until="commit")
    phone.locator("[data-toggle]").click()
    phone.wait_for_timeout(300)
    assert phone.evaluate(POSITION) == 0
    for route in held:
        route.continue_()
    hears(phone, 0.3)


def test_the_sound_is_gone_when_the_link_is_revoked(
    phone: Page, share: Share, alice: User, complaints: list[str]
) -> None:
    address = share()
    phone.goto(address)
    phone.locator("[data-toggle]").click()
    hears(phone, 0.3)
    assert phone.request.get(f"{address}sound/1/", headers={"Range": "bytes=0-9"}).status == 206
    ShareLink.objects.get().revoke(by=alice, now=timezone.now())
    assert phone.request.get(f"{address}sound/1/", headers={"Range": "bytes=0-9"}).status == 404
    phone.locator("#clip-2 [data-choose]").click()
    expect(phone.get_by_role("heading", name="This link leads nowhere")).to_be_visible()
    complaints[:] = [one for one in complaints if "404" not in one]


def test_a_song_appears_and_another_one_plays_on(phone: Page, share: Share, task: MusicTask) -> None:
    second = task.clips.all()[1]
    audio_url = second.audio_url
    MusicTask.objects.update(status="running", ended="")
    Clip.objects.filter(pk=second.pk).update(audio_url="", stream_url="", state="running")
    phone.goto(share())
    expect(phone.locator("#clip-2")).to_contain_text("Still being made")
    phone.locator("[data-toggle]").click()
    hears(phone, 0.3)
    phone.evaluate("document.getElementById('sound').isTheSame = true")
    phone.locator("#lyrics summary").click()
    Clip.objects.filter(pk=second.pk).update(audio_url=audio_url, state="complete")
    MusicTask.objects.update(status="succeeded", ended="final")
    expect(phone.locator("#clip-2 [data-choose]")).to_be_visible(timeout=15_000)
    assert phone.evaluate("document.getElementById('sound').isTheSame")
    assert phone.evaluate(POSITION) > 1
    assert not phone.evaluate("document.getElementById('sound').paused")
    expect(phone.locator("#clip-1")).to_have_class("version is-current is-playing")
    expect(phone.locator("#lyrics[open]")).to_have_count(0)
    expect(phone.locator("#refresher")).to_have_count(0)


def test_a_song_that_is_still_made_moves_on_to_its_file_at_the_same_place(
    phone: Page, share: Share, relay: Credential, demo: DemoServer, poll: Callable[[], None]
) -> None:
    task_id = f"half-{uuid4().hex[:8]}"
    MusicTask.objects.track(team=relay.team, credential=relay, task_ids=[task_id], added_by=None, now=timezone.now())
    poll()
    phone.goto(share(MusicTask.objects.get(task_id=task_id)))
    number = phone.locator("[data-sound$='?stream']").get_attribute("data-number")
    phone.locator(f"#clip-{number} [data-choose]").click()
    hears(phone, 1)
    control(demo, force={task_id: "done"})
    MusicTask.objects.filter(task_id=task_id).update(next_poll_at=timezone.now())
    poll()
    source = "document.getElementById('sound').src"
    phone.wait_for_function(f"() => !{source}.endsWith('?stream')", timeout=15_000)
    hears(phone, 2)
    expect(phone.locator(f"#clip-{number}.is-playing")).to_have_count(1)
    control(demo, reset=True)


def test_what_cannot_be_played_says_so_and_is_tried_again(
    phone: Page, share: Share, task: MusicTask, complaints: list[str]
) -> None:
    addresses = dict(task.clips.values_list("pk", "audio_url"))
    Clip.objects.update(audio_url="http://127.0.0.1:9/gone.mp3")
    phone.goto(share())
    phone.locator("[data-toggle]").click()
    expect(phone.locator("[data-says]")).to_have_text("This song cannot be played right now. Try again later.")
    for pk, address in addresses.items():
        Clip.objects.filter(pk=pk).update(audio_url=address)
    phone.locator("[data-toggle]").click()
    hears(phone, 0.3)
    expect(phone.locator("[data-says]")).to_have_text("")
    complaints[:] = [one for one in complaints if "404" not in one]


def test_a_password_lets_in_after_one_mistake(phone: Page, share: Share, complaints: list[str]) -> None:
    phone.goto(share(password=PASSWORD))
    phone.get_by_label("Password").fill("wrong")
    phone.get_by_role("button", name="Open").click()
    expect(phone.get_by_role("alert")).to_contain_text("This is not the password")
    phone.get_by_label("Password").fill(PASSWORD)
    phone.get_by_role("button", name="Open").click()
    phone.locator("[data-toggle]").click()
    hears(phone, 0.3)
    # The browser itself logs a 422.
    complaints[:] = [one for one in complaints if "422" not in one]


def test_without_scripts_the_browsers_own_players_play(browser: Browser, share: Share) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(share(allow_download=True))
    expect(page.locator("audio[controls]:visible")).to_have_count(2)
    expect(page.locator(".js-only:visible")).to_have_count(0)
    expect(page.get_by_role("link", name="Download Version B")).to_be_visible()
    context.close()


def test_a_frame_on_another_site_plays(phone: Page, share: Share, demo: DemoServer, complaints: list[str]) -> None:
    address = share(allow_embed=True)
    # Any page of another site will do.
    phone.goto(f"{demo.url}/media/fault/html/x.mp3")
    assert phone.url.partition("/media")[0] not in address
    add = "src => document.body.append(Object.assign(document.createElement('iframe'), { src }))"
    phone.evaluate(add, f"{address}embed")
    frame = phone.frame_locator("iframe")
    frame.locator("[data-toggle]").click()
    expect(frame.locator("[data-elapsed]")).not_to_have_text("0:00")
    # The other site's own page is not there.
    complaints[:] = [one for one in complaints if "404" not in one]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_axe_finds_nothing_and_nothing_scrolls_sideways(
    browser: Browser, share: Share, task: MusicTask, alice: User, scheme: Any, locale: str
) -> None:
    assert task.credential is not None
    making = make_task(task.credential, "making-0001")
    failed = make_task(task.credential, "failed-0001", status="failed", ended="final")
    addresses = [
        share(allow_download=True, show_prompt=True, allow_embed=True), share(clips=[task.clips.all()[0]]),
        share(password=PASSWORD), share(expires_at=timezone.now()), share(making), share(failed),
    ]  # fmt: skip
    context = browser.new_context(locale=locale, color_scheme=scheme, viewport={"width": 390, "height": 844})
    page = context.new_page()
    for address in (*addresses, addresses[0] + "embed", addresses[0][:-4] + "/"):
        page.goto(address)
        assert page.locator("html").get_attribute("lang") == ("en" if locale == "en-US" else "zh-hans")
        is_clean(page)
        for width in (390, 320):
            page.set_viewport_size({"width": width, "height": 844})
            assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, address
    context.close()


def test_making_copying_and_revoking_a_link(
    sign_in: SignIn, alice: User, task: MusicTask, live_server: LiveServer
) -> None:
    page = sign_in(alice)
    page.locator(".task__menu summary").click()
    page.get_by_role("link", name="Share", exact=True).click()
    page.get_by_label("How long").select_option("7")
    page.get_by_role("button", name="Make the link").click()
    expect(page.locator("#messages")).to_contain_text("The link is made")
    link = ShareLink.objects.get()
    expect(page.locator("#main [data-copy]")).to_have_attribute("data-copy", f"{live_server.url}/s/{link.token}/")
    page.get_by_role("link", name="Shares").first.click()
    page.get_by_role("checkbox", name="Choose").check()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Revoke").last.click()
    expect(page.locator("#messages")).to_contain_text("is revoked")
    assert page.request.get(f"{live_server.url}/s/{link.token}/").status == 404


@pytest.mark.parametrize("width", [1280, 390])
def test_the_teams_pages_are_accessible(
    sign_in: SignIn, alice: User, task: MusicTask, share: Share, width: int
) -> None:
    share(password=PASSWORD)
    share(expires_at=timezone.now())
    page = sign_in(alice)
    page.set_viewport_size({"width": width, "height": 800})
    origin = page.url.rstrip("/")
    for address in ("/shares/", f"/tasks/{task.public_id}/share/", f"/shares/{ShareLink.objects.first().public_id}/"):  # type: ignore[union-attr]
        page.goto(origin + address)
        is_clean(page)
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, address
