"""Asks providers for tasks: ids in, replies out.

One id a request, or up to fifty where the provider answers batches. Everything that can go wrong comes back as a
:class:`~tracker.providers.ProviderError` in the reply of each id it concerns; nothing is raised.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tracker.digest import digest
from tracker.outbound import Outbound, RawAnswer
from tracker.providers import ErrorKind, Provider, ProviderError, TaskSnapshot, WireError, WireRequest

FETCH_SECONDS = 15.0
NO_BATCH = frozenset({400, 404, 405, 501})


@dataclass(frozen=True, slots=True)
class Access:
    """A credential opened for asking. Its ``repr`` does not tell the key."""

    credential_id: int
    version: int
    provider: Provider
    base_url: str
    key: str = field(repr=False)
    answers_batches: bool | None = None
    paused_until: datetime | None = None
    """Until when the provider asked to be left alone."""

    @property
    def may_batch(self) -> bool:
        return bool(self.provider.batch_limit) and self.answers_batches is not False


@dataclass(slots=True)
class Reply:
    """What came back for one id. ``snapshot`` is None for an error, or when the known answer came again."""

    answer_hash: str = ""
    snapshot: TaskSnapshot | None = None
    error: ProviderError | None = None
    body: bytes = b""

    @property
    def unchanged(self) -> bool:
        return self.error is None and self.snapshot is None


class BatchRefusedError(Exception):
    """The provider did not answer this as a batch; ask singly.

    ``for_good`` when it plainly offers none, and not merely stumbled.
    """

    def __init__(self, *, for_good: bool) -> None:
        super().__init__("no batch")
        self.for_good = for_good


async def fetch_one(
    access: Access, task_id: str, client: Outbound, *, known_hash: str = "", deadline_seconds: float = FETCH_SECONDS
) -> Reply:
    """Ask for one task. An answer whose hash is ``known_hash`` is not read again."""
    raw = await ask_one(access, task_id, client, deadline_seconds=deadline_seconds)
    return read_one(access, task_id, raw, known_hash=known_hash)


async def ask_one(
    access: Access, task_id: str, client: Outbound, *, deadline_seconds: float = FETCH_SECONDS
) -> RawAnswer | ProviderError:
    """What comes back for one task, to be read by :func:`read_one` now or together with others."""
    try:
        return await _send(access, access.provider.task_request(task_id), client, deadline_seconds)
    except ProviderError as error:
        return error


def read_one(access: Access, task_id: str, raw: RawAnswer | ProviderError, *, known_hash: str = "") -> Reply:
    """The reply that ``raw`` is. An answer whose hash is ``known_hash`` is not read again."""
    if isinstance(raw, ProviderError):
        return Reply(error=raw)
    answer_hash = digest(raw.body)
    if raw.status == 200 and answer_hash == known_hash:
        return Reply(answer_hash)
    try:
        found = access.provider.parse(raw.body, http_status=raw.status, task_id=task_id, retry_after=raw.retry_after)
        return Reply(answer_hash, snapshot=_pick(found, task_id), body=raw.body)
    except (ProviderError, WireError) as error:
        return Reply(error=_as_provider_error(error))


async def fetch_batch(
    access: Access, known: Mapping[str, str], client: Outbound, *, deadline_seconds: float = FETCH_SECONDS
) -> dict[str, Reply]:
    """Ask for all ids of ``known`` (id → known hash) at once. Ids the provider leaves out are left out here too.

    Raises :class:`BatchRefusedError` where the answer is not a batch's; an error that concerns the key or the
    provider as a whole is the reply of every id.
    """
    try:
        raw = await _send(access, access.provider.batch_request(list(known)), client, deadline_seconds)
        if raw.status in NO_BATCH:
            raise BatchRefusedError(for_good=True)
        items = access.provider.split_batch(raw.body, http_status=raw.status, retry_after=raw.retry_after)
    except WireError:
        raise BatchRefusedError(for_good=True) from None
    except ProviderError as error:
        if error.cause in ("redirect", "wrong_path") or error.kind is ErrorKind.UNKNOWN_TASK:
            raise BatchRefusedError(for_good=True) from None
        if error.http_status == 403 or error.cause in ("html", "not_json", "too_large"):
            raise BatchRefusedError(for_good=False) from None
        return {task_id: Reply(error=error) for task_id in known}
    return {task_id: _read_item(access, items[task_id], known[task_id]) for task_id in known if task_id in items}


async def fetch_together(
    access: Access, known: Mapping[str, str], client: Outbound, *, deadline_seconds: float = FETCH_SECONDS
) -> dict[str, Reply]:
    """As :func:`fetch_batch`; but a batch that one of its ids makes fail is halved until that id stands alone.

    Where both halves fail as well it is the provider that is in trouble, and no more is asked.
    """
    replies = await fetch_batch(access, known, client, deadline_seconds=deadline_seconds)
    return await _halve(access, known, replies, client, deadline_seconds) if _fails_whole(replies) else replies


async def _halve(
    access: Access, known: Mapping[str, str], failed: dict[str, Reply], client: Outbound, seconds: float
) -> dict[str, Reply]:
    """Better replies than ``failed``, if one half of ``known`` is answered."""
    if len(known) < 2:
        return failed
    ids = list(known)
    halves = [{each: known[each] for each in part} for part in (ids[: len(ids) // 2], ids[len(ids) // 2 :])]
    parts = [await fetch_batch(access, half, client, deadline_seconds=seconds) for half in halves]
    if all(_fails_whole(part) for part in parts):
        return failed
    replies: dict[str, Reply] = {}
    for half, part in zip(halves, parts, strict=True):
        replies |= await _halve(access, half, part, client, seconds) if _fails_whole(part) else part
    return replies


def _fails_whole(replies: Mapping[str, Reply]) -> bool:
    """Whether the request failed in a way that one id among many may have caused."""
    errors = [reply.error for reply in replies.values() if reply.error is not None]
    return bool(errors) and len(errors) == len(replies) and errors[0].cause == "server_error"


def _read_item(access: Access, item: bytes, known_hash: str) -> Reply:
    answer_hash = digest(item)
    if answer_hash == known_hash:
        return Reply(answer_hash)
    try:
        return Reply(answer_hash, snapshot=access.provider.parse_item(item), body=item)
    except (ProviderError, WireError) as error:
        return Reply(error=_as_provider_error(error))


async def probe_key(
    access: Access, client: Outbound, *, task_id: str, deadline_seconds: float = 8
) -> ProviderError | None:
    """Whether this key is taken at this address: ask for an id that does not exist. None means it works."""
    reply = await fetch_one(access, task_id, client, deadline_seconds=deadline_seconds)
    if reply.error is None or reply.error.kind is ErrorKind.UNKNOWN_TASK:
        return None
    return reply.error


def _send(access: Access, request: WireRequest, client: Outbound, deadline_seconds: float) -> Awaitable[RawAnswer]:
    return client.request_json(
        request.method,
        access.base_url + request.path,
        bearer=access.key,
        json=request.json,
        deadline_seconds=deadline_seconds,
    )


def _pick(found: Sequence[TaskSnapshot], task_id: str) -> TaskSnapshot:
    """The task that was asked for. A single task is taken whatever id it carries: huiyan's own published
    answer names another id than its request."""
    for snapshot in found:
        if snapshot.task_id == task_id:
            return snapshot
    if len(found) == 1:
        return found[0]
    raise WireError("The answer holds several tasks, and not the one that was asked for.")


def _as_provider_error(error: ProviderError | WireError) -> ProviderError:
    return error if isinstance(error, ProviderError) else ProviderError(ErrorKind.UNREADABLE, str(error))
