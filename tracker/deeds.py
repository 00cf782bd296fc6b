"""The team's activity as it is read: sentences in the reader's language, filters, and pages of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import Exists, OuterRef, Q
from django.http import QueryDict
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy, ngettext, pgettext

from tracker.cards import age
from tracker.keyset import turn_page
from tracker.models import Activity, Role, Team, User

Kind = Activity.Kind
PAGE_SIZE = 50
MOST_PEOPLE = 300
_MAX_ID = 2**63 - 1

TOPICS = (
    (gettext_lazy("Tasks"), (Kind.TRACKED, Kind.HANDED, Kind.REMOVED_TASK)),
    (gettext_lazy("Links"), (Kind.SHARED, Kind.SHARE_CHANGED, Kind.SHARE_REVOKED)),
    (
        gettext_lazy("People"),
        (
            Kind.INVITED, Kind.INVITATION_REVOKED, Kind.JOINED, Kind.LEFT, Kind.REMOVED, Kind.ROLE_CHANGED,
            Kind.TRANSFERRED, Kind.RENAMED,
        ),
    ),
    (
        gettext_lazy("Credentials"),
        (
            Kind.KEY_ADDED, Kind.KEY_REPLACED, Kind.KEY_LENT, Kind.KEY_KEPT, Kind.KEY_DISABLED, Kind.KEY_WOKEN,
            Kind.KEY_DELETED,
        ),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ActivityFilter:
    """Which deeds are shown; all of it stands in the address. What makes no sense is left out."""

    kind: str = ""
    person: int | None = None
    before: int | None = None
    after: int | None = None

    @classmethod
    def read(cls, query: QueryDict) -> ActivityFilter:
        kind, before = query.get("kind", ""), _number(query.get("before"))
        return cls(
            kind=kind if kind in Kind.values else "",
            person=_number(query.get("person")),
            before=before,
            after=None if before else _number(query.get("after")),
        )

    @property
    def is_narrow(self) -> bool:
        return bool(self.kind or self.person)

    def query(self, **changes: Any) -> str:
        """The address's query with ``changes``, from the newest on."""
        changed = replace(self, **{"before": None, "after": None, **changes})
        values = {name: getattr(changed, name) for name in ("kind", "person", "before", "after")}
        return "?" + urlencode({name: value for name, value in values.items() if value})


