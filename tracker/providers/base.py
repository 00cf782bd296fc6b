"""What every provider is: how to ask it about tasks, and how to read its answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from tracker.providers.errors import ErrorKind, ProviderError, WireError
from tracker.providers.reading import read_name
from tracker.providers.refusal import decode, is_success_code, refuse
from tracker.providers.snapshot import TaskSnapshot
from tracker.providers.unwrapping import TASK_ID_KEYS, find_tasks, read_task, read_tasks


@dataclass(frozen=True, slots=True, kw_only=True)
class WireRequest:
    """One request to a provider; ``path`` follows the base URL, ``json`` is the body or ``None``."""

    method: Literal["GET", "POST"]
    path: str
    json: dict[str, Any] | None = None


class _BatchItem(msgspec.Struct):
    """As much of a task in a batch as tells that it is one, and which."""

    task_id: str | int | None = None
    submit_time: Any = None
    fail_reason: Any = None
    action: Any = None


class _BatchAnswer(msgspec.Struct):
    code: Any = None
    error: Any = None
    success: Any = None
    data: list[msgspec.Raw] | None = None


class Provider:
    """A service that generates music and answers for a task id.

    A subclass states its address and requests; the reading is shared, and `reshape` turns what only this
    provider sends into the shared shape. Reading raises `WireError` and `ProviderError`, nothing else.
    """

    slug: str
    label: str
    docs_url: str
    base_url: str | None = None
    """The fixed address, without a slash at its end; ``None`` where the credential holds it."""
    batch_limit: int = 0
    """The most ids one batch request may name; 0 where there is no batch request."""

    def task_request(self, task_id: str) -> WireRequest:
        """The request that asks for one task."""
        raise NotImplementedError

    def batch_request(self, task_ids: Sequence[str]) -> WireRequest:
        """The request that asks for up to `batch_limit` tasks at once."""
        raise NotImplementedError(f"{self.slug} has no batch request")

    def reshape(self, document: object) -> object:
        """The decoded answer in the shape that providers share."""
        return document

    def parse(
        self,
        body: bytes,
        *,
        http_status: int = 200,
        task_id: str | None = None,
        retry_after: float | None = None,
    ) -> list[TaskSnapshot]:
        """The tasks of an answer.

        ``task_id`` is what was asked for; it names a task that comes without a name, such as a bare list of
        clips. A task that names itself differently keeps its own name. ``retry_after`` (seconds) is handed on
        in the error.
        """
        document = decode(body, http_status=http_status, retry_after=retry_after)
        refuse(document, http_status=http_status, retry_after=retry_after)
        return read_tasks(self.reshape(document), task_id=task_id)

    def split_batch(self, body: bytes, *, http_status: int = 200, retry_after: float | None = None) -> dict[str, bytes]:
        """The JSON of each task of a batch answer by task id, each for `parse_item`.

        The bytes are the provider's own, so a task that did not change can be told without reading it.
        Unknown ids are absent; an answer without any task is empty.
        """
        if http_status < 400 and (items := _split_as_sent(body)) is not None:
            return items
        document = decode(body, http_status=http_status, retry_after=retry_after)
        refuse(document, http_status=http_status, retry_after=retry_after)
        document = self.reshape(document)
        tasks = find_tasks(document)
        if not tasks and read_tasks(document):
            raise WireError("The batch answer holds songs without their tasks.")
        items = {name: _encode(task) for task in tasks if (name := _name_of(task))}
        if tasks and not items:
            # Taken for an empty answer, it would make every task seem unknown.
            raise WireError("The batch answer holds tasks without their ids.")
        return items

    def parse_item(self, raw: bytes) -> TaskSnapshot:
        """The task in one item of a batch answer."""
        task = decode(raw)
        if type(task) is not dict:
            raise WireError("An item of the batch answer is no task.")
        return read_task(task)


def path_of(prefix: str, task_id: str) -> str:
    """The path that ends in a task id, percent-encoded.

    Raises `ProviderError` (unknown task) for an id that no path can hold.
    """
    if task_id in ("", ".", ".."):
        raise ProviderError(ErrorKind.UNKNOWN_TASK, "This is not a task id.")
    return prefix + quote(task_id, safe="", errors="replace")


def _split_as_sent(body: bytes) -> dict[str, bytes] | None:
    """The items of an ordinary batch answer; ``None`` where it takes a closer look."""
    try:
        answer = msgspec.json.decode(body, type=_BatchAnswer)
        if not answer.data or answer.error or answer.success is False or not is_success_code(answer.code):
            return None
        items: dict[str, bytes] = {}
        for raw in answer.data:
            item = msgspec.json.decode(raw, type=_BatchItem)
            name = read_name(item.task_id)
            if name is None or (item.submit_time is None and item.fail_reason is None and item.action is None):
                return None
            items[name] = bytes(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return items


def _name_of(task: dict[str, Any]) -> str | None:
    return next((name for key in TASK_ID_KEYS if (name := read_name(task.get(key)))), None)


def _encode(task: dict[str, Any]) -> bytes:
    try:
        return json.dumps(task).encode()
    except RecursionError:
        raise WireError("The answer is nested too deeply.") from None
