"""Django's admin, behind our sign-in, without a key on any page."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db.models import Model
from django.test import Client
from django.utils import timezone

from tests.conftest import KEY, make_credential, track
from tracker.models import (
    Activity,
    Clip,
    Credential,
    EntryLink,
    Invitation,
    Membership,
    MusicTask,
    PollerBeat,
    PollTally,
    Role,
    ShareLink,
    Team,
    User,
)
from tracker.models.credentials import Hold
from tracker.models.health import Tally

INLINE = re.compile(r"<script(?![^>]*\bsrc=)(?![^>]*type=\"(?:application/json|text/template)\")|\son[a-z]+=\"|<style")


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


# Never a key ----------------------------------------------------------------------------------------------


def make_secrets(stored: Credential, alice: User) -> tuple[list[MusicTask], list[str]]:
    """A share with a password, an invitation, an activity and a poller; and every secret there is."""
    now = timezone.now()
    tasks = track(stored, "one")
    share = ShareLink(team=stored.team, task=tasks[0], created_by=alice, created_at=now, expires_at=now)
    share.draw_token().set_password("swordfish-0123456789")
    share.save()
    invitation = Invitation(team=stored.team, invited_by=alice, created_at=now, expires_at=now).draw_token()
    invitation.save()
    Activity.objects.note(Activity.Kind.KEY_ADDED, team=stored.team, actor=alice, now=now, subject=stored.label)
    PollerBeat.objects.create(name="host 17 beef", started_at=now, seen_at=now)
    Clip.objects.create(task=tasks[0], position=0)
    secrets = [KEY, stored.sealed_key, alice.password, share.password]
    secrets += [share.token, share.token_hash, share.sealed_token]
    secrets += [invitation.token, invitation.token_hash, invitation.sealed_token]
    return tasks, secrets


def every_model() -> list[tuple[str, type[Model]]]:
    return [(f"/admin/{model._meta.app_label}/{model._meta.model_name}/", model) for model in admin.site._registry]


def test_no_page_of_the_admin_holds_a_secret(root: Client, stored: Credential, alice: User) -> None:
    alice.refresh_from_db()
    _tasks, secrets = make_secrets(stored, alice)
    root.post("/admin/tracker/credential/", {"action": "disable_keys", "_selected_action": [stored.pk]})
    user = f"/admin/tracker/user/{alice.pk}/change/"
    rights = dict.fromkeys(("is_active", "is_staff", "is_superuser"), "on")
    places = {"memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0}
    root.post(user, {"email": alice.email, "name": "Alice", **rights, **places})
    pages = [("/admin/", ""), ("/admin/operations/", "")]
    for address, model in every_model():
        pages += [(address, ""), (address, KEY), (address, stored.sealed_key[:40])]
        for row in model._default_manager.all()[:3]:
            pages += [(f"{address}{row.pk}/{page}/", "") for page in ("change", "history", "delete")]
    seen = 0
    for page, searched in pages:
        response = root.get(page, {"q": searched} if searched else {})
        assert response.status_code in {200, 403}, page
        html = unescape(response.content.decode())
        # A list repeats what was searched for, and nothing else.
        assert not [secret for secret in secrets if secret in html and secret != searched], (page, searched)
        seen += response.status_code == 200
    assert seen > 60
    assert LogEntry.objects.exists()
    for entry in LogEntry.objects.all():
        assert not [secret for secret in secrets if secret in entry.object_repr + entry.change_message]


def test_nothing_is_found_by_a_secret(root: Client, stored: Credential, alice: User) -> None:
    _tasks, secrets = make_secrets(stored, alice)
    for address, _model in every_model():
        for secret in secrets:
            page = root.get(address, {"q": secret}).content.decode()
            assert 'name="_selected_action"' not in page, (address, secret)


@pytest.mark.parametrize(
    "lookup",
    [
        "credential/?sealed_key__startswith=g",
        "credential/?sealed_key=g",
        "credential/?sealed_key__regex=.",
        "credential/?owner__password__startswith=a",
        "musictask/?credential__sealed_key__startswith=g",
        "musictask/?shares__sealed_token__startswith=g",
        "clip/?task__credential__sealed_key__startswith=g",
        "user/?credentials__sealed_key__startswith=g",
        "user/?password__startswith=a",
        "team/?credentials__sealed_key__startswith=g",
        "team/?invitations__sealed_token__startswith=g",
        "membership/?user__password__startswith=a",
        "membership/?team__credentials__sealed_key__startswith=g",
        "sharelink/?token_hash__startswith=a",
        "sharelink/?password__startswith=a",
        "invitation/?sealed_token__startswith=g",
        "invitation/?token_hash__startswith=a",
        "activity/?actor__password__startswith=a",
    ],
)
def test_a_filter_typed_into_the_address_tells_nothing_of_a_secret(
    root: Client, stored: Credential, alice: User, lookup: str
) -> None:
    make_secrets(stored, alice)
    assert root.get(f"/admin/tracker/{lookup}").status_code == 400


def test_a_second_factors_secret_is_not_found_by_a_filter(root: Client) -> None:
    assert root.get("/admin/mfa/authenticator/?data__contains=J").status_code == 400


def test_the_list_of_credentials_tells_how_each_is(root: Client, stored: Credential) -> None:
    track(stored, "one", "two", "three")[0].stop(actor=None, now=timezone.now())
    PollTally.add([Tally(stored.pk, stored.provider, timezone.now(), 40, 6)])
    page = re.sub(r"<[^>]+>", " ", root.get("/admin/tracker/credential/").content.decode())
    assert re.search(r"15 % of 40\s+2\s", page)


def test_keys_are_tested_from_the_list(root: Client, relay: Credential, team: Team, alice: User) -> None:
    refused = make_credential(team, alice, base_url=relay.base_url, key="refused-0123456789")
    broken = make_credential(team, alice, base_url=relay.base_url)
    Credential.objects.filter(pk=broken.pk).update(sealed_key="spoiled")
    chosen = {"action": "test_keys", "_selected_action": [relay.pk, refused.pk, broken.pk]}
    page = unescape(root.post("/admin/tracker/credential/", chosen, follow=True).content.decode())
    assert f"{relay}: It works".lower() in page.lower()
    assert "refused this key (401)" in page
    assert f"{broken}: The stored key can no longer be opened".lower() in page.lower()
    assert "refused-0123456789" not in page


def test_what_an_admin_does_with_a_key_stands_in_the_teams_activity(root: Client, stored: Credential) -> None:
    for action in ("disable_keys", "wake_keys"):
        root.post("/admin/tracker/credential/", {"action": action, "_selected_action": [stored.pk]})
    root.post(f"/admin/tracker/credential/{stored.pk}/delete/", {"post": "yes"})
    kinds = list(Activity.objects.order_by("pk").values_list("kind", "subject", "actor__name"))
    assert kinds == [(kind, stored.label, "Alice") for kind in ("key_disabled", "key_woken", "key_deleted")]


def test_an_invitation_and_a_share_are_revoked_here(root: Client, stored: Credential, alice: User) -> None:
    make_secrets(stored, alice)
    Invitation.objects.update(expires_at=timezone.now() + timedelta(days=1))
    for name, model in (("invitation", Invitation), ("sharelink", ShareLink)):
        chosen = {"action": "revoke_them", "_selected_action": [model.objects.get().pk]}
        root.post(f"/admin/tracker/{name}/", chosen)
        assert model.objects.get().revoked_at is not None


# A team keeps an owner ------------------------------------------------------------------------------------


def owners(team: Team) -> list[str]:
    return sorted(place.user.name for place in team.memberships.filter(role=Role.OWNER).select_related("user"))


def test_the_last_owner_stays_owner(root: Client, team: Team, alice: User, bob: User) -> None:
    place = Membership.objects.get(user=alice)
    address = f"/admin/tracker/membership/{place.pk}/change/"
    for role, user in ((Role.ADMIN, alice), (Role.MEMBER, alice)):
        page = root.post(address, {"team": team.pk, "user": user.pk, "role": role}).content.decode()
        assert "A team keeps an owner. Make somebody else an owner of Studio North first." in page
    other = Team.objects.create(name="Elsewhere")
    root.post(address, {"team": other.pk, "user": alice.pk, "role": Role.OWNER})
    assert owners(team) == ["Alice"]
    Membership.objects.filter(user=bob).update(role=Role.OWNER)
    assert root.post(address, {"team": team.pk, "user": alice.pk, "role": Role.ADMIN}).status_code == 302
    assert owners(team) == ["Bob"]


def test_the_last_owner_is_not_deleted_neither_alone_nor_with_others(
    root: Client, team: Team, alice: User, bob: User
) -> None:
    Membership.objects.filter(user=bob).update(role=Role.OWNER)
    places = list(Membership.objects.filter(team=team))
    many = {"action": "delete_selected", "_selected_action": [place.pk for place in places], "post": "yes"}
    root.post("/admin/tracker/membership/", many)
    assert owners(team) == ["Alice", "Bob"]
    root.post(f"/admin/tracker/membership/{Membership.objects.get(user=bob).pk}/delete/", {"post": "yes"})
    assert owners(team) == ["Alice"]
    root.post(f"/admin/tracker/membership/{Membership.objects.get(user=alice).pk}/delete/", {"post": "yes"})
    assert owners(team) == ["Alice"]


def test_a_person_who_alone_owns_a_team_is_not_deleted(root: Client, charlie: User, bob: User) -> None:
    page = root.post(f"/admin/tracker/user/{charlie.pk}/delete/", {"post": "yes"}).content.decode()
    assert "Charlie · Elsewhere" in page
    chosen = {"action": "delete_selected", "_selected_action": [charlie.pk, bob.pk], "post": "yes"}
    root.post("/admin/tracker/user/", chosen)
    assert User.objects.filter(name__in=["Bob", "Charlie"]).count() == 2
    root.post(f"/admin/tracker/user/{bob.pk}/delete/", {"post": "yes"})
    assert not User.objects.filter(name="Bob").exists()


def test_a_team_that_is_deleted_needs_no_owner(root: Client, charlie: User) -> None:
    elsewhere = charlie.teams.get()
    root.post(f"/admin/tracker/team/{elsewhere.pk}/delete/", {"post": "yes"})
    assert not Team.objects.filter(pk=elsewhere.pk).exists()


@pytest.mark.parametrize("change", [{"memberships-0-role": "member"}, {"memberships-0-DELETE": "on"}])
def test_the_places_on_a_teams_and_a_persons_page_keep_an_owner(
    root: Client, team: Team, alice: User, bob: User, change: dict[str, str]
) -> None:
    place = Membership.objects.get(user=alice)
    rows = {
        "memberships-TOTAL_FORMS": 1, "memberships-INITIAL_FORMS": 1, "memberships-0-id": place.pk,
        "memberships-0-team": team.pk, "memberships-0-user": alice.pk, "memberships-0-role": "owner",
    }  # fmt: skip
    pages = {f"team/{team.pk}": {"name": "Renamed"}, f"user/{alice.pk}": {"email": alice.email, "name": "Alice"}}
    for page, fields in pages.items():
        html = root.post(f"/admin/tracker/{page}/change/", {**fields, **rows, **change}).content.decode()
        assert "A team keeps an owner." in html, page
    assert owners(team) == ["Alice"]
    Membership.objects.filter(user=bob).update(role=Role.OWNER)
    fields = {"name": "Renamed", **rows, **change}
    assert root.post(f"/admin/tracker/team/{team.pk}/change/", fields).status_code == 302
    assert owners(team) == ["Bob"]


def test_a_person_who_is_deleted_leaves_tasks_that_say_what_they_need(root: Client, team: Team, bob: User) -> None:
    task = track(make_credential(team, bob, base_url="https://relay.example.org"), "one")[0]
    root.post(f"/admin/tracker/user/{bob.pk}/delete/", {"post": "yes"})
    task.refresh_from_db()
    assert (task.credential, task.hold, task.next_poll_at) == (None, Hold.NO_CREDENTIAL, None)


# A second factor ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["/admin/", "/admin/operations/", "/admin/tracker/credential/"])
def test_the_panel_can_ask_for_a_second_factor(root: Client, alice: User, settings: object, page: str) -> None:
    assert root.get(page).status_code == 200
    settings.ADMIN_REQUIRES_2FA = True  # type: ignore[attr-defined]
    response = root.get(page, follow=True)
    assert response.redirect_chain == [("/accounts/2fa/", 302)]
    assert "asks for a second factor" in response.content.decode()
    Authenticator.objects.create(user=alice, type="recovery_codes", data={})
    assert root.get(page).status_code == 302, "recovery codes are no second factor"
    Authenticator.objects.create(user=alice, type="totp", data={"secret": "JBSWY3DPEHPK3PXP"})
    assert root.get(page).status_code == 200


def test_asking_for_a_second_factor_changes_nothing_for_others(signed_in: Client, settings: object) -> None:
    settings.ADMIN_REQUIRES_2FA = True  # type: ignore[attr-defined]
    assert signed_in.get("/admin/", follow=True).status_code == 403
    assert signed_in.get("/").status_code == 200


def test_the_panel_takes_the_theme_of_the_person(root: Client, alice: User) -> None:
    assert 'class=" dashboard theme-' not in root.get("/admin/").content.decode()
    User.objects.filter(pk=alice.pk).update(theme="dark")
    for page in ("/admin/", "/admin/operations/"):
        assert re.search(r'<body class="[^"]*theme-dark', root.get(page).content.decode())
