#!/usr/bin/env python
"""Runs musicboard's commands: ``python manage.py up --demo`` is the one to begin with."""

from __future__ import annotations

import os
import sys

KEEP_NOTHING = ("parse_payload", "demo_provider")


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "musicboard.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    if sys.argv[1:2] and sys.argv[1] in KEEP_NOTHING:
        # Nothing is signed or sealed, so there is no need for a data folder with keys in it.
        os.environ.setdefault("SECRET_KEY", "not-a-secret")
        os.environ.setdefault("CREDENTIAL_KEYS", "not-a-key")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"musicboard cannot start: {error}")


if __name__ == "__main__":
    main()
