"""Claim → ask → record, for the poller and for a view that cannot wait for it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from secrets import token_hex

from django.conf import settings
from django.utils import timezone

from tracker.fetching import FETCH_SECONDS, Access, BatchRefusedError, Reply, fetch_one, fetch_together, probe_key
from tracker.models import Answer, Claim, Credential, claim, record, release
from tracker.outbound import Outbound, OutboundPolicy, parse_networks
from tracker.providers import ErrorKind, ProviderError, get_provider
from tracker.redaction import redact_answer, redact_text
from tracker.secrets import SealBrokenError

REQUESTS_AT_ONCE = 20
"""Requests a view has in flight at most; the poller has its own limit per host."""


def outbound_policy() -> OutboundPolicy:
    """What the settings allow outgoing requests to reach."""
    return OutboundPolicy(
        allow_nets=parse_networks(settings.OUTBOUND_ALLOW_NETS),
        connections_per_host=settings.POLL_CONNECTIONS_PER_HOST,
    )


def open_accesses(claims: Iterable[Claim]) -> dict[int, Access | ProviderError]:
    """The credentials of ``claims`` opened for asking; one whose key cannot be read is an error instead."""
    credential_ids = {one.credential_id for one in claims if one.credential_id is not None}
    accesses: dict[int, Access | ProviderError] = {}
    for credential in Credential.objects.filter(pk__in=[*credential_ids]):
        try:
            accesses[credential.pk] = Access(
                credential.pk,
                credential.version,
                get_provider(credential.provider),
                credential.base_url,
                credential.reveal(),
                credential.answers_batches,
                credential.paused_until,
            )
        except (SealBrokenError, KeyError) as error:
            accesses[credential.pk] = ProviderError(ErrorKind.KEY_REFUSED, str(error), cause="seal_broken")
    return accesses


def as_answer(claimed: Claim, reply: Reply, access: Access) -> Answer:
    """A reply made ready to be recorded: the raw answer loses its secrets here."""
    error = reply.error
    if error is not None:
        error.message = redact_text(error.message, key=access.key)
    return Answer(
        claimed,
        unchanged=reply.unchanged,
        snapshot=reply.snapshot,
        error=error,
        answer_hash=reply.answer_hash,
        raw_answer=redact_answer(reply.body, key=access.key) if reply.snapshot is not None else "",
        credential_version=access.version,
    )


@dataclass(slots=True)
class Job:
    """One request's worth of claims: a single one, or as many as go into a batch."""

    access: Access
    claims: Sequence[Claim]
    answers_batches: bool | None = None
    """What a batch request taught about the provider; None where none was made."""


def make_jobs(
    claims: Iterable[Claim], accesses: Mapping[int, Access | ProviderError]
) -> tuple[list[Job], list[Answer]]:
    """Claims sorted into requests; those whose key cannot be read are answered already."""
    grouped: dict[int | None, list[Claim]] = {}
    for one in claims:
        grouped.setdefault(one.credential_id, []).append(one)
    jobs, answers = [], []
    for credential_id, group in grouped.items():
        access = accesses.get(credential_id or 0) or ProviderError(ErrorKind.KEY_REFUSED, cause="no_credential")
        if isinstance(access, ProviderError):
            answers += [Answer(one, error=access) for one in group]
            continue
        size = access.provider.batch_limit if access.may_batch else 1
        jobs += [Job(access, group[start : start + size]) for start in range(0, len(group), size)]
    return jobs, answers


async def run_job(job: Job, client: Outbound, *, seconds: float = FETCH_SECONDS) -> list[Answer]:
    """Ask for the claims of ``job``: together where the provider answers batches, else one by one."""
    if len(job.claims) == 1:
        return [await _ask_one(job.claims[0], job.access, client, seconds)]
    answers, left, for_good = await _ask_together(job, client, seconds)
    singly = await asyncio.gather(*(_ask_one(one, job.access, client, seconds) for one in left))
    if any(answer.error is None for answer in answers):
        job.answers_batches = True
    elif for_good or (for_good is False and any(answer.error is None for answer in singly)):
        job.answers_batches = False
    return [*answers, *singly]


async def _ask_together(
    job: Job, client: Outbound, seconds: float
) -> tuple[list[Answer], Sequence[Claim], bool | None]:
    """The answers of one batch request, the claims it left out, and, where it was refused, whether for good."""
    known = {one.task_id: one.answer_hash for one in job.claims}
    try:
        replies = await fetch_together(job.access, known, client, deadline_seconds=seconds)
    except BatchRefusedError as refusal:
        return [], job.claims, refusal.for_good
    answers = [as_answer(one, replies[one.task_id], job.access) for one in job.claims if one.task_id in replies]
    # A batch leaves out what it does not know; asked singly, the provider says so in its own words.
    return answers, [one for one in job.claims if one.task_id not in replies], None


async def _ask_one(one: Claim, access: Access, client: Outbound, seconds: float) -> Answer:
    reply = await fetch_one(access, one.task_id, client, known_hash=one.answer_hash, deadline_seconds=seconds)
    return as_answer(one, reply, access)


def note_batches(jobs: Iterable[Job]) -> None:
    """Remember on the credentials whether their providers answer batches."""
    learned = {
        job.access.credential_id: job for job in jobs if job.answers_batches not in (None, job.access.answers_batches)
    }
    for credential_id, job in learned.items():
        Credential.objects.filter(pk=credential_id, version=job.access.version).update(
            answers_batches=job.answers_batches
        )


# For views -------------------------------------------------------------------------------------------


def check_now(task_pks: Sequence[int], *, deadline_seconds: float = 2.5) -> None:
    """Ask for these tasks at once, together, and record what comes within the deadline.

    What does not answer in time is left to the poller, and so is what the poller asks for already.
    """
    now = timezone.now()
    claims = claim(now, limit=len(task_pks), only=task_pks)
    jobs, answers = make_jobs(claims, open_accesses(claims))
    if jobs:
        answers += asyncio.run(_run_within(jobs, deadline_seconds))
    now = timezone.now()
    record(answers, now=now, rng=random.Random())  # noqa: S311
    note_batches(jobs)
    answered = {answer.claim.pk for answer in answers}
    release((one for one in claims if one.pk not in answered), at=now)


async def _run_within(jobs: Sequence[Job], seconds: float) -> list[Answer]:
    """The answers that came within ``seconds``."""
    gate = asyncio.Semaphore(REQUESTS_AT_ONCE)
    answers: list[Answer] = []

    async def run(job: Job, client: Outbound) -> None:
        async with gate:
            answers.extend(await run_job(job, client))

    async with Outbound(outbound_policy()) as client:
        running = [asyncio.ensure_future(run(job, client)) for job in jobs]
        _, late = await asyncio.wait(running, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    return answers


def try_key(*, provider: str, base_url: str, key: str) -> ProviderError | None:
    """Whether ``key`` is taken at ``base_url``; None means it works. The error's words hold no key."""
    access = Access(0, 0, get_provider(provider), base_url, key)

    async def ask() -> ProviderError | None:
        async with Outbound(outbound_policy()) as client:
            return await probe_key(access, client, task_id=f"musicboard-check-{token_hex(6)}")

    error = asyncio.run(ask())
    if error is not None:
        error.message = redact_text(error.message, key=key)
    return error
