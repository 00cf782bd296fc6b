"""Scripts and styles under the names they are served with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from django.core.management import call_command


def test_every_script_finds_what_it_imports_under_its_hashed_name(settings: Any, tmp_path: Path) -> None:
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": "musicboard.static.StaticStorage"}}
    call_command("collectstatic", interactive=False, verbosity=0)
    scripts = [path for path in tmp_path.glob("js/**/*.js") if re.search(r"\.[0-9a-f]{12}\.js$", path.name)]
    imported = [
        (path, name) for path in scripts for name in re.findall(r'from "(\./[^"]+)"', path.read_text(encoding="utf-8"))
    ]
    assert len(imported) > 10
    for path, name in imported:
        assert re.search(r"\.[0-9a-f]{12}\.js$", name)
        assert (path.parent / name).exists()
