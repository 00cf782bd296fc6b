"""Invitations into a team: a link, taken once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Self

from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from tracker.models.activity import Activity
from tracker.models.links import SecretLink, hash_token
from tracker.models.roles import Role
from tracker.models.teams import Membership, Team, User


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def for_token(self, token: str) -> Self:
        return self.filter(token_hash=hash_token(token))

    def made_by(self, membership: Membership) -> Self:
        """What one person of a team has handed out."""
        return self.filter(team=membership.team_id, invited_by=membership.user_id)

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

    @classmethod
    @transaction.atomic
    def issue(cls, *, by: Membership, role: Role, email: str, lifetime: timedelta, now: datetime) -> Invitation:
        """Offer a place. Whether ``by`` may give this role was asked before."""
        invitation = cls(
            team=by.team,
            role=role,
            email=email.lower(),
            invited_by=by.user,
            created_at=now,
            expires_at=now + lifetime,
        ).draw_token()
        invitation.save()
        Activity.objects.note(
            Activity.Kind.INVITED, team=by.team, actor=by.user, now=now, subject=invitation.email, role=role.value
        )
        return invitation

    def is_open(self, now: datetime) -> bool:
        return self.accepted_at is None and self.revoked_at is None and self.expires_at > now

    def is_for(self, user: User) -> bool:
        """Whether ``user`` may take it, as far as the e-mail address goes."""
        return self.email in ("", user.email.lower())

    # Verbs ---------------------------------------------------------------------------------------

    @transaction.atomic
    def accept(self, user: User, *, now: datetime) -> Membership | None:
        """Let ``user`` in: true for the first who comes. None where the link has ended, or is not for ``user``.

        Somebody who is in the team already keeps the place and the role they have, and the link stays open.
        """
        team = Team.objects.locked().filter(pk=self.team_id).first()
        if team is None or not self.is_for(user):
            return None
        here = Membership.objects.filter(team=team, user=user).first()
        if here is not None:
            return here
        # The condition decides between two who come at once, whatever this instance still believes.
        if not Invitation.objects.open(now).filter(pk=self.pk).update(accepted_at=now, accepted_by=user):
            return None
        membership = Membership.objects.create(team=team, user=user, role=self.role)
        Activity.objects.note(
            Activity.Kind.JOINED, team=team, actor=user, now=now, subject=str(user), role=str(self.role)
        )
        return membership

    @transaction.atomic
    def revoke(self, *, actor: User, now: datetime) -> bool:
        """End the link; false where it has ended already."""
        ended = Invitation.objects.open(now).filter(pk=self.pk).update(revoked_at=now) == 1
        if ended:
            Activity.objects.note(
                Activity.Kind.INVITATION_REVOKED, team=self.team, actor=actor, now=now, subject=self.email,
                role=str(self.role),
            )  # fmt: skip
        return ended
