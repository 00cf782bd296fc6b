"""Where a task stands, in words for the person at the board: every state looks different and says what to do.

Pure: reads a task, its credential and its clips as they were loaded, and asks nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext

from tracker.models import Clip, Credential, MusicTask
from tracker.models.credentials import Hold
from tracker.models.recording import ONLY_THIS
from tracker.models.tasks import Ended
from tracker.providers import ClipState, ErrorKind, TaskStatus


class Tone(StrEnum):
    """How a state looks; the CSS class is ``state--<tone>``."""

    RUN = "run"
    OK = "ok"
    WARN = "warn"
    BAD = "bad"
    WAIT = "wait"


class Action(StrEnum):
    """What helps most; the card offers it as a button."""

    NONE = ""
    CHECK = "check"
    REPLACE_KEY = "replace_key"
    ENABLE = "enable"


@dataclass(frozen=True, slots=True)
class Standing:
    """``label`` is for the pill; ``reason`` is said in bold, ``quote`` in the provider's words, ``advice`` after it."""

    key: str
    tone: Tone
    label: str
    reason: str = ""
    quote: str = ""
    advice: str = ""
    action: Action = Action.NONE
    moves: bool = False
    """The bar may show that something is going on."""
    is_unmeasured: bool = False
    """… but not how far it is: a full bar would look stuck."""


def standing(task: MusicTask, clips: Sequence[Clip], *, person_id: int | None, now: datetime) -> Standing:
    """Where ``task`` stands, as said to the person with ``person_id``."""
    if task.hold and not task.ended:
        return _held(task, person_id)
    if task.ended:
        return _ENDED[Ended(task.ended)](task, clips)
    return _met_error(task) or _live(task, clips, now)


# -- Waiting for the credential -------------------------------------------------------------------------


def _held(task: MusicTask, person_id: int | None) -> Standing:
    """The credential rests, is disabled or gone; the task itself has not ended."""
    if task.credential is None or task.hold == Hold.NO_CREDENTIAL:
        return Standing(
            "no_credential", Tone.WARN, _("No credential"), _("Its credential was deleted."),
            advice=_("Hand it another credential, and tracking goes on. Everything known stays."),
        )  # fmt: skip
    return credential_standing(
        task.credential, Hold(task.hold), person_id=person_id, http_status=task.poll_error_status
    )


def credential_standing(
    credential: Credential, hold: Hold, *, person_id: int | None, http_status: int | None = None
) -> Standing:
    """Why tasks wait for ``credential``, and who can do what about it; its owner is told what, others whom to ask."""
    is_mine = credential.owner_id == person_id
    owner = {"owner": credential.owner}
    if hold == Hold.DISABLED:
        return Standing(
            "disabled", Tone.WARN, _("Credential disabled"),
            _("The credential “%(label)s” is disabled.") % {"label": credential.label},
            advice=_("Enable it under Credentials and tracking goes on.") if is_mine
            else _("Ask %(owner)s to enable it. Nothing is lost.") % owner,
            action=Action.ENABLE if is_mine else Action.NONE,
        )  # fmt: skip
    names = {"provider": credential.provider, "status": credential.rest_status or http_status}
    if hold == Hold.QUOTA:
        return Standing(
            "quota", Tone.WARN, _("No credit"),
            _("%(provider)s says that the account has no credit left.") % names,
            advice=_("Top it up, then check again. Nothing is lost.") if is_mine
            else _("Ask %(owner)s to top it up. Nothing is lost.") % owner,
            action=Action.CHECK,
        )  # fmt: skip
    if hold == Hold.SEAL_BROKEN:
        return Standing(
            "seal_broken", Tone.WARN, _("Key unreadable"), _("The stored key can no longer be read here."),
            advice=_("Enter it again under Credentials. Nothing is lost.") if is_mine
            else _("Ask %(owner)s to enter it again. Nothing is lost.") % owner,
            action=Action.REPLACE_KEY if is_mine else Action.NONE,
        )  # fmt: skip
    if credential.rest_detail and not credential.rest_status:
        return Standing(
            "resting", Tone.WARN, _("Resting"), _(credential.rest_detail),
            advice=_("Replace the key under Credentials, or try it again there. Nothing is lost.") if is_mine
            else _("Ask %(owner)s to look at it. Nothing is lost.") % owner,
            action=Action.REPLACE_KEY if is_mine else Action.NONE,
        )  # fmt: skip
    return Standing(
        "key_refused", Tone.WARN, _("Key refused"),
        _("%(provider)s refused this key (%(status)s).") % names if names["status"]
        else _("%(provider)s refused this key.") % names,
        advice=_("Replace it under Credentials. Nothing is lost.") if is_mine
        else _("Ask %(owner)s to replace the key. Nothing is lost.") % owner,
        action=Action.REPLACE_KEY if is_mine else Action.NONE,
    )  # fmt: skip


