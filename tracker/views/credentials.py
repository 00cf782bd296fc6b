"""Credentials: a person's own keys. Nobody else sees them here, and nobody ever sees the key."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from tracker.checking import check_now
from tracker.credential_forms import CredentialEditForm, CredentialForm, Verdict, verdict_for
from tracker.middleware import PersonRequest
from tracker.models import Act, Credential, Membership, MusicTask
from tracker.models.credentials import CredentialQuerySet
from tracker.permissions import require

CHECKED_AT_ONCE = 20
"""Waiting tasks that are asked for at once when a key comes back; the poller takes the others."""


@require_safe
@never_cache
def credentials(request: PersonRequest) -> HttpResponse:
    membership = require(request, Act.LOOK)
    live = MusicTask.objects.live().filter(credential=OuterRef("pk"), removed_at=None).order_by()
    live_count = live.values("credential").annotate(count=Count("pk")).values("count")
    own = _own(membership).annotate(live_count=Coalesce(Subquery(live_count), 0))
    return render(
        request, "tracker/credentials.html", {"credentials": own, "can_add": membership.may(Act.KEEP_CREDENTIALS)}
    )


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def credential_add(request: PersonRequest) -> HttpResponse:
    form = _form(request, require(request, Act.KEEP_CREDENTIALS))
    if form.is_valid() and (saved := form.save()):
        messages.success(request, _("%(credential)s is saved.") % {"credential": saved})
        return redirect("credentials")
    return _form_page(request, form)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def credential(request: PersonRequest, public_id: UUID) -> HttpResponse:
    membership = require(request, Act.KEEP_CREDENTIALS)
    with transaction.atomic():
        found = get_object_or_404(_own(membership).select_for_update(), public_id=public_id)
        form = _form(request, membership, found)
        saved = form.save() if form.is_valid() else None
    if saved is None:
        return _form_page(request, form)
    if form.cleaned_data["key"]:
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
def credential_wake(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Try again now; the first tasks are asked for at once, so that the page tells the outcome."""
    found = get_object_or_404(_own(require(request, Act.KEEP_CREDENTIALS)), public_id=public_id)
    found.wake(timezone.now())
    _check_waiting(found)
    found.refresh_from_db()
    if not found.is_resting:
        messages.success(request, _("%(credential)s is used again.") % {"credential": found})
    return redirect("credentials")


@require_POST
def credential_disable(request: PersonRequest, public_id: UUID) -> HttpResponse:
    found = get_object_or_404(_own(require(request, Act.LOOK)), public_id=public_id)
    found.disable()
    messages.success(request, _("%(credential)s is disabled. Its tasks wait.") % {"credential": found})
    return redirect("credentials")


@require_POST
def credential_enable(request: PersonRequest, public_id: UUID) -> HttpResponse:
    return credential_wake(request, public_id)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def credential_delete(request: PersonRequest, public_id: UUID) -> HttpResponse:
    found = get_object_or_404(_own(require(request, Act.LOOK)), public_id=public_id)
    if request.method == "POST":
        found.remove()
        messages.success(request, _("%(credential)s is deleted.") % {"credential": found})
        return redirect("credentials")
    tasks = MusicTask.objects.filter(credential=found, removed_at=None)
    context = {"credential": found, "task_count": tasks.count(), "live_count": tasks.live().count()}
    return render(request, "tracker/credential_delete.html", context)


def _own(membership: Membership) -> CredentialQuerySet:
    return Credential.objects.owned_by(membership.user, membership.team)


def _form(request: PersonRequest, membership: Membership, stored: Credential | None = None) -> CredentialForm:
    typed = request.POST if request.method == "POST" else None
    if stored is None:
        return CredentialForm(typed, membership=membership)
    return CredentialEditForm(typed, membership=membership, credential=stored)


def _form_page(request: PersonRequest, form: CredentialForm, *, verdict: Verdict | None = None) -> HttpResponse:
    stored = form.credential if isinstance(form, CredentialEditForm) else None
    return render(request, "tracker/credential.html", {"form": form, "credential": stored, "verdict": verdict})


def _check_waiting(credential: Credential) -> None:
    waiting = credential.tasks.live().filter(removed_at=None).order_by("-pk")
    check_now(list(waiting.values_list("pk", flat=True)[:CHECKED_AT_ONCE]))


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None
