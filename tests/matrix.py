"""The matrix of rights: what there is to ask, by whom, and what came."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from tracker.checking import check_now
from tracker.models import (
    Activity,
    Clip,
    Credential,
    EntryLink,
    Invitation,
    Membership,
    MusicTask,
    Role,
    ShareLink,
    Team,
    User,
)

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
PEOPLE = ("anonymous", "outsider", "viewer", "member", "admin", "owner", "staff")
FILE = Path(__file__).with_name("matrix.txt")
KEY = "sk-matrix-0123456789abcdef"


def addresses() -> list[str]:
    """The patterns of all addresses, as Django writes them."""
    return sorted(set(_walk(get_resolver(), "/")))


def _walk(resolver: URLResolver, prefix: str) -> Iterator[str]:
    for entry in resolver.url_patterns:
        address = prefix + str(entry.pattern).lstrip("^")
        if isinstance(entry, URLResolver):
            yield from _walk(entry, address)
        elif isinstance(entry, URLPattern):
            yield address


def read_table() -> dict[tuple[str, str], list[str]]:
    """Address and method → what each of ``PEOPLE`` gets."""
    table: dict[tuple[str, str], list[str]] = {}
    for line in FILE.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        address, methods, *outcomes = line.split()
        for method in methods.split(","):
            assert (address, method) not in table, f"{address} {method} stands there twice"
            table[address, method] = outcomes * len(PEOPLE) if len(outcomes) == 1 else outcomes
    return table


@dataclass
class Scene:
    """One team with a thing of each kind, which its owner made, and somebody of each role."""

    people: dict[str, User | AnonymousUser]
    values: dict[str, str]
    """What stands for each hole of an address."""
    sessions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, demo: Any) -> Scene:
        now = timezone.now()
        team = Team.objects.create(name="Studio North")
        people: dict[str, User | AnonymousUser] = {"anonymous": AnonymousUser()}
        for role in Role:
            people[role.value] = _person(role.value, team, role)
        people["outsider"] = _person("outsider", Team.objects.create(name="Elsewhere"), Role.OWNER)
        people["staff"] = _person("staff", None, None, is_staff=True, is_superuser=True)
        owner = people["owner"]
        assert isinstance(owner, User)
        credential = Credential(
            team=team,
            owner=owner,
            provider="suno-fetch",
            label="Relay",
            base_url=f"{demo.url}/relay",
            answers_batches=False,
        )
        credential.seal(KEY)
        credential.save()
        (task,) = MusicTask.objects.track(
            team=team, credential=credential, task_ids=["done-matrix"], added_by=owner, now=now
        )
        check_now([task.pk])
        clip = Clip.objects.filter(task=task).order_by("position")[0]
        share = ShareLink(
            team=team, task=task, created_by=owner, created_at=now, allow_download=True, allow_embed=True
        ).draw_token()
        share.save()
        invitation = Invitation(team=team, invited_by=owner, created_at=now, expires_at=now + timedelta(days=1))
        invitation.draw_token().save()
        Activity.objects.note(Activity.Kind.TRACKED, team=team, actor=owner, now=now)
        entered = User.objects.create_user("entered@example.org", "correct horse battery", name="Entered")
        values = {
            "task": str(task.public_id), "clip": str(clip.public_id), "credential": str(credential.public_id),
            "share": str(share.public_id), "invitation": str(invitation.public_id), "team": str(team.public_id),
            "member": str(Membership.objects.get(team=team, user=people["member"]).public_id),
            "s": share.token, "join": invitation.token,
            "setup": EntryLink.issue(EntryLink.Purpose.SETUP, now=now),
            "enter": EntryLink.issue(EntryLink.Purpose.SIGN_IN, now=now, user=entered),
        }  # fmt: skip
        scene = cls(people, values)
        scene.sign_in()
        return scene

    def sign_in(self) -> None:
        """Everybody but the stranger has a session, whatever is undone later."""
        for person, user in self.people.items():
            if isinstance(user, User):
                client = Client()
                client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
                self.sessions[person] = client.cookies[settings.SESSION_COOKIE_NAME].value

    def cookies(self, person: str) -> dict[str, str]:
        return {settings.SESSION_COOKIE_NAME: self.sessions[person]} if person in self.sessions else {}

    def fill(self, address: str) -> str:
        """``address`` with things of the team in its holes."""
        path = address.removesuffix("$").removesuffix(r"\Z").replace("\\", "")
        path = re.sub(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)", r"<\1>", path)
        model = re.match(r"/admin/\w+/(\w+)/", path)
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda hole: self._value(hole[1], path, model[1] if model else ""), path)
        return path.replace("?", "")

    def _value(self, hole: str, path: str, model: str) -> str:
        if path.startswith("/admin/") and hole in ("object_id", "id", "pk"):
            return self._pk(model)
        if hole in ("number", "order"):
            return {"number": "1", "order": "revoke"}[hole]
        if path.startswith("/account/leave/"):
            return self.values["team"]
        first = path.split("/")[1]
        kind = {
            "tasks": "task", "clips": "clip", "credentials": "credential", "shares": "share",
        }.get(first, first)  # fmt: skip
        if first == "team":
            second = path.split("/")[2]
            kind = {"members": "member", "invitations": "invitation"}.get(second, "team")
        return self.values.get(kind, "1")

    @staticmethod
    def _pk(model: str) -> str:
        found = (
            apps.get_model("tracker", model)._default_manager.first() if model in apps.all_models["tracker"] else None
        )
        return str(found.pk) if found else "1"


def _person(name: str, team: Team | None, role: Role | None, **fields: Any) -> User:
    user = User.objects.create_user(f"{name}@example.org", "correct horse battery", name=name.title(), **fields)
    if team is not None and role is not None:
        Membership.objects.create(team=team, user=user, role=role)
    return user


@dataclass(frozen=True)
class Asked:
    outcome: str
    status: int

    @property
    def is_allowed(self) -> bool:
        return self.outcome != "login" and self.status < 500 and self.status not in (403, 404, 405)


def ask(scene: Scene, address: str, method: str, person: str, *, with_htmx: bool = False) -> Asked:
    """One request by ``person``, with an empty form where there is one."""
    client = Client()
    client.cookies.load(scene.cookies(person))
    headers = {"HX-Request": "true"} if with_htmx else {}
    response = client.generic(method, scene.fill(address), headers=headers)
    places = response.headers.get("Location", "") + response.headers.get("HX-Redirect", "")
    # Streams are read to their end: what would break while they are sent breaks here.
    if response.streaming:
        b"".join(response.streaming_content)  # type: ignore[attr-defined]
    is_login = re.match(r"/(accounts|admin)/login/", places) is not None
    return Asked("login" if is_login else str(response.status_code), response.status_code)
