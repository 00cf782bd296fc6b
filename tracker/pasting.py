"""Task ids out of whatever a person pastes: ids, links, whole ``curl`` commands, JSON. Pure.

Liberal with ids, since every provider makes its own; strict with what looks like a key, which is refused, never
returned and never echoed.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import parse_qsl, unquote, urlsplit

MAX_IDS = 200
MAX_TEXT = 200_000
"""Characters that are read; two hundred commands with their headers have room in it."""
MAX_ID = 191
SHOWN = 80


class Reason(StrEnum):
    """Why a piece of the text is not taken."""

    NOT_AN_ID = "not_an_id"
    KEY = "key"
    TOO_LONG = "too_long"
    NO_ID_IN_LINK = "no_id_in_link"
    NO_ID_IN_COMMAND = "no_id_in_command"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A piece that is not taken. ``text`` is short and printable, and empty for what may hold a key."""

    reason: Reason
    text: str = ""


@dataclass(frozen=True, slots=True)
class Pasted:
    """What a text holds, in its order."""

    ids: tuple[str, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    repeated: int = 0
    """How often an id stood there again."""
    is_cut: bool = False
    """The text went on after ``MAX_TEXT`` characters."""

    @property
    def is_empty(self) -> bool:
        return not self.ids and not self.rejected

    @property
    def has_too_many(self) -> bool:
        return len(self.ids) > MAX_IDS


@dataclass(slots=True)
class _Basket:
    found: list[str] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)

    def reject(self, reason: Reason, text: str = "") -> None:
        self.rejected.append(Rejected(reason, "" if reason is Reason.KEY else _show(text)))


def read_pasted(text: str) -> Pasted:
    """Everything in ``text`` that can be a task id, and what cannot. Never raises."""
    whole = _clean(text[:MAX_TEXT])
    basket = _Basket()
    if not _read_json(whole, basket):
        for is_command, piece in _pieces(_CONTINUED.sub(" ", whole)):
            (_read_command if is_command else _read_line)(piece, basket)
    ids = tuple(dict.fromkeys(basket.found))
    return Pasted(
        ids,
        tuple(dict.fromkeys(basket.rejected)),
        repeated=len(basket.found) - len(ids),
        is_cut=len(text) > MAX_TEXT,
    )


# A line continued as sh, cmd and PowerShell write it.
_CONTINUED = re.compile(r"[ \t][\\^`][ \t]*\r?\n")


def _clean(text: str) -> str:
    """Without the invisible marks that come along from chats and tables."""
    if text.isascii():
        return text
    return "".join(sign for sign in text if unicodedata.category(sign) != "Cf")


# -- Commands -----------------------------------------------------------------------------------------

_COMMAND = re.compile(r"(?<![\w/.:-])(?:curl(?:\.exe)?|wget|https?|xh)[ \t]+(?=\S)", re.IGNORECASE)
_WORD = re.compile(r"""(?:[^\s'"\\]|\\.|'[^']*'|"(?:\\.|[^"\\])*"|['"\\])+""", re.DOTALL)
_QUOTED = re.compile(r"""'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)""", re.DOTALL)
_COMMAND_LINES = 60

_BODY_OPTIONS = frozenset({"-d", "--data", "--data-raw", "--data-binary", "--data-ascii", "--data-urlencode", "--json"})
# Options whose next word is not an address, though it may hold one: a header, a cookie, a file.
_OTHER_OPTIONS = frozenset(
    {"-H", "--header", "-A", "--user-agent", "-u", "--user", "-b", "--cookie", "-e", "--referer", "-X", "--request",
     "-x", "--proxy", "-o", "--output", "-w", "--write-out", "--oauth2-bearer", "-c", "--cookie-jar", "-K", "--config"}
)  # fmt: skip


def _pieces(text: str) -> Iterator[tuple[bool, str]]:
    """The text in lines; a command goes on until its quotes are closed. True marks a command."""
    lines = iter(text.splitlines())
    for line in lines:
        start = _COMMAND.search(line)
        if start is None:
            yield False, line
            continue
        yield False, line[: start.start()].rstrip(" \t$#>%")
        command = [line[start.start() :]]
        while _is_open("\n".join(command)) and len(command) < _COMMAND_LINES:
            following = next(lines, None)
            if following is None:
                break
            command.append(following)
        yield True, "\n".join(command)


