"""The outline of a sound: how loud each of its 200 parts is, for a waveform.

Pure, and a program of its own: ``python -m tracker.peaks FILE TYPE`` writes the bytes to standard output. A decoder
is a large surface for a file from somebody else's server, so it runs in a process that may die alone, with limits.
miniaudio reads MP3, FLAC, Ogg Vorbis and WAV; PyAV, where it is installed, what is left: M4A, AAC and Opus.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any

COUNT = 200
"""Values at most; a sound that is shorter than as many blocks has fewer."""
RATE = 11_025
BLOCK = 256
"""Samples that are summed up as one value while reading, so that an hour takes no more memory than a second."""
LONGEST_SECONDS = 3600
MOST_MEMORY = 1 << 30
MOST_CPU_SECONDS = 60
MINIAUDIO_TYPES = frozenset({"audio/mpeg", "audio/flac", "audio/ogg", "audio/wav"})


def read_peaks(path: str, content_type: str) -> bytes:
    """The loudness of each part, 0 to 255; empty where no decoder reads the file."""
    readers = [_with_miniaudio] if content_type in MINIAUDIO_TYPES else []
    for read in [*readers, _with_av]:
        # Each decoder has its own tree of errors; which one it was makes no difference to the drawing.
        with suppress(Exception):
            if blocks := loudest(read(path)):
                return as_bytes(blocks)
    return b""


def loudest(chunks: Iterable[array[int]]) -> list[int]:
    """The loudest sample of each block."""
    blocks: list[int] = []
    for chunk in chunks:
        for start in range(0, len(chunk), BLOCK):
            part = chunk[start : start + BLOCK]
            blocks.append(max(max(part), -min(part)))
        if len(blocks) * BLOCK > LONGEST_SECONDS * RATE:
            break
    return blocks


def as_bytes(blocks: list[int]) -> bytes:
    """Blocks summed up to at most ``COUNT`` values; the loudest of all becomes 255, silence stays flat."""
    count = min(COUNT, len(blocks))
    edges = [place * len(blocks) // count for place in range(count + 1)]
    values = [max(blocks[start:end]) for start, end in pairwise(edges)]
    most = max(*values, 1)
    return bytes(min(value * 255 // most, 255) for value in values)


def _with_miniaudio(path: str) -> Iterator[array[int]]:
    import miniaudio

    yield from miniaudio.stream_file(path, miniaudio.SampleFormat.SIGNED16, 1, RATE, frames_to_read=BLOCK * 64)


def _with_av(path: str) -> Iterator[array[int]]:
    import av

    with av.open(path) as container:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        # What is left of a frame goes before the next one, so that blocks are whole.
        left: array[int] = array("h")
        for frame in container.decode(audio=0):
            for piece in resampler.resample(frame):
                left.frombytes(_samples(piece))
            whole = len(left) - len(left) % BLOCK
            if whole:
                yield left[:whole]
                del left[:whole]
        if left:
            yield left


def _samples(frame: Any) -> bytes:
    """A plane is padded beyond its samples."""
    return bytes(frame.planes[0])[: frame.samples * 2]


def _limit() -> None:
    """What a broken file may cost, where the system can say so."""
    with suppress(ImportError, OSError, ValueError):
        import os
        import resource

        os.nice(10)
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_SECONDS, MOST_CPU_SECONDS))


if __name__ == "__main__":
    _limit()
    sys.stdout.buffer.write(read_peaks(*sys.argv[1:3]))
