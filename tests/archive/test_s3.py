"""The archive in an S3-compatible bucket, as moto simulates one on loopback."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import httpx
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.test import Client
from moto.server import ThreadedMotoServer

from musicboard.storing import archive_origin, archive_storage
from tests.archive.conftest import MP3, MakeClip, archive_of, picture
from tests.archive.host import FileHost
from tests.test_settings import read_settings
from tracker.archive.upkeep import archive_now
from tracker.models import ArchivedFile, ClipArchive

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # boto and moto still use what Python will drop.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def _moto() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    yield f"127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def bucket(_moto: str, settings: Any, tmp_path: Path) -> Any:
    """An empty bucket, which the settings name."""
    url = f"s3://key:secret@{_moto}/sounds/board?tls=off"
    settings.STORAGES = {**settings.STORAGES, "archive": archive_storage(url, tmp_path)}
    settings.DATA_DIR = tmp_path
    settings.ARCHIVE_MIN_FREE_MB = 0
    client = boto3.resource(
        "s3", endpoint_url=f"http://{_moto}", aws_access_key_id="key", aws_secret_access_key="secret",
        region_name="us-east-1",
    )  # fmt: skip
    bucket = client.create_bucket(Bucket="sounds")
    bucket.objects.all().delete()
    return bucket


def run(command: str, *arguments: str) -> str:
    output = StringIO()
    call_command(command, *arguments, stdout=output)
    return output.getvalue()


def test_a_clip_is_kept_in_the_bucket_and_played_from_there(
    signed_in: Client, bucket: Any, host: FileHost, make_clip: MakeClip, tmp_path: Path
) -> None:
    clip = make_clip(host.add("/a.mp3", MP3), image_url=host.add("/c.jpg", picture()))
    archive_now()
    file = archive_of(clip).sound
    assert file is not None
    assert f"board/{file.name}" in {each.key for each in bucket.objects.all()}
    assert len(list(bucket.objects.all())) == 4
    assert not [path for path in tmp_path.rglob("*") if path.is_file()], "nothing stays on this machine"
    response = signed_in.get(f"/clips/{clip.public_id}/sound/")
    assert (response.status_code, response["Cache-Control"]) == (302, "no-store")
    signed = urlsplit(response["Location"])
    assert int(parse_qs(signed.query)["X-Amz-Expires"][0]) == 600
    assert "secret" not in signed.query
    part = httpx.get(response["Location"], headers={"Range": "bytes=100-199"}, trust_env=False)
    assert (part.status_code, part.content) == (206, MP3[100:200])
    assert part.headers["Content-Type"] == "audio/mpeg"
    # Pictures come through this site, so that no page needs another host for them.
    small = signed_in.get(f"/clips/{clip.public_id}/cover/?size=small")
    assert (small.status_code, small["Content-Type"]) == (200, "image/webp")


def test_outlines_are_drawn_of_sounds_in_the_bucket(bucket: Any, host: FileHost, make_clip: MakeClip) -> None:
    make_clip(host.add("/a.mp3", MP3))
    assert archive_now()["drawn"] == 1
    assert len(bytes(ArchivedFile.objects.get().peaks or b"")) > 50


def test_the_commands_work_on_the_bucket(bucket: Any, host: FileHost, make_clip: MakeClip) -> None:
    for number in range(3):
        make_clip(host.add(f"/{number}.mp3", MP3 + bytes([number])))
    archive_now()
    assert "Good: 3, missing: 0, different: 0." in run("verify_archive")
    first, second, third = ArchivedFile.objects.all()
    bucket.Object(f"board/{first.name}").delete()
    bucket.Object(f"board/{second.name}").put(Body=b"other")
    with pytest.raises(SystemExit):
        run("verify_archive")
    ClipArchive.objects.filter(sound=third).update(sound=None, state="pruned")
    assert "Removed: 1 files" in run("prune_archive")
    assert [each.key for each in bucket.objects.all()] == [f"board/{second.name}"]


def test_a_bucket_that_is_not_there_loses_nothing(bucket: Any, host: FileHost, make_clip: MakeClip) -> None:
    bucket.delete()
    clip = make_clip(host.add("/a.mp3", MP3))
    archive_now()
    archive = archive_of(clip)
    assert (archive.state, archive.problem, archive.tries) == ("failed", "storage_error", 0)
    assert archive.due_at is not None


def test_what_the_address_says() -> None:
    options = archive_storage("s3://k:s%2F1@minio.example.org:9000/sounds/a/b?region=eu-1", Path())["OPTIONS"]
    assert options["endpoint_url"] == "https://minio.example.org:9000"
    assert (options["bucket_name"], options["location"], options["region_name"]) == ("sounds", "a/b", "eu-1")
    assert (options["access_key"], options["secret_key"]) == ("k", "s/1")
    assert "access_key" not in archive_storage("s3://s3.example.org/sounds", Path())["OPTIONS"]
    assert archive_origin("") == ""
    for url in ("s3://only-host", "http://x/y", "sounds"):
        with pytest.raises(ImproperlyConfigured, match="ARCHIVE_STORAGE_URL"):
            archive_storage(url, Path())


def test_the_page_may_play_from_the_bucket_and_from_nowhere_else(tmp_path: Path) -> None:
    shown = "s.CONTENT_SECURITY_POLICY['DIRECTIVES']['media-src']"
    assert read_settings(tmp_path, shown) == "[\"'self'\"]"
    url = "s3://key:secret@minio.example.org/sounds"
    assert read_settings(tmp_path, shown, ARCHIVE_STORAGE_URL=url) == "[\"'self'\", 'https://minio.example.org']"