def _is_open(command: str) -> bool:
    """Whether a quote is opened and not closed."""
    rest = _QUOTED.sub("", command)
    return "'" in rest or '"' in rest


def _read_command(command: str, basket: _Basket) -> None:
    """The ids in a command's address and body; its headers are not even looked at."""
    found: list[str] = []
    words = iter(_WORD.findall(command))
    for word in words:
        option, _, value = word.partition("=")
        if word in _OTHER_OPTIONS:
            next(words, None)
        elif word in _BODY_OPTIONS:
            found += _ids_in_body(_unquote(next(words, "")))
        elif option in _BODY_OPTIONS and value:
            found += _ids_in_body(_unquote(value))
        elif not word.startswith("-") or option == "--url":
            address = _unquote(value if option == "--url" else word)
            found += _ids_in_url(address) if _is_address(address) else []
    basket.found += found
    if not found:
        basket.reject(Reason.NO_ID_IN_COMMAND, command.split(maxsplit=1)[0])


def _unquote(word: str) -> str:
    return _QUOTED.sub(lambda found: found[1] or found[2] or found[3] or "", word).strip("'\"")


def _is_address(word: str) -> bool:
    return "://" in word or re.match(r"[\w-]+(\.[\w-]+)+(:\d+)?/", word) is not None


def _ids_in_body(body: str) -> list[str]:
    inner = _Basket()
    _read_json(body.replace('\\"', '"'), inner)
    return inner.found


# -- JSON ---------------------------------------------------------------------------------------------

_ID_KEYS = frozenset({"task_id", "taskid", "task_ids", "taskids", "ids", "job_id", "jobid"})
_LESS_SURE_KEYS = frozenset({"data", "id", "result"})


def _read_json(text: str, basket: _Basket) -> bool:
    """The ids in a request or an answer; false when ``text`` is none, or holds no id."""
    text = text.strip()
    if not text.startswith(("{", "[")):
        return False
    try:
        document = json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return False
    for keys in (_ID_KEYS, _LESS_SURE_KEYS):
        found = [value for value in _values(document, keys, taken=isinstance(document, list)) if _is_id(value)]
        if found:
            basket.found += found
            return True
    return False


def _values(document: object, keys: frozenset[str], *, taken: bool, depth: int = 0) -> Iterator[str]:
    """The words under one of ``keys``, or in a list that is nothing but words."""
    if isinstance(document, str):
        if taken:
            yield document.strip()
    elif isinstance(document, list) and depth < 8:
        for item in document:
            yield from _values(item, keys, taken=taken, depth=depth + 1)
    elif isinstance(document, dict) and depth < 8:
        for key, value in document.items():
            yield from _values(value, keys, taken=key.lower() in keys, depth=depth + 1)


# -- Links --------------------------------------------------------------------------------------------

_LINK = re.compile(r"https?://[^\s'\"<>，；、]+", re.IGNORECASE)
_QUERY_KEYS = _ID_KEYS | {"id"}
_MEDIA = re.compile(r"\.(?:mp3|m4a|wav|ogg|flac|mp4|jpe?g|png|webp|json|html?)$", re.IGNORECASE)


def _ids_in_url(url: str) -> list[str]:
    """The ids in the query or, from its end, in the path of ``url``."""
    try:
        parts = urlsplit(url if "://" in url else f"https://{url}")
        query = parse_qsl(parts.query, max_num_fields=100)
    except ValueError:
        return []
    named = [value for key, value in query if key.lower().removesuffix("[]") in _QUERY_KEYS]
    found = [word for value in named for word in re.split(r"[,\s]+", value) if _is_id(word)]
    if found:
        return found
    # Some portals keep the page in the fragment: https://host/#/task/<id>
    for path in (parts.path, parts.fragment.partition("?")[0] if "/" in parts.fragment else ""):
        for segment in reversed(path.split("/")):
            words = [word for word in unquote(segment).split(",") if _is_id(word) and not _MEDIA.search(word)]
            if words:
                return words
    return []


def _without_secrets(url: str) -> str:
    """``url`` without its query and without a name and password before the host."""
    return re.sub(r"//[^/@]*@", "//", re.split(r"[?#]", url, maxsplit=1)[0])


# -- Words --------------------------------------------------------------------------------------------