# -- Ended ----------------------------------------------------------------------------------------------


def _final(task: MusicTask, clips: Sequence[Clip]) -> Standing:
    return _succeeded(task, clips) if task.status == TaskStatus.SUCCEEDED else _failed(task, clips)


def _succeeded(task: MusicTask, clips: Sequence[Clip]) -> Standing:
    done = Standing("done", Tone.OK, pgettext("state", "Done"))
    if not task.is_music:
        return done
    failed = [clip for clip in clips if clip.state == ClipState.FAILED]
    if failed and len(failed) < len(clips):
        return Standing(
            "partly_done", Tone.WARN, _("Partly done"),
            ngettext("%(count)s clip failed.", "%(count)s clips failed.", len(failed)) % {"count": len(failed)},
        )  # fmt: skip
    if not any(clip.is_playable for clip in clips):
        return Standing(
            "no_sound", Tone.WARN, pgettext("state", "Done"), _("The provider sent no sound."),
            advice=_("It calls the task finished; checking again may bring the files."), action=Action.CHECK,
        )  # fmt: skip
    return done


def _failed(task: MusicTask, clips: Sequence[Clip]) -> Standing:
    said = _("The provider says:") if task.fail_reason else _("The provider gave no reason.")
    playable = sum(1 for clip in clips if clip.is_playable)
    if playable:
        return Standing(
            "partly_failed", Tone.WARN, _("Partly failed"),
            ngettext(
                "The task failed, but %(count)s clip can be heard.",
                "The task failed, but %(count)s clips can be heard.",
                playable,
            ) % {"count": playable},
            quote=task.fail_reason,
        )  # fmt: skip
    return Standing("failed", Tone.BAD, pgettext("state", "Failed"), said, quote=task.fail_reason, action=Action.CHECK)


def _unknown_task(task: MusicTask, clips: Sequence[Clip]) -> Standing:
    return Standing(
        "unknown_task", Tone.BAD, _("Unknown id"),
        _("%(provider)s does not know this id.") % {"provider": task.provider},
        advice=_("It was asked several times. Check the id, and whether it was submitted with this credential."),
        action=Action.CHECK,
    )  # fmt: skip


def _given_up(task: MusicTask, clips: Sequence[Clip]) -> Standing:
    return Standing(
        "given_up", Tone.WARN, _("Given up"), _("Nothing changed for 24 hours."),
        advice=_("It is no longer asked for by itself; you can still check it."), action=Action.CHECK,
    )  # fmt: skip


def _stopped(task: MusicTask, clips: Sequence[Clip]) -> Standing:
    return Standing(
        "stopped", Tone.WAIT, _("Stopped"), _("Somebody stopped tracking it."),
        advice=_("Checking it starts tracking again."), action=Action.CHECK,
    )  # fmt: skip


_ENDED: dict[Ended, Callable[[MusicTask, Sequence[Clip]], Standing]] = {
    Ended.FINAL: _final,
    Ended.UNKNOWN_TASK: _unknown_task,
    Ended.GIVEN_UP: _given_up,
    Ended.STOPPED: _stopped,
}

# -- Live, and the last question met an error -----------------------------------------------------------

_GOES_ON = gettext_lazy("Tracking goes on; the next try follows by itself.")
_UNREACHABLE = gettext_lazy("Unreachable")
_ADDRESS = gettext_lazy("Address problem")

