"""A team with a task, a file host on loopback, and an archive folder for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from PIL import Image

from musicboard.storing import archive_storage
from tests.archive.host import FileHost, file_host
from tests.conftest import make_credential
from tests.views.test_board import make_task
from tracker.models import Clip, ClipArchive, MusicTask, Team, User

SOUNDS = Path(__file__).parent / "sounds"
MP3 = (SOUNDS / "two_seconds.mp3").read_bytes()


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    """Where the archive lies; nothing of another test is in it."""
    use_folder(settings, tmp_path / "archive")
    settings.ARCHIVE_MIN_FREE_MB = 0
    return tmp_path / "archive"


def use_folder(settings: Any, folder: Path) -> None:
    settings.STORAGES = {**settings.STORAGES, "archive": archive_storage("", folder)}


@pytest.fixture
def host(settings: Any) -> Iterator[FileHost]:
    settings.OUTBOUND_ALLOW_NETS = ["127.0.0.1/32"]
    settings.ARCHIVE_SKIP_HOSTS = ["suno.ai", "suno.com"]
    with file_host() as running:
        yield running


@pytest.fixture
def task(team: Team, alice: User) -> MusicTask:
    credential = make_credential(team, alice, base_url="https://relay.example.com")
    return make_task(credential, status="succeeded", raw_status="SUCCESS", ended="final", shelf="done", title="Neon")


MakeClip = Callable[..., Clip]


@pytest.fixture
def make_clip(task: MusicTask) -> MakeClip:
    """A finished clip whose links are given; it is due to be kept."""

    def make(audio_url: str = "", **fields: Any) -> Clip:
        place = Clip.objects.count()
        clip = Clip.objects.create(
            task=task, position=place, clip_id=f"clip-{place}", title=f"Song {place}", state="complete",
            audio_url=audio_url, **fields,
        )  # fmt: skip
        ClipArchive.objects.make_due([clip], timezone.now())
        return clip

    return make


def archive_of(clip: Clip) -> ClipArchive:
    return ClipArchive.objects.select_related("sound", "cover", "video").get(clip=clip)


def make_due() -> None:
    """As if the time of every next try had come."""
    ClipArchive.objects.filter(due_at__isnull=False).update(due_at=timezone.now(), lease=None)


def stored(folder: Path) -> list[Path]:
    """Every file in the archive, finished or coming in."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def picture(kind: str = "JPEG", size: tuple[int, int] = (400, 300)) -> bytes:
    content = BytesIO()
    Image.new("RGB", size, "#8040c0").save(content, kind)
    return content.getvalue()
