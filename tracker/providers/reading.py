"""The vocabulary that providers share: how one value off the wire becomes one of ours.

The words, spellings and units come from the public code of ``Suno-API/Suno-API``, ``QuantumNous/new-api`` and
``MartialBE/one-hub``, from the published answers of the providers, and from the sunoapi.org and kie.ai
documentation. Every function takes whatever JSON may hold and never raises; what cannot be read is ``None``.
Texts are expected to be `clean`; the decoder sees to that once for a whole answer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import TypeAlias

from tracker.providers.snapshot import ClipState, TaskStatus

Fields: TypeAlias = Mapping[str, object]
"""A JSON object."""

# -- Words -----------------------------------------------------------------------------------------

_STATUS_OF_WORD = {
    TaskStatus.QUEUED: ("not_start", "submitted", "queued", "pending", "on_queue"),
    # TEXT_SUCCESS and FIRST_SUCCESS are steps of sunoapi.org: the lyrics, then one of two songs are ready.
    TaskStatus.RUNNING: (
        "in_progress",
        "processing",
        "running",
        "streaming",
        "text_success",
        "first_success",
    ),
    TaskStatus.SUCCEEDED: ("success", "complete", "completed", "succeeded"),
    TaskStatus.FAILED: (
        "failure",
        "failed",
        "error",
        "timeout",
        "create_task_failed",
        "generate_audio_failed",
        "sensitive_word_error",
    ),
    TaskStatus.UNKNOWN: ("unknown",),
}
TASK_WORDS: dict[str, TaskStatus] = {
    spelling: status for status, words in _STATUS_OF_WORD.items() for word in words for spelling in (word, word.upper())
}
CALLBACK_WORDS: dict[str, TaskStatus] = {
    "text": TaskStatus.RUNNING,
    "first": TaskStatus.RUNNING,
    "complete": TaskStatus.SUCCEEDED,
    "error": TaskStatus.FAILED,
}
"""``callbackType`` of sunoapi.org and kie.ai."""

_STATE_OF_STATUS = {
    TaskStatus.QUEUED: ClipState.QUEUED,
    TaskStatus.RUNNING: ClipState.RUNNING,
    TaskStatus.SUCCEEDED: ClipState.COMPLETE,
    TaskStatus.FAILED: ClipState.FAILED,
}
CLIP_WORDS: dict[str, ClipState] = {
    **{word: _STATE_OF_STATUS[status] for word, status in TASK_WORDS.items() if status in _STATE_OF_STATUS},
    # yunwu and key4u number the state of a song.
    "20": ClipState.RUNNING,
    "30": ClipState.COMPLETE,
    "40": ClipState.FAILED,
}


def read_status(word: str | None) -> TaskStatus:
    """The status a provider's word stands for; an unfamiliar word is ``UNKNOWN`` and never ends tracking."""
    if word is None:
        return TaskStatus.UNKNOWN
    return TASK_WORDS.get(word) or TASK_WORDS.get(_plain_word(word), TaskStatus.UNKNOWN)


def read_clip_state(word: str | None) -> ClipState | None:
    """The state a provider's word or number stands for; ``None`` where it is absent or unfamiliar."""
    if word is None:
        return None
    return CLIP_WORDS.get(word) or CLIP_WORDS.get(_plain_word(word))


def _plain_word(word: str) -> str:
    return word.strip().lower().replace(" ", "_").replace("-", "_")


# -- Text ------------------------------------------------------------------------------------------

_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def clean(value: str) -> str:
    """The text without control characters and lone surrogates; lines end in a line feed."""
    return _UNPRINTABLE.sub("", value.replace("\r\n", "\n"))


def read_text(value: object) -> str | None:
    """Text without surrounding space; nothing left is ``None``."""
    return (value.strip() or None) if type(value) is str else None


def read_lyrics(value: object) -> str | None:
    r"""Text in lines; a literal ``\n`` pair, as qhaigc prints it, is a line break too."""
    text = read_text(value)
    if text is not None and "\\n" in text:
        return text.replace("\\r\\n", "\n").replace("\\n", "\n").strip() or None
    return text


def read_name(value: object) -> str | None:
    """An id or a word: text, or a whole number as its digits."""
    if type(value) is int:
        # Python refuses to print integers of thousands of digits, and nobody names a task that way.
        return str(value) if -(10**40) < value < 10**40 else None
    return read_text(value)


def read_tags(value: object) -> str | None:
    """Tags as comma-joined text, from text or from a list of texts."""
    if type(value) is list:
        return ", ".join(tag for tag in map(read_text, value) if tag) or None
    return read_text(value)


def first_text(fields: Fields, keys: tuple[str, ...]) -> str | None:
    """The first of several spellings of a key that holds any text."""
    for key in keys:
        value = fields.get(key)
        if value and (text := read_text(value)):
            return text
    return None


def first_name(fields: Fields, keys: tuple[str, ...]) -> str | None:
    """The first of several spellings of a key that holds an id or a word; a number counts."""
    for key in keys:
        value = fields.get(key)
        if value is not None and (name := read_name(value)):
            return name
    return None


MESSAGE_LIMIT = 500
_SECRETS = re.compile(
    r"(?i)(?<![a-z0-9])(?:sk|pk|rk)-[\w*.…-]{3,}"
    r"|\bbearer\s+[^\s\"',;]+"
    r"|\beyj[\w-]{8,}\.[\w.-]+"
    r"|\b(?:api[_-]?key|access[_-]?token|authorization)[\"']?\s*[:=]\s*[\"']?(?!bearer)[^\s\"',;]+"
)


