"""The team's pages in a browser: accessible, usable on a phone and without a script, and links that can be copied."""

from __future__ import annotations

from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.browser.conftest import SignIn
from tracker.models import Activity, Invitation, Membership, Role, Team, User
from tracker.models.people import found_team


@pytest.fixture
def full_team(team: Team, alice: User, bob: User) -> Team:
    """With a viewer, two invitations, activity, and another team beside it."""
    vera = User.objects.create_user("vera@example.org", "correct horse battery", name="Vera " + "long" * 17)
    Membership.objects.create(team=team, user=vera, role=Role.VIEWER)
    own = Membership.objects.get(user=alice, team=team)
    now = timezone.now()
    for email in ("", "somebody.with.a.long.address@an-even-longer-domain.example.org"):
        Invitation.issue(by=own, role=Role.MEMBER, email=email, lifetime=timedelta(days=7), now=now)
    for kind in Activity.Kind:
        Activity.objects.note(kind, team=team, actor=bob, now=now, subject="An" + "exceedingly" * 9, role="member")
    found_team("Late Night Radio", owner=alice)
    return team


def addresses(team: Team) -> list[str]:
    member = Membership.objects.get(team=team, role=Role.MEMBER).public_id
    own = Membership.objects.get(team=team, role=Role.OWNER).public_id
    return [
        "/team/", "/team/activity/", "/team/activity/?kind=left&person=999", "/team/new/", "/team/transfer/",
        "/team/delete/", f"/team/members/{member}/remove/", f"/account/leave/{own}/", "/account/", "/account/delete/",
        "/join/unknown/", f"/join/{Invitation.objects.first().token}/",
    ]  # fmt: skip


def is_clean(page: Page) -> None:
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing(
    sign_in: SignIn, alice: User, full_team: Team, complaints: list[str], theme: str, width: int
) -> None:
    User.objects.filter(pk=alice.pk).update(theme=theme)
    page = sign_in(alice)
    page.set_viewport_size({"width": width, "height": 800})
    origin = page.url.rstrip("/")
    for address in addresses(full_team):
        page.goto(origin + address)
        is_clean(page)
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        is_clean(page)
    # The page of a link that ended has a status of its own.
    assert len(complaints) == 1
    complaints.clear()


@pytest.mark.parametrize("width", [390, 320])
def test_a_phone_never_scrolls_sideways_and_targets_are_large(
    sign_in: SignIn, alice: User, full_team: Team, complaints: list[str], width: int
) -> None:
    page = sign_in(alice)
    page.set_viewport_size({"width": width, "height": 800})
    origin = page.url.rstrip("/")
    for address in addresses(full_team):
        page.goto(origin + address)
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, address
        small = page.evaluate(
            """() => [...document.querySelectorAll('button, summary, select, .btn, .rail a, main input')]
                .filter(one => one.offsetParent !== null && one.getBoundingClientRect().height > 0)
                .filter(one => one.getBoundingClientRect().height < 43.5 || one.getBoundingClientRect().width < 43.5)
                .map(one => one.outerHTML.slice(0, 120))"""
        )
        assert small == [], address
    complaints.clear()


@pytest.mark.parametrize("width", [1280, 390])
def test_the_team_is_chosen_from_the_switcher(sign_in: SignIn, alice: User, full_team: Team, width: int) -> None:
    page = sign_in(alice)
    page.set_viewport_size({"width": width, "height": 800})
    page.get_by_label("Choose another").click()
    page.get_by_role("button", name="Late Night Radio").click()
    expect(page.locator(".switch summary")).to_contain_text("Late Night Radio")
    page.get_by_role("link", name="Team", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Late Night Radio")
    expect(page.get_by_role("link", name="Team", exact=True)).to_have_attribute("aria-current", "page")


def test_a_link_is_copied_with_one_press(sign_in: SignIn, alice: User, full_team: Team) -> None:
    page = sign_in(alice)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(page.url + "team/")
    page.get_by_role("button", name="Make an invitation").click()
    new = page.locator(".invitation--new")
    new.get_by_role("button", name="Copy").click()
    expect(new.get_by_role("button", name="Copied")).to_be_visible()
    link = new.get_by_label("Link of the invitation").input_value()
    assert page.evaluate("navigator.clipboard.readText()") == link
    assert link.endswith(f"/join/{Invitation.objects.order_by('-pk').first().token}/")


def test_without_a_script_everything_works(
    sign_in: SignIn, alice: User, bob: User, full_team: Team, live_server: LiveServer, browser: Browser
) -> None:
    cookies = sign_in(alice).context.cookies()
    context = browser.new_context(java_script_enabled=False)
    context.add_cookies(cookies)
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.goto(f"{live_server.url}/team/")
    page.get_by_label("Change Bob").click()
    row = page.locator(".member").filter(has_text="bob@example.org")
    row.get_by_label("Role").select_option("admin")
    row.get_by_role("button", name="Change role").click()
    expect(row.locator(".member__role")).to_have_text("Admin")
    page.get_by_role("link", name="Activity").click()
    page.get_by_label("Who").select_option(label="Alice")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".deed").first).to_contain_text("Alice changed the role of Bob: Member → Admin")
    page.get_by_label("Choose another").click()
    page.get_by_role("button", name="Late Night Radio").click()
    expect(page.locator(".switch summary")).to_contain_text("Late Night Radio")
    context.close()


def test_the_filter_of_the_activity_submits_itself(sign_in: SignIn, alice: User, full_team: Team) -> None:
    page = sign_in(alice)
    page.goto(page.url + "team/activity/")
    page.get_by_label("What").select_option("left")
    expect(page.locator(".deed")).to_have_count(1)
    assert "kind=left" in page.url
    page.go_back()
    expect(page.locator(".deed")).not_to_have_count(1)
