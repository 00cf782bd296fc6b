"""Every state says what it is, why, and what to do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tracker.cards import age_text, clock_time, make_card, short_id
from tracker.models import Clip, Credential, MusicTask, Team, User
from tracker.models.credentials import Hold
from tracker.models.tasks import Ended
from tracker.outbound import BAD_KEY
from tracker.providers import ErrorKind
from tracker.standing import Action, Standing, Tone, standing

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
LIN = User(pk=1, name="Lin", email="lin@example.org")
SOUND = Clip(position=0, state="complete", audio_url="https://x.example/a.mp3")
FAILED_CLIP = Clip(position=1, state="failed", error="Too long")


def task(*, credential: Credential | str | None = "lin", **fields: Any) -> MusicTask:
    if credential == "lin":
        credential = Credential(pk=7, owner=LIN, label="Lin", last_four="a1b2", provider="huiyan", rest_status=401)
    values = {
        "status": "running",
        "raw_status": "RUN",
        "polled_at": NOW,
        "created_at": NOW,
        "changed_at": NOW,
        **fields,
    }
    return MusicTask(team=Team(pk=1), provider="huiyan", task_id="id-000001", credential=credential, **values)


def stands(one: MusicTask, *clips: Clip, person: int = 1) -> Standing:
    return standing(one, clips, person_id=person, now=NOW)


def met(cause: str, status: int | None = None) -> dict[str, Any]:
    return {"poll_error": ErrorKind.TRANSIENT, "poll_error_cause": cause, "poll_error_status": status}


def unsent() -> Credential:
    return Credential(pk=7, owner=LIN, label="Lin", last_four="a1b2", provider="huiyan", rest_detail=BAD_KEY)


STATES: list[tuple[dict[str, Any], tuple[Clip, ...], str, Tone, str]] = [
    ({"hold": Hold.KEY_REFUSED}, (), "Key refused", Tone.WARN, "huiyan refused this key (401)."),
    ({"hold": Hold.KEY_REFUSED, "credential": unsent()}, (), "Resting", Tone.WARN, "This key cannot be sent"),
    ({"hold": Hold.QUOTA}, (), "No credit", Tone.WARN, "no credit left"),
    ({"hold": Hold.SEAL_BROKEN}, (), "Key unreadable", Tone.WARN, "can no longer be read"),
    ({"hold": Hold.DISABLED}, (), "Credential disabled", Tone.WARN, "“Lin” is disabled"),
    ({"hold": Hold.NO_CREDENTIAL, "credential": None}, (), "No credential", Tone.WARN, "was deleted"),
    ({"ended": Ended.FINAL, "status": "succeeded"}, (SOUND,), "Done", Tone.OK, ""),
    ({"ended": Ended.FINAL, "status": "succeeded", "kind": "lyrics"}, (), "Done", Tone.OK, ""),
    ({"ended": Ended.FINAL, "status": "succeeded"}, (SOUND, FAILED_CLIP), "Partly done", Tone.WARN, "1 clip failed."),
    ({"ended": Ended.FINAL, "status": "succeeded"}, (Clip(state="complete"),), "Done", Tone.WARN, "sent no sound"),
    ({"ended": Ended.FINAL, "status": "failed", "fail_reason": "No"}, (), "Failed", Tone.BAD, "The provider says:"),
    ({"ended": Ended.FINAL, "status": "failed"}, (), "Failed", Tone.BAD, "gave no reason"),
    ({"ended": Ended.FINAL, "status": "failed"}, (SOUND,), "Partly failed", Tone.WARN, "1 clip can be heard"),
    ({"ended": Ended.UNKNOWN_TASK}, (), "Unknown id", Tone.BAD, "does not know this id"),
    ({"ended": Ended.GIVEN_UP}, (), "Given up", Tone.WARN, "24 hours"),
    ({"ended": Ended.STOPPED}, (), "Stopped", Tone.WAIT, "stopped"),
    ({"poll_error": ErrorKind.RATE_LIMITED}, (), "Rate-limited", Tone.WARN, "asks us to wait"),
    ({"poll_error": ErrorKind.UNKNOWN_TASK}, (), "Not known yet", Tone.WAIT, "yet"),
    ({"poll_error": ErrorKind.UNREADABLE}, (), "Unreadable", Tone.WARN, "understood"),
    (met("timeout"), (), "Unreachable", Tone.WARN, "in time"),
    (met("address"), (), "Unreachable", Tone.WARN, "reached"),
    (met("tls"), (), "Unreachable", Tone.WARN, "certificate"),
    (met("html", 502), (), "Unreachable", Tone.WARN, "web page (HTTP 502)"),
    (met("server_error", 500), (), "Unreachable", Tone.WARN, "(HTTP 500)"),
    (met("not_json"), (), "Unreadable", Tone.WARN, "not JSON"),
    (met("too_large"), (), "Unreadable", Tone.WARN, "too large"),
    (met("forbidden_address"), (), "Address problem", Tone.WARN, "private network"),
    (met("redirect", 302), (), "Address problem", Tone.WARN, "another address (HTTP 302)"),
    (met("wrong_path"), (), "Address problem", Tone.WARN, "no task service at this address"),
    (met("new"), (), "Unreachable", Tone.WARN, "could not answer"),
    ({"stalled_at": NOW, "changed_at": NOW - timedelta(hours=2)}, (), "Stalled", Tone.WARN, "2 hours"),
    ({"status": "queued"}, (), "Queued", Tone.WAIT, ""),
    ({"status": "running"}, (), "Running", Tone.RUN, ""),
    ({"status": "succeeded"}, (), "Finishing", Tone.RUN, "not there yet"),
    ({"status": "failed"}, (), "Failed", Tone.BAD, "still being made"),
    ({"status": "unknown", "raw_status": "PONDERING"}, (), "Unknown status", Tone.WARN, "“PONDERING”"),
    ({"status": "unknown", "raw_status": ""}, (), "No status yet", Tone.WAIT, ""),
    ({"status": "unknown", "raw_status": "", "polled_at": None}, (), "Asking …", Tone.WAIT, ""),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "clips", "label", "tone", "reason"), STATES)
def test_every_state_has_its_words(
    fields: dict[str, Any], clips: tuple[Clip, ...], label: str, tone: Tone, reason: str
) -> None:
    said = stands(task(**fields), *clips)
    assert (said.label, said.tone) == (label, tone)
    assert reason in said.reason
    assert "%(" not in said.reason + said.advice + said.label


def test_states_are_told_apart() -> None:
    keys = [stands(task(**fields), *clips).key for fields, clips, *_ in STATES]
    done_and_failed_stand_there_twice = 2
    assert len(set(keys)) == len(keys) - done_and_failed_stand_there_twice


@pytest.mark.parametrize("cause", ["timeout", "address", "html", "server_error", "not_json", "tls", ""])
def test_unreachable_is_never_called_failed(cause: str) -> None:
    said = stands(task(poll_error=ErrorKind.TRANSIENT, poll_error_cause=cause))
    assert "ailed" not in said.label + said.reason + said.advice
    assert "Tracking goes on" in said.advice


def test_songs_called_complete_without_a_sound_are_waited_for() -> None:
    said = stands(task(raw_status="SUCCESS", progress=100), Clip(state="complete"), Clip(state="complete"))
    assert said.label == "Finishing"


def test_only_the_owner_is_asked_to_replace_the_key() -> None:
    mine, theirs = stands(task(hold=Hold.KEY_REFUSED)), stands(task(hold=Hold.KEY_REFUSED), person=2)
    assert mine.action == Action.REPLACE_KEY
    assert theirs.action == Action.NONE
    assert "Ask Lin to replace the key" in theirs.advice


def test_a_refusal_that_was_dealt_with_is_not_told_again() -> None:
    assert stands(task(poll_error=ErrorKind.KEY_REFUSED)).key == "running"


def card(*clips: Clip, **fields: Any) -> Any:
    return make_card(task(**fields), clips, person_id=1, now=NOW)


def test_elapsed_is_counted_from_the_submission() -> None:
    one = card(progress=64, submitted_at=NOW - timedelta(seconds=72))
    assert one.percent == 64
    assert str(one.clock) == '64% · <time data-elapsed="72">1:12</time> elapsed'


def test_a_bar_is_never_invented() -> None:
    for progress in (None, 0):
        one = card(progress=progress)
        assert one.has_bar
        assert one.percent is None
    assert not card(poll_error=ErrorKind.TRANSIENT, poll_error_cause="timeout").has_bar


def test_a_full_bar_that_still_waits_is_not_drawn_full() -> None:
    one = card(
        Clip(position=0, state="complete"), raw_status="SUCCESS", progress=100, submitted_at=NOW - timedelta(seconds=72)
    )
    assert one.standing.label == "Finishing"
    assert one.has_bar
    assert one.percent is None
    assert "100" not in str(one.clock)


def test_a_first_answer_is_late_after_five_seconds() -> None:
    unasked = {"status": "unknown", "raw_status": "", "polled_at": None}
    assert stands(task(**unasked)).reason == ""
    late = stands(task(**unasked, created_at=NOW - timedelta(seconds=5)))
    assert (late.label, late.reason) == ("Asking …", "No answer yet, still trying.")


def test_a_finished_task_tells_how_long_it_took() -> None:
    one = card(SOUND, status="succeeded", ended="final", submitted_at=NOW, finished_at=NOW + timedelta(seconds=81))
    assert one.total == "took 1:21"
    odd = card(SOUND, status="succeeded", ended="final", submitted_at=NOW, finished_at=NOW - timedelta(days=3))
    assert odd.total == ""


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (180.4, "3:00"), (219, "3:39"), (3723, "1:02:03")])
def test_lengths_read_like_a_clock(seconds: float, text: str) -> None:
    assert clock_time(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(5, "just now"), (200, "3 min ago"), (7300, "2 h ago"), (260000, "3 d ago")]
)
def test_ages(seconds: float, text: str) -> None:
    assert age_text(seconds) == text


@pytest.mark.parametrize(
    ("task_id", "text"),
    [
        ("750ced71-1c2d-4e3f-8a9b-0c1d2e3fb888", "750ced71…b888"),
        ("task_91c0aBcDeFgHiJkL4e2a", "task_91c0…4e2a"),
        ("abc123", "abc123"),
    ],
)
def test_ids_are_shortened_in_the_middle(task_id: str, text: str) -> None:
    assert short_id(task_id) == text
