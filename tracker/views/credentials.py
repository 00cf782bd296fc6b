"""Credentials: a person's own keys, and those that colleagues lend to the team. Nobody ever sees a key."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.db.models import Count, Max, Q, QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from tracker.checking import check_now
from tracker.credential_forms import CredentialEditForm, CredentialForm, Verdict, verdict_for
from tracker.middleware import PersonRequest
from tracker.models import Act, Activity, Credential, Membership, MusicTask
from tracker.models.credentials import CredentialQuerySet
from tracker.models.tasks import Ended
from tracker.operations import with_health
from tracker.permissions import require

CHECKED_AT_ONCE = 20
"""Waiting tasks that are asked for at once when a key comes back; the poller takes the others."""
USES_SHOWN = 10
USES_COUNTED = 10_000
PEOPLE_SHOWN = 100
MOST_LENT = 200
Kind = Activity.Kind


@require_safe
@never_cache
def credentials(request: PersonRequest) -> HttpResponse:
    membership = require(request, Act.LOOK)
    now = timezone.now()
    lent = None
    if membership.may(Act.MANAGE_CREDENTIALS):
        others = Credential.objects.lent_by_others(membership).select_related("owner")
        lent = with_health(others.defer("sealed_key"), now)[:MOST_LENT]
    context = {
        "credentials": with_health(_own(membership), now),
        "lent": lent,
        "can_add": membership.may(Act.KEEP_CREDENTIALS),
    }
    return render(request, "tracker/credentials.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def credential_add(request: PersonRequest) -> HttpResponse:
    membership = require(request, Act.KEEP_CREDENTIALS)
    form = _form(request, membership)
    if form.is_valid() and (saved := form.save()):
        _note(Kind.KEY_ADDED, saved, membership)
        if saved.team_may_use:
            _note(Kind.KEY_LENT, saved, membership)
        messages.success(request, _("%(credential)s is saved.") % {"credential": saved})
        return redirect("credentials")
    return _form_page(request, form)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def credential(request: PersonRequest, public_id: UUID) -> HttpResponse:
    membership = require(request, Act.KEEP_CREDENTIALS)
    with transaction.atomic():
        found = get_object_or_404(_own(membership).select_for_update(), public_id=public_id)
        was_lent = found.team_may_use
        form = _form(request, membership, found)
        saved = form.save() if form.is_valid() else None
    if saved is None:
        return _form_page(request, form)
    if saved.team_may_use != was_lent:
        _note(Kind.KEY_LENT if saved.team_may_use else Kind.KEY_KEPT, saved, membership)
    if form.cleaned_data["key"]:
        _note(Kind.KEY_REPLACED, saved, membership)
        _check_waiting(saved)
    messages.success(request, _("%(credential)s is saved.") % {"credential": saved})
    return redirect("credentials")


@require_POST
@never_cache
def credential_test(request: PersonRequest) -> HttpResponse:
    """Try what stands in the form, without saving it. The answer to htmx leaves the form alone."""
    membership = require(request, Act.KEEP_CREDENTIALS)
    stored = None
    if text := request.POST.get("credential"):
        stored = get_object_or_404(_own(membership), public_id=_uuid(text))
    form = _form(request, membership, stored)
    verdict = verdict_for(form)
    if request.htmx and not request.htmx.boosted:
        return render(request, "tracker/credential_test.html", {"verdict": verdict})
    return _form_page(request, form, verdict=verdict)


@require_POST
def credential_lend(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Let the team use it, or take the loan back."""
    membership = require(request, Act.LOOK)
    found = get_object_or_404(_own(membership), public_id=public_id)
    to_team = request.POST.get("lend") == "on"
    if to_team:
        require(request, Act.KEEP_CREDENTIALS)
    if found.lend(to_team=to_team):
        _note(Kind.KEY_LENT if to_team else Kind.KEY_KEPT, found, membership)
    said = _("The team may use %(credential)s.") if to_team else _("%(credential)s is yours alone again.")
    messages.success(request, said % {"credential": found})
    return redirect("credential", found.public_id) if membership.may(Act.KEEP_CREDENTIALS) else redirect("credentials")


