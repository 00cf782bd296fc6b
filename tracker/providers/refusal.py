"""Answers that are no task: which of the provider's refusals they are.

Judged by HTTP status and body together, because relays of the new-api family answer an exhausted key with
401, an unknown task with 400 or 404, and sunoapi.org and kie.ai put the real status as an integer ``code``
into a body under HTTP 200.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import msgspec

from tracker.providers.errors import ErrorKind, ProviderError, WireError
from tracker.providers.reading import Fields, clean, read_reason, redact

_SUCCESS_CODES = frozenset({"success", "200", "0", "1"})


# -- Bytes to JSON ---------------------------------------------------------------------------------


# JSON holds control characters as escapes; looking for those is much faster than looking through every text.
_CONTROL_ESCAPE = re.compile(rb"\\(?:u00[01789]|[bfr])")


def decode(body: bytes, *, http_status: int = 200, retry_after: float | None = None) -> object:
    """The JSON value of an answer's body, its texts `clean`.

    Text that is not UTF-8 keeps what can be kept; numbers that are none are ``None``. Raises `ProviderError`
    for what is not JSON, and `WireError` for JSON that is nested too deeply.
    """
    try:
        try:
            document: object = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            # Rare: the standard reader forgives more, such as NaN and half a surrogate pair.
            text = body.decode("utf-8-sig", errors="replace")
            return _cleaned(json.loads(text, strict=False, parse_int=_whole_number, parse_constant=_nothing))
        if _CONTROL_ESCAPE.search(body) or b"\x7f" in body:
            return _cleaned(document)
    except RecursionError:
        raise WireError("The answer is nested too deeply.") from None
    except ValueError:
        _refuse_text(clean(text), http_status=http_status, retry_after=retry_after)
    return document


def _cleaned(value: object) -> object:
    if type(value) is str:
        return clean(value)
    if type(value) is list:
        return [_cleaned(item) for item in value]
    if type(value) is dict:
        return {clean(key): _cleaned(item) for key, item in value.items()}
    return value


def _whole_number(digits: str) -> int | None:
    return int(digits) if len(digits) <= 40 else None


def _nothing(_constant: str) -> None:
    return None


def _refuse_text(text: str, *, http_status: int, retry_after: float | None) -> NoReturn:
    """Raises for a body that is not JSON: a proxy's page, half an answer, or none."""
    start = text.lstrip()[:200]
    is_page = start.startswith("<")
    kind, cause = ErrorKind.TRANSIENT, "html" if is_page else "not_json"
    if http_status == 402 or (http_status in (401, 403, 429) and _tells_no_quota(_words(start), http_status)):
        # Under HTTP 200 such words may be half a song.
        kind, cause = ErrorKind.QUOTA, ""
    elif http_status == 401 or (http_status == 403 and not is_page):
        # A page under 403 is a firewall in front of the provider, which says nothing about the key.
        kind, cause = ErrorKind.KEY_REFUSED, ""
    elif http_status == 429:
        kind, cause = ErrorKind.RATE_LIMITED, ""
    elif http_status == 404 and not start:
        kind, cause = ErrorKind.UNKNOWN_TASK, ""
    elif http_status in (404, 405) and not is_page:
        cause = "wrong_path"
    elif http_status >= 500 and not is_page:
        cause = "server_error"
    said = "a web page" if is_page else " ".join(redact(start).split()) or "an empty body"
    message = f"HTTP {http_status} with {said if len(said) <= 80 else said[:80] + '…'}"
    raise ProviderError(kind, message, http_status=http_status, retry_after=retry_after, cause=cause)


# -- JSON that refuses -----------------------------------------------------------------------------


def is_success_code(code: object) -> bool:
    """Whether an envelope's ``code`` tells success: ``"success"`` in any case, 200, 0, 1, or none at all."""
    if code is None or code == "success":
        return True
    if type(code) is int:
        return code in (200, 0, 1)
    return type(code) is str and (not code or code.strip().lower() in _SUCCESS_CODES)


def refuse(document: object, *, http_status: int = 200, retry_after: float | None = None) -> None:
    """Raises the `ProviderError` an answer amounts to; returns when the answer may hold a task."""
    fields: dict[str, Any] = document if type(document) is dict else {}
    error = fields.get("error")
    if type(error) is dict and not any(error.values()):
        error = None
    if http_status < 400 and not error and is_success_code(fields.get("code")) and fields.get("success") is not False:
        return
    if http_status < 400 and not error and _is_callback(fields):
        return
    words, message = _what_it_says(fields, error)
    code = _status_code(fields, error)
    kind, cause = _kind(words, http_status, code)
    if kind is ErrorKind.TRANSIENT and not (cause or message or code):
        raise WireError(f"HTTP {http_status} without any reason.")
    raise ProviderError(
        kind,
        message or f"HTTP {http_status}",
        http_status=http_status,
        retry_after=retry_after,
        cause=cause,
    )


def _is_callback(fields: Fields) -> bool:
    """A failed callback of sunoapi.org says so in its envelope, and which task it means inside."""
    inner = fields.get("data")
    return type(inner) is dict and "callbackType" in inner