# What was met on the way: label, reason, advice.
_CAUSES: dict[str, tuple[str | Promise, str | Promise, str | Promise]] = {
    "timeout": (_UNREACHABLE, gettext_lazy("%(provider)s did not answer in time."), _GOES_ON),
    "address": (_UNREACHABLE, gettext_lazy("%(provider)s could not be reached."), _GOES_ON),
    "broke_off": (
        _UNREACHABLE, gettext_lazy("%(provider)s broke off the connection before its answer was complete."), _GOES_ON,
    ),
    "tls": (_UNREACHABLE, gettext_lazy("%(provider)s showed no certificate that can be trusted."), _GOES_ON),
    "html": (_UNREACHABLE, gettext_lazy("%(provider)s answered with a web page%(status)s."), _GOES_ON),
    "server_error": (_UNREACHABLE, gettext_lazy("%(provider)s has a server error%(status)s."), _GOES_ON),
    "not_json": (
        gettext_lazy("Unreadable"), gettext_lazy("The answer of %(provider)s was cut off or is not JSON."), _GOES_ON,
    ),
    "too_large": (
        gettext_lazy("Unreadable"), gettext_lazy("The answer of %(provider)s was too large to be read."), _GOES_ON,
    ),
    "forbidden_address": (
        _ADDRESS, gettext_lazy("The address of this credential leads into a private network."),
        gettext_lazy("Correct it under Credentials, or let the operator open that network."),
    ),
    "redirect": (
        _ADDRESS, gettext_lazy("%(provider)s redirects to another address%(status)s."),
        gettext_lazy("The base URL under Credentials may be wrong. Tracking goes on."),
    ),
    "wrong_path": (
        _ADDRESS, gettext_lazy("%(provider)s has no task service at this address%(status)s."),
        gettext_lazy("The base URL under Credentials may be wrong. Tracking goes on."),
    ),
}  # fmt: skip


def _met_error(task: MusicTask) -> Standing | None:
    if task.poll_error_cause == ONLY_THIS:
        return Standing(
            "task_refused", Tone.WARN, _("Refused"),
            _("%(provider)s refuses to tell about this task (HTTP %(status)s).")
            % {"provider": task.provider, "status": task.poll_error_status or "?"},
            quote=task.poll_error_detail, action=Action.CHECK,
            advice=_("The key works for other tasks; this one may belong to another account. Tracking goes on."),
        )  # fmt: skip
    return met_error(
        task.provider,
        kind=task.poll_error,
        status=task.poll_error_status,
        cause=task.poll_error_cause,
        detail=task.poll_error_detail,
    )


def met_error(provider: str, *, kind: str, status: int | None, cause: str, detail: str) -> Standing | None:
    """What a question met; None where it was answered, or where the credential has to say it."""
    name = {"provider": provider}
    if kind == ErrorKind.RATE_LIMITED:
        return Standing(
            "rate_limited", Tone.WARN, _("Rate-limited"), _("%(provider)s asks us to wait.") % name,
            advice=_("The next check runs by itself after that."),
        )  # fmt: skip
    if kind == ErrorKind.UNKNOWN_TASK:
        return Standing(
            "not_known_yet", Tone.WAIT, _("Not known yet"), _("%(provider)s does not know this id yet.") % name,
            advice=_("A new id may take a moment; it is asked for again over two minutes."),
        )  # fmt: skip
    if kind == ErrorKind.UNREADABLE:
        return Standing(
            "unreadable", Tone.WARN, _("Unreadable"),
            _("The answer of %(provider)s could not be understood.") % name, advice=str(_GOES_ON),
        )  # fmt: skip
    if kind != ErrorKind.TRANSIENT:
        return None
    http = _(" (HTTP %(status)s)") % {"status": status} if status else ""
    if cause not in _CAUSES:
        return Standing(
            "unreachable", Tone.WARN, str(_UNREACHABLE),
            _("%(provider)s could not answer%(status)s.") % {"provider": provider, "status": http},
            quote=detail, advice=str(_GOES_ON),
        )  # fmt: skip
    label, reason, advice = _CAUSES[cause]
    return Standing(
        f"error-{cause}", Tone.WARN, str(label),
        str(reason) % {"provider": provider, "status": http}, advice=str(advice),
    )  # fmt: skip


