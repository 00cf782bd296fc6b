"""Who did what in a team, for as long as ``ACTIVITY_DAYS``."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from tracker.models.teams import Team, User


class ActivityManager(models.Manager["Activity"]):
    def note(
        self, kind: Activity.Kind, *, team: Team, actor: User | None, now: datetime, subject: str = "", **detail: Any
    ) -> Activity:
        """Write down that ``actor`` did it. ``subject`` names the thing or the person; never a key, never a link."""
        return self.create(kind=kind, team=team, actor=actor, at=now, subject=subject[:200], detail=detail)

    def prune(self, now: datetime) -> int:
        """Forget what is older than ``ACTIVITY_DAYS``."""
        return self.filter(at__lt=now - timedelta(days=settings.ACTIVITY_DAYS)).delete()[0]


class Activity(models.Model):
    """One thing that somebody did. Words are made when it is read, in the reader's language."""

    class Kind(models.TextChoices):
        TRACKED = "tracked", _("Tasks tracked")
        HANDED = "handed", _("Task given another credential")
        REMOVED_TASK = "removed_task", _("Task removed")
        SHARED = "shared", _("Link made")
        SHARE_CHANGED = "share_changed", _("Link changed")
        SHARE_REVOKED = "share_revoked", _("Link revoked")
        INVITED = "invited", _("Somebody invited")
        INVITATION_REVOKED = "uninvited", _("Invitation revoked")
        JOINED = "joined", _("Joined the team")
        LEFT = "left", _("Left the team")
        REMOVED = "removed", _("Removed from the team")
        ROLE_CHANGED = "role_changed", _("Role changed")
        TRANSFERRED = "transferred", _("Team handed over")
        RENAMED = "renamed", _("Team renamed")
        KEY_ADDED = "key_added", _("Credential added")
        KEY_REPLACED = "key_replaced", _("Key replaced")
        KEY_LENT = "key_lent", _("Credential lent to the team")
        KEY_KEPT = "key_kept", _("Credential no longer lent")
        KEY_DISABLED = "key_disabled", _("Credential disabled")
        KEY_WOKEN = "key_woken", _("Credential used again")
        KEY_DELETED = "key_deleted", _("Credential deleted")

    team = models.ForeignKey(Team, models.CASCADE, related_name="activities", db_index=False, verbose_name=_("team"))
    actor = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="+", db_index=False, verbose_name=_("person")
    )
    at = models.DateTimeField(_("when"))
    kind = models.CharField(_("what"), max_length=14, choices=Kind)
    subject = models.CharField(_("about"), max_length=200, blank=True)
    detail = models.JSONField(_("details"), default=dict, blank=True)

    objects: ClassVar[ActivityManager] = ActivityManager()

    class Meta:
        verbose_name = _("activity")
        verbose_name_plural = _("activities")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["team", "-id"], name="activity_of_team"),
            models.Index(fields=["team", "kind", "-id"], name="activity_of_kind"),
            models.Index(fields=["actor", "team", "-id"], name="activity_of_person"),
            models.Index(fields=["at"], name="activity_age"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.subject}"