# Ids are ASCII: Chinese words and marks stand between them, with or without a blank.
_SEPARATORS = re.compile(r"""[\s,;|"'`<>()\[\]{}/\\]+|[^\x00-\x7f]+""")
_LABEL = re.compile(r"(?:task_?ids?|ids?|job_?ids?)[:=]", re.IGNORECASE)
_LABELS = frozenset({"task", "tasks", "id", "ids", "task_id", "task_ids", "taskid", "taskids", "job_id", "jobid"})
_ID = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.:\-]{{5,{MAX_ID - 1}}}")
_KEY = re.compile(
    r"(?:sk|pk|rk|ak)[-_][A-Za-z0-9_\-]{6,}|eyJ[\w\-]+\.[\w\-.]+|(?:ghp|gho|glpat|xoxb)[-_]\w+|AKIA[A-Z0-9]{12,}"
)
_KEY_BEFORE = re.compile(r"(?:authorization|(?:x-)?api[-_]?key)(?:[:=](?:bearer|basic)?)?|bearer|basic", re.IGNORECASE)
_KEY_WITHIN = re.compile(r"(?:authorization|(?:x-)?api[-_]?key|bearer)[:=].", re.IGNORECASE)
_NOT_IDS = re.compile(
    r"\d{4}-\d\d?-\d\d?(?:T[\d:.]+Z?)?"  # a date
    r"|\d\d?:\d\d(?::\d\d(?:\.\d+)?)?"  # a time
    r"|\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?"  # an address
    r"|[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)*\.[A-Za-z]{2,}(?::\d+)?"  # a host or a file
    r"|[\d.]+"  # a number with a point, see _is_id
)


def _read_line(line: str, basket: _Basket) -> None:
    if not line.strip() or _read_json(line, basket):
        return
    rest = _LINK.sub(lambda found: _read_link(found[0], basket), line)
    words = [word for word in (_bare(word) for word in _SEPARATORS.split(rest)) if any(map(str.isalnum, word))]
    may_be_names = all(_is_id(word) or _is_name(word) or word.lower() in _LABELS for word in words)
    refused: list[str] = []
    has_key = follows = False
    for word in words:
        if _KEY_BEFORE.fullmatch(word):
            follows = True
        elif follows or _KEY.match(word) or _KEY_WITHIN.match(word):
            has_key, follows = True, False
        elif word.lower() in _LABELS:
            continue
        elif _is_id(word) or (may_be_names and _is_name(word)):
            basket.found.append(word)
        else:
            refused.append(word)
    if has_key:
        basket.reject(Reason.KEY)
    elif any(len(word) > MAX_ID for word in refused):
        basket.reject(Reason.TOO_LONG, refused[0])
    elif refused:
        basket.reject(Reason.NOT_AN_ID, line.strip() if len(refused) == len(words) else " ".join(refused))


def _read_link(url: str, basket: _Basket) -> str:
    """Takes a link out of a line, without the marks of the sentence around it."""
    url = url.rstrip(").,:;!?]}")
    found = _ids_in_url(url)
    basket.found += found
    if not found:
        shown = _without_secrets(url)
        has_key = any(_KEY.match(piece) for piece in re.split(r"[/:@]", shown))
        basket.reject(Reason.KEY if has_key else Reason.NO_ID_IN_LINK, shown)
    return " "


def _bare(word: str) -> str:
    """Without a label (``id=``) and the marks a sentence or a table leaves around a word."""
    return _LABEL.sub("", word, count=1).strip(".:=&!?*#\\/…。：") if word else ""


def _is_id(word: str) -> bool:
    """An id has a digit, or a provider's ``task_`` before it; dates, hosts and keys have one too, and are none."""
    if not _ID.fullmatch(word) or _KEY.match(word):
        return False
    if word.startswith("task_") and len(word) >= 12:
        return True
    return word.isdigit() or (any(map(str.isdigit, word)) and not _NOT_IDS.fullmatch(word))


def _is_name(word: str) -> bool:
    """``fault-html``: may be an id where nothing but ids stands beside it."""
    if not _ID.fullmatch(word) or _KEY.match(word) or any(map(str.isdigit, word)):
        return False
    return ("-" in word or "_" in word) and "." not in word


def _show(text: str) -> str:
    """Short and printable, without anything that looks like a key."""
    plain = "".join(sign if sign.isprintable() else " " for sign in text[: SHOWN * 4])
    words: Iterable[str] = plain.split()
    kept = " ".join("…" if _KEY.search(word) else word for word in words)
    return kept if len(kept) <= SHOWN else kept[: SHOWN - 1] + "…"
