"""What a stranger with a link sees and hears, and what nobody may learn from it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage, storages
from django.test import Client
from django.utils import timezone

from tests.conftest import KEY, make_credential
from tests.views.test_board import make_task
from tracker.demo.running import DemoServer
from tracker.models import ArchivedFile, Clip, ClipArchive, Credential, MusicTask, ShareLink, Team, User
from tracker.sniffing import sniff_picture, sniff_sound

pytestmark = pytest.mark.django_db(transaction=True)
NOW = timezone.now()
LATER = NOW + timedelta(days=30)
PASSWORD = "sesame-open"
Share = Callable[..., ShareLink]


@pytest.fixture
def task(signed_in: Client, relay: Credential) -> MusicTask:
    """A finished task of two songs, as the simulated provider tells it."""
    signed_in.post("/track/", {"ids": f"done-{uuid4().hex[:8]}", "credential": str(relay.public_id)})
    return MusicTask.objects.get()


@pytest.fixture
def share(task: MusicTask, alice: User) -> Share:
    def make(of: MusicTask | None = None, **limits: Any) -> ShareLink:
        return ShareLink.objects.share(of or task, by=alice, now=NOW, **{"expires_at": LATER, **limits})

    return make


@pytest.fixture
def quiet_task(team: Team, alice: User) -> MusicTask:
    """A task that needs no provider to answer."""
    return make_task(
        make_credential(team, alice, base_url="https://relay.example.com"), "750ced71-1c2d-4e3f-8a9b-0c1d2e3fb888"
    )


@pytest.fixture
def stranger() -> Client:
    return Client(headers={"accept-language": "en"})


def body(response: Any) -> bytes:
    return response.getvalue() if response.streaming else response.content


def page(client: Client, link: ShareLink, rest: str = "", **headers: str) -> Any:
    return client.get(f"/s/{link.token}/{rest}", headers=headers)


def html(client: Client, link: ShareLink) -> str:
    response = page(client, link)
    assert response.status_code == 200
    return str(response.content.decode())


# -- The page -------------------------------------------------------------------------------------------


def test_a_stranger_sees_title_songs_and_lyrics(stranger: Client, share: Share, task: MusicTask) -> None:
    text = html(stranger, share())
    assert f"<h1>{task.clips.all()[0].title}</h1>" in text
    assert "Version A" in text
    assert "Version B" in text
    assert task.clips.all()[0].lyrics.splitlines()[1] in text
    assert text.count("<audio") == 3
    assert "Shared until" in text


def test_the_heading_stands_instead_of_the_title(stranger: Client, share: Share) -> None:
    assert "<h1>For the &lt;film&gt;</h1>" in html(stranger, share(title="For the <film>"))


def test_what_was_not_allowed_is_not_there(stranger: Client, share: Share, task: MusicTask) -> None:
    task.clips.update(description="a song about amplifiers")
    closed = share(show_lyrics=False)
    text = html(stranger, closed)
    assert "Lyrics" not in text
    assert "amplifiers" not in text
    assert "/download/" not in text
    assert "/embed" not in text
    assert page(stranger, closed, "download/1/").status_code == 404
    text = html(stranger, share(show_prompt=True, allow_download=True))
    assert "amplifiers" in text
    assert "/download/2/" in text


def test_a_share_of_one_song_has_no_other(stranger: Client, share: Share, task: MusicTask) -> None:
    second = task.clips.all()[1]
    link = share(clips=[second])
    assert html(stranger, link).count("<audio") == 2
    assert page(stranger, link, "sound/1/").status_code == 200
    for number in (0, 2, 99999999999999999999):
        assert page(stranger, link, f"sound/{number}/").status_code == 404
    whole = share()
    assert body(page(stranger, link, "sound/1/")) == body(page(stranger, whole, "sound/2/"))


@pytest.mark.parametrize(
    ("accepted", "lang"), [("en-GB,en;q=0.9", "en"), ("zh-CN,zh;q=0.9", "zh-hans"), ("zh-TW", "zh-hans"), ("fr", "en")]
)
def test_the_browser_chooses_the_language(client: Client, share: Share, accepted: str, lang: str) -> None:
    response = Client().get(f"/s/{share().token}/", headers={"accept-language": accepted})
    assert f'<html lang="{lang}">' in response.content.decode()
    assert response["Content-Language"] == lang


def test_a_member_gets_the_strangers_page_in_the_browsers_language(
    signed_in: Client, alice: User, share: Share
) -> None:
    User.objects.filter(pk=alice.pk).update(language="zh-hans", theme="dark")
    response = page(signed_in, share(), **{"accept-language": "en"})
    text = response.content.decode()
    assert '<html lang="en">' in text
    assert "Alice" not in text


def test_the_page_takes_few_queries_and_sets_no_cookie(
    stranger: Client, share: Share, django_assert_num_queries: Any
) -> None:
    link = share()
    # The link with its task, its chosen clips (none), the task's clips, and the visit.
    with django_assert_num_queries(4):
        response = page(stranger, link)
    assert not response.cookies


def test_headers_keep_the_page_to_the_visitor(stranger: Client, share: Share) -> None:
    link = share(allow_embed=True)
    for rest in ("", "sound/1/", "cover/1/", "refresh/", "embed", "nothing/", "download/1/"):
        response = page(stranger, link, rest)
        if rest == "nothing/":
            continue
        assert response["Cache-Control"] == "private, no-store"
        assert response["Referrer-Policy"] == "no-referrer"
        assert "noindex" in response["X-Robots-Tag"]
        assert response["X-Content-Type-Options"] == "nosniff"
        if rest != "embed":
            assert response["X-Frame-Options"] == "DENY"


def test_a_link_preview_gets_absolute_addresses_under_the_token(stranger: Client, share: Share) -> None:
    link = share()
    text = html(stranger, link)
    for name, rest in (("og:image", "cover/1/?whole"), ("og:audio", "sound/1/"), ("og:url", "")):
        assert f'<meta property="{name}" content="http://testserver/s/{link.token}/{rest}">' in text
    assert 'name="twitter:card"' in text
    assert "og:" not in html(stranger, share(password=PASSWORD))


# -- Sound ----------------------------------------------------------------------------------------------


def test_sound_comes_with_range(stranger: Client, share: Share) -> None:
    link = share()
    whole = body(page(stranger, link, "sound/1/"))
    assert sniff_sound(whole) == "audio/mpeg"
    part = page(stranger, link, "sound/1/", Range="bytes=1000-1999")
    assert part.status_code == 206
    assert body(part) == whole[1000:2000]
    assert part["Content-Range"] == f"bytes 1000-1999/{len(whole)}"
    assert page(stranger, link, "sound/1/", Range="bytes=9999999999-").status_code == 416
    head = stranger.head(f"/s/{link.token}/sound/1/")
    assert head.status_code == 200
    assert int(head["Content-Length"]) == len(whole)


class Bucket(InMemoryStorage):
    """Files that lie elsewhere: it answers with links to them, as S3 does."""

    def url(self, name: str | None, parameters: Any = None) -> str:
        return f"https://bucket.example.com/{name}?signature=secret"


def test_a_sound_in_a_bucket_comes_by_way_of_this_site(
    stranger: Client, share: Share, task: MusicTask, settings: Any
) -> None:
    settings.STORAGES = {**settings.STORAGES, "archive": {"BACKEND": "tests.views.test_public.Bucket"}}
    sound = b"ID3" + bytes(range(256)) * 8
    digest = hashlib.sha256(sound).hexdigest()
    file = ArchivedFile.objects.create(
        kind="sound", digest=digest, content_type="audio/mpeg", size=len(sound), kept_at=NOW, peaks=bytes(range(200))
    )
    ClipArchive.objects.filter(clip__task=task).delete()
    ClipArchive.objects.create(clip=task.clips.all()[0], state="kept", sound=file)
    storages["archive"].save(file.name, ContentFile(sound))
    link = share(allow_download=True)
    assert 'data-wave="M' in html(stranger, link)
    whole = page(stranger, link, "sound/1/")
    assert (whole.status_code, body(whole)) == (200, sound)
    for header, wanted in (("bytes=10-19", sound[10:20]), ("bytes=-5", sound[-5:]), ("bytes=2000-", sound[2000:])):
        part = page(stranger, link, "sound/1/", Range=header)
        assert (part.status_code, body(part)) == (206, wanted)
        assert "bucket" not in str(part.headers)
    assert page(stranger, link, "sound/1/", Range="bytes=9999999999-").status_code == 416
    assert body(page(stranger, link, "download/1/")) == sound


def test_a_cover_is_a_picture(stranger: Client, share: Share) -> None:
    link = share()
    for rest in ("cover/1/", "cover/1/?small", "cover/1/?whole"):
        assert sniff_picture(page(stranger, link, rest).content)
    assert page(stranger, link, "cover/3/").status_code == 404


def test_revoking_ends_a_sound_that_plays(stranger: Client, share: Share, alice: User) -> None:
    link = share()
    assert page(stranger, link, "sound/1/", Range="bytes=0-99").status_code == 206
    link.revoke(by=alice, now=timezone.now())
    for rest in ("sound/1/", "cover/1/", "refresh/", ""):
        assert page(stranger, link, rest, Range="bytes=100-199").status_code == 404


def test_expiring_ends_the_sound_too(stranger: Client, share: Share) -> None:
    link = share(allow_download=True, allow_embed=True)
    assert page(stranger, link, "sound/1/", Range="bytes=0-99").status_code == 206
    ShareLink.objects.update(expires_at=timezone.now())
    expired = page(stranger, link)
    assert expired.status_code == 410
    assert "This link has expired" in expired.content.decode()
    for rest in ("sound/1/", "cover/1/", "download/1/", "refresh/", "embed"):
        assert page(stranger, link, rest).status_code == 404


def test_a_sound_on_its_way_ends_with_its_link(
    stranger: Client, share: Share, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracker.views.public.CHECKED_EVERY_SECONDS", -1)
    link = share()
    response = page(stranger, link, "sound/1/")
    assert response.streaming
    chunks: Iterator[bytes] = iter(response.streaming_content)
    link.revoke(by=alice, now=timezone.now())
    assert b"".join(chunks) == b""
    response.close()


def test_a_download_has_the_songs_name(stranger: Client, share: Share, task: MusicTask) -> None:
    task.clips.update(title="春天/转圈圈\u202e")
    MusicTask.objects.update(title="春天/转圈圈\u202e")
    link = share(allow_download=True)
    response = page(stranger, link, "download/2/")
    assert sniff_sound(body(response)) == "audio/mpeg"
    assert response["Content-Disposition"] == "attachment; filename*=utf-8''" + quote("春天 转圈圈 – Version B.mp3")
    assert body(page(stranger, link, "download/2/", Range="bytes=0-9")) != b""
    link.refresh_from_db()
    assert link.download_count == 1


def test_why_a_sound_is_missing_is_not_told(stranger: Client, share: Share, demo: DemoServer) -> None:
    Clip.objects.update(audio_url=f"{demo.url}/media/expired/x.mp3", stream_url="")
    link = share()
    answer = page(stranger, link, "sound/1/")
    assert answer.status_code == 404
    assert "provider" not in answer.content.decode().lower()


# -- States ---------------------------------------------------------------------------------------------


def test_what_is_not_to_be_had_looks_alike_to_the_last_byte(
    stranger: Client, share: Share, alice: User, quiet_task: MusicTask
) -> None:
    known = share()
    token = known.token
    revoked, rested, removed, hidden = share(), share(), share(quiet_task), share(password=PASSWORD)
    revoked.revoke(by=alice, now=NOW)
    ShareLink.objects.filter(pk=rested.pk).update(rested_at=NOW)
    quiet_task.remove(actor=alice, now=NOW)
    swapped = token[:-1] + ("A" if token[-1] != "A" else "B")
    tokens = [swapped, "x", "%00", "%F0%9F%8E%B5", "a" * 3000, revoked.token, rested.token, removed.token]
    addresses = [f"/s/{one}/" for one in tokens]
    addresses += [f"/s/{one}/sound/1/" for one in (*tokens, hidden.token)]
    addresses += [f"/s/{token}/sound/3/", f"/s/{token}/embed", f"/s/{token}/download/1/", f"/s/{swapped}/refresh/"]
    addresses += ["/oembed", "/oembed?url=x", f"/oembed?url=http://testserver/s/{token}/"]
    answers = [stranger.get(one) for one in addresses]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    assert len({tuple(sorted(answer.items())) for answer in answers}) == 1
    assert not any(answer.cookies for answer in answers)


def test_a_removed_task_that_is_brought_back_is_shared_again(
    stranger: Client, share: Share, alice: User, quiet_task: MusicTask
) -> None:
    link = share(quiet_task)
    quiet_task.remove(actor=alice, now=NOW)
    assert page(stranger, link).status_code == 404
    quiet_task.restore(actor=alice, now=NOW)
    assert page(stranger, link).status_code == 200


def test_a_song_that_is_being_made_appears_by_itself(stranger: Client, share: Share, task: MusicTask) -> None:
    sounds = dict(task.clips.values_list("pk", "audio_url"))
    MusicTask.objects.update(status="running", ended="")
    Clip.objects.update(audio_url="", stream_url="", state="running")
    link = share()
    text = html(stranger, link)
    assert "being made right now" in text
    assert 'http-equiv="refresh"' in text
    asked = re.search(r'hx-get="([^"]+)"', text)
    assert asked is not None
    assert stranger.get(asked[1]).status_code == 204
    Clip.objects.filter(pk=min(sounds)).update(audio_url=sounds[min(sounds)], state="complete")
    half = stranger.get(asked[1])
    assert half.status_code == 200
    assert "sound/1/" in half.content.decode()
    assert 'hx-trigger="every' in half.content.decode()
    # A page that reloads itself would interrupt what can be heard.
    assert "http-equiv" not in html(stranger, link)
    MusicTask.objects.update(status="succeeded", ended="final")
    Clip.objects.filter(pk=max(sounds)).update(audio_url=sounds[max(sounds)], state="complete")
    done = stranger.get(asked[1]).content.decode()
    assert "sound/2/" in done
    assert "hx-trigger" not in done
    assert "htmx" not in html(stranger, link)


def test_a_failed_song_is_not_available_and_gives_no_reason(
    stranger: Client, share: Share, quiet_task: MusicTask
) -> None:
    MusicTask.objects.filter(pk=quiet_task.pk).update(
        status="failed", ended="final", shelf="failed", fail_reason="Tags contained artist name"
    )
    text = html(stranger, share(quiet_task))
    assert "not available" in text
    assert "artist name" not in text
    assert "hx-get" not in text


def test_lyrics_alone_can_be_shared(stranger: Client, share: Share, quiet_task: MusicTask) -> None:
    MusicTask.objects.filter(pk=quiet_task.pk).update(
        kind="lyrics", status="succeeded", ended="final", lyrics_text="Blue light", lyrics_title="Words"
    )
    text = html(stranger, share(MusicTask.objects.get(pk=quiet_task.pk)))
    assert "Blue light" in text
    assert "<h1>Words</h1>" in text
    assert "not available" not in text


# -- The password ---------------------------------------------------------------------------------------


def unlock(client: Client, link: ShareLink, password: str) -> Any:
    return client.post(f"/s/{link.token}/unlock/", {"password": password})


def test_a_password_opens_page_and_sound(share: Share) -> None:
    stranger = Client(enforce_csrf_checks=True, headers={"accept-language": "en"})
    link = share(password=PASSWORD, allow_download=True)
    asked = page(stranger, link)
    assert 'type="password"' in asked.content.decode()
    assert not asked.cookies
    for rest in ("sound/1/", "cover/1/", "download/1/", "refresh/"):
        assert page(stranger, link, rest).status_code == 404
    wrong = unlock(stranger, link, "Sesame-open")
    assert wrong.status_code == 422
    assert "This is not the password" in wrong.content.decode()
    right = unlock(stranger, link, PASSWORD)
    assert (right.status_code, right["Location"]) == (303, f"/s/{link.token}/")
    cookie = right.cookies["musicboard_share"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie["path"] == f"/s/{link.token}/"
    assert "<h1>" in html(stranger, link)
    assert page(stranger, link, "sound/1/", Range="bytes=0-9").status_code == 206


def test_a_new_password_locks_everybody_out(stranger: Client, share: Share, alice: User) -> None:
    link = share(password=PASSWORD)
    unlock(stranger, link, PASSWORD)
    assert page(stranger, link, "sound/1/", Range="bytes=0-9").status_code == 206
    link.change(by=alice, now=NOW, clips=[], password="another-one")
    assert page(stranger, link, "sound/1/", Range="bytes=0-9").status_code == 404
    assert 'type="password"' in html(stranger, link)


def test_one_links_cookie_opens_no_other(stranger: Client, share: Share) -> None:
    one, other = share(password=PASSWORD), share(password=PASSWORD)
    value = unlock(stranger, one, PASSWORD).cookies["musicboard_share"].value
    thief = Client()
    thief.cookies["musicboard_share"] = value
    assert page(thief, one, "sound/1/", Range="bytes=0-9").status_code == 206
    assert page(thief, other, "sound/1/").status_code == 404
    thief.cookies["musicboard_share"] = value[:-1] + ("A" if value[-1] != "A" else "B")
    assert page(thief, one, "sound/1/").status_code == 404


def test_a_hundred_guesses_are_stopped_after_ten(stranger: Client, share: Share) -> None:
    link = share(password=PASSWORD)
    codes = [unlock(stranger, link, f"guess {number}").status_code for number in range(100)]
    assert codes == [422] * 9 + [429] * 91
    refused = unlock(stranger, link, PASSWORD)
    assert refused.status_code == 429
    assert 880 < int(refused["Retry-After"]) <= 900
    assert "Wait 15 minutes" in refused.content.decode()
    assert not refused.cookies
    assert "Wait 15 minutes" in html(stranger, link)
    ShareLink.objects.update(locked_until=timezone.now())
    assert unlock(stranger, link, PASSWORD).status_code == 303


def test_a_link_without_password_has_nothing_to_unlock(stranger: Client, share: Share) -> None:
    assert unlock(stranger, share(), "x").status_code == 303
    assert stranger.get(f"/s/{share().token}/unlock/").status_code == 405


# -- In other pages -------------------------------------------------------------------------------------


def test_only_an_allowed_player_may_be_framed(stranger: Client, share: Share) -> None:
    link = share(allow_embed=True)
    response = page(stranger, link, "embed")
    assert response.status_code == 200
    assert "X-Frame-Options" not in response
    assert "frame-ancestors *" in response["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in page(stranger, link)["Content-Security-Policy"]
    for closed in (share(), share(allow_embed=True, password=PASSWORD)):
        refused = page(stranger, closed, "embed")
        assert refused.status_code == 404
        assert "frame-ancestors 'none'" in refused["Content-Security-Policy"]


def test_oembed_describes_the_player(stranger: Client, share: Share) -> None:
    link = share(allow_embed=True, title='Say "hi"')
    found = re.search(r'type="application/json\+oembed" href="([^"]+)"', html(stranger, link))
    assert found is not None
    address = found[1].replace("&amp;", "&").removeprefix("http://testserver")
    answer = json.loads(stranger.get(address).content)
    assert answer["version"] == "1.0"
    assert answer["type"] == "rich"
    assert answer["title"] == 'Say "hi"'
    assert f'src="http://testserver/s/{link.token}/embed"' in answer["html"]
    assert 'title="Say &quot;hi&quot;"' in answer["html"]
    small = json.loads(stranger.get(f"{address}&maxwidth=300&maxheight=100").content)
    assert (small["width"], small["height"]) == (300, 100)
    assert stranger.get(address.replace("json", "xml")).status_code == 501


def test_oembed_knows_nothing_of_other_pages(stranger: Client, share: Share) -> None:
    token = share(allow_embed=True).token
    closed = share().token
    for url in (f"http://elsewhere.example/s/{token}/", "http://testserver/", f"http://testserver/s/{closed}/", "["):
        assert stranger.get("/oembed", {"url": url}).status_code == 404


# -- Visits ---------------------------------------------------------------------------------------------


def test_visits_are_counted_and_nothing_else_is(stranger: Client, share: Share) -> None:
    link = share(allow_embed=True)
    stranger.head(f"/s/{link.token}/")
    for rest in ("?again", "refresh/", "sound/1/", "embed", "cover/1/"):
        page(stranger, link, rest)
    page(stranger, link, **{"sec-purpose": "prefetch;prerender"})
    link.refresh_from_db()
    assert (link.visit_count, link.visited_at) == (0, None)
    page(stranger, link)
    page(stranger, link)
    link.refresh_from_db()
    assert link.visit_count == 2
    assert link.visited_at is not None


def test_a_look_at_the_password_form_is_no_visit(stranger: Client, share: Share) -> None:
    link = share(password=PASSWORD)
    page(stranger, link)
    unlock(stranger, link, PASSWORD)
    page(stranger, link)
    link.refresh_from_db()
    assert link.visit_count == 1


# -- What nobody may learn ------------------------------------------------------------------------------


def test_no_answer_tells_whose_it_is_or_where_it_comes_from(
    share: Share, task: MusicTask, quiet_task: MusicTask, alice: User, team: Team, demo: DemoServer
) -> None:
    credential = task.credential
    assert credential is not None
    Credential.objects.filter(pk=credential.pk).update(label="Lin’s private key")
    MusicTask.objects.update(fail_reason="Refused by the label’s filter")
    making, failed = quiet_task, make_task(credential, "fa11ed00-0000-4000-8000-000000000001", status="failed")
    MusicTask.objects.filter(pk=failed.pk).update(ended="final")
    full = {"allow_download": True, "allow_embed": True, "show_prompt": True}
    links = [share(**full), share(password=PASSWORD), share(making, **full), share(failed, **full), share(), share()]
    links.append(share(expires_at=NOW))
    links[-2].revoke(by=alice, now=NOW)
    secrets = {
        KEY, KEY[-4:], "Lin’s", "alice", "Alice", "example.org", "Studio North", "suno", "relay", demo.url, "127.0.0.1",
        "Refused by", str(team.public_id), str(credential.public_id), credential.base_url,
    }  # fmt: skip
    for one in (task, making, failed):
        secrets |= {one.task_id, str(one.public_id), one.base_url, one.provider}
    for clip in Clip.objects.all():
        secrets |= {clip.clip_id, str(clip.public_id), clip.audio_url, clip.image_url, clip.model}
    secrets |= {str(link.public_id) for link in links} | {link.token_hash for link in links}
    secrets.discard("")
    seen = 0
    for link in links:
        visitor = Client(headers={"accept-language": "en"})
        for rest in (
            "", "?again", "sound/1/", "sound/2/", "sound/3/", "cover/1/", "cover/1/?small", "cover/9/", "download/1/",
            "embed", "refresh/", "unlock/", "refresh/?seen=x",
        ):  # fmt: skip
            for answer in (visitor.get(f"/s/{link.token}/{rest}"), visitor.head(f"/s/{link.token}/{rest}")):
                tells_nothing(answer, secrets, is_text=rest.partition("/")[0] not in ("sound", "cover", "download"))
                seen += 1
        for password in ("wrong", PASSWORD):
            tells_nothing(unlock(visitor, link, password), secrets)
        tells_nothing(page(visitor, link), secrets)
        tells_nothing(page(visitor, link, "sound/1/", Range="bytes=99999999-"), secrets)
        tells_nothing(visitor.get(f"/oembed?url=http://testserver/s/{link.token}/"), secrets)
        tells_nothing(visitor.get(f"/s/{link.token}"), secrets)
    assert seen == 26 * len(links)


def tells_nothing(answer: Any, secrets: set[str], *, is_text: bool = True) -> None:
    head = "\n".join(f"{name}: {value}" for name, value in answer.items()) + str(answer.cookies)
    whole = body(answer)
    for secret in secrets:
        assert secret not in head
        # Four characters stand somewhere in any song.
        if is_text or len(secret) > 8:
            assert secret.encode() not in whole, secret


def test_styles_and_scripts_of_the_page_are_this_sites(stranger: Client, share: Share) -> None:
    text = html(stranger, share(allow_embed=True))
    for address in re.findall(r'(?:src|href)="([^"]+)"', text):
        assert address.startswith(("/static/", "/s/", "http://testserver/oembed"))
    assert not re.search(r"<[^>]+\s(?:style|on\w+)=", text)
