"""People, teams and who is in them."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self
from uuid import uuid4

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from tracker.models.links import hash_token
from tracker.models.roles import MAY, RANK, Act, Role


class UserManager(BaseUserManager["User"]):
    """Makes people; an e-mail address is kept in lower case, since that is how people type it twice."""

    use_in_migrations = True

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def administrators(self) -> models.QuerySet[User]:
        """Who may administer; while there is nobody, the set-up link is offered."""
        return self.filter(is_superuser=True, is_active=True)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person. Signs in with an e-mail address; is shown by name."""

    class Theme(models.TextChoices):
        AUTO = "", _("As the device")
        LIGHT = "light", _("Light")
        DARK = "dark", _("Dark")

    email = models.EmailField(_("e-mail address"), unique=True)
    name = models.CharField(_("name"), max_length=80)
    language = models.CharField(_("language"), max_length=10, blank=True)
    theme = models.CharField(_("theme"), max_length=10, blank=True, choices=Theme, default=Theme.AUTO)
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True)
    is_staff = models.BooleanField(_("staff"), default=False)
    is_active = models.BooleanField(_("active"), default=True)
    date_joined = models.DateTimeField(_("joined at"), auto_now_add=True)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("people")

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        return self.name

    def get_short_name(self) -> str:
        return self.name


class TeamQuerySet(models.QuerySet["Team"]):
    def locked(self) -> Self:
        """To be read inside a transaction: who changes the team's people waits for whoever does so already.

        SQLite knows no such locks and needs none: its transactions are IMMEDIATE, so one at a time writes.
        """
        return self.select_for_update(no_key=True)


class Team(models.Model):
    """People who work on the same board."""

    public_id = models.UUIDField(default=uuid4, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=80)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    members: models.ManyToManyField[User, Membership] = models.ManyToManyField(
        User, through="Membership", related_name="teams"
    )

    objects = TeamQuerySet.as_manager()

    class Meta:
        verbose_name = _("team")
        verbose_name_plural = _("teams")

    def __str__(self) -> str:
        return self.name


class MembershipQuerySet(models.QuerySet["Membership"]):
    def of_person(self, user: User) -> Self:
        """A person's places, the team looked at last first."""
        return self.filter(user=user).order_by(models.F("looked_at").desc(nulls_last=True), "pk")

    def owners(self) -> Self:
        return self.filter(role=Role.OWNER)


class Membership(models.Model):
    """One person's place in one team."""

    public_id = models.UUIDField(default=uuid4, unique=True, editable=False)
    team = models.ForeignKey(Team, models.CASCADE, related_name="memberships", verbose_name=_("team"))
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships", verbose_name=_("person"))
    role = models.CharField(_("role"), max_length=10, choices=Role, default=Role.MEMBER)
    created_at = models.DateTimeField(_("joined at"), auto_now_add=True)
    looked_at = models.DateTimeField(_("last looked at"), null=True, editable=False)
    """When the person last chose this team: a new session begins with it."""

    objects = MembershipQuerySet.as_manager()

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = [
            models.UniqueConstraint(fields=["team", "user"], name="membership_once"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.team}"

    def may(self, act: Act) -> bool:
        return act in MAY[Role(self.role)]

    @property
    def acts(self) -> dict[str, bool]:
        """For templates: ``membership.acts.track``."""
        allowed = MAY[Role(self.role)]
        return {act.value: act in allowed for act in Act}

    def outranks(self, role: str) -> bool:
        """Whether somebody with ``role`` may be invited, changed or removed: an owner by owners, others from above."""
        if self.may(Act.MANAGE_TEAM):
            return True
        return self.may(Act.MANAGE_MEMBERS) and RANK[Role(role)] < RANK[Role(self.role)]

    def is_last_owner(self) -> bool:
        """Whether the team would be left without an owner."""
        owners = Membership.objects.owners().filter(team=self.team_id)
        return self.role == Role.OWNER and not owners.exclude(pk=self.pk).exists()


class EntryLinkQuerySet(models.QuerySet["EntryLink"]):
    def open(self, now: datetime) -> Self:
        return self.filter(used_at=None, expires_at__gt=now)

    def for_token(self, token: str) -> Self:
        return self.filter(token_hash=hash_token(token))


class EntryLink(models.Model):
    """A link that lets somebody in once: to set musicboard up, or to sign in to the demo.

    Only the SHA-256 of its token is kept.
    """

    class Purpose(models.TextChoices):
        SETUP = "setup", _("Set up")
        SIGN_IN = "sign_in", _("Sign in")

    LIFETIME = timedelta(hours=24)

    purpose = models.CharField(max_length=10, choices=Purpose)
    token_hash = models.CharField(max_length=64, unique=True)
    user = models.ForeignKey(User, models.CASCADE, null=True, blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    objects = EntryLinkQuerySet.as_manager()

    def __str__(self) -> str:
        return self.get_purpose_display()

    @classmethod
    def issue(cls, purpose: Purpose, *, now: datetime, user: User | None = None) -> str:
        """Make a link and return its token, which cannot be read again. Earlier links of the kind end."""
        token = secrets.token_urlsafe(24)
        with transaction.atomic():
            cls.objects.filter(purpose=purpose, user=user, used_at=None).delete()
            cls.objects.create(
                purpose=purpose,
                token_hash=hash_token(token),
                user=user,
                created_at=now,
                expires_at=now + cls.LIFETIME,
            )
        return token

    def use(self, now: datetime) -> bool:
        """Take the link; true for the first who does, whoever else tries at the same moment."""
        return EntryLink.objects.open(now).filter(pk=self.pk).update(used_at=now) == 1
