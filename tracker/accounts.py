"""Sign-in: what allauth is told about musicboard."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.forms import LoginForm as AllauthLoginForm
from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

# What the next page shows anyway needs no message.
OBVIOUS_MESSAGES = frozenset({"account/messages/logged_in.txt", "account/messages/logged_out.txt"})


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Nobody signs up: people are let in by the set-up link or by an admin."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def add_message(
        self, request: HttpRequest, level: int, message_template: str | None = None, *args: Any, **kwargs: Any
    ) -> None:
        if message_template not in OBVIOUS_MESSAGES:
            super().add_message(request, level, message_template, *args, **kwargs)


class LoginForm(AllauthLoginForm):  # type: ignore[misc]
    """Where no mail can be sent, the way to a forgotten password leads over a person."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not settings.CAN_SEND_MAIL:
            self.fields["password"].help_text = _("Forgotten? Ask an admin of your team for a new password.")
