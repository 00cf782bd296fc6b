"""Keeps the catalogues in step with the code: ``python -m tests.translations`` extracts, merges and compiles.

With ``--check`` nothing is written; it fails where a string has no Chinese, or a fuzzy one, or a ``.mo`` is old.
Babel does the work, so no gettext tools are needed.
"""

from __future__ import annotations

import io
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "locale" / "zh_Hans" / "LC_MESSAGES"
SOURCES = ["musicboard", "tracker", "templates"]
KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}
PLURAL = "nplurals=1; plural=0;"


def extract() -> Catalog:
    """Every string marked in the code and the templates."""
    from django.utils.translation.template import templatize

    catalog = Catalog(locale="zh_Hans", project="musicboard", charset="utf-8")
    for source in SOURCES[:2]:
        for name, line, message, comments, context in extract_from_dir(
            ROOT / source, [("**.py", "python")], keywords=KEYWORDS, comment_tags=["Translators:"]
        ):
            if "migrations" not in name:
                catalog.add(message, locations=[(f"{source}/{name}", line)], auto_comments=comments, context=context)
    from babel.messages.extract import extract as extract_strings

    for path in sorted((ROOT / "templates").rglob("*.*")):
        if path.suffix not in {".html", ".txt"}:
            continue
        text = templatize(path.read_text(encoding="utf-8"), origin=str(path.relative_to(ROOT)))
        for line, message, comments, context in extract_strings(
            "python", io.BytesIO(text.encode()), keywords=KEYWORDS, comment_tags=["Translators:"]
        ):
            catalog.add(
                message, locations=[(str(path.relative_to(ROOT)), line)], auto_comments=comments, context=context
            )
    return catalog


def merged() -> Catalog:
    """What is translated so far, brought in step with the code."""
    path = FOLDER / "django.po"
    fresh = extract()
    if not path.exists():
        return fresh
    with path.open("rb") as file:
        known = read_po(file, locale="zh_Hans")
    known.update(fresh, no_fuzzy_matching=True, update_creation_date=False)
    known.obsolete.clear()
    return known


def as_po(catalog: Catalog) -> bytes:
    buffer = io.BytesIO()
    write_po(buffer, catalog, width=110, omit_header=False, sort_output=True, include_lineno=False)
    text = re.sub(
        rb'^"(POT-Creation-Date|PO-Revision-Date|Generated-By).*\n', b"", buffer.getvalue(), flags=re.MULTILINE
    )
    return re.sub(rb'^"Plural-Forms:.*$', f'"Plural-Forms: {PLURAL}\\\\n"'.encode(), text, flags=re.MULTILINE)


def as_mo(catalog: Catalog) -> bytes:
    # The header tells when and by what; a check must not depend on the clock or on Babel's version.
    catalog.creation_date = catalog.revision_date = datetime(2000, 1, 1, tzinfo=UTC)
    buffer = io.BytesIO()
    write_mo(buffer, catalog)
    return buffer.getvalue()


def problems(catalog: Catalog) -> list[str]:
    """Strings without a Chinese one, fuzzy ones, and ones whose placeholders differ."""
    found = []
    for message in catalog:
        if not message.id:
            continue
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        strings = message.string if isinstance(message.string, (tuple, list)) else (message.string,)
        if message.fuzzy or not all(strings[:1]):
            found.append(f"not translated: {ids[0]!r}")
        elif any(_holes(string) != _holes(ids[-1]) for string in strings if string):
            found.append(f"other placeholders: {ids[0]!r}")
    return found


def _holes(text: str) -> set[str]:
    return set(re.findall(r"%\(\w+\)[sd]|\{\w*\}", text))


def main(*, check: bool) -> int:
    catalog = merged()
    missing = problems(catalog)
    for line in missing:
        print(line)
    if check:
        stale = [
            name
            for name, text in (("django.po", as_po(catalog)), ("django.mo", as_mo(catalog)))
            if not (FOLDER / name).exists() or (FOLDER / name).read_bytes() != text
        ]
        for name in stale:
            print(f"locale/zh_Hans/LC_MESSAGES/{name} is not in step; run: python -m tests.translations")
        return 1 if missing or stale else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "django.po").write_bytes(as_po(catalog))
    with (FOLDER / "django.po").open("rb") as file:
        (FOLDER / "django.mo").write_bytes(as_mo(read_po(file, locale="zh_Hans")))
    print(f"{sum(1 for message in catalog if message.id)} strings, {len(missing)} without Chinese")
    return 0


if __name__ == "__main__":
    import os

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    sys.exit(main(check="--check" in sys.argv))
