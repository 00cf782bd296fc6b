"""The board: paste ids, watch them finish, find them again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from csp.decorators import csp_exempt
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext
from django.views.decorators.cache import never_cache
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_GET, require_POST, require_safe

from tracker.cards import (
    MOST_QUEUED,
    TaskCard,
    load_banners,
    load_cards,
    long_uuid,
    queue_items,
    short_key,
    thin,
)
from tracker.checking import check_now
from tracker.forms import PAGE_SIZE, BoardFilter, TrackForm
from tracker.keyset import turn_page
from tracker.middleware import PersonRequest
from tracker.models import Act, Activity, Clip, Credential, Membership, MusicTask, Team, User
from tracker.models.tasks import COUNTED_AT_MOST, MusicTaskQuerySet, Shelf
from tracker.pages import load_page
from tracker.pasting import MAX_IDS, Pasted, read_pasted
from tracker.permissions import require
from tracker.providers import PROVIDERS

MOST_CHOICES = 200
MOST_SEEN = 300
SHOWN_OF_EACH = 8
LAST_CREDENTIAL = "last_credential"
FIRST_CHECK = timedelta(seconds=4)
"""How long the poller leaves new tasks to the view, which asks for them at once."""


@require_safe
@never_cache
@gzip_page
def board(request: PersonRequest) -> HttpResponse:
    """The team's tasks, the newest first."""
    if request.membership is None:
        return render(request, "tracker/team_none.html")
    return _render_board(request, BoardFilter.read(request.GET))


def _render_board(
    request: PersonRequest, shown: BoardFilter, form: TrackForm | None = None, *, status: int = 200
) -> HttpResponse:
    membership = require(request, Act.LOOK)
    credentials = _team_credentials(membership.team)
    opened = [one for one in credentials if one.is_open_to(request.user.pk)]
    mine = [one for one in opened if one.state != one.State.DISABLED]
    page = _load_page(shown, membership, now=timezone.now())
    counts = MusicTask.objects.shelf_counts(membership.team)
    context = {
        "page": page,
        "shown": shown,
        "chips": make_chips(shown, counts),
        "banners": load_banners(membership.team, credentials, person_id=request.user.pk),
        "has_tasks": bool(page.cards) or any(counts.values()),
        "form": form or TrackForm(None, credentials=mine),
        "mine": mine,
        "chosen": _chosen_credential(request, form, mine),
        "providers": list(PROVIDERS),
        "credentials": opened,
        "people": _people(membership.team),
        "can_track": membership.may(Act.TRACK),
    }
    return render(request, "tracker/board.html", context, status=status)


@dataclass(frozen=True, slots=True)
class Page:
    """The cards of one page, and the addresses of its neighbours where there are any."""

    cards: list[TaskCard]
    older: str
    newer: str
    newest: int
    """The newest task on the plain first page; 0 elsewhere."""

    @property
    def is_live(self) -> bool:
        return any(card.is_live for card in self.cards)


def _load_page(shown: BoardFilter, membership: Membership, *, now: datetime) -> Page:
    tasks = shown.apply(thin(MusicTask.objects.of_team(membership.team)))
    rows, has_older, has_newer = turn_page(
        tasks[: PAGE_SIZE + 1], PAGE_SIZE, is_back=bool(shown.after), has_earlier=bool(shown.before)
    )
    return Page(
        load_cards(rows, person_id=membership.user_id, now=now),
        older=shown.query(before=rows[-1].pk) if rows and has_older else "",
        newer=shown.query(after=rows[0].pk) if rows and has_newer else "",
        newest=rows[0].pk if rows and shown.is_plain else 0,
    )


@require_safe
@never_cache
def board_queue(request: PersonRequest) -> JsonResponse:
    """The songs of all pages of a filter, for a player that plays on beyond the page."""
    membership = require(request, Act.LOOK)
    shown = replace(BoardFilter.read(request.GET), before=None, after=None)
    tasks = shown.apply(MusicTask.objects.of_team(membership.team)).values("pk")
    clips = Clip.objects.filter(task__in=tasks).audible().for_queue().order_by("-task_id", "position", "pk")
    return JsonResponse({"items": queue_items(clips[:MOST_QUEUED])})


def _team_credentials(team: Team) -> list[Credential]:
    return list(team.credentials.select_related("owner").defer("sealed_key")[:MOST_CHOICES])


