"""Shares in words for the page: a stranger's page, and the team's list. What a stranger gets is all in here."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from mimetypes import guess_extension

from django.db.models import Prefetch
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from tracker.cards import age, has_file, make_clip
from tracker.models import Clip, Membership, MusicTask, ShareLink
from tracker.models.shares import ShareLinkQuerySet
from tracker.secrets import SealBrokenError
from tracker.standing import Tone

State = ShareLink.State
NAME_LENGTH, NAME_BYTES = 120, 240
"""Of a file's name: some systems count signs, others bytes."""


# -- A stranger's page ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PublicClip:
    """One song as a stranger sees it: its place in the share is the only number it has."""

    number: int
    name: str
    play: str
    style: str
    length: str
    seconds: int
    tint: int
    sound: str
    """Addresses under the token; empty where there is none."""
    stream: str
    """The stream, to fall back on, where ``sound`` is a finished file at the provider."""
    cover: str
    download: str
    download_label: str
    wave: str
    """The outline of the sound as an SVG path; empty where nothing was drawn yet."""
    says: str
    lyrics: str
    prompt: str


@dataclass(frozen=True, slots=True)
class PublicPage:
    """What a share shows, and nothing of where it comes from."""

    token: str
    title: str
    style: str
    clips: Sequence[PublicClip]
    current: PublicClip | None
    """The first that can be heard."""
    is_live: bool
    percent: int | None
    lyrics: str
    """What all the songs sing; empty where each has its own words."""
    prompt: str
    until: str
    may_be_embedded: bool
    has_password: bool

    @property
    def shown(self) -> PublicClip | None:
        """Whose cover stands on top."""
        return self.current or (self.clips[0] if self.clips else None)

    @property
    def is_making(self) -> bool:
        """Nothing to hear yet."""
        return self.current is None and self.is_live

    @property
    def is_missing(self) -> bool:
        """Nothing to hear, and nothing that will come; words alone are something too."""
        return self.current is None and not self.is_live and not self.lyrics


def make_public_page(link: ShareLink, token: str) -> PublicPage:
    """The page of ``link``, with one or two queries for its clips."""
    task = link.task
    rows = link.shared_clips()
    title = _title(link, rows)
    names = version_names(rows, title)
    clips = [_public_clip(link, row, number, names[number - 1], token) for number, row in enumerate(rows, 1)]
    lyrics = _common([clip.lyrics for clip in clips]) if clips else task.lyrics_text * link.show_lyrics
    prompt = _common([clip.prompt for clip in clips])
    return PublicPage(
        token=token,
        title=title,
        style=_common([clip.style for clip in clips]) or (task.tags if task.is_music else ""),
        clips=clips,
        current=next((clip for clip in clips if clip.sound), None),
        is_live=task.is_live,
        percent=min(task.progress, 100) if task.progress else None,
        lyrics=lyrics,
        prompt=prompt,
        until=_("Shared until %(date)s") % {"date": date_text(link.expires_at)} if link.expires_at else "",
        may_be_embedded=link.may_be_embedded,
        has_password=bool(link.password),
    )


def _title(link: ShareLink, clips: Sequence[Clip]) -> str:
    """The heading, or how the song is called. Never the task's id, which is what a task without title is called."""
    own = clips[0].title if len(clips) == 1 else ""
    found = link.title or own or link.task.title or next((clip.title for clip in clips if clip.title), "")
    return found or link.task.lyrics_title or _("Untitled")


def version_names(clips: Sequence[Clip], title: str) -> list[str]:
    """Their titles, where these tell them apart; else “Version A” and “Version B”."""
    titles = [clip.title for clip in clips]
    if len(clips) == 1:
        return [titles[0] or title or _("Untitled")]
    if all(titles) and len(set(titles)) == len(titles):
        return titles
    return [_("Version %(letter)s") % {"letter": _letter(number)} for number in range(len(clips))]


def _letter(number: int) -> str:
    return chr(ord("A") + number) if number < 26 else str(number + 1)


def _common(texts: Sequence[str]) -> str:
    """The text that all have; empty where they differ."""
    return texts[0] if texts and len(set(texts)) == 1 else ""


def _public_clip(link: ShareLink, clip: Clip, number: int, name: str, token: str) -> PublicClip:
    card = make_clip(link.task, clip, url="")
    waits = link.task.is_live and not card.sound
    sound = _address("public_sound", token, number)
    return PublicClip(
        number=number,
        name=name,
        play=_("Play %(title)s") % {"title": name},
        style=clip.tags,
        length=card.length,
        seconds=int(clip.duration_seconds or 0),
        tint=card.tint,
        sound=sound + ("?stream" if card.sound.endswith("?stream") else "") if card.sound else "",
        stream=f"{sound}?stream" if card.stream else "",
        cover=_address("public_cover", token, number) if card.cover else "",
        download=_address("public_download", token, number) if may_be_downloaded(link, clip) else "",
        download_label=_("Download %(title)s") % {"title": name},
        wave=card.wave,
        says=_says(has_sound=bool(card.sound), waits=waits),
        lyrics=clip.lyrics if link.show_lyrics else "",
        prompt=clip.description if link.show_prompt else "",
    )


def _says(*, has_sound: bool, waits: bool) -> str:
    if has_sound:
        return ""
    return _("Still being made") if waits else _("Not available")


