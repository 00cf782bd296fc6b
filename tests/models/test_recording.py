"""What becomes of an answer: merged, planned, told, and never worse than what was known."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.conftest import make_credential
from tracker.models import Answer, Claim, Clip, Credential, MusicTask, Team, User, claim, record
from tracker.models.credentials import Hold
from tracker.providers import (
    ClipSnapshot,
    ClipState,
    ErrorKind,
    Lyrics,
    ProviderError,
    TaskKind,
    TaskSnapshot,
    TaskStatus,
)

pytestmark = pytest.mark.django_db

AUDIO = "https://files.example.org/one.mp3"
STREAM = "https://files.example.org/stream/one"


@pytest.fixture
def credential(team: Team, alice: User) -> Credential:
    return make_credential(team, alice, base_url="https://relay.example.org")


@pytest.fixture
def task(credential: Credential) -> MusicTask:
    (task,) = track(credential, "task-1")
    return task


def track(credential: Credential, *task_ids: str, now: datetime | None = None) -> list[MusicTask]:
    return MusicTask.objects.track(
        team=credential.team,
        credential=credential,
        task_ids=task_ids,
        added_by=credential.owner,
        now=now or timezone.now(),
    )


def take(task: MusicTask) -> Claim:
    (claimed,) = claim(timezone.now(), limit=1, only=[task.pk])
    return claimed


def say(task: MusicTask, *clips: ClipSnapshot, now: datetime | None = None, **said: Any) -> MusicTask:
    """Record a snapshot as a poller would, and read the task back."""
    said.setdefault("raw_status", said.get("status", TaskStatus.RUNNING).upper())
    snapshot = TaskSnapshot(task_id=task.task_id, clips=clips, **said)
    number = random.random()
    answer = Answer(take(task), snapshot=snapshot, answer_hash=str(number)[:32], raw_answer="{}")
    return write(answer, task, now)


def fail(task: MusicTask, kind: ErrorKind, *, now: datetime | None = None, **fields: Any) -> MusicTask:
    return write(Answer(take(task), error=ProviderError(kind, "no", **fields)), task, now)


def write(answer: Answer, task: MusicTask, now: datetime | None = None) -> MusicTask:
    record([answer], now=now or timezone.now(), rng=random.Random(1))
    return MusicTask.objects.get(pk=task.pk)


def kinds(task: MusicTask) -> list[str]:
    return list(task.events.order_by("pk").values_list("kind", flat=True))


def done(clip_id: str = "c1", **fields: Any) -> ClipSnapshot:
    return ClipSnapshot(
        clip_id=clip_id,
        title="City Lights",
        state=ClipState.COMPLETE,
        audio_url=AUDIO,
        duration_seconds=219.0,
        **fields,
    )


def test_a_song_that_streams_first_keeps_its_place_and_its_row(task: MusicTask) -> None:
    task = say(task, ClipSnapshot(clip_id="c1", state=ClipState.RUNNING, stream_url=STREAM), status=TaskStatus.RUNNING)
    (first,) = task.clips.all()
    task = say(task, done("c2"), done("c1"), status=TaskStatus.SUCCEEDED)
    clips = {clip.clip_id: clip for clip in task.clips.all()}
    assert clips["c1"].pk == first.pk
    assert clips["c1"].position == 0
    assert clips["c1"].stream_url == STREAM
    assert clips["c1"].audio_url == AUDIO
    assert (task.ended, task.shelf, task.title) == ("final", "done", "City Lights")
    assert kinds(task) == ["tracked", "status", "clip_streams", "status", "clip_done", "clip_done"]


def test_clips_without_ids_are_told_apart_by_position(task: MusicTask) -> None:
    say(task, ClipSnapshot(title="A"), ClipSnapshot(title="B"), status=TaskStatus.RUNNING)
    task = say(task, ClipSnapshot(title="A2"), ClipSnapshot(title="B2"), status=TaskStatus.RUNNING)
    assert list(task.clips.values_list("position", "title")) == [(0, "A2"), (1, "B2")]


def test_a_clip_that_gets_its_id_later_is_the_same_clip(task: MusicTask) -> None:
    say(task, ClipSnapshot(title="A"), status=TaskStatus.RUNNING)
    task = say(task, done("c1"), done("c2"), status=TaskStatus.SUCCEEDED)
    assert list(task.clips.values_list("position", "clip_id")) == [(0, "c1"), (1, "c2")]


def test_the_same_clip_id_twice_in_an_answer_makes_one_clip(task: MusicTask) -> None:
    task = say(task, done("c1"), done("c1"), status=TaskStatus.SUCCEEDED)
    assert task.clips.count() == 1


def test_nothing_known_is_overwritten_by_nothing(task: MusicTask) -> None:
    say(task, done(tags="punk", lyrics="[Verse]"), status=TaskStatus.RUNNING, progress=80)
    task = say(task, ClipSnapshot(clip_id="c1", state=ClipState.QUEUED), status=TaskStatus.RUNNING)
    (clip,) = task.clips.all()
    assert (clip.title, clip.tags, clip.lyrics, clip.audio_url) == ("City Lights", "punk", "[Verse]", AUDIO)
    assert (clip.state, task.progress) == ("complete", 80)


def test_a_finished_task_that_is_asked_again_keeps_its_result_when_the_answer_is_worse(task: MusicTask) -> None:
    task = say(task, done(), status=TaskStatus.SUCCEEDED)
    for worse in (TaskStatus.RUNNING, TaskStatus.UNKNOWN, TaskStatus.FAILED):
        assert task.request_poll(actor=None, now=timezone.now())
        task = say(task, status=worse)
        assert (task.status, task.ended, task.shelf) == ("succeeded", "final", "done")


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_a_finished_task_that_is_asked_again_stays_finished_whatever_goes_wrong(
    task: MusicTask, kind: ErrorKind
) -> None:
    task = say(task, done(), status=TaskStatus.SUCCEEDED)
    assert task.request_poll(actor=None, now=timezone.now())
    task = fail(task, kind, http_status=500)
    assert (task.status, task.ended, task.shelf, task.next_poll_at) == ("succeeded", "final", "done", None)


def test_success_without_sound_is_asked_for_ten_more_minutes_and_then_final(task: MusicTask) -> None:
    now = timezone.now()
    silent = ClipSnapshot(clip_id="c1", state=ClipState.RUNNING)
    task = say(task, silent, status=TaskStatus.SUCCEEDED, now=now)
    assert (task.status, task.ended) == ("succeeded", "")
    task = fail(task, ErrorKind.TRANSIENT, now=now + timedelta(minutes=1))
    assert task.ended == ""
    task = say(task, silent, status=TaskStatus.SUCCEEDED, now=now + timedelta(minutes=11))
    assert (task.ended, task.shelf) == ("final", "done")


def test_a_failure_beside_a_clip_that_still_runs_waits_for_that_clip(task: MusicTask) -> None:
    running = ClipSnapshot(clip_id="c2", state=ClipState.RUNNING, stream_url=STREAM)
    task = say(task, done("c1"), running, status=TaskStatus.FAILED, fail_reason="one of two")
    assert task.ended == ""
    task = say(task, done("c1"), done("c2"), status=TaskStatus.FAILED, fail_reason="one of two")
    assert (task.ended, task.shelf) == ("final", "failed")


def test_an_unchanged_answer_costs_a_date_and_no_stamp(task: MusicTask) -> None:
    task = say(task, status=TaskStatus.RUNNING, progress=10)
    claimed = take(task)
    assert claimed.is_plain
    after = write(Answer(claimed, unchanged=True), task)
    assert (after.stamp, after.changed_at, after.lease) == (task.stamp, task.changed_at, None)
    assert after.polled_at is not None
    assert task.polled_at is not None
    assert after.polled_at > task.polled_at
    assert after.next_poll_at is not None
    assert timedelta(seconds=4) < after.next_poll_at - after.polled_at < timedelta(seconds=6)


def test_an_unchanged_answer_after_an_error_clears_the_error(task: MusicTask) -> None:
    task = say(task, status=TaskStatus.RUNNING)
    task = fail(task, ErrorKind.TRANSIENT, http_status=502, cause="html")
    assert (task.poll_error, task.poll_error_status, task.poll_error_cause) == ("transient", 502, "html")
    stamp = task.stamp
    task = write(Answer(take(task), unchanged=True), task)
    assert (task.poll_error, task.poll_error_cause, task.error_count) == ("", "", 0)
    assert task.stamp > stamp
    assert kinds(task)[-2:] == ["error", "recovered"]


def test_the_same_error_again_is_told_once(task: MusicTask) -> None:
    for _ in range(3):
        task = fail(task, ErrorKind.TRANSIENT, http_status=500, cause="server_error")
    assert kinds(task) == ["tracked", "error"]
    assert task.error_count == 3


def test_a_task_that_is_refused_while_its_key_works_for_others_tells_it_once(
    task: MusicTask, credential: Credential
) -> None:
    now = timezone.now()
    for number in range(5):
        task = fail(task, ErrorKind.KEY_REFUSED, http_status=401, now=now + timedelta(minutes=5 * number))
        # The key works for others: the credential wakes and lets the task through again.
        Credential.objects.update(last_success_at=now + timedelta(minutes=5 * number + 5))
        credential.refresh_from_db()
        if credential.is_resting:
            credential.wake(now)
    assert (task.poll_error_cause, kinds(task)) == ("only_this", ["tracked", "held"])
    task = fail(task, ErrorKind.QUOTA, http_status=402, now=now + timedelta(minutes=30))
    assert kinds(task) == ["tracked", "held", "held"], "another refusal is news"


def test_errors_back_off_and_no_change_for_an_hour_stalls_and_for_a_day_gives_up(credential: Credential) -> None:
    now = timezone.now()
    (task,) = track(credential, "old", now=now - timedelta(minutes=61))
    task = fail(task, ErrorKind.TRANSIENT, cause="timeout", now=now)
    assert task.stalled_at == now
    assert task.next_poll_at is not None
    assert timedelta(minutes=50) < task.next_poll_at - now < timedelta(minutes=70)
    task = fail(task, ErrorKind.TRANSIENT, cause="timeout", now=now + timedelta(hours=24))
    assert (task.ended, task.shelf, task.next_poll_at) == ("given_up", "attention", None)
    assert kinds(task)[-1] == "gave_up"
    assert task.request_poll(actor=None, now=timezone.now())
    task = say(task, done(), status=TaskStatus.SUCCEEDED)
    assert (task.ended, task.shelf) == ("final", "done")


def test_a_quiet_answer_stalls_after_an_hour_and_a_change_revives_it(credential: Credential) -> None:
    now = timezone.now()
    (task,) = track(credential, "old", now=now - timedelta(hours=2))
    MusicTask.objects.update(status="running", raw_status="RUNNING")
    task = write(Answer(take(task), unchanged=True), task, now)
    assert task.stalled_at == now
    assert kinds(task)[-1] == "stalled"
    task = say(task, status=TaskStatus.RUNNING, progress=65, now=now)
    assert (task.stalled_at, task.changed_at) == (None, now)


def test_a_row_stuck_at_100_percent_with_a_reason_has_failed_once_it_is_stale(credential: Credential) -> None:
    now = timezone.now()
    (task,) = track(credential, "stuck", now=now - timedelta(hours=2))
    said = {"status": TaskStatus.RUNNING, "progress": 100, "fail_reason": "upstream lost it"}
    task = say(task, now=now - timedelta(minutes=65), **said)
    assert task.ended == ""
    task = write(Answer(take(task), unchanged=True), task, now)
    assert (task.status, task.ended, task.shelf) == ("failed", "final", "failed")


def test_a_lyrics_task_is_kept_and_found(task: MusicTask) -> None:
    lyrics = Lyrics(title="春天", text="[Verse]\n花开满地", tags="pop")
    task = say(task, status=TaskStatus.SUCCEEDED, kind=TaskKind.LYRICS, lyrics=lyrics)
    assert (task.ended, task.title, task.lyrics_text, task.tags) == ("final", "春天", "[Verse]\n花开满地", "pop")
    assert list(MusicTask.objects.search("花开")) == [task]
    assert list(MusicTask.objects.search("TASK-1 春天")) == [task]
    assert not MusicTask.objects.search("city")


def test_a_refusal_that_was_on_its_way_when_the_key_was_replaced_rests_nothing(task: MusicTask) -> None:
    credential = task.credential
    assert credential is not None
    claimed = take(task)
    old_version = credential.version
    Credential.objects.filter(pk=credential.pk).update(version=old_version + 1)
    error = ProviderError(ErrorKind.KEY_REFUSED, "no", http_status=401)
    task = write(Answer(claimed, error=error, credential_version=old_version), task)
    credential.refresh_from_db()
    assert credential.state == "active"
    assert task.hold == ""
    assert task.next_poll_at is not None


def test_an_answer_with_more_text_than_a_column_holds_is_cut_and_kept(task: MusicTask) -> None:
    long = ClipSnapshot(
        clip_id="c" * 500, title="春" * 1000, model="m" * 500, state=ClipState.COMPLETE, audio_url=AUDIO
    )
    task = say(task, long, status=TaskStatus.SUCCEEDED, action="a" * 500)
    clip = Clip.objects.get()
    assert (len(clip.clip_id), len(clip.title), len(clip.model), len(task.title)) == (200, 300, 80, 300)
    again = say(task_again(task), long, status=TaskStatus.SUCCEEDED)
    assert again.clips.count() == 1


def task_again(task: MusicTask) -> MusicTask:
    assert task.request_poll(actor=None, now=timezone.now())
    return task


def test_an_id_tracked_twice_is_one_task_and_a_removed_one_comes_back(credential: Credential) -> None:
    first = track(credential, "same", "other", "same")
    assert [task.task_id for task in first] == ["same", "other"]
    assert track(credential, "same") == []
    first[0].remove(actor=None, now=timezone.now())
    (back,) = track(credential, "same")
    assert back.pk == first[0].pk
    assert MusicTask.objects.get(pk=back.pk).removed_at is None


def test_the_first_id_given_stands_on_top(credential: Credential) -> None:
    track(credential, "a1", "b2", "c3")
    assert [task.task_id for task in MusicTask.objects.order_by("-pk")] == ["a1", "b2", "c3"]


def test_tracking_again_gives_a_task_without_credential_a_new_one(task: MusicTask, alice: User) -> None:
    assert task.credential is not None
    base_url = task.credential.base_url
    task.credential.remove()
    fresh = make_credential(task.team, alice, base_url=base_url)
    (again,) = track(fresh, task.task_id)
    again.refresh_from_db()
    assert (again.pk, again.credential, again.hold, again.shelf) == (task.pk, fresh, "", "running")
    assert again.next_poll_at is not None


def test_a_task_that_was_removed_while_its_key_was_refused_comes_back_live(task: MusicTask) -> None:
    credential = task.credential
    assert credential is not None
    credential.rest(Hold.KEY_REFUSED, now=timezone.now(), status=401)
    task.refresh_from_db()
    task.remove(actor=None, now=timezone.now())
    credential.wake(timezone.now())
    task = MusicTask.objects.get(pk=task.pk)
    assert task.next_poll_at is None, "a removed task is not asked for"
    task.restore(actor=None, now=timezone.now())
    task.refresh_from_db()
    assert (task.hold, task.shelf) == ("", "running")
    assert task.next_poll_at is not None


def test_the_same_id_in_two_teams_and_at_two_providers_is_three_tasks(credential: Credential, charlie: User) -> None:
    elsewhere = make_credential(charlie.teams.get(), charlie, base_url=credential.base_url)
    other_provider = make_credential(
        credential.team, credential.owner, base_url="https://api.qhaigc.net", provider="qhaigc"
    )
    for each in (credential, elsewhere, other_provider):
        assert len(track(each, "same")) == 1
    assert MusicTask.objects.count() == 3


def test_a_deleted_credential_leaves_its_tasks_with_all_they_have(task: MusicTask) -> None:
    task = say(task, done(), status=TaskStatus.RUNNING)
    assert task.credential is not None
    task.credential.remove()
    task = MusicTask.objects.get(pk=task.pk)
    assert (task.credential, task.hold, task.shelf, task.next_poll_at) == (None, "no_credential", "attention", None)
    assert task.clips.count() == 1
    assert not task.request_poll(actor=None, now=timezone.now())
