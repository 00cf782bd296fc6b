"""Django's admin: people, teams, credentials without their keys, and what is tracked. Never a key, never a password."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.contrib.auth.models import Group
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from tracker.models import Clip, Credential, Membership, MusicTask, TaskEvent, Team, User
from tracker.models.credentials import Hold

RESTED_BY_ADMIN = gettext_noop("An admin let this credential rest.")

admin.site.site_header = admin.site.site_title = "musicboard"
admin.site.index_title = _("Administration")
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


class BigTableAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Looked at, not edited: what the provider said is written by the poller alone."""

    paginator = UncountedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class MembershipInline(admin.TabularInline):  # type: ignore[type-arg]
    model = Membership
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
class PersonAdmin(UserAdmin):  # type: ignore[type-arg]
    """People sign in with their e-mail address, which is why this differs from Django's own."""

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
class SecondFactorAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
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
class TeamAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["name", "created_at"]
    search_fields = ["name"]
    readonly_fields = ["created_at"]
    inlines = [MembershipInline]


@admin.register(Membership)
class MembershipAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["user", "team", "role", "created_at"]
    list_filter = ["role"]
    list_select_related = ["user", "team"]
    search_fields = ["user__email", "user__name", "team__name"]
    autocomplete_fields = ["user", "team"]


@admin.register(Credential)
class CredentialAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Which keys are healthy and who owns them. A key is entered by its owner alone, and shown to nobody."""

    list_display = ["label", "hint", "provider", "owner", "team", "state", "rest_kind", "rest_until", "last_success_at"]
    list_filter = ["state", "provider", "rest_kind"]
    list_select_related = ["owner", "team"]
    search_fields = ["label", "owner__email", "owner__name", "team__name"]
    readonly_fields = (
        "label", "hint", "provider", "base_url", "owner", "team", "state", "rest_kind", "rest_status", "rest_detail",
        "rest_until", "paused_until", "answers_batches", "last_success_at", "created_at",
    )  # fmt: skip
    fields = readonly_fields
    actions = ["rest_keys", "wake_keys", "disable_keys"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description=_("Last four"))
    def hint(self, credential: Credential) -> str:
        return f"…{credential.last_four}"

    @admin.action(description=_("Let them rest"))
    def rest_keys(self, request: HttpRequest, credentials: QuerySet[Credential]) -> None:
        for credential in credentials.filter(state=Credential.State.ACTIVE):
            credential.rest(Hold.KEY_REFUSED, now=timezone.now(), detail=RESTED_BY_ADMIN)

    @admin.action(description=_("Try them again now"))
    def wake_keys(self, request: HttpRequest, credentials: QuerySet[Credential]) -> None:
        for credential in credentials:
            credential.wake(timezone.now())

    @admin.action(description=_("Disable them"))
    def disable_keys(self, request: HttpRequest, credentials: QuerySet[Credential]) -> None:
        for credential in credentials:
            credential.disable()

    def delete_model(self, request: HttpRequest, obj: Credential) -> None:
        obj.remove()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Credential]) -> None:
        for credential in queryset:
            credential.remove()


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
