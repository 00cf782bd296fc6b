"""`bench-<percent>-…` tasks: running for ever, told in bytes put together beforehand."""

import hashlib
import random

import msgspec

from .formats import Format
from .tasks import Moment, plan

_MODEL_ID = "bench-model"
_MODEL_PROGRESS = 777777
LOWEST, HIGHEST = 10, 90


class Bench:
    """The progress of every bench task, and which requests change it."""

    def __init__(self, seed: int = 5) -> None:
        self._progress: dict[str, int] = {}
        self._random = random.Random(seed)  # noqa: S311

    def progress(self, task_id: str) -> int:
        """Moves on in `percent` of the calls; otherwise the same as before."""
        known = self._progress.get(task_id, LOWEST)
        if self._random.random() * 100 < percent_of(task_id):
            known = known + 1 if known < HIGHEST else LOWEST
            self._progress[task_id] = known
        return known


def percent_of(task_id: str) -> int:
    percent = task_id.split("-", 2)[1]
    return int(percent) if percent.isdigit() else 10


class BenchBody:
    """The task object of one format with holes for the id, the clips' ids and the progress."""

    def __init__(self, shape: Format, media: str, now: float) -> None:
        model = plan(_MODEL_ID)
        moment = Moment("running", _MODEL_PROGRESS, ("complete", "streaming"), submitted=now - 30, started=now - 26)
        text = msgspec.json.encode(shape(model, "bench", moment, media)).replace(b"%", b"%%")
        holes = {
            _MODEL_ID: b"%(id)b",
            str(_MODEL_PROGRESS): b"%(progress)d",
            model.clip_ids[0]: b"%(one)b",
            model.clip_ids[1]: b"%(two)b",
        }
        for content, hole in holes.items():
            text = text.replace(content.encode(), hole)
        self._template = text

    def __call__(self, task_id: str, progress: int) -> bytes:
        text = hashlib.blake2b(task_id.encode(), digest_size=16).hexdigest()
        shared = f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:31]}".encode()
        return self._template % {
            b"id": task_id.encode(),
            b"progress": progress,
            b"one": shared + b"1",
            b"two": shared + b"2",
        }
