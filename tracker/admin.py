"""Django's admin: people, teams, credentials without their keys, and what is tracked. Never a key, never a password."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from tracker.credential_forms import try_verdict
from tracker.models import (
    Activity,
    Clip,
    Credential,
    Invitation,
    Membership,
    MusicTask,
    PollerBeat,
    Role,
    ShareLink,
    TaskEvent,
    Team,
    User,
)
from tracker.models.credentials import Hold
from tracker.operations import with_health
from tracker.secrets import SealBrokenError

RESTED_BY_ADMIN = gettext_noop("An admin let this credential rest.")
TESTED_AT_ONCE = 5
"""Each test asks a provider and is waited for."""
SECRET_FIELDS = frozenset(
    {"sealed_key", "sealed_token", "token_hash", "password", "session_data", "session_key", "data"}
)

# Roles stand in the team; addresses and sessions are the person's own affair; a second factor holds a secret.
for model in (Group, EmailAddress, UserSession, Authenticator):
    admin.site.unregister(model)


class UncountedPaginator(Paginator):  # type: ignore[type-arg]
    """Pages of a table with a million rows: counted up to a limit, since COUNT(*) would read them all."""

    COUNTED_ROWS = 10_000

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        if isinstance(rows, QuerySet):
            return len(rows.order_by().values_list("pk")[: self.COUNTED_ROWS])
        return super().count


class DiscreetAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Nothing can be found by a secret: a filter typed into the address would tell it letter by letter."""

    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        if SECRET_FIELDS.intersection(lookup.split("__")):
            return False
        return super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]


class BigTableAdmin(DiscreetAdmin):
    """Looked at, not edited: what the provider said is written by the poller alone."""

    paginator = UncountedPaginator
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


# -- A team keeps an owner ------------------------------------------------------------------------------


def left_alone(leaving: Iterable[Membership], arriving: Iterable[int] = ()) -> QuerySet[Team]:
    """The teams that nobody would own without ``leaving``; ``arriving`` are teams that get an owner meanwhile."""
    gone = [place.pk for place in leaving if place.role == Role.OWNER]
    owned = Membership.objects.filter(role=Role.OWNER).exclude(pk__in=gone).values("team")
    losing = Membership.objects.filter(pk__in=gone).values("team")
    return Team.objects.filter(pk__in=losing).exclude(pk__in=owned).exclude(pk__in=[*arriving])


def _owner_needed(teams: Iterable[Team]) -> ValidationError:
    names = ", ".join(str(team) for team in teams)
    return ValidationError(_("A team keeps an owner. Make somebody else an owner of %(teams)s first."), params={
        "teams": names,
    })  # fmt: skip


class MembershipForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Membership
        fields = ("team", "user", "role")

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        stored = Membership.objects.filter(pk=self.instance.pk).first()
        if stored is not None and not self.errors and (teams := left_alone([stored], self.arriving)):
            raise _owner_needed(teams)
        return cleaned

    @property
    def arriving(self) -> list[int]:
        """The team that has an owner by this form."""
        is_owner = self.cleaned_data.get("role") == Role.OWNER and self.cleaned_data.get("team")
        return [self.cleaned_data["team"].pk] if is_owner else []


class MembershipFormSet(BaseInlineFormSet):  # type: ignore[type-arg]
    def clean(self) -> None:
        super().clean()
        if any(self.errors):
            return
        stored = list(Membership.objects.filter(pk__in=[form.instance.pk for form in self.forms if form.instance.pk]))
        kept = [form.cleaned_data for form in self.forms if form.cleaned_data and not form.cleaned_data.get("DELETE")]
        arriving = [place["team"].pk for place in kept if place.get("role") == Role.OWNER and place.get("team")]
        if teams := left_alone(stored, arriving):
            raise _owner_needed(teams)


class KeepsAnOwner(DiscreetAdmin):
    """Deleting is refused where it would leave a team without an owner, one by one and many at once."""

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        to_delete, counts, missing, protected = super().get_deleted_objects(objs, request)
        places = Membership.objects.select_related("user", "team").filter(**{self.place_of: [one.pk for one in objs]})
        alone = set(left_alone(places))
        protected += [str(place) for place in places if place.team in alone and place.role == Role.OWNER]
        return to_delete, counts, missing, protected

    place_of: ClassVar[str]
    """The look-up from a membership to what is deleted."""


class MembershipInline(admin.StackedInline):  # type: ignore[type-arg]
    model = Membership
    formset = MembershipFormSet
    fields = ("team", "user", "role")
    extra = 0
    autocomplete_fields = ["user", "team"]