def _address(name: str, token: str, number: int) -> str:
    return reverse(name, args=[token, number])


def may_be_downloaded(link: ShareLink, clip: Clip) -> bool:
    """A sound that is still being made has no end that could be kept."""
    return link.allow_download and has_file(clip)


def file_name(link: ShareLink, clips: Sequence[Clip], number: int, content_type: str) -> str:
    """What a browser calls the song it keeps: ``春天 – Version A.mp3``."""
    title = _title(link, clips)
    name = version_names(clips, title)[number - 1]
    extension = EXTENSIONS.get(content_type) or guess_extension(content_type) or ".mp3"
    return clean_file_name(title if len(clips) == 1 or name == title else f"{title} – {name}", extension)


EXTENSIONS = {
    "audio/mpeg": ".mp3", "audio/mp4": ".m4a", "audio/ogg": ".ogg", "audio/flac": ".flac", "audio/wav": ".wav",
}  # fmt: skip
_SPOILED = frozenset('/\\:*?"<>|')


def clean_file_name(title: str, extension: str) -> str:
    """``title`` without slashes, controls and signs that turn the direction of writing; short enough for any disk."""
    kept = "".join(" " if one in _SPOILED or unicodedata.category(one)[0] in "CZ" else one for one in title)
    name = " ".join(kept.split())[: NAME_LENGTH - len(extension)]
    name = name.encode()[: NAME_BYTES - len(extension)].decode(errors="ignore").strip(" .")
    return (name or "song") + extension


# -- The team's list ------------------------------------------------------------------------------------

_TONES = {State.OPEN: Tone.OK, State.EXPIRED: Tone.WAIT, State.REVOKED: Tone.BAD, State.RESTED: Tone.WARN}


@dataclass(frozen=True, slots=True)
class ShareRow:
    """One link in the list."""

    id: str
    pk: int
    title: str
    task_url: str
    state: State
    tone: Tone
    what: str
    by: str
    expiry: str
    has_password: bool
    downloads: str
    visits: str
    last_visit: SafeString | str
    path: str
    """The link itself; empty where the reader may not copy it, or it cannot be opened any more."""
    can_change: bool
    can_extend: bool
    can_wake: bool

    @property
    def can_revoke(self) -> bool:
        return self.can_change and self.state != State.REVOKED


def load_rows(links: ShareLinkQuerySet, *, membership: Membership, now: datetime) -> list[ShareRow]:
    """A row for each of ``links``, with one query for the links and one for their clips."""
    few = Clip.objects.only("position", "title", "task_id")
    tasks = links.select_related("task", "created_by").defer("task__lyrics_text", "task__fail_reason")
    return [make_row(link, membership, now=now) for link in tasks.prefetch_related(Prefetch("clips", few))]


def make_row(link: ShareLink, membership: Membership, *, now: datetime) -> ShareRow:
    state = link.state(now)
    can_change = link.may_be_changed_by(membership)
    is_revoked = state == State.REVOKED
    return ShareRow(
        id=str(link.public_id),
        pk=link.pk,
        title=name_of(link),
        task_url=reverse("task", args=[link.task.public_id]),
        state=state,
        tone=_TONES[state],
        what=_what(link),
        by=_("by %(name)s") % {"name": link.created_by} if link.created_by else "",
        expiry=expiry_text(link, now=now),
        has_password=bool(link.password),
        downloads=_downloads(link),
        visits=ngettext("%(count)s visit", "%(count)s visits", link.visit_count) % {"count": link.visit_count},
        last_visit=age(link.visited_at, now=now) if link.visited_at else "",
        path="" if is_revoked or not membership.acts["share"] else path_of(link),
        can_change=can_change,
        can_extend=can_change and not is_revoked and link.expires_at is not None,
        can_wake=state == State.RESTED and membership.acts["manage_shares"],
    )


def name_of(link: ShareLink) -> str:
    return link.title or link.task.title or _("Untitled")


def path_of(link: ShareLink) -> str:
    """Where the link leads; empty where its token cannot be opened any more."""
    try:
        return reverse("public_share", args=[link.token])
    except SealBrokenError:
        return ""


def _what(link: ShareLink) -> str:
    numbers = [clip.position + 1 for clip in link.clips.all()]
    if not numbers:
        return _("All songs")
    songs = _(", ").join(map(str, numbers))
    return ngettext("Song %(songs)s", "Songs %(songs)s", len(numbers)) % {"songs": songs}


def expiry_text(link: ShareLink, *, now: datetime) -> str:
    if link.expires_at is None:
        return _("until revoked")
    words = _("ended %(date)s") if link.has_expired(now) else _("until %(date)s")
    return words % {"date": date_text(link.expires_at)}


def _downloads(link: ShareLink) -> str:
    if not link.allow_download and not link.download_count:
        return pgettext("share", "no download")
    count = link.download_count
    return ngettext("%(count)s download", "%(count)s downloads", count) % {"count": count}


def date_text(moment: datetime) -> str:
    return formats.date_format(timezone.localtime(moment), "DATE_FORMAT")


def links_of(task: MusicTask, membership: Membership, *, now: datetime) -> list[ShareRow]:
    """What of ``task`` is shared already."""
    links = ShareLink.objects.of_team(membership.team).filter(task=task)
    return load_rows(links.filter(revoked_at=None)[:20], membership=membership, now=now)
