"""Every address × method × who asks, against one table; an address without a row fails.

``matrix.txt`` holds what is right: ``login`` for a redirect to the sign-in page, otherwise the status.
"""

from __future__ import annotations

import pytest
from django.db import transaction

from tests.matrix import METHODS, PEOPLE, Asked, Scene, addresses, ask, read_table

TABLE = read_table()
ADDRESSES = addresses()


@pytest.fixture
def scene(db: None, demo: object) -> Scene:
    return Scene.make(demo)


def test_every_address_has_its_rows_and_no_row_lacks_its_address() -> None:
    assert set(TABLE) == {(name, method) for name in ADDRESSES for method in METHODS}


@pytest.mark.parametrize("name", ADDRESSES)
def test_who_may_do_what(name: str, scene: Scene) -> None:
    wrong = []
    for method in METHODS:
        for person, expected in zip(PEOPLE, TABLE[name, method], strict=True):
            for with_htmx in (False, True) if method in ("GET", "POST") else (False,):
                # What one cell changes is undone before the next.
                with transaction.atomic():
                    asked = ask(scene, name, method, person, with_htmx=with_htmx)
                    transaction.set_rollback(True)
                if not fits(asked, expected, with_htmx=with_htmx):
                    htmx = " (htmx)" if with_htmx else ""
                    wrong.append(f"{method} {name} by {person}{htmx}: {asked.outcome}, and not {expected}")
    assert not wrong, "\n".join(wrong)


def fits(asked: Asked, expected: str, *, with_htmx: bool) -> bool:
    """htmx is answered with fragments and redirects of its own; who may do what is the same."""
    if not with_htmx or expected in ("login", "403", "404", "405"):
        return asked.outcome == expected
    return asked.is_allowed
