"""Makes room in the archive: lets old sounds go, and removes files that no clip has any more."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from tracker.archive import upkeep
from tracker.archive.storing import StorageError, archive_storage, storage_faults


class Command(BaseCommand):
    help = (
        "Remove kept files that no clip has any more. With --older-than also the sound of clips that were kept for "
        "longer: they play from the provider's link again, while it lives. Covers stay."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--older-than", type=_days, metavar="DAYS", help="let sounds go that were kept for longer")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be done")

    def handle(self, *, older_than: timedelta | None, dry_run: bool, **_options: Any) -> None:
        now = timezone.now()
        stray = list(upkeep.strays(now))
        if dry_run:
            count, room = upkeep.preview(older_than, now)
        else:
            count = upkeep.prune_clips(older_than, now) if older_than is not None else 0
            room = _make_room(stray)
        would = "Would let" if dry_run else "Let"
        self.stdout.write(f"{would} go: the sound of {count} clips.")
        self.stdout.write(
            f"{'Would remove' if dry_run else 'Removed'}: {room.files} files, {room.bytes / 1e6:.1f} MB"
            + (f", and {len(stray)} that nothing knows of." if stray else ".")
        )


def _make_room(stray: list[str]) -> upkeep.Room:
    try:
        room = upkeep.remove_unused()
        with storage_faults():
            for name in stray:
                archive_storage().delete(name)
    except StorageError as error:
        raise CommandError(f"{error.problem.label}: {error.__cause__}") from error
    return room


def _days(text: str) -> timedelta:
    try:
        days = float(text)
        if not 0 <= days <= 36500:
            raise ValueError
    except ValueError:
        raise ArgumentTypeError("a number of days, 0 or more") from None
    return timedelta(days=days)