@require_POST
def credential_wake(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Try again now; the first tasks are asked for at once, so that the page tells the outcome."""
    membership = require(request, Act.KEEP_CREDENTIALS)
    found = _in_reach(membership, public_id)
    found.wake(timezone.now())
    _note(Kind.KEY_WOKEN, found, membership)
    _check_waiting(found)
    found.refresh_from_db()
    if not found.is_resting:
        messages.success(request, _("%(credential)s is used again.") % {"credential": found})
    return redirect("credentials")


@require_POST
def credential_disable(request: PersonRequest, public_id: UUID) -> HttpResponse:
    membership = require(request, Act.LOOK)
    found = _in_reach(membership, public_id)
    found.disable()
    _note(Kind.KEY_DISABLED, found, membership)
    messages.success(request, _("%(credential)s is disabled. Its tasks wait.") % {"credential": found})
    return redirect("credentials")


@require_POST
def credential_enable(request: PersonRequest, public_id: UUID) -> HttpResponse:
    return credential_wake(request, public_id)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def credential_delete(request: PersonRequest, public_id: UUID) -> HttpResponse:
    membership = require(request, Act.LOOK)
    found = get_object_or_404(_own(membership), public_id=public_id)
    if request.method == "POST":
        found.remove()
        _note(Kind.KEY_DELETED, found, membership)
        messages.success(request, _("%(credential)s is deleted.") % {"credential": found})
        return redirect("credentials")
    tasks = MusicTask.objects.filter(credential=found, removed_at=None)
    context = {"credential": found, "task_count": tasks.count(), "live_count": tasks.live().count()}
    return render(request, "tracker/credential_delete.html", context)


def _own(membership: Membership) -> CredentialQuerySet:
    return Credential.objects.owned_by(membership.user, membership.team)


def _in_reach(membership: Membership, public_id: UUID) -> Credential:
    return get_object_or_404(Credential.objects.in_reach_of(membership), public_id=public_id)


def _form(request: PersonRequest, membership: Membership, stored: Credential | None = None) -> CredentialForm:
    typed = request.POST if request.method == "POST" else None
    if stored is None:
        return CredentialForm(typed, membership=membership)
    return CredentialEditForm(typed, membership=membership, credential=stored)


def _form_page(request: PersonRequest, form: CredentialForm, *, verdict: Verdict | None = None) -> HttpResponse:
    context: dict[str, object] = {"form": form, "credential": None, "verdict": verdict}
    if isinstance(form, CredentialEditForm):
        tasks = MusicTask.objects.filter(credential=form.credential, removed_at=None)
        context |= {
            "credential": form.credential,
            "people": _people(tasks),
            "most": USES_COUNTED,
            "newest": tasks.select_related("added_by").order_by("-pk")[:USES_SHOWN],
        }
    return render(request, "tracker/credential.html", context)


def _people(tasks: QuerySet[MusicTask]) -> list[Any]:
    """Who tracked how many of the newest ``tasks``, how many of them are live, and when the last one was."""
    newest = MusicTask.objects.filter(pk__in=tasks.order_by("-pk").values("pk")[:USES_COUNTED]).order_by()
    people = newest.values("added_by__name", "added_by__email").annotate(
        count=Count("pk"), live=Count("pk", filter=Q(ended=Ended.NOT)), last=Max("created_at")
    )
    return list(people.order_by("-last")[:PEOPLE_SHOWN])


def _check_waiting(credential: Credential) -> None:
    waiting = credential.tasks.live().filter(removed_at=None).order_by("-pk")
    check_now(list(waiting.values_list("pk", flat=True)[:CHECKED_AT_ONCE]))


def _note(kind: Activity.Kind, credential: Credential, membership: Membership) -> None:
    Activity.objects.note(
        kind, team=membership.team, actor=membership.user, now=timezone.now(), subject=credential.label
    )


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None
