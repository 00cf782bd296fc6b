"""The library: which of a team's clips are asked for, in which order, and the rows of a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import BooleanField, F, Func, Model, Value
from django.http import QueryDict
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from tracker.cards import MOST_QUEUED, ClipCard, address, age, make_clip
from tracker.keyset import turn_page
from tracker.models import Clip, LibraryEntry, Team
from tracker.models.search import MOST_FOUND, LibraryEntryQuerySet, asked_words, facet
from tracker.models.tasks import COUNTED_AT_MOST
from tracker.providers import PROVIDERS

PAGE_SIZE = 48
"""Full rows of two, three, four and six."""
MOST_PICKED = 100
_MAX_ID = 2**63 - 1
_NARROWING = ("q", "provider", "model", "person", "length", "since", "until", "archived")
_USUAL = {"sort": "newest", "view": "grid"}
"""What need not stand in the address."""


class Sort(NamedTuple):
    label: str | Promise
    column: str
    descends: bool


SORTS = {
    "newest": Sort(gettext_lazy("Newest first"), "added_at", True),
    "oldest": Sort(gettext_lazy("Oldest first"), "added_at", False),
    "title": Sort(gettext_lazy("Title"), "sort_title", False),
    "longest": Sort(gettext_lazy("Longest first"), "seconds", True),
    "shortest": Sort(gettext_lazy("Shortest first"), "seconds", False),
}
LENGTHS: Mapping[str, tuple[str | Promise, float, float]] = {
    "short": (gettext_lazy("Under 2 minutes"), 0.001, 120),
    "medium": (gettext_lazy("2 to 4 minutes"), 120, 240),
    "long": (gettext_lazy("4 minutes and more"), 240, 1e9),
}
ARCHIVED = {
    "yes": pgettext_lazy("clips", "Kept here"),
    "no": pgettext_lazy("clips", "Not kept here"),
}
VIEWS = {"grid": gettext_lazy("Grid"), "list": gettext_lazy("List")}


class Place(NamedTuple):
    """A row's place in the order: what it is sorted by, and its number where many are alike."""

    value: Any
    pk: int


class Narrowed(NamedTuple):
    entries: LibraryEntryQuerySet
    total: int | None = None
    """How many there are, where the index has told."""
    is_cut: bool = False
    """Whether there are more than were looked through."""