def read_reason(value: object) -> str | None:
    """What a provider says about a failure: without anything that looks like a key, at most 500 characters.

    A web address is not a reason: old video tasks of new-api keep their result there.
    """
    text = read_text(value)
    if text is None or text.startswith(("http://", "https://")):
        return None
    return redact(text)


def redact(text: str) -> str:
    """The text with anything that looks like a key replaced by ``…``, at most 500 characters."""
    # The first cut keeps the search short; it leaves room so that no half of a key outlives the second.
    text = _SECRETS.sub("…", text[: 4 * MESSAGE_LIMIT])
    return text if len(text) <= MESSAGE_LIMIT else text[: MESSAGE_LIMIT - 1].rstrip() + "…"


# -- Numbers and moments ---------------------------------------------------------------------------

LONGEST_SONG_SECONDS = 86_400
_MILLISECONDS_FROM = 100_000_000_000
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(2100, 1, 1, tzinfo=UTC)
_EARLIEST_SECONDS = int(_EARLIEST.timestamp())
_LATEST_SECONDS = int(_LATEST.timestamp())


def read_progress(value: object) -> int | None:
    """Progress as 0-100, from ``"45%"``, ``"45"``, 45 or 45.0; what is out of range is moved to its edge.

    Between 0 and 1 a number without a percent sign is a share: 0.45 is 45.
    """
    number = _number(value.removesuffix("%").rstrip() if type(value) is str else value)
    if number is None:
        return None
    if 0 < number < 1 and type(value) is not str:
        number *= 100
    return round(min(max(number, 0), 100))


def read_duration(value: object) -> float | None:
    """Seconds, from a number or its text; 0, negative and more than a day are ``None``."""
    number = _number(value)
    return float(number) if number is not None and 0 < number <= LONGEST_SONG_SECONDS else None


def _number(value: object) -> float | None:
    if type(value) is int:
        # Beyond this a float could overflow; such a number means nothing here.
        return value if -(10**18) < value < 10**18 else None
    if type(value) is float:
        return value if math.isfinite(value) else None
    if type(value) is not str or len(value) > 40 or not value.isascii() or "_" in value:
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def read_time(value: object) -> datetime | None:
    """An aware UTC moment from seconds, milliseconds, their digits as text, or a written date.

    Written dates are RFC 3339; without a zone they count as UTC. 0 means unset; what lies outside the years
    2000 to 2099 is not a moment of any task.
    """
    if not value:
        return None
    if type(value) is str:
        text = value.strip()
        if not text.isascii() or len(text) > 40:
            return None
        if text.isdigit():
            value = int(text)
        elif text.replace(".", "", 1).isdigit():
            value = float(text)
        else:
            return _read_date(text)
    if type(value) is not int and type(value) is not float:
        return None
    if value >= _MILLISECONDS_FROM:
        # Comparing before dividing: a huge integer cannot become a float.
        if value > _LATEST_SECONDS * 1000:
            return None
        value /= 1000
    if not _EARLIEST_SECONDS <= value < _LATEST_SECONDS:
        return None
    return datetime.fromtimestamp(value, UTC)


def _read_date(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if _EARLIEST <= moment < _LATEST else None


# -- Web addresses ---------------------------------------------------------------------------------

URL_LIMIT = 2000
_ORIGIN = re.compile(
    # No user name or password; hosts in plain ASCII, since other scripts travel as punycode.
    r"(?i)https?://[a-z0-9_][a-z0-9_-]*(?:\.[a-z0-9_][a-z0-9_-]*)*\.?(?::(\d{1,5}))?(?=[/?#]|\Z)"
)
# Since August 2026 Suno answers complete songs with …/api/forbidden, and failed ones with …/None.mp3.
_DECOY = re.compile(r"/(?:(?:image_(?:large_)?)?(?:None|null|undefined)(?:\.\w+)?|api/forbidden/?)(?:[?#].*)?$")


def read_url(value: object) -> str | None:
    """An http(s) address with a host, no credentials and no control characters; decoys are ``None``."""
    # What is far too long stays out of the cache.
    return _checked_url(value) if type(value) is str and len(value) <= 2 * URL_LIMIT else None


@lru_cache(maxsize=1024)
def _checked_url(text: str) -> str | None:
    # Every poll of a task brings the same addresses again, hence the cache.
    url = text.strip()
    if len(url) > URL_LIMIT or not url.isprintable() or " " in url or "\\" in url:
        return None
    match = _ORIGIN.match(url)
    if match is None or int(match[1] or 0) > 65_535 or _is_decoy(url):
        return None
    return url


def _is_decoy(url: str) -> bool:
    # Python writes None, JavaScript null or undefined; almost every address stops here.
    if "None" not in url and "null" not in url and "undefined" not in url and "forbidden" not in url:
        return False
    return _DECOY.search(url, url.find("/", 8)) is not None


def first_url(fields: Fields, keys: tuple[str, ...]) -> str | None:
    """The first of several spellings of a key that holds a web address."""
    for key in keys:
        value = fields.get(key)
        if value and (url := read_url(value)):
            return url
    return None


def still_streams(url: str) -> bool:
    """Whether an address is known to stream a song that may be unfinished, whatever key it stood under.

    ``audiopipe.suno.ai/?item_id=…`` is Suno's own; ``musicfile.*`` serves streams without a file extension
    (and covers with one).
    """
    if "//musicfile." in url:
        return "." not in url[url.rfind("/") + 1 :]
    return "?item_id=" in url or "//audiopipe." in url or "//audiostream." in url
