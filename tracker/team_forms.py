"""Forms about people and teams: who they are, what a team is called, who is let in and as what."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.password_validation import password_validators_help_texts, validate_password
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from tracker.models import Invitation, Membership, Role, User

MOST_OPEN = 200
"""Invitations of a team that wait at once; a bound for scripts, not for people."""

ROLE_BEYOND = _("You may not give this role: it is not below your own.")
TAKEN = _("Somebody with this address is here already.")


class NameField(forms.CharField):
    """A name: one line, so that it fits into a sentence and the subject of a mail."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=80, **kwargs)

    def to_python(self, value: Any) -> str:
        return " ".join((super().to_python(value) or "").split())


def _password_rules() -> str:
    return " ".join(password_validators_help_texts())


# People ----------------------------------------------------------------------------------------------


class NewPersonForm(forms.Form):
    """Somebody who is not here yet."""

    name = NameField(label=_("Your name"), widget=forms.TextInput({"autocomplete": "name"}))
    email = forms.EmailField(label=_("E-mail address"), widget=forms.EmailInput({"autocomplete": "email"}))
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        max_length=1000,
        help_text=lazy(_password_rules, str)(),
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
    )

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"].lower()
        if User.objects.filter(email=email).exists():
            raise ValidationError(TAKEN, code="taken")
        return email

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if "password" in cleaned:
            person = User(email=cleaned.get("email", ""), name=cleaned.get("name", ""))
            try:
                validate_password(cleaned["password"], person)
            except ValidationError as error:
                self.add_error("password", error)
        return cleaned


class JoinForm(NewPersonForm):
    """Somebody new who comes with an invitation; it may be for one e-mail address only."""

    def __init__(self, *args: Any, invitation: Invitation, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.invitation = invitation
        if invitation.email:
            self.fields["email"].help_text = _("The one this invitation was made for.")

    def clean_email(self) -> str:
        # Asked first, so that only whom the invitation is for learns who is here already.
        if not self.invitation.is_for(User(email=self.cleaned_data["email"])):
            raise ValidationError(_("This invitation is for another e-mail address."), code="other")
        return super().clean_email()

    def save(self) -> User:
        cleaned = self.cleaned_data
        return User.objects.create_user(cleaned["email"], cleaned["password"], name=cleaned["name"])


class AccountForm(forms.ModelForm):  # type: ignore[type-arg]
    """What a person decides about themselves."""

    name = NameField(label=_("Name"), widget=forms.TextInput({"autocomplete": "name"}))
    language = forms.ChoiceField(
        label=_("Language"), choices=[("", _("As the browser")), *settings.LANGUAGES], required=False
    )
    theme = forms.ChoiceField(label=_("Theme"), choices=User.Theme.choices, required=False)
    time_zone = forms.ChoiceField(
        label=_("Time zone"),
        choices=lambda: [
            ("", _("As the server")),
            *((zone, zone.replace("_", " ")) for zone in sorted(zoneinfo.available_timezones())),
        ],
        required=False,
    )

    class Meta:
        model = User
        fields = ["name", "language", "theme", "time_zone"]


class DeleteAccountForm(forms.Form):
    password = forms.CharField(
        label=_("Your password"),
        strip=False,
        max_length=1000,
        widget=forms.PasswordInput({"autocomplete": "current-password"}),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        if not self.user.check_password(password):
            raise ValidationError(_("This is not your password."), code="wrong")
        return password


# Teams -----------------------------------------------------------------------------------------------


class TeamForm(forms.Form):
    """What a team is called."""

    name = NameField(label=_("Name of the team"), widget=forms.TextInput({"autocomplete": "off"}))


class DeleteTeamForm(forms.Form):
    name = forms.CharField(
        label=_("Type the team’s name to delete it"), max_length=200, widget=forms.TextInput({"autocomplete": "off"})
    )

    def __init__(self, *args: Any, expected: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = expected

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if name.split() != self.expected.split():
            raise ValidationError(_("This is not the team’s name. Nothing was deleted."), code="other")
        return name


class HandOverForm(forms.Form):
    to = forms.ChoiceField(label=_("New owner"), error_messages={"invalid_choice": _("Choose somebody of the team.")})

    def __init__(self, *args: Any, members: Iterable[Membership], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._members = {str(member.public_id): member for member in members}
        self.fields["to"].choices = [  # type: ignore[attr-defined]
            ("", _("Choose…")), *((key, str(member.user)) for key, member in self._members.items())
        ]  # fmt: skip

    def clean_to(self) -> Membership:
        return self._members[self.cleaned_data["to"]]


def roles_below(membership: Membership) -> list[tuple[str, str]]:
    """The roles that ``membership`` may give, the most harmless last."""
    return [(role.value, str(role.label)) for role in Role if membership.outranks(role)]


class InviteForm(forms.Form):
    """A link that lets one person in."""

    role = forms.ChoiceField(label=_("Role"), error_messages={"invalid_choice": ROLE_BEYOND})
    days = forms.TypedChoiceField(
        label=_("Works for"),
        coerce=int,
        choices=[(days, ngettext_lazy("%d day", "%d days") % days) for days in (1, 7, 30)],
    )
    email = forms.EmailField(
        label=_("Only for this e-mail address"),
        required=False,
        widget=forms.EmailInput({"autocomplete": "off"}),
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, membership: Membership) -> None:
        super().__init__(data, initial={"role": Role.MEMBER, "days": Invitation.LIFETIME.days})
        self.membership = membership
        self.fields["role"].choices = roles_below(membership)  # type: ignore[attr-defined]
        self.fields["email"].help_text = (
            _("Optional. The link is sent there, and nobody else can take it.")
            if settings.CAN_SEND_MAIL
            else _("Optional. Nobody else can take the link then.")
        )

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"].lower()
        if email and self.membership.team.memberships.filter(user__email=email).exists():
            raise ValidationError(_("Somebody with this address is in the team already."), code="here")
        return email

    def clean(self) -> dict[str, Any]:
        if Invitation.objects.open(timezone.now()).filter(team=self.membership.team).count() >= MOST_OPEN:
            raise ValidationError(_("Too many invitations wait already. Revoke some of them first."), code="many")
        return self.cleaned_data

    def save(self, now: datetime) -> Invitation:
        cleaned = self.cleaned_data
        return Invitation.issue(
            by=self.membership,
            role=Role(cleaned["role"]),
            email=cleaned["email"],
            lifetime=timedelta(days=cleaned["days"]),
            now=now,
        )