# -- What is asked for ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LibraryFilter:
    """Which clips the library shows, and how; all of it stands in the address. What makes no sense is left out."""

    q: str = ""
    provider: str = ""
    model: str = ""
    person: int | None = None
    length: str = ""
    since: date | None = None
    until: date | None = None
    archived: str = ""
    sort: str = "newest"
    view: str = "grid"
    picks: tuple[UUID, ...] = ()
    after: Place | None = None
    before: Place | None = None

    @classmethod
    def read(cls, query: QueryDict) -> LibraryFilter:
        sort = _one_of(query.get("sort"), SORTS) or "newest"
        after, before = (_place(query.get(name), SORTS[sort].column) for name in ("after", "before"))
        return cls(
            q=_text(query.get("q"), 200),
            provider=_one_of(query.get("provider"), PROVIDERS),
            model=_text(query.get("model"), 80),
            person=_number(query.get("person")),
            length=_one_of(query.get("length"), LENGTHS),
            since=_date(query.get("since")),
            until=_date(query.get("until")),
            archived=_one_of(query.get("archived"), ARCHIVED),
            sort=sort,
            view=_one_of(query.get("view"), VIEWS) or "grid",
            picks=tuple(pick for pick in map(_uuid, query.getlist("pick")[:MOST_PICKED]) if pick),
            after=after,
            before=None if after else before,
        )

    @property
    def is_narrow(self) -> bool:
        return bool(self.picks) or any(getattr(self, name) for name in _NARROWING)

    @property
    def narrowings(self) -> int:
        """How many of the filters behind the button are set."""
        return sum(bool(getattr(self, name)) for name in _NARROWING if name != "q")

    @property
    def without_filters(self) -> str:
        return LibraryFilter(q=self.q, sort=self.sort, view=self.view).query()

    @property
    def everything(self) -> str:
        """All clips, in the same order and look."""
        return LibraryFilter(sort=self.sort, view=self.view).query()

    def query(self, **changes: Any) -> str:
        """The address's query with ``changes``; whatever changes, the list starts at its beginning again."""
        changed = replace(self, **{"after": None, "before": None, **changes})
        values = [(name, getattr(changed, name)) for name in (*_NARROWING, *_USUAL)]
        shown = [(name, str(value)) for name, value in values if value and value != _USUAL.get(name)]
        shown += [("pick", str(pick)) for pick in changed.picks]
        shown += [
            (name, f"{place.pk}~{_spelled(place.value)}")
            for name in ("after", "before")
            if (place := getattr(changed, name))
        ]
        return "?" + urlencode(shown)

    # -- In the database

    def narrow(self, entries: LibraryEntryQuerySet, team: Team) -> Narrowed:
        """``entries`` that are asked for."""
        low, high = LENGTHS[self.length][1:] if self.length else (None, None)
        wanted = {
            "clip__task__provider": self.provider,
            "model": self.model,
            "clip__task__added_by": self.person,
        }
        others = {
            "seconds__gte": low,
            "seconds__lt": high,
            "added_at__gte": _start_of(self.since),
            "added_at__lt": _start_of(self.until, days=1),
            "clip__public_id__in": self.picks,
        }
        others = {name: value for name, value in others.items() if value}
        if self.archived:
            others["clip__archive__sound__isnull"] = self.archived == "no"
        entries = entries.filter(**{name: value for name, value in wanted.items() if value}, **others)
        phrases = asked_words(self.q)
        if self.q and not phrases:
            return Narrowed(entries.none(), 0)
        facets = [facet(name, getattr(self, name)) for name in ("provider", "model", "person") if getattr(self, name)]
        if not phrases and not facets:
            return Narrowed(entries)
        hits = entries.hits(team, phrases=phrases, facets=facets)
        total, is_cut = None if others else hits, hits > MOST_FOUND
        if is_cut and not phrases:
            # So many clips have these facets that walking all in their order finds a page of them sooner.
            return Narrowed(entries, total)
        found = entries.matching(team, phrases=phrases, facets=facets, oldest=self.sort == "oldest")
        return Narrowed(found, total, is_cut)

    def turn(self, entries: LibraryEntryQuerySet) -> LibraryEntryQuerySet:
        """``entries`` from the asked place on; backwards before ``before``."""
        column, descends = SORTS[self.sort][1:]
        if self.before:
            descends = not descends
        if place := self.after or self.before:
            entries = entries.filter(_beyond(column, place, descends=descends))
        sign = "-" if descends else ""
        return entries.order_by(f"{sign}{column}", f"{sign}clip_id")


def _beyond(column: str, place: Place, *, descends: bool) -> Func:
    """``(column, clip_id) < (value, pk)``: as a pair both databases find it in an index, as AND and OR they do not."""
    value = Value(place.value, output_field=LibraryEntry._meta.get_field(column))  # type: ignore[arg-type]
    pair = {"template": "(%(expressions)s)", "output_field": BooleanField()}
    return Func(
        Func(F(column), F("clip_id"), **pair),
        Func(value, Value(place.pk), **pair),
        template="%(expressions)s",
        arg_joiner=" < " if descends else " > ",
        output_field=BooleanField(),
    )


def _spelled(value: Any) -> str:
    return str(value.isoformat()) if isinstance(value, datetime) else str(value)


def _place(text: str | None, column: str) -> Place | None:
    """The way back from an address; None for what was made up."""
    number, _tilde, spelled = (text or "").replace("\x00", "").partition("~")
    pk = _number(number)
    if pk is None:
        return None
    try:
        value = LibraryEntry._meta.get_field(column).to_python(spelled)  # type: ignore[union-attr]
        return Place(value.astimezone(UTC) if isinstance(value, datetime) else value, pk)
    except (ValidationError, ValueError, OverflowError):
        return None


def _text(value: str | None, longest: int) -> str:
    return (value or "").replace("\x00", "").strip()[:longest]


def _one_of(value: str | None, choices: Mapping[str, object]) -> str:
    return value if value in choices else ""  # type: ignore[return-value]


def _number(value: str | None) -> int | None:
    if not value or not value.isascii() or not value.isdigit() or len(value) > 19:
        return None
    return min(int(value), _MAX_ID)


