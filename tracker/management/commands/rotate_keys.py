"""Re-encrypts everything sealed with the newest ring key, while the poller goes on reading it."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from tracker import secrets
from tracker.models import Credential, Invitation, ShareLink

NO_FILE = (
    "The ring comes from the environment (CREDENTIAL_KEYS), so it cannot be changed here. Make a key with\n"
    "  python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'\n"
    "put it first in CREDENTIAL_KEYS (newest first, separated by commas), restart, and run rotate_keys."
)
Sealed = type[Credential] | type[ShareLink] | type[Invitation]
SEALED: dict[Sealed, str] = {
    Credential: "sealed_key",
    ShareLink: "sealed_token",
    Invitation: "sealed_token",
}
"""Every model that holds something sealed, and in which column."""


class Command(BaseCommand):
    help = (
        "Re-encrypt every credential, and the links of shares and invitations, with the newest key of "
        "CREDENTIAL_KEYS. Safe while musicboard runs."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--new", action="store_true", help="add a fresh key to the ring first")

    def handle(self, *, new: bool, **_options: Any) -> None:
        if new:
            if not settings.CREDENTIAL_KEYS_IN_FILE:
                raise CommandError(NO_FILE)
            secrets.add_ring_key()
            self.stdout.write("A fresh key was added to the ring.")
        count = 0
        broken: dict[Sealed, list[int]] = {model: [] for model in SEALED}
        for model in SEALED:
            for pk in list(model.objects.order_by("pk").values_list("pk", flat=True)):
                try:
                    count += rotate(model, pk)
                except secrets.SealBrokenError:
                    broken[model].append(pk)
        self.stdout.write(f"Re-encrypted: {count}.")
        self._tell_broken(broken)

    def _tell_broken(self, broken: dict[Sealed, list[int]]) -> None:
        for credential in Credential.objects.filter(pk__in=broken[Credential]).select_related("owner", "team"):
            self.stdout.write(
                f"Cannot be opened, so its owner must enter the key again: {credential} "
                f"({credential.owner.email}, {credential.team})."
            )
        for link in ShareLink.objects.filter(pk__in=broken[ShareLink]).select_related("task", "team"):
            self.stdout.write(f"Cannot be opened, so the link works but cannot be copied again: {link} ({link.team}).")
        for invitation in Invitation.objects.filter(pk__in=broken[Invitation]).select_related("team"):
            self.stdout.write(
                f"Cannot be opened, so the invitation works but cannot be copied again: {invitation} "
                f"({invitation.team})."
            )
        if many := sum(map(len, broken.values())):
            raise CommandError(f"{many} could not be opened.")


def rotate(model: Sealed, pk: int) -> bool:
    """Re-seal one row; False where it was deleted meanwhile. Raises ``SealBrokenError``.

    The row changes only if it still holds what was read: a key that its owner replaces at this moment wins.
    """
    column = SEALED[model]
    while True:
        sealed = model.objects.filter(pk=pk).values_list(column, flat=True).first()
        if sealed is None:
            return False
        unchanged = model.objects.filter(pk=pk, **{column: sealed})
        if unchanged.update(**{column: secrets.reseal(sealed)}):
            return True