def _at_rest(team: Team) -> list[Credential]:
    resting = team.credentials.exclude(state=Credential.State.ACTIVE)
    return list(resting.select_related("owner").defer("sealed_key")[:MOST_CHOICES])


def _people(team: Team) -> list[User]:
    return list(User.objects.filter(memberships__team=team).only("name", "email").order_by("name")[:MOST_CHOICES])


def _chosen_credential(request: HttpRequest, form: TrackForm | None, mine: Sequence[Credential]) -> str:
    """The credential that was sent, used last, or works."""
    sent = form.data.get("credential") if form else None
    last = sent or request.session.get(LAST_CREDENTIAL)
    active = [str(one.public_id) for one in mine if not one.is_resting]
    return str(last) if last else (active or [""])[0]


@dataclass(frozen=True, slots=True)
class Chip:
    state: str
    label: str
    count: str
    url: str
    is_current: bool


def make_chips(shown: BoardFilter, counts: dict[str, int]) -> list[Chip]:
    """A chip for each state; a narrowed board has no counts on them, since they tell of the whole team."""
    labels = {
        "": pgettext("tasks", "All"),
        Shelf.RUNNING: pgettext("tasks", "Running"),
        Shelf.DONE: pgettext("tasks", "Done"),
        Shelf.FAILED: pgettext("tasks", "Failed"),
        Shelf.ATTENTION: pgettext("tasks", "Needs you"),
        Shelf.STOPPED: pgettext("tasks", "Stopped"),
    }
    return [
        Chip(
            state=str(state),
            label=label,
            count="" if shown.is_narrow else _capped(counts[state]),
            url=shown.query(state=str(state)),
            is_current=shown.state == state,
        )
        for state, label in labels.items()
        if state != Shelf.STOPPED or counts[state] or shown.state == state
    ]


def _capped(count: int) -> str:
    return f"{COUNTED_AT_MOST}+" if count > COUNTED_AT_MOST else str(count)


# -- Tracking -------------------------------------------------------------------------------------------


def track_tasks(request: PersonRequest) -> HttpResponse:
    """Track what was pasted, ask the provider at once, and show the board."""
    if request.method != "POST":
        return redirect("board")
    membership = require(request, Act.TRACK)
    form = TrackForm(request.POST, credentials=_usable(membership))
    if not form.is_valid():
        # A browser logs every status from 400 on as an error of the page, which a mistyped id is not.
        response = _render_board(request, BoardFilter(), form, status=200 if request.htmx else 422)
        response["HX-Replace-Url"] = "false"
        return response
    credential: Credential = form.cleaned_data["credential"]
    now = timezone.now()
    new = MusicTask.objects.track(
        team=membership.team,
        credential=credential,
        task_ids=form.cleaned_data["ids"],
        added_by=request.user,
        now=now,
        poll_after=FIRST_CHECK,
    )
    if new:
        Activity.objects.note(Activity.Kind.TRACKED, team=membership.team, actor=request.user, now=now, count=len(new))
    check_now([task.pk for task in new])
    request.session[LAST_CREDENTIAL] = str(credential.public_id)
    messages.success(request, _tracked_message(len(new), form.pasted))
    return redirect("board")


def _usable(membership: Membership) -> list[Credential]:
    return list(Credential.objects.open_to(membership.user, membership.team).select_related("owner"))


def _tracked_message(new: int, pasted: Pasted) -> str:
    here, rejected = len(pasted.ids) - new, len(pasted.rejected)
    parts = [ngettext("%(count)s tracked", "%(count)s tracked", new) % {"count": new}]
    if here:
        parts.append(ngettext("%(count)s already here", "%(count)s already here", here) % {"count": here})
    if rejected:
        parts.append(ngettext("%(count)s invalid", "%(count)s invalid", rejected) % {"count": rejected})
    return _(", ").join(parts)


@require_POST
def track_preview(request: PersonRequest) -> HttpResponse:
    """What would be tracked: new, already here, invalid."""
    membership = require(request, Act.TRACK)
    text = request.POST.get("ids", "")
    pasted = read_pasted(text)
    credential = _picked(request, membership)
    known: dict[str, UUID] = {}
    if credential and not pasted.has_too_many:
        known = MusicTask.objects.of_team(membership.team).known(credential, pasted.ids)
    context = {
        "pasted": pasted,
        "has_text": bool(text.strip()),
        "new": [one for one in pasted.ids if one not in known],
        "here": [(one, known[one]) for one in pasted.ids if one in known],
        "most": SHOWN_OF_EACH,
        "limit": MAX_IDS,
    }
    return render(request, "tracker/_track_preview.html", context)


