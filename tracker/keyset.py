"""Pages by key: the rows beside the ones at hand, whatever stands before them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

Row = TypeVar("Row")


def turn_page(rows: Iterable[Row], size: int, *, is_back: bool, has_earlier: bool) -> tuple[list[Row], bool, bool]:
    """The page, and whether there are rows after and before it.

    ``rows`` are up to ``size + 1``, read away from the page one comes from: backwards (``is_back``) they stand the
    wrong way round, and the page one comes from is after them. Forwards ``has_earlier`` tells whether one comes from
    anywhere.
    """
    found = list(rows)
    has_more, page = len(found) > size, found[:size]
    if is_back:
        return page[::-1], True, has_more
    return page, has_more, has_earlier
