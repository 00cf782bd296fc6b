"""Invitations into a team: a link, taken once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from tracker.models.links import SecretLink, hash_token
from tracker.models.roles import Role
from tracker.models.teams import Team, User


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def for_token(self, token: str) -> Self:
        return self.filter(token_hash=hash_token(token))

    def open(self, now: datetime) -> Self:
        return self.filter(accepted_at=None, revoked_at=None, expires_at__gt=now)


class Invitation(SecretLink):
    """A place in a team that waits for somebody."""

    LIFETIME = timedelta(days=7)

    team = models.ForeignKey(Team, models.CASCADE, related_name="invitations", verbose_name=_("team"))
    role = models.CharField(_("role"), max_length=10, choices=Role, default=Role.MEMBER)
    email = models.EmailField(_("only for this e-mail address"), blank=True)
    invited_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("invited by")
    )
    created_at = models.DateTimeField(_("created at"))
    expires_at = models.DateTimeField(_("expires at"))
    accepted_at = models.DateTimeField(_("accepted at"), null=True, blank=True)
    accepted_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("accepted by")
    )
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.email or self.get_role_display()
