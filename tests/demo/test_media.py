"""Sound and covers, and what file hosts do wrong."""

import hashlib
import time
from collections.abc import Iterator
from itertools import combinations

import httpx
import pytest

from tracker.demo.catalogue import COVERS, DURATIONS, SONGS, SOUND_NAMES, SOUNDS
from tracker.demo.running import DemoServer, demo_server
from tracker.demo.tasks import plan

CLIP = plan("done-media").clip_ids[0]
SOUND = f"/media/{CLIP}.mp3"
CONTENT = (SOUNDS / f"{plan('done-media').sounds[0]}.mp3").read_bytes()


@pytest.fixture(scope="module")
def server() -> Iterator[DemoServer]:
    with demo_server(speed=500) as running:
        yield running


@pytest.fixture
def client(server: DemoServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=5) as opened:
        yield opened


def test_sound_comes_whole_and_needs_no_key(client: httpx.Client) -> None:
    response = client.get(SOUND)
    assert response.status_code == 200
    assert response.content == CONTENT
    assert response.headers["Content-Type"] == "audio/mpeg"
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.headers["ETag"]
    again = client.get(SOUND, headers={"If-None-Match": response.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("bytes=0-1", CONTENT[:2]),
        ("bytes=1000-1999", CONTENT[1000:2000]),
        ("bytes=-500", CONTENT[-500:]),
        (f"bytes={len(CONTENT) - 3}-", CONTENT[-3:]),
    ],
)
def test_a_range_is_answered_with_just_that(client: httpx.Client, wanted: str, expected: bytes) -> None:
    response = client.get(SOUND, headers={"Range": wanted})
    assert response.status_code == 206
    assert response.content == expected
    start = CONTENT.find(expected) if len(expected) < 400 else None
    assert response.headers["Content-Range"].endswith(f"/{len(CONTENT)}")
    assert start is None or response.headers["Content-Length"] == str(len(expected))


def test_a_range_beyond_the_end_is_416(client: httpx.Client) -> None:
    response = client.get(SOUND, headers={"Range": f"bytes={len(CONTENT)}-"})
    assert response.status_code == 416
    assert response.headers["Content-Range"] == f"bytes */{len(CONTENT)}"


def test_head_tells_the_length(client: httpx.Client) -> None:
    response = client.head(SOUND)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["Content-Length"] == str(len(CONTENT))


def test_both_clips_have_their_cover(client: httpx.Client) -> None:
    pictures = [client.get(f"/media/{clip_id}.jpeg") for clip_id in plan("done-media").clip_ids]
    assert [picture.headers["Content-Type"] for picture in pictures] == ["image/jpeg", "image/jpeg"]
    assert all(picture.content.startswith(b"\xff\xd8\xff") for picture in pictures)
    assert pictures[0].content != pictures[1].content


def test_a_stream_has_no_length_and_no_range(client: httpx.Client) -> None:
    response = client.get(f"/media/stream/{CLIP}", headers={"Range": "bytes=0-1"})
    assert response.status_code == 200
    assert response.headers["Transfer-Encoding"] == "chunked"
    assert "Content-Length" not in response.headers
    assert response.content == CONTENT


def test_a_stream_arrives_bit_by_bit() -> None:
    with demo_server(speed=10) as server, httpx.Client(base_url=server.url, timeout=5) as client:
        begun = time.monotonic()
        with client.stream("GET", f"/media/stream/{CLIP}") as response:
            received = next(response.iter_raw())
            assert 0 < len(received) <= 16_384
        assert time.monotonic() - begun < 0.5


def test_what_was_never_given_out_is_404(client: httpx.Client) -> None:
    stranger = "00000000-0000-4000-8000-000000000000"
    for path in (f"/media/{stranger}.mp3", "/media/x.jpeg", f"/media/stream/{stranger}", "/media/None.mp3"):
        assert client.get(path).status_code == 404


def test_expired_sound_is_403_xml(client: httpx.Client) -> None:
    with_key = {"Authorization": "Bearer sk-test"}
    task = client.get("/relay/suno/fetch/expired-1", headers=with_key).json()["data"]
    response = client.get(task["data"][0]["audio_url"])
    assert (response.status_code, response.headers["Content-Type"]) == (
        403,
        "application/xml; charset=utf-8",
    )
    assert "MissingKey" in response.text


