"""Who may do what in a team: one table, asked by every view, form, template and admin action."""

from __future__ import annotations

from enum import StrEnum

from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    OWNER = "owner", _("Owner")
    ADMIN = "admin", _("Admin")
    MEMBER = "member", _("Member")
    VIEWER = "viewer", _("Viewer")


class Act(StrEnum):
    """Something a person does in a team. What concerns one thing is asked together with whose it is."""

    LOOK = "look"
    """See the board and the library, listen."""
    TRACK = "track"
    """Add, check, stop, remove and bring back tasks; use own and lent credentials."""
    KEEP_CREDENTIALS = "keep_credentials"
    """Keep credentials of one's own, and lend them to the team."""
    SHARE = "share"
    """Make links to what one sees; change and revoke one's own."""
    SEE_ACTIVITY = "see_activity"
    """Read who did what in the team."""
    MANAGE_SHARES = "manage_shares"
    """Change and revoke everybody's links."""
    MANAGE_CREDENTIALS = "manage_credentials"
    """See the health of the credentials that are lent to the team; disable and wake them. Never a key."""
    MANAGE_MEMBERS = "manage_members"
    """Invite, remove and change roles, below one's own; give the team another name."""
    MANAGE_TEAM = "manage_team"
    """Make owners, transfer, delete the team."""


_VIEWER = frozenset({Act.LOOK})
_MEMBER = _VIEWER | {Act.TRACK, Act.KEEP_CREDENTIALS, Act.SHARE, Act.SEE_ACTIVITY}
_ADMIN = _MEMBER | {Act.MANAGE_SHARES, Act.MANAGE_CREDENTIALS, Act.MANAGE_MEMBERS}

MAY: dict[Role, frozenset[Act]] = {
    Role.VIEWER: _VIEWER,
    Role.MEMBER: _MEMBER,
    Role.ADMIN: _ADMIN,
    Role.OWNER: _ADMIN | {Act.MANAGE_TEAM},
}

RANK: dict[Role, int] = {role: rank for rank, role in enumerate((Role.VIEWER, Role.MEMBER, Role.ADMIN, Role.OWNER))}
