"""One task: its page, and what a person may order."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from tracker.cards import load_cards, thin
from tracker.checking import check_now
from tracker.middleware import PersonRequest
from tracker.models import Act, Activity, Credential, MusicTask
from tracker.pages import load_page
from tracker.permissions import require
from tracker.standing import STILL_TRYING
from tracker.templatetags.board_tags import UNDO


def _find(request: PersonRequest, public_id: UUID) -> MusicTask:
    """A task the person may see, or 404."""
    tasks = MusicTask.objects.visible_to(request.user, request.team)
    return get_object_or_404(tasks.select_related("credential__owner", "added_by", "text"), public_id=public_id)


@require_safe
@never_cache
def task(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Everything about one task."""
    found = _find(request, public_id)
    page = load_page(found, person_id=request.user.pk, now=timezone.now())
    can_track = bool(request.membership and request.membership.may(Act.TRACK))
    return render(request, "tracker/task.html", {"page": page, "card": page.card, "can_track": can_track})


@require_POST
def task_check(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Ask the provider now."""
    found = _find(request, public_id)
    require(request, Act.TRACK)
    asked_at = timezone.now()
    if found.request_poll(actor=request.user, now=asked_at):
        check_now([found.pk])
        found.refresh_from_db(fields=["polled_at"])
        has_answered = found.polled_at is not None and found.polled_at >= asked_at
        messages.info(request, _("Checked just now.") if has_answered else str(STILL_TRYING))
    else:
        messages.error(request, _("This task cannot be checked: its credential is disabled or deleted."))
    return _after(request, found)


@require_POST
def task_credential(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Hand the task another credential that the person may use, and ask with it at once."""
    found = _find(request, public_id)
    membership = require(request, Act.TRACK)
    now = timezone.now()
    fitting = Credential.objects.open_to(membership.user, membership.team).fitting(
        provider=found.provider, base_url=found.base_url
    )
    chosen = {str(one.public_id): one for one in fitting}.get(request.POST.get("credential", ""))
    if chosen is None or not found.hand_over(chosen, actor=request.user, now=now):
        messages.error(request, _("This credential can no longer be used. Choose another one."))
        return redirect("task", found.public_id)
    Activity.objects.note(Activity.Kind.HANDED, team=found.team, actor=request.user, now=now, subject=str(found))
    if found.is_live:
        check_now([found.pk])
    messages.success(request, _("This task goes on with %(credential)s.") % {"credential": chosen.label})
    return redirect("task", found.public_id)


@require_POST
def task_stop(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Stop to ask; everything known stays."""
    found = _find(request, public_id)
    require(request, Act.TRACK)
    found.stop(actor=request.user, now=timezone.now())
    return _after(request, found)


@require_POST
def task_remove(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Take the task off the board, with a way back."""
    found = _find(request, public_id)
    require(request, Act.TRACK)
    now = timezone.now()
    found.remove(actor=request.user, now=now)
    Activity.objects.note(Activity.Kind.REMOVED_TASK, team=found.team, actor=request.user, now=now, subject=str(found))
    messages.success(request, _("Removed “%(title)s”.") % {"title": found}, extra_tags=f"{UNDO}{found.public_id}")
    if _wants_card(request):
        return render(request, "tracker/_card_answer.html", {"card": None})
    return redirect("board")


@require_POST
def task_restore(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Bring a removed task back."""
    membership = require(request, Act.TRACK)
    removed = MusicTask.objects.filter(team=membership.team).exclude(removed_at=None)
    found = get_object_or_404(removed, public_id=public_id)
    found.restore(actor=request.user, now=timezone.now())
    messages.success(request, _("“%(title)s” is back.") % {"title": found})
    return redirect("board")


def _wants_card(request: HttpRequest) -> bool:
    """A button on a card of the board asks for that card; every other form goes on to a page."""
    return bool(request.htmx) and not request.htmx.boosted  # type: ignore[attr-defined]


def _after(request: PersonRequest, found: MusicTask) -> HttpResponse:
    if not _wants_card(request):
        return redirect("task", found.public_id)
    rows = thin(MusicTask.objects.of_team(found.team).filter(pk=found.pk))
    cards = load_cards(rows, person_id=request.user.pk, now=timezone.now())
    return render(request, "tracker/_card_answer.html", {"card": cards[0] if cards else None, "can_track": True})
