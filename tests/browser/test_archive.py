"""A kept song in a real browser, after its provider has gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.archive.conftest import use_folder
from tests.browser.conftest import SignIn
from tests.test_poller import track
from tracker.archive.upkeep import archive_now
from tracker.checking import check_now
from tracker.demo.running import demo_server
from tracker.models import Clip, Credential, Team, User

pytestmark = pytest.mark.browser

SEEK = """async (address) => {
    const sound = new Audio(address);
    sound.muted = true;
    await sound.play();
    const target = sound.duration - 4;
    sound.currentTime = target;
    await new Promise(resolve => { sound.onseeked = resolve; });
    await new Promise(resolve => { sound.ontimeupdate = () => sound.currentTime > target && resolve(); });
    const at = sound.currentTime;
    sound.pause();
    return [sound.duration, target, at];
}"""


def _in_thread(work: Any) -> None:
    """Playwright's loop runs in this thread; what starts a loop of its own needs another."""
    from concurrent.futures import ThreadPoolExecutor

    from django.db import connections

    def alone() -> None:
        try:
            work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(alone).result()


def test_a_kept_song_plays_and_seeks_when_its_provider_has_gone(
    sign_in: SignIn, team: Team, alice: User, tmp_path: Path, settings: Any
) -> None:
    settings.OUTBOUND_ALLOW_NETS = ["127.0.0.0/8"]
    use_folder(settings, tmp_path / "archive")
    with demo_server(speed=20) as provider:
        credential = Credential(
            team=team, owner=alice, provider="qhaigc", label="Key", base_url=f"{provider.url}/qhaigc"
        )
        credential.seal("sk-test-0123456789")
        credential.save()
        tasks = track(credential, "done-browser-1")
        _in_thread(lambda: check_now([task.pk for task in tasks]))
        _in_thread(archive_now)
    page = sign_in(alice)
    clip = Clip.objects.order_by("position")[0]
    duration, target, at = page.evaluate(SEEK, f"/clips/{clip.public_id}/sound/")
    assert duration > 20
    assert at > target > 10
    cover = page.locator(f"#clip-{clip.public_id} .cover img")
    expect(cover).to_be_visible()
    assert cover.evaluate("one => one.decode().then(() => [one.naturalWidth, one.naturalHeight])") == [128, 128]
    expect(page.locator(".clip__kept")).to_have_count(0)

    # A press on the outline plays from there, and the outline shows how far it has come.
    wave = page.locator(f"#clip-{clip.public_id} .clip__wave")
    box = wave.bounding_box()
    assert box is not None
    wave.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
    audio = "document.querySelector('#player audio')"
    page.wait_for_function(f"() => !{audio}.paused && {audio}.currentTime > {duration / 2}")
    assert page.evaluate(f"{audio}.currentTime") < duration / 2 + 5
    assert 48 < float(wave.evaluate("one => one.style.getPropertyValue('--at')").rstrip("%")) < 70
