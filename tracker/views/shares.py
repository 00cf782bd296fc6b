"""Shares as the team sees them: make a link, see who looked, extend, change, revoke."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from tracker.keyset import turn_page
from tracker.middleware import PersonRequest
from tracker.models import Act, Clip, Membership, MusicTask, ShareLink
from tracker.permissions import require
from tracker.share_forms import PAGE_SIZE, ShareEditForm, ShareFilter, ShareForm, read_ids
from tracker.share_pages import ShareRow, links_of, load_rows, make_row, name_of

# -- The list -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Page:
    """The links of one page, and the addresses of its neighbours where there are any."""

    rows: Sequence[ShareRow]
    older: str
    newer: str

    @property
    def can_change(self) -> bool:
        return any(row.can_revoke for row in self.rows)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def shares(request: PersonRequest) -> HttpResponse:
    """All links of the team; a POST orders something for the chosen ones."""
    membership = require(request, Act.LOOK)
    if request.method == "POST":
        return _order_chosen(request, membership)
    shown = ShareFilter.read(request.GET)
    page = _load_page(shown, membership, now=timezone.now())
    chips = [("", pgettext("shares", "All")), *ShareLink.State.choices]
    context = {
        "page": page,
        "shown": shown,
        "chips": [(ShareFilter(state).query(), label, state == shown.state) for state, label in chips],
        "origin": request.build_absolute_uri("/")[:-1],
    }
    return render(request, "tracker/shares.html", context)


def _load_page(shown: ShareFilter, membership: Membership, *, now: datetime) -> Page:
    links = shown.apply(ShareLink.objects.of_team(membership.team), now)
    read = load_rows(links[: PAGE_SIZE + 1], membership=membership, now=now)
    rows, has_older, has_newer = turn_page(read, PAGE_SIZE, is_back=bool(shown.after), has_earlier=bool(shown.before))
    return Page(
        rows,
        older=shown.query(before=rows[-1].pk) if rows and has_older else "",
        newer=shown.query(after=rows[0].pk) if rows and has_newer else "",
    )


# -- Making and changing --------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def task_share(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """A new link to a task, or to some of its clips."""
    tasks = MusicTask.objects.visible_to(request.user, request.team)
    task = get_object_or_404(tasks.select_related("team"), public_id=public_id)
    membership, now = require(request, Act.SHARE), timezone.now()
    clips = list(task.clips.all())
    typed = request.POST if request.method == "POST" else None
    form = ShareForm(typed, clips=clips, initial={"clips": _asked_for(request, clips)})
    if not form.is_valid():
        context = {"form": form, "task": task, "rows": links_of(task, membership, now=now)}
        return render(request, "tracker/share_task.html", _with_form(request, context))
    password, chosen = form.new_password() or "", form.chosen_clips()
    link = ShareLink.objects.share(task, by=request.user, now=now, clips=chosen, password=password, **form.limits(now))
    messages.success(request, _("The link is made. Copy it and send it on."))
    return redirect("share", link.public_id)


def _asked_for(request: PersonRequest, clips: Sequence[Clip]) -> list[str]:
    """The clip whose own button was pressed."""
    return [str(clip.public_id) for clip in clips if str(clip.public_id) == request.GET.get("clip")]


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def share(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """One link: to be copied by who may share, changed by who made it."""
    membership, now = require(request, Act.LOOK), timezone.now()
    link = _find(membership, public_id)
    row = make_row(link, membership, now=now)
    if request.method == "POST" and not row.can_change:
        raise PermissionDenied
    typed = request.POST if request.method == "POST" else None
    form = ShareEditForm(typed, link=link, clips=list(link.task.clips.all()))
    if not form.is_valid():
        return render(request, "tracker/share.html", _with_form(request, {"form": form, "row": row}))
    password, clips = form.new_password(), form.chosen_clips()
    if link.change(by=request.user, now=now, clips=clips, password=password, **form.limits(now)):
        messages.success(request, _("The link is changed."))
    else:
        messages.error(request, _("This link was revoked meanwhile. Make a new one."))
    return redirect("share", link.public_id)


def _with_form(request: PersonRequest, context: dict[str, Any]) -> dict[str, Any]:
    return {**context, "origin": request.build_absolute_uri("/")[:-1]}


def _find(membership: Membership, public_id: UUID) -> ShareLink:
    links = ShareLink.objects.of_team(membership.team).select_related("task", "created_by", "team")
    return get_object_or_404(links.prefetch_related("clips"), public_id=public_id)


# -- Orders ---------------------------------------------------------------------------------------------

Order = Callable[..., bool]
ORDERS: dict[str, Order] = {"extend": ShareLink.extend, "revoke": ShareLink.revoke, "wake": ShareLink.wake}


@require_POST
def share_order(request: PersonRequest, public_id: UUID, order: str) -> HttpResponse:
    """Extend, revoke or wake one link."""
    membership = require(request, Act.LOOK)
    link = _find(membership, public_id)
    _carry_out(request, membership, order, [link])
    return _back(request)


def _order_chosen(request: PersonRequest, membership: Membership) -> HttpResponse:
    """The same for several links at once: for all of them, or for none."""
    try:
        chosen = read_ids(request.POST.getlist("share"))
    except ValueError:
        raise Http404 from None
    links = ShareLink.objects.of_team(membership.team).filter(public_id__in=chosen)
    found = list(links.select_related("task", "team"))
    if len(found) != len(chosen):
        raise Http404
    if chosen:
        _carry_out(request, membership, request.POST.get("order", ""), found)
    else:
        messages.warning(request, _("No link was chosen."))
    return _back(request)


def _carry_out(request: PersonRequest, membership: Membership, order: str, links: Sequence[ShareLink]) -> None:
    """Raises PermissionDenied where one of ``links`` is somebody else's affair."""
    if order not in ORDERS:
        raise Http404
    if not all(link.may_be_changed_by(membership) for link in links):
        raise PermissionDenied
    if order == "wake" and not membership.may(Act.MANAGE_SHARES):
        raise PermissionDenied
    now = timezone.now()
    done = [link for link in links if ORDERS[order](link, by=request.user, now=now)]
    if done:
        messages.success(request, _said(order, done))
    else:
        messages.warning(request, _("Nothing was changed: there was nothing to do for what was chosen."))


def _said(order: str, done: Sequence[ShareLink]) -> str:
    names = {"title": name_of(done[0]), "count": len(done)}
    words = {
        "extend": ngettext("“%(title)s” has 30 days more.", "%(count)s links have 30 days more.", len(done)),
        "revoke": ngettext("The link to “%(title)s” is revoked.", "%(count)s links are revoked.", len(done)),
        "wake": ngettext("The link to “%(title)s” leads there again.", "%(count)s links lead there again.", len(done)),
    }
    return words[order] % names


def _back(request: PersonRequest) -> HttpResponse:
    """To the list as it was shown."""
    return redirect(reverse("shares") + ShareFilter.read(request.POST).query().rstrip("?"))
