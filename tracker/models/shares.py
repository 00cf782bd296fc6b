"""Public links to a task or some of its clips, with their limits."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from tracker.models.links import SecretLink, hash_token
from tracker.models.tasks import Clip, MusicTask
from tracker.models.teams import Team, User


class ShareLinkQuerySet(models.QuerySet["ShareLink"]):
    def for_token(self, token: str) -> Self:
        return self.filter(token_hash=hash_token(token))

    def of_team(self, team: Team) -> Self:
        """Links of a team whose membership was checked already; those to removed tasks stay away with them."""
        return self.filter(team=team, task__removed_at=None)

    def open(self, now: datetime) -> Self:
        """Links that show something; the end of one is an end of page and sound."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None, rested_at=None)


class ShareLink(SecretLink):
    """What a stranger with the link may see and hear. Nothing in it tells who, where or with which key."""

    LIFETIME = timedelta(days=30)

    team = models.ForeignKey(Team, models.CASCADE, related_name="shares", db_index=False, verbose_name=_("team"))
    task = models.ForeignKey(MusicTask, models.CASCADE, related_name="shares", verbose_name=_("task"))
    clips = models.ManyToManyField(Clip, blank=True, related_name="shares", verbose_name=_("clips"))
    """Only these; none means all of the task, those that are still to come too."""
    title = models.CharField(_("heading"), max_length=200, blank=True)
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="shares", verbose_name=_("made by")
    )
    created_at = models.DateTimeField(_("created at"))
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)
    rested_at = models.DateTimeField(_("at rest since"), null=True, blank=True)
    """Set when who made the link is removed from the team; somebody who manages links may wake it."""
    password = models.CharField(_("password"), max_length=200, blank=True, editable=False)
    """As Django hashes passwords (Argon2)."""
    failed_tries = models.PositiveSmallIntegerField(_("wrong passwords in a row"), default=0, editable=False)
    locked_until = models.DateTimeField(_("no password is taken until"), null=True, blank=True, editable=False)
    allow_download = models.BooleanField(_("download"), default=False)
    allow_embed = models.BooleanField(_("embedding"), default=False)
    show_lyrics = models.BooleanField(_("lyrics"), default=True)
    show_prompt = models.BooleanField(_("prompt"), default=False)
    visit_count = models.PositiveIntegerField(_("visits"), default=0, editable=False)
    visited_at = models.DateTimeField(_("last visit"), null=True, blank=True, editable=False)

    objects = ShareLinkQuerySet.as_manager()

    class Meta:
        verbose_name = _("share")
        verbose_name_plural = _("shares")
        ordering = ["-id"]
        indexes = [models.Index(fields=["team", "-id"], name="share_of_team")]

    def __str__(self) -> str:
        return self.title or str(self.task)
