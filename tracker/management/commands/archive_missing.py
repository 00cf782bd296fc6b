"""Keeps now what is not kept: what came before the archive, failed or was given up."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from tracker.archive.upkeep import archive_now, make_missing_due
from tracker.models import ClipArchive


class Command(BaseCommand):
    help = "Copy into the archive what is missing there, now and until nothing is due. Safe while musicboard runs."

    def handle(self, **_options: Any) -> None:
        if not settings.ARCHIVE:
            raise CommandError("ARCHIVE is off: nothing is to be kept.")
        self.stdout.write(f"To be kept: {make_missing_due(timezone.now())} clips.")
        counts = archive_now()
        kept, stored, drawn = (counts.pop(name, 0) for name in ("kept", "stored", "drawn"))
        self.stdout.write(f"Kept: {kept} clips, {stored} files; outlines drawn: {drawn}.")
        for problem, count in sorted(counts.items()):
            self.stdout.write(f"Not kept: {count}. {ClipArchive.Problem(problem).label}.")
