"""Django's admin, behind our sign-in, without a key on any page."""

from __future__ import annotations

import re

import pytest
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.test import Client
from django.utils import timezone

from tests.conftest import make_credential
from tracker.models import Clip, Credential, EntryLink, Membership, MusicTask, Team, User
from tracker.models.credentials import Hold

INLINE = re.compile(r"<script(?![^>]*\bsrc=)(?![^>]*type=\"(?:application/json|text/template)\")|\son[a-z]+=\"|<style")


@pytest.fixture
def root(client: Client, alice: User) -> Client:
    """A browser in which Alice administers."""
    User.objects.filter(pk=alice.pk).update(is_staff=True, is_superuser=True)
    client.force_login(alice)
    return client


@pytest.fixture
def stored(team: Team, alice: User) -> Credential:
    return make_credential(team, alice, base_url="https://relay.example.org")


def track(credential: Credential, *task_ids: str) -> list[MusicTask]:
    return MusicTask.objects.track(
        team=credential.team, credential=credential, task_ids=task_ids, added_by=credential.owner, now=timezone.now()
    )


@pytest.mark.django_db
def test_the_admin_stands_behind_our_sign_in(client: Client) -> None:
    response = client.get("/admin/", follow=True)
    assert response.redirect_chain[-1][0].startswith("/accounts/login/")
    page = client.get("/admin/login/", follow=True).content.decode()
    assert 'name="login"' in page
    assert 'name="username"' not in page


def test_somebody_who_does_not_administer_is_refused(signed_in: Client) -> None:
    assert signed_in.get("/admin/", follow=True).status_code in {403, 404}


def test_every_page_of_the_admin_works_and_has_nothing_inline(root: Client, stored: Credential, bob: User) -> None:
    task = track(stored, "one")[0]
    clip = Clip.objects.create(task=task, position=0)
    rows = {
        "user": bob.pk,
        "team": stored.team_id,
        "membership": Membership.objects.filter(user=bob).get().pk,
        "credential": stored.pk,
        "musictask": task.pk,
        "clip": clip.pk,
        "taskevent": task.events.get().pk,
    }
    pages = ["/admin/"]
    for name, pk in rows.items():
        pages += [f"/admin/tracker/{name}/", f"/admin/tracker/{name}/{pk}/change/", f"/admin/tracker/{name}/?q=one"]
    pages += [f"/admin/tracker/{name}/add/" for name in ("user", "team", "membership")]
    for page in pages:
        response = root.get(page)
        assert response.status_code == 200, page
        assert not INLINE.search(response.content.decode()), page


@pytest.mark.parametrize("name", ["credential", "musictask", "clip", "taskevent"])
def test_what_others_write_is_not_added_here(root: Client, name: str) -> None:
    assert root.get(f"/admin/tracker/{name}/add/").status_code == 403


@pytest.mark.parametrize("name", ["credential", "musictask", "clip", "taskevent", "user", "membership"])
def test_a_list_takes_the_same_number_of_queries_for_one_row_and_for_many(
    root: Client, stored: Credential, team: Team, django_assert_max_num_queries: object, name: str
) -> None:
    for number in range(12):
        person = User.objects.create_user(f"person{number}@example.org", None, name=f"Person {number}")
        Membership.objects.create(team=team, user=person)
        credential = make_credential(team, person, base_url="https://relay.example.org")
        for task in track(credential, f"task-{number}"):
            Clip.objects.create(task=task, position=0)
    root.get(f"/admin/tracker/{name}/")
    with django_assert_max_num_queries(8):  # type: ignore[operator]
        root.get(f"/admin/tracker/{name}/")


def test_a_big_table_is_counted_up_to_a_limit_only(root: Client, stored: Credential) -> None:
    paginator = admin.site.get_model_admin(MusicTask).paginator
    track(stored, *(f"task-{number}" for number in range(60)))
    made = paginator(MusicTask.objects.order_by("-pk"), 50)
    assert (made.count, made.num_pages) == (60, 2)
    made.COUNTED_ROWS = 55
    assert paginator(MusicTask.objects.order_by("-pk"), 50).count == 60


def test_a_key_is_shown_by_its_last_four_and_cannot_be_changed(root: Client, stored: Credential) -> None:
    address = f"/admin/tracker/credential/{stored.pk}/change/"
    page = root.get(address).content.decode()
    assert "…a1b2" in page
    assert stored.sealed_key not in page
    root.post(address, {"sealed_key": "x", "label": "Mallory", "base_url": "https://collector.example.org"})
    stored.refresh_from_db()
    assert (stored.label, stored.base_url) == ("suno-fetch 0", "https://relay.example.org")
    assert stored.reveal()


@pytest.mark.parametrize(
    ("action", "state", "hold"),
    [
        ("rest_keys", Credential.State.RESTING, Hold.KEY_REFUSED),
        ("disable_keys", Credential.State.DISABLED, Hold.DISABLED),
        ("wake_keys", Credential.State.ACTIVE, Hold.NONE),
    ],
)
def test_an_admin_rests_wakes_and_disables(
    root: Client, stored: Credential, action: str, state: str, hold: str
) -> None:
    track(stored, "one")
    root.post("/admin/tracker/credential/", {"action": action, "_selected_action": [stored.pk]})
    stored.refresh_from_db()
    assert stored.state == state
    assert MusicTask.objects.get().hold == hold


def test_deleting_a_credential_here_leaves_its_tasks_too(root: Client, stored: Credential) -> None:
    track(stored, "one")
    root.post(f"/admin/tracker/credential/{stored.pk}/delete/", {"post": "yes"})
    assert not Credential.objects.exists()
    assert MusicTask.objects.get().hold == Hold.NO_CREDENTIAL


def test_a_person_is_added_with_their_address_in_lower_case(root: Client) -> None:
    password = "an otter swims by day"
    form = {
        "email": "Dora@Example.org",
        "name": "Dora",
        "usable_password": "true",
        "password1": password,
        "password2": password,
        "memberships-TOTAL_FORMS": "0",
        "memberships-INITIAL_FORMS": "0",
    }
    assert root.post("/admin/tracker/user/add/", form).status_code == 302
    dora = User.objects.get(email="dora@example.org")
    assert dora.check_password(password)
    page = root.get(f"/admin/tracker/user/{dora.pk}/change/").content.decode()
    assert dora.password not in page
    assert "argon2" not in page
    assert "md5" not in page


def test_a_second_factor_can_be_taken_off_and_its_secret_is_not_shown(root: Client, bob: User) -> None:
    factor = Authenticator.objects.create(user=bob, type="totp", data={"secret": "JBSWY3DPEHPK3PXP"})
    address = f"/admin/mfa/authenticator/{factor.pk}/"
    for page in ("/admin/mfa/authenticator/", f"{address}change/", f"{address}delete/"):
        response = root.get(page)
        assert response.status_code == 200
        assert "JBSWY3DPEHPK3PXP" not in response.content.decode()
    root.post(f"{address}delete/", {"post": "yes"})
    assert not Authenticator.objects.exists()


def test_links_that_let_somebody_in_are_not_shown(root: Client) -> None:
    assert not admin.site.is_registered(EntryLink)