# -- Live -----------------------------------------------------------------------------------------------


LATE_AFTER = timedelta(seconds=5)
"""A first answer that takes longer than this is said to be late."""
STILL_TRYING = gettext_lazy("No answer yet, still trying.")


def late_in(task: MusicTask, *, now: datetime) -> float | None:
    """Seconds until the first answer of ``task`` is late; None where it was answered or is late already."""
    left = (task.created_at + LATE_AFTER - now).total_seconds()
    return left if task.is_live and not task.hold and task.polled_at is None and left > 0 else None


def _live(task: MusicTask, clips: Sequence[Clip], now: datetime) -> Standing:
    said = _LIVE[TaskStatus(task.status)](task, clips)
    if task.polled_at is None and late_in(task, now=now) is None:
        said = replace(said, reason=str(STILL_TRYING))
    if task.stalled_at is None:
        return said
    return replace(
        said, key="stalled", tone=Tone.WARN, label=_("Stalled"), moves=False, action=Action.CHECK,
        reason=_("Nothing changed for %(time)s.") % {"time": long_time(now - task.changed_at)},
        advice=_("musicboard asks once an hour and gives up 24 hours after the last change."),
    )  # fmt: skip


def _queued(task: MusicTask, clips: Sequence[Clip]) -> Standing:
    return Standing("queued", Tone.WAIT, _("Queued"), moves=True)


def _running(task: MusicTask, clips: Sequence[Clip]) -> Standing:
    if clips and all(clip.is_finished and not clip.is_playable for clip in clips):
        return _awaits_sound(task, clips)
    return Standing("running", Tone.RUN, _("Running"), moves=True)


def _awaits_sound(task: MusicTask, clips: Sequence[Clip]) -> Standing:
    return Standing(
        "awaits_sound", Tone.RUN, _("Finishing"), _("Finished, but the sound is not there yet."),
        advice=_("It usually follows within minutes."), moves=True, is_unmeasured=True,
    )  # fmt: skip


def _fails(task: MusicTask, clips: Sequence[Clip]) -> Standing:
    return Standing(
        "failing", Tone.BAD, pgettext("state", "Failed"), _("The task failed; a clip is still being made."),
        quote=task.fail_reason, moves=True,
    )  # fmt: skip


def _unknown(task: MusicTask, clips: Sequence[Clip]) -> Standing:
    if task.polled_at is None or (not task.raw_status and task.poll_error):
        return Standing("asking", Tone.WAIT, _("Asking …"), moves=True)
    if not task.raw_status:
        return Standing("no_status", Tone.WAIT, _("No status yet"), moves=True)
    return Standing(
        "unknown_status", Tone.WARN, _("Unknown status"),
        _("The provider says “%(word)s”, which is a word not known here.") % {"word": task.raw_status},
        advice=_("Tracking goes on until it says something known."), moves=True,
    )  # fmt: skip


_LIVE: dict[TaskStatus, Callable[[MusicTask, Sequence[Clip]], Standing]] = {
    TaskStatus.QUEUED: _queued,
    TaskStatus.RUNNING: _running,
    TaskStatus.SUCCEEDED: _awaits_sound,
    TaskStatus.FAILED: _fails,
    TaskStatus.UNKNOWN: _unknown,
}


def long_time(passed: timedelta) -> str:
    """A stretch of time in its largest unit, as in “3 hours”."""
    minutes = max(int(passed.total_seconds() // 60), 0)
    if minutes < 60:
        return ngettext("%(count)s minute", "%(count)s minutes", minutes) % {"count": minutes}
    if minutes < 48 * 60:
        return ngettext("%(count)s hour", "%(count)s hours", minutes // 60) % {"count": minutes // 60}
    return ngettext("%(count)s day", "%(count)s days", minutes // 1440) % {"count": minutes // 1440}