def _number(value: str | None) -> int | None:
    if not value or not value.isascii() or not value.isdigit() or len(value) > 19:
        return None
    return min(int(value), _MAX_ID)


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing that somebody did, in words."""

    who: str
    words: str
    when: SafeString
    topic: str
    """Of what it tells, for its mark: ``tasks``, ``links``, ``people`` or ``keys``."""


@dataclass(frozen=True, slots=True)
class ActivityPage:
    deeds: list[Deed]
    older: str
    newer: str


def load_deeds(team: Team, shown: ActivityFilter, *, now: datetime) -> ActivityPage:
    """One page of what was done in ``team``, the newest first: one query, however long the past is."""
    wanted = {"kind": shown.kind, "actor": shown.person, "pk__lt": shown.before, "pk__gt": shown.after}
    found = Activity.objects.filter(team=team, **{name: value for name, value in wanted.items() if value})
    found = found.select_related("actor").order_by("pk" if shown.after else "-pk")
    rows, has_older, has_newer = turn_page(
        found[: PAGE_SIZE + 1], PAGE_SIZE, is_back=bool(shown.after), has_earlier=bool(shown.before)
    )
    return ActivityPage(
        [_deed(row, now) for row in rows],
        older=shown.query(before=rows[-1].pk) if rows and has_older else "",
        newer=shown.query(after=rows[0].pk) if rows and has_newer else "",
    )


def people_of(team: Team) -> list[User]:
    """Who is in the team, and who did something in it before they left."""
    did = Activity.objects.filter(actor=OuterRef("pk"), team=team).order_by()
    here = Q(pk__in=team.memberships.values("user"))
    return list(User.objects.filter(here | Exists(did)).only("name", "email").order_by("name", "pk")[:MOST_PEOPLE])


# -- Words ----------------------------------------------------------------------------------------------


def _deed(row: Activity, now: datetime) -> Deed:
    detail = row.detail if isinstance(row.detail, dict) else {}
    gone = row.subject if row.kind in (Kind.LEFT, Kind.JOINED) else ""
    who = str(row.actor) if row.actor else gone or pgettext("person", "Somebody who has left")
    return Deed(who, words_of(row.kind, who, row.subject, detail), age(row.at, now=now), _TOPIC_OF.get(row.kind, ""))


_TOPIC_OF: dict[str, str] = {
    kind: topic
    for topic, (_label, kinds) in zip(("tasks", "links", "people", "keys"), TOPICS, strict=True)
    for kind in kinds
}


def words_of(kind: str, who: str, subject: str, detail: Mapping[str, Any]) -> str:
    """What ``who`` did, as one sentence. An entry without the name of its thing is told without it."""
    words = _COUNTED.get(kind)
    count = detail.get("count")
    if words and isinstance(count, int) and (count > 1 or not subject):
        return words(count) % {"who": who, "count": count}
    sentence = _SENTENCES.get(kind) if subject else _NAMELESS.get(kind, _SENTENCES.get(kind))
    if sentence is None:
        return str(dict(Kind.choices).get(kind, kind))
    names = {name: _role(detail.get(name)) for name in ("role", "before", "after")}
    return str(sentence) % {"who": who, "what": subject or "–", **names}


def _role(value: object) -> str:
    return str(dict(Role.choices).get(str(value), "–"))


_COUNTED: dict[str, Callable[[int], str]] = {
    Kind.TRACKED: lambda count: ngettext("%(who)s tracked %(count)s task", "%(who)s tracked %(count)s tasks", count),
    Kind.HANDED: lambda count: ngettext(
        "%(who)s gave %(count)s task another credential", "%(who)s gave %(count)s tasks another credential", count
    ),
    Kind.REMOVED_TASK: lambda count: ngettext(
        "%(who)s removed %(count)s task", "%(who)s removed %(count)s tasks", count
    ),
    Kind.SHARED: lambda count: ngettext("%(who)s made %(count)s link", "%(who)s made %(count)s links", count),
    Kind.SHARE_CHANGED: lambda count: ngettext(
        "%(who)s changed %(count)s link", "%(who)s changed %(count)s links", count
    ),
    Kind.SHARE_REVOKED: lambda count: ngettext(
        "%(who)s revoked %(count)s link", "%(who)s revoked %(count)s links", count
    ),
}

_SENTENCES: dict[str, Any] = {
    Kind.TRACKED: gettext_lazy("%(who)s tracked “%(what)s”"),
    Kind.HANDED: gettext_lazy("%(who)s gave “%(what)s” another credential"),
    Kind.REMOVED_TASK: gettext_lazy("%(who)s removed “%(what)s” from the board"),
    Kind.SHARED: gettext_lazy("%(who)s shared “%(what)s”"),
    Kind.SHARE_CHANGED: gettext_lazy("%(who)s changed the link to “%(what)s”"),
    Kind.SHARE_REVOKED: gettext_lazy("%(who)s revoked the link to “%(what)s”"),
    Kind.INVITED: gettext_lazy("%(who)s invited %(what)s (%(role)s)"),
    Kind.INVITATION_REVOKED: gettext_lazy("%(who)s revoked the invitation for %(what)s (%(role)s)"),
    Kind.JOINED: gettext_lazy("%(who)s joined the team (%(role)s)"),
    Kind.LEFT: gettext_lazy("%(who)s left the team"),
    Kind.REMOVED: gettext_lazy("%(who)s removed %(what)s from the team"),
    Kind.ROLE_CHANGED: gettext_lazy("%(who)s changed the role of %(what)s: %(before)s → %(after)s"),
    Kind.TRANSFERRED: gettext_lazy("%(who)s handed the team over to %(what)s"),
    Kind.RENAMED: gettext_lazy("%(who)s named the team “%(what)s”"),
    Kind.KEY_ADDED: gettext_lazy("%(who)s added the credential “%(what)s”"),
    Kind.KEY_REPLACED: gettext_lazy("%(who)s replaced the key of “%(what)s”"),
    Kind.KEY_LENT: gettext_lazy("%(who)s lent the credential “%(what)s” to the team"),
    Kind.KEY_KEPT: gettext_lazy("%(who)s no longer lends the credential “%(what)s”"),
    Kind.KEY_DISABLED: gettext_lazy("%(who)s disabled the credential “%(what)s”"),
    Kind.KEY_WOKEN: gettext_lazy("%(who)s put the credential “%(what)s” to use again"),
    Kind.KEY_DELETED: gettext_lazy("%(who)s deleted the credential “%(what)s”"),
}

_NAMELESS: dict[str, Any] = {
    Kind.INVITED: gettext_lazy("%(who)s made an invitation (%(role)s)"),
    Kind.INVITATION_REVOKED: gettext_lazy("%(who)s revoked an invitation (%(role)s)"),
}
