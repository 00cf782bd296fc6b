"""Re-encrypts every credential with the newest ring key, while the poller goes on reading them."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from tracker import secrets
from tracker.models import Credential

NO_FILE = (
    "The ring comes from the environment (CREDENTIAL_KEYS), so it cannot be changed here. Make a key with\n"
    "  python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'\n"
    "put it first in CREDENTIAL_KEYS (newest first, separated by commas), restart, and run rotate_keys."
)


class Command(BaseCommand):
    help = "Re-encrypt every credential with the newest key of CREDENTIAL_KEYS. Safe while musicboard runs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--new", action="store_true", help="add a fresh key to the ring first")

    def handle(self, *, new: bool, **_options: Any) -> None:
        if new:
            if not settings.CREDENTIAL_KEYS_IN_FILE:
                raise CommandError(NO_FILE)
            secrets.add_ring_key()
            self.stdout.write("A fresh key was added to the ring.")
        count, broken = 0, []
        for pk in list(Credential.objects.order_by("pk").values_list("pk", flat=True)):
            try:
                count += rotate(pk)
            except secrets.SealBrokenError:
                broken.append(pk)
        self.stdout.write(f"Re-encrypted: {count}.")
        for credential in Credential.objects.filter(pk__in=broken).select_related("owner", "team"):
            self.stdout.write(
                f"Cannot be opened, so its owner must enter the key again: {credential} "
                f"({credential.owner.email}, {credential.team})."
            )
        if broken:
            raise CommandError(f"{len(broken)} could not be opened.")


def rotate(pk: int) -> bool:
    """Re-seal one credential; False where it was deleted meanwhile. Raises ``SealBrokenError``.

    The row changes only if it still holds what was read: a key that its owner replaces at this moment wins.
    """
    while True:
        sealed = Credential.objects.filter(pk=pk).values_list("sealed_key", flat=True).first()
        if sealed is None:
            return False
        if Credential.objects.filter(pk=pk, sealed_key=sealed).update(sealed_key=secrets.reseal(sealed)):
            return True
