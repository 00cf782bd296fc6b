"""The Range header of a request for a sound. Pure; RFC 9110, 14.2."""

from __future__ import annotations

import re
from dataclasses import dataclass

_RANGE = re.compile(r"\s*bytes\s*=\s*(\d{0,18})-(\d{0,18})\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes from ``start``; ``length`` is None up to the end. Without ``start``, the last ``length`` bytes."""

    start: int | None
    length: int | None

    def from_end(self, total_size: int | None) -> ByteRange | None:
        """The same as counted from the start of a file of ``total_size`` bytes; None where that is not known."""
        if total_size is None or self.length is None:
            return None
        start = max(total_size - self.length, 0)
        return ByteRange(start, total_size - start)


def read_range(header: str) -> ByteRange | None:
    """One range of bytes. None for no header and for what may be ignored: several ranges, other units, nonsense."""
    found = _RANGE.fullmatch(header)
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        return ByteRange(None, int(found[2])) if int(found[2]) else None
    start = int(found[1])
    if not found[2]:
        return ByteRange(start, None)
    return ByteRange(start, int(found[2]) - start + 1) if int(found[2]) >= start else None