class PersonCreationForm(AdminUserCreationForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields = ("email", "name")

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"].lower()
        return email


@admin.register(User)
class PersonAdmin(KeepsAnOwner, UserAdmin):  # type: ignore[type-arg]
    """People sign in with their e-mail address, which is why this differs from Django's own."""

    place_of = "user__in"
    add_form = PersonCreationForm
    ordering = ["email"]
    list_display = ["email", "name", "is_active", "is_staff", "last_login"]
    list_filter = ["is_active", "is_staff"]
    search_fields = ["email", "name"]
    readonly_fields = ["password_state", "last_login", "date_joined"]
    filter_horizontal = ()
    fieldsets = [
        (None, {"fields": ["email", "name", "password_state"]}),
        (_("Preferences"), {"fields": ["language", "theme", "time_zone"]}),
        (_("Permissions"), {"fields": ["is_active", "is_staff", "is_superuser"]}),
        (_("Dates"), {"fields": ["last_login", "date_joined"]}),
    ]
    add_fieldsets = [
        (None, {"classes": ["wide"], "fields": ["email", "name", "usable_password", "password1", "password2"]}),
    ]
    inlines = [MembershipInline]

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        # Taken away by the cascade alone, they would leave tasks that do not say why they are not checked.
        for credential in obj.credentials.all():
            credential.remove()
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for person in queryset:
            self.delete_model(request, person)

    @admin.display(description=_("Password"))
    def password_state(self, person: User) -> str:
        """Whether there is one, and the way to another; nothing of its hash."""
        words = _("Set a new one") if person.has_usable_password() else _("None yet: set one")
        return format_html('<a href="{}">{}</a>', "../password/", words)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "language":
            return forms.ChoiceField(choices=[("", "—"), *settings.LANGUAGES], required=False)
        return super().formfield_for_dbfield(db_field, request, **kwargs)


@admin.register(Authenticator)
class SecondFactorAdmin(DiscreetAdmin):
    """A second factor can be taken off somebody who lost it. Its secret is not shown."""

    list_display = ["user", "type", "created_at", "last_used_at"]
    list_select_related = ["user"]
    search_fields = ["user__email", "user__name"]
    readonly_fields = ("user", "type", "created_at", "last_used_at")
    fields = readonly_fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Team)
class TeamAdmin(DiscreetAdmin):
    list_display = ["name", "created_at"]
    search_fields = ["name"]
    readonly_fields = ["created_at"]
    inlines = [MembershipInline]


@admin.register(Membership)
class MembershipAdmin(KeepsAnOwner):
    place_of = "pk__in"
    form = MembershipForm
    list_display = ["user", "team", "role", "created_at"]
    list_filter = ["role"]
    list_select_related = ["user", "team"]
    search_fields = ["user__email", "user__name", "team__name"]
    autocomplete_fields = ["user", "team"]