def _picked(request: PersonRequest, membership: Membership) -> Credential | None:
    picked = request.POST.get("credential", "")
    return next((one for one in _usable(membership) if str(one.public_id) == picked), None)


# -- Refreshing -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Seen:
    """What a page shows of a task."""

    stamp: int
    state: str


@require_GET
@gzip_page
def board_refresh(request: PersonRequest) -> HttpResponseBase:
    """The cards that changed since the page saw them; 204, which leaves a playing <audio> untouched, if none did."""
    membership = require(request, Act.LOOK)
    seen = read_seen(request.GET.getlist("seen"))
    tasks = MusicTask.objects.of_team(membership.team)
    stamps = dict(tasks.filter(public_id__in=seen).values_list("public_id", "stamp"))
    newer = _newer(request, tasks)
    changed = [public_id for public_id, stamp in stamps.items() if stamp != seen[public_id].stamp]
    gone = [public_id for public_id in seen if public_id not in stamps]
    if not changed and not gone and newer is None:
        return _nothing_new(request)
    on_task_page = request.GET.get("on") == "task"
    context = _changes(membership, tasks.filter(public_id__in=changed), seen, is_whole=on_task_page)
    still = sum(card.is_live for card in context["cards"]) + len(stamps) - len(changed)
    shown = BoardFilter.read(request.GET)
    is_narrow = "narrow" in request.GET
    context |= {
        "gone": gone,
        "newer": newer,
        "is_live": still > 0,
        "on_task_page": on_task_page,
        "shown": shown,
        "is_narrow": is_narrow,
        "newest": request.GET.get("newest", ""),
    }
    if not on_task_page:
        context["banners"] = load_banners(membership.team, _at_rest(membership.team), person_id=request.user.pk)
    if not on_task_page and not is_narrow:
        context["chips"] = make_chips(shown, MusicTask.objects.shelf_counts(membership.team))
    response = render(request, "tracker/_refresh.html", context)
    response["Cache-Control"] = "no-store"
    return response


@csp_exempt()
def _nothing_new(_request: HttpRequest) -> HttpResponseBase:
    """The answer that is given most: nothing in it could be framed or run, so it says nothing about that."""
    response = HttpResponse(status=204, headers={"Cache-Control": "no-store"})
    response.xframe_options_exempt = True
    # There is no content that could have a type.
    del response["Content-Type"]
    return response


def read_seen(values: Sequence[str]) -> dict[UUID, Seen]:
    """``<id>.<stamp>.<state>`` of each live card, id and state in their short forms; what is spoiled is left out."""
    seen: dict[UUID, Seen] = {}
    for value in values[:MOST_SEEN]:
        public_id, _dot, rest = value.partition(".")
        stamp, _dot, state = rest.partition(".")
        try:
            seen[long_uuid(public_id)] = Seen(int(stamp[:18]) if stamp.isdecimal() else -1, state)
        except ValueError:
            continue
    return seen


def _newer(request: HttpRequest, tasks: MusicTaskQuerySet) -> int | None:
    """How many tasks came since the page was made; None where the page need not be told."""
    newest, told = request.GET.get("newest", ""), request.GET.get("told", "")
    if not newest.isdigit():
        return None
    count = int(tasks.filter(pk__gt=int(newest[:18]))[:100].count())
    return count if str(count) != (told or "0") else None


def _changes(
    membership: Membership, tasks: MusicTaskQuerySet, seen: dict[UUID, Seen], *, is_whole: bool
) -> dict[str, Any]:
    """The changed cards, and what is to be said aloud: changes of state only."""
    now = timezone.now()
    person_id = membership.user_id
    pages = [load_page(task, person_id=person_id, now=now) for task in tasks] if is_whole else []
    cards = [page.card for page in pages] if is_whole else load_cards(thin(tasks), person_id=person_id, now=now)
    said = [
        _("%(title)s: %(state)s") % {"title": card.title, "state": card.standing.label}
        for card in cards
        if seen[UUID(card.id)].state != short_key(card.standing.key)
    ]
    return {"cards": cards, "pages": pages, "said": said, "can_track": membership.may(Act.TRACK)}