def _uuid(value: str) -> UUID | None:
    try:
        return UUID(value)
    except ValueError:
        return None


def _date(value: str | None) -> date | None:
    try:
        day = date.fromisoformat(value or "")
    except ValueError:
        return None
    # Beyond these a day has no beginning in every time zone.
    return day if 1900 <= day.year <= 9000 else None


def _start_of(day: date | None, *, days: int = 0) -> datetime | None:
    """When ``day`` begins for the person who asks."""
    return timezone.make_aware(datetime.combine(day + timedelta(days=days), time.min)) if day else None


# -- The page -------------------------------------------------------------------------------------------

# The long texts, which no row shows.
_UNSHOWN = (
    "lyrics", "description", "video_url", "task__lyrics_text", "task__lyrics_tags", "task__tags", "task__fail_reason",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LibraryRow:
    card: ClipCard
    place: str
    by: str
    added: SafeString
    pick: str
    """The label of the box that picks it."""


@dataclass(frozen=True, slots=True)
class LibraryPage:
    """The rows of one page, and the addresses of its neighbours where there are any."""

    rows: list[LibraryRow]
    count: str
    """“312”, or “1000+”."""
    total: int
    later: str
    earlier: str
    looked_through: int
    """How many hits were looked through where there are more; else 0."""


def load_library(shown: LibraryFilter, team: Team, *, now: datetime) -> LibraryPage:
    """A page of the team's clips: a query for the places, the clips, the count, and one where the index is asked."""
    entries, known, is_cut = shown.narrow(LibraryEntry.objects.of_team(team), team)
    total = entries.counted() if known is None else known
    places = shown.turn(entries).values_list(SORTS[shown.sort].column, "pk", "added_at")
    found, has_later, has_earlier = turn_page(
        places[: PAGE_SIZE + 1], PAGE_SIZE, is_back=bool(shown.before), has_earlier=bool(shown.after)
    )
    return LibraryPage(
        rows=_load_rows({pk: added_at for _value, pk, added_at in found}, shown, now),
        count=f"{COUNTED_AT_MOST}+" if total > COUNTED_AT_MOST else str(total),
        total=total,
        later=shown.query(after=Place(*found[-1][:2])) if found and has_later else "",
        earlier=shown.query(before=Place(*found[0][:2])) if found and has_earlier else "",
        looked_through=MOST_FOUND if is_cut else 0,
    )


def load_queue(shown: LibraryFilter, team: Team) -> list[Clip]:
    """The songs of all pages of ``shown`` that can be heard, in its order; as many as a player's queue takes."""
    entries, _known, _is_cut = shown.narrow(LibraryEntry.objects.of_team(team), team)
    pks = list(replace(shown, after=None, before=None).turn(entries).values_list("pk", flat=True)[:MOST_QUEUED])
    found = Clip.objects.filter(task__removed_at=None).audible().for_queue().in_bulk(pks)
    return [found[pk] for pk in pks if pk in found]


def _load_rows(added: Mapping[int, datetime], shown: LibraryFilter, now: datetime) -> list[LibraryRow]:
    clips = (
        Clip.objects.filter(task__removed_at=None).select_related("task__added_by", "archive__sound").defer(*_UNSHOWN)
    )
    by_pk = clips.in_bulk(added)
    return [_row(by_pk[pk], added_at, shown, now) for pk, added_at in added.items() if pk in by_pk]


def _row(clip: Clip, added_at: datetime, shown: LibraryFilter, now: datetime) -> LibraryRow:
    task = clip.task
    card = make_clip(task, clip, url=address("task", str(task.public_id)), now=now)
    if shown.view == "grid":
        card = replace(card, cover=card.cover.replace("size=small", "size=large"))
    return LibraryRow(
        card=card,
        place=task.provider,
        by=str(task.added_by) if task.added_by else "",
        added=age(added_at, now=now),
        pick=_("Select %(title)s, clip %(number)s") % {"title": card.title, "number": card.number},
    )


def choices(named: Mapping[str, str | Promise] | Sequence[Model], chosen: object) -> list[tuple[str, str, bool]]:
    """Value, label and whether it is chosen, for a field of the form."""
    pairs = named.items() if isinstance(named, Mapping) else [(str(one.pk), str(one)) for one in named]
    return [(value, str(label), value == str(chosen)) for value, label in pairs]