def test_a_key_sent_to_a_file_host_is_noticed(server: DemoServer, client: httpx.Client) -> None:
    server.reset()
    client.head(SOUND)
    assert "media.with_key" not in server.stats()["requests"]
    client.head(SOUND, headers={"Authorization": "Bearer sk-test"})
    assert server.stats()["requests"]["media.with_key"] == 1


def test_media_faults(client: httpx.Client) -> None:
    page = client.get("/media/fault/html/x.mp3")
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    empty = client.get("/media/fault/empty/x.mp3")
    assert (empty.status_code, empty.content) == (200, b"")
    redirect = client.get("/media/fault/redirect/x.mp3")
    assert redirect.headers["Location"].startswith("http://127.0.0.1:1/")
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/media/fault/short/x.mp3")
    with pytest.raises(httpx.ReadTimeout):
        client.get("/media/fault/stall/x.mp3", timeout=0.2)
    assert client.get("/media/fault/other/x.mp3").status_code == 404


def test_an_endless_file_is_endless(client: httpx.Client) -> None:
    received = 0
    with client.stream("GET", "/media/fault/endless/x.mp3") as response:
        for part in response.iter_raw():
            received += len(part)
            if received > 3 * len(CONTENT):
                break
    assert received > 3 * len(CONTENT)


@pytest.mark.parametrize("fault", ["html", "empty", "short", "redirect", "stall", "endless"])
def test_a_task_can_lead_to_each_media_fault(client: httpx.Client, fault: str) -> None:
    with_key = {"Authorization": "Bearer sk-test"}
    task = client.get(f"/relay/suno/fetch/badsound-{fault}-1", headers=with_key).json()["data"]
    assert f"/media/fault/{fault}/" in task["data"][0]["audio_url"]


BITRATES = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
SAMPLE_RATES = (44_100, 48_000, 32_000)
FRAME_SAMPLES = 1152


def seconds_of(content: bytes) -> float:
    """Counts the frames of an MPEG-1 Layer III file without tags."""
    at = frames = 0
    rate = 1
    while at + 4 <= len(content):
        head = int.from_bytes(content[at : at + 4])
        assert head >> 17 == 0x7FFD, f"no frame at {at}"
        rate = SAMPLE_RATES[head >> 10 & 3]
        at += 144_000 * BITRATES[head >> 12 & 15] // rate + (head >> 9 & 1)
        frames += 1
    # The first frame holds the Info header and no sound.
    return (frames - 1) * FRAME_SAMPLES / rate


@pytest.mark.parametrize("name", SOUND_NAMES)
def test_the_claimed_duration_is_the_real_one(name: str) -> None:
    content = (SOUNDS / f"{name}.mp3").read_bytes()
    assert b"Info" in content[:64]
    assert seconds_of(content) == pytest.approx(DURATIONS[name], abs=0.2)
    assert round(DURATIONS[name]) == pytest.approx(DURATIONS[name], abs=0.2)
    assert 30 <= DURATIONS[name] <= 75


def test_the_files_are_all_different_and_small() -> None:
    sounds, covers = sorted(SOUNDS.glob("*.mp3")), sorted(COVERS.glob("*.jpeg"))
    assert [path.stem for path in sounds] == list(SOUND_NAMES)
    assert len({hashlib.sha256(path.read_bytes()).hexdigest() for path in sounds}) == len(sounds) >= 8
    assert len({hashlib.sha256(path.read_bytes()).hexdigest() for path in covers}) == len(covers) >= 10
    assert sum(path.stat().st_size for path in sounds) <= 4_000_000
    assert max(path.stat().st_size for path in covers) <= 40_000


def test_the_catalogue_is_whole() -> None:
    assert len(SONGS) == 10
    assert sum(any("一" <= letter <= "鿿" for letter in song.title) for song in SONGS) >= 4
    for song in SONGS:
        assert set(song.sounds) <= set(SOUND_NAMES)
        assert all((COVERS / f"{name}.jpeg").is_file() for name in song.covers)
        assert song.lyrics.startswith("[Verse]")
        assert "[Chorus]" in song.lyrics
    assert all(one.title != two.title for one, two in combinations(SONGS, 2))
