"""What the demo's board is filled with."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from tests.conftest import make_credential
from tracker import demo_team
from tracker.demo.running import DemoServer, demo_server
from tracker.models import Clip, Credential, Membership, MusicTask, Role, Team, User
from tracker.models.credentials import Hold


@pytest.mark.django_db
def test_the_board_has_every_state_at_once(demo: DemoServer) -> None:
    person = demo_team.seed_demo(demo.url, now=timezone.now())
    assert (person.is_superuser, person.has_usable_password()) == (False, False)
    assert person.is_staff
    assert person.has_perms(["tracker.view_credential", "tracker.change_team"])
    assert Membership.objects.get().role == Role.OWNER
    tasks = {re.sub(r"-[0-9a-f]{6}.*|-[^-]*$", "", task.task_id): task for task in MusicTask.objects.all()}
    assert MusicTask.objects.count() >= 12
    assert not [task for task in tasks.values() if task.polled_at is None and not task.hold and not task.poll_error]
    assert tasks["done"].status == "succeeded"
    assert tasks["fail"].status == "failed"
    assert tasks["queued"].status == "queued"
    assert tasks["half"].status == "running"
    assert tasks["lyrics"].kind == "lyrics"
    assert tasks["stall"].stalled_at
    assert tasks["fault-500"].poll_error
    assert tasks["fault-strange"].status == "unknown"
    assert tasks["e0c59a3d"].hold == Hold.KEY_REFUSED
    old_key = Credential.objects.get(provider="huiyan")
    assert (old_key.state, old_key.rest_status) == (Credential.State.RESTING, 401)
    # The tasks that huiyan finished before stay as they are.
    assert MusicTask.objects.filter(credential=old_key, status="succeeded").count() == 2


@pytest.mark.django_db
def test_a_second_time_only_a_few_fresh_tasks_come(demo: DemoServer) -> None:
    first = demo_team.seed_demo(demo.url, now=timezone.now())
    before = MusicTask.objects.count()
    again = demo_team.seed_demo(demo.url, now=timezone.now() + timedelta(days=1))
    assert again == first
    assert (Team.objects.count(), User.objects.count(), Credential.objects.count()) == (1, 1, 3)
    assert before < MusicTask.objects.count() <= before + 5


@pytest.mark.django_db
def test_when_the_provider_moves_the_songs_move_with_it(demo: DemoServer) -> None:
    demo_team.seed_demo(demo.url, now=timezone.now())
    assert Clip.objects.filter(audio_url__startswith=demo.url).exists()
    with demo_server(speed=20) as elsewhere:
        demo_team.seed_demo(elsewhere.url, now=timezone.now())
        assert not Clip.objects.filter(audio_url__startswith=demo.url).exists()
        assert not MusicTask.objects.filter(base_url__startswith=demo.url).exists()
        assert demo_team.known_port() == int(elsewhere.url.rpartition(":")[2])


@pytest.mark.django_db
def test_a_real_credential_of_a_visitor_is_left_alone(demo: DemoServer) -> None:
    person = demo_team.seed_demo(demo.url, now=timezone.now())
    real = make_credential(Team.objects.get(), person, base_url="https://relay.example.org")
    with demo_server(speed=20) as elsewhere:
        demo_team.seed_demo(elsewhere.url, now=timezone.now())
    real.refresh_from_db()
    assert real.base_url == "https://relay.example.org"
    assert not real.tasks.exists()