@admin.register(Credential)
class CredentialAdmin(DiscreetAdmin):
    """Which keys are healthy and who owns them. A key is entered by its owner alone, and shown to nobody."""

    list_display = (
        "named", "provider", "owner", "team", "stands", "error_rate", "live_tasks", "last_success_at",
    )  # fmt: skip
    list_filter = ["state", "provider", "team_may_use"]
    list_select_related = ["owner", "team"]
    search_fields = ["label", "owner__email", "owner__name", "team__name"]
    readonly_fields = (
        "label", "hint", "provider", "base_url", "owner", "team", "team_may_use", "state", "rest_kind", "rest_status",
        "rest_detail", "rest_until", "paused_until", "answers_batches", "error_rate", "live_tasks", "last_success_at",
        "created_at",
    )  # fmt: skip
    fields = readonly_fields
    actions = ["test_keys", "rest_keys", "wake_keys", "disable_keys"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Credential]:
        return with_health(super().get_queryset(request), timezone.now())

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Without the buttons that would save nothing."""
        no_buttons = {"show_save": False, "show_save_and_continue": False}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **no_buttons})

    @admin.display(description=_("Credential"), ordering="label")
    def named(self, credential: Credential) -> str:
        return str(credential)

    @admin.display(description=_("Last four"))
    def hint(self, credential: Credential) -> str:
        return f"…{credential.last_four}"

    @admin.display(description=_("State"), ordering="state")
    def stands(self, credential: Credential) -> str:
        """The state, or for one that rests why."""
        return str(credential.get_rest_kind_display() if credential.is_resting else credential.get_state_display())

    @admin.display(description=_("Errors, 24 h"))
    def error_rate(self, credential: Any) -> str:
        if not credential.asked_lately:
            return "–"
        percent = round(100 * credential.failed_lately / credential.asked_lately)
        return gettext("%(percent)s %% of %(asked)s") % {"percent": percent, "asked": credential.asked_lately}

    @admin.display(description=_("Live tasks"), ordering="live_count")
    def live_tasks(self, credential: Any) -> int:
        return int(credential.live_count)

    @admin.action(description=_("Test them"))
    def test_keys(self, request: HttpRequest, credentials: QuerySet[Credential]) -> None:
        for credential in credentials[:TESTED_AT_ONCE]:
            try:
                verdict = try_verdict(credential.provider_format, credential.base_url, credential.reveal())
            except SealBrokenError:
                words = gettext("The stored key can no longer be opened. Its owner has to type it again.")
                self.message_user(request, f"{credential}: {words}", messages.ERROR)
                continue
            level = messages.SUCCESS if verdict.works else messages.ERROR
            self.message_user(request, f"{credential}: {verdict.words}", level)
        if credentials.count() > TESTED_AT_ONCE:
            words = gettext("Only the first %(count)s were tested: each takes a moment.") % {"count": TESTED_AT_ONCE}
            self.message_user(request, words, messages.WARNING)

    @admin.action(description=_("Let them rest"))
    def rest_keys(self, request: HttpRequest, credentials: QuerySet[Credential]) -> None:
        for credential in credentials.filter(state=Credential.State.ACTIVE):
            credential.rest(Hold.KEY_REFUSED, now=timezone.now(), detail=RESTED_BY_ADMIN)

    @admin.action(description=_("Try them again now"))
    def wake_keys(self, request: HttpRequest, credentials: QuerySet[Credential]) -> None:
        for credential in credentials:
            credential.wake(timezone.now())
            _note(Activity.Kind.KEY_WOKEN, credential, request)

    @admin.action(description=_("Disable them"))
    def disable_keys(self, request: HttpRequest, credentials: QuerySet[Credential]) -> None:
        for credential in credentials:
            credential.disable()
            _note(Activity.Kind.KEY_DISABLED, credential, request)

    def delete_model(self, request: HttpRequest, obj: Credential) -> None:
        obj.remove()
        _note(Activity.Kind.KEY_DELETED, obj, request)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Credential]) -> None:
        for credential in queryset:
            self.delete_model(request, credential)


def _note(kind: Activity.Kind, credential: Credential, request: HttpRequest) -> None:
    Activity.objects.note(
        kind, team=credential.team, actor=_person(request), now=timezone.now(), subject=credential.label
    )


def _person(request: HttpRequest) -> User:
    """Who is asking; the panel let in nobody else."""
    assert isinstance(request.user, User)
    return request.user


@admin.register(MusicTask)
class MusicTaskAdmin(BigTableAdmin):
    list_display = ["__str__", "team", "provider", "credential", "status", "shelf", "added_by", "created_at"]
    list_filter = ["shelf"]
    list_select_related = ["team", "credential", "added_by"]
    search_fields = ["task_id__exact"]
    search_help_text = _("A whole task id")
    ordering = ["-pk"]
    exclude = ["answer_hash", "clips_hash"]


@admin.register(Clip)
class ClipAdmin(BigTableAdmin):
    list_display = ["__str__", "task", "position", "state", "sound_problem"]
    list_select_related = ["task"]
    search_fields = ["clip_id__exact"]
    search_help_text = _("A whole clip id")
    ordering = ["-pk"]


@admin.register(TaskEvent)
class TaskEventAdmin(BigTableAdmin):
    list_display = ["at", "kind", "task", "actor"]
    list_select_related = ["task", "actor"]
    search_fields = ["task__task_id__exact"]
    search_help_text = _("A whole task id")
    ordering = ["-pk"]


@admin.register(Activity)
class ActivityAdmin(BigTableAdmin):
    list_display = ["at", "kind", "subject", "actor", "team"]
    list_filter = ["kind"]
    list_select_related = ["actor", "team"]
    search_fields = ["actor__email__exact"]
    search_help_text = _("A whole e-mail address")
    ordering = ["-pk"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Invitation)
class InvitationAdmin(BigTableAdmin):
    """Who was invited. The link itself is only copied by who made it."""

    list_display = ["__str__", "team", "role", "invited_by", "created_at", "expires_at", "accepted_at", "revoked_at"]
    list_select_related = ["team", "invited_by"]
    search_fields = ["email", "team__name"]
    fields = (
        "team", "role", "email", "invited_by", "created_at", "expires_at", "accepted_at", "accepted_by", "revoked_at",
    )  # fmt: skip
    actions = ["revoke_them"]
    ordering = ["-pk"]

    @admin.action(description=_("Revoke them"))
    def revoke_them(self, request: HttpRequest, invitations: QuerySet[Invitation]) -> None:
        for invitation in invitations:
            invitation.revoke(actor=_person(request), now=timezone.now())


@admin.register(ShareLink)
class ShareAdmin(BigTableAdmin):
    """What is shared with whom it may concern. Neither the link nor its password is shown."""

    list_display = ["__str__", "team", "created_by", "created_at", "expires_at", "revoked_at", "visit_count"]
    list_select_related = ["team", "task", "created_by"]
    search_fields = ["title", "team__name"]
    fields = (
        "team", "task", "title", "created_by", "created_at", "expires_at", "revoked_at", "rested_at", "allow_download",
        "allow_embed", "show_lyrics", "show_prompt", "visit_count", "visited_at",
    )  # fmt: skip
    actions = ["revoke_them"]
    ordering = ["-pk"]

    @admin.action(description=_("Revoke them"))
    def revoke_them(self, request: HttpRequest, links: QuerySet[ShareLink]) -> None:
        for link in links:
            link.revoke(by=_person(request), now=timezone.now())


@admin.register(PollerBeat)
class PollerAdmin(BigTableAdmin):
    """Which pollers gave a sign of life, and when; the operations page says which of them live."""

    list_display = ["name", "started_at", "seen_at", "lag_p50", "lag_p95"]
    search_fields = ["name"]
    ordering = ["-seen_at"]