def _what_it_says(fields: Fields, error: object) -> tuple[str, str]:
    """All words that may tell the kind, in lower case, and the message for a person."""
    sources: list[object] = [error]
    for place in (error, fields):
        if type(place) is dict:
            sources += [place.get(key) for key in ("message", "msg", "detail", "errorMessage", "error_message")]
    told = [reason for source in sources if (reason := read_reason(source))]
    codes = [
        place.get(key) for place in (error, fields) if type(place) is dict for key in ("code", "type", "error_code")
    ]
    names = [redact(code) for code in codes if type(code) is str and code]
    return _words(" ".join(told + names)), (told or [name for name in names if name != "success"] or [""])[0]


def _status_code(fields: Fields, error: object) -> int | None:
    """The integer ``code`` of a body, which sunoapi.org and kie.ai mean as an HTTP status."""
    for place in (fields, error):
        code = place.get("code") if isinstance(place, dict) else None
        if type(code) is str and code.isascii() and code.isdigit() and len(code) <= 4:
            code = int(code)
        if type(code) is int and not is_success_code(code):
            return code
    return None


# The patterns read words in lower case with one space between them and no punctuation.
_BETWEEN_WORDS = re.compile(r"[\W_]+")
_NO_QUOTA = re.compile(
    r"insufficient (?:\w+ ){0,3}?(?:quota|credit|balance|funds|points)"
    r"|(?:quota|credits?|balance|funds) .{0,40}?"
    r"(?:not enough|insufficient|exhausted|used up|run out|depleted|too low)"
    r"|(?:out of|no|not enough|exceeded your(?: current)?) (?:\w+ ){0,2}?(?:quota|credits?|balance)\b"
    r"|quota (?:failed|exceeded)|billing (?:hard )?limit"
    r"|(?:余额|额度|积分|点数|配额).{0,12}?(?:不足|用尽|耗尽|不够|用完|过低)|欠费"
)
_ABOUT_QUOTA = re.compile(r"quota|credits?\b|余额|额度")
_UNKNOWN_TASK = re.compile(
    r"\btask(?: with| id| [0-9a-z]*[0-9][0-9a-z]*)*(?: was| is| does| do)? not (?:exist|found)"
    r"|(?:no such|unknown) task|任务.{0,40}?不存在|不存在.{0,10}?任务|找不到.{0,10}?任务"
    # kie.ai's words for a task it does not know.
    r"|recordinfo is null"
)
_WRONG_PATH = re.compile(r"invalid url|page not found|no route|cannot (?:get|post)\b")
_KEY_REFUSED = re.compile(
    r"invalid (?:api )?(?:key|token)|(?:key|token) (?:is )?(?:invalid|expired|disabled)|unauthori[sz]ed"
    r"|authentication|api key|令牌|permission denied|access denied|forbidden"
)
_RATE_LIMITED = re.compile(r"rate limit|too many requests|too frequent|too fast|过于频繁|频率|负载已饱和")


def _words(text: str) -> str:
    return _BETWEEN_WORDS.sub(" ", text.lower())


def _tells_no_quota(words: str, status: int) -> bool:
    if _NO_QUOTA.search(words):
        # "quota exceeded … per minute" is a pace, not an account.
        return not ("per minute" in words or "rate limit" in words)
    return status in (402, 403) and _ABOUT_QUOTA.search(words) is not None


_KIND_OF_STATUS = {
    401: ErrorKind.KEY_REFUSED,
    402: ErrorKind.QUOTA,
    403: ErrorKind.KEY_REFUSED,
    404: ErrorKind.UNKNOWN_TASK,
    429: ErrorKind.RATE_LIMITED,
}
# sunoapi.org answers 405 and 430 when asked too fast, kie.ai 455 during maintenance.
_KIND_OF_CODE = {**_KIND_OF_STATUS, 405: ErrorKind.RATE_LIMITED, 430: ErrorKind.RATE_LIMITED}
_KIND_OF_WORDS = (
    (_UNKNOWN_TASK, ErrorKind.UNKNOWN_TASK),
    (_KEY_REFUSED, ErrorKind.KEY_REFUSED),
    (_RATE_LIMITED, ErrorKind.RATE_LIMITED),
)


def _kind(words: str, http_status: int, code: int | None) -> tuple[ErrorKind, str]:
    """The kind of an error and, for a transient one, its cause."""
    status = http_status if http_status >= 400 or code is None else code
    if _tells_no_quota(words, status) or (code == 429 and _ABOUT_QUOTA.search(words)):
        return ErrorKind.QUOTA, ""
    if http_status in (404, 405) and (http_status == 405 or _WRONG_PATH.search(words)):
        return ErrorKind.TRANSIENT, "wrong_path"
    if kind := _KIND_OF_STATUS.get(http_status):
        return kind, ""
    if http_status >= 500:
        return ErrorKind.TRANSIENT, "server_error"
    if code is not None and (kind := _KIND_OF_CODE.get(code)):
        return kind, ""
    if code is not None and (code == 455 or 500 <= code < 600):
        return ErrorKind.TRANSIENT, "server_error"
    for pattern, named in _KIND_OF_WORDS:
        if pattern.search(words):
            return named, ""
    return ErrorKind.TRANSIENT, ""
