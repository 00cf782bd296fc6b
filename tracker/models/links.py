"""Links that carry a secret: found by its hash, and sealed, so that who made one can copy it again."""

from __future__ import annotations

import hashlib
from secrets import token_urlsafe
from typing import Self
from uuid import uuid4

from django.db import models

from tracker import secrets


def hash_token(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class SecretLink(models.Model):
    """The token itself is only ever in the link: the database holds its SHA-256, and it sealed as keys are."""

    public_id = models.UUIDField(default=uuid4, unique=True, editable=False)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    sealed_token = models.TextField(editable=False)

    class Meta:
        abstract = True

    def draw_token(self) -> Self:
        """Give the link a token of 144 random bits; to be called once, before it is saved."""
        token = token_urlsafe(18)
        self.token_hash = hash_token(token)
        self.sealed_token = secrets.seal(token, owner=self.public_id)
        return self

    @property
    def token(self) -> str:
        """For the link. Raises :class:`tracker.secrets.SealBrokenError`."""
        return secrets.unseal(self.sealed_token, owner=self.public_id)
