"""A clip to take away: its sound with a name and tags.

Tags go onto a copy made for the answer, never into the archive. A WAV file has no place for them that players agree on.
"""

from __future__ import annotations

import asyncio
import base64
import io
import logging
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

from django.http import FileResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from mutagen import MutagenError
from mutagen.flac import FLAC, Picture
from mutagen.id3 import APIC, COMM, ID3, TCON, TDRC, TIT2, USLT, Encoding, PictureType
from mutagen.id3 import delete as delete_id3
from mutagen.mp4 import MP4, MP4Cover
from mutagen.oggflac import OggFLAC
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis
from PIL import Image

from tracker.archive.downloading import GONE
from tracker.archive.storing import StorageError, open_file, storage_faults
from tracker.cards import clip_title, has_file, problem_words
from tracker.checking import outbound_policy
from tracker.models import ArchivedFile, Clip
from tracker.models.archive import kept_file
from tracker.outbound import AUDIO_MAX_BYTES, IMAGE_MAX_BYTES, Outbound
from tracker.providers import ProviderError
from tracker.sniffing import SOUND_ENDINGS, sniff_picture, sniff_sound

logger = logging.getLogger(__name__)

MOST_NAME = 120
MOST_NAME_BYTES = 240
"""File systems count bytes, and a Chinese sign has three."""
MOST_COVER_PIXELS = 20_000_000
DEADLINE_SECONDS = 120
Problem = Clip.SoundProblem
Kind = ArchivedFile.Kind

_ENDINGS = {**SOUND_ENDINGS, "audio/webm": "webm"}
# Old players know these two kinds of pictures and no other.
_COVER_TYPES = {"image/jpeg": MP4Cover.FORMAT_JPEG, "image/png": MP4Cover.FORMAT_PNG}
_UNNAMEABLE = re.compile(r'[/\\<>:"|?*]+')
_TAKEN_BY_WINDOWS = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)", re.IGNORECASE)


class DownloadError(Exception):
    """The file cannot be had; its words are for the person who asked."""


@dataclass(frozen=True, slots=True)
class Song:
    """What is written into a file."""

    title: str
    style: str
    lyrics: str
    model: str
    date: str
    cover: bytes
    cover_type: str


# -- The answer -----------------------------------------------------------------------------------------


def download_response(clip: Clip) -> FileResponse:
    """The clip's file as an attachment. Whether the asker may have it was decided before; raises DownloadError."""
    if not has_file(clip):
        raise DownloadError(_("This clip has no finished sound yet."))
    sound: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
    try:
        load_sound(clip, sound)
        sound.seek(0)
        content_type = sniff_sound(sound.read(64))
        if content_type is None:
            clip.note_sound(Problem.NOT_SOUND)
            raise DownloadError(problem_words(Problem.NOT_SOUND))
        sound = tagged(sound, content_type, make_song(clip))
    except BaseException:
        sound.close()
        raise
    sound.seek(0)
    name = file_name(clip_title(clip, clip.task), clip.position + 1, _ending(sound, content_type))
    response = FileResponse(sound, as_attachment=True, filename=name, content_type=content_type)
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _ending(sound: IO[bytes], content_type: str) -> str:
    head = sound.read(64)
    sound.seek(0)
    return "opus" if content_type == "audio/ogg" and b"OpusHead" in head else _ENDINGS[content_type]


def file_name(title: str, number: int, ending: str) -> str:
    """A name that every file system takes: ``春天转圈圈.mp3``, and ``春天转圈圈 2.mp3`` for the second of a task."""
    shown = "".join(" " if sign in "\t\r\n" else sign for sign in title if sign in "\t\r\n" or not _is_unseen(sign))
    words = " ".join(_UNNAMEABLE.sub(" ", shown).split()).strip(". ")
    if not words or _TAKEN_BY_WINDOWS.fullmatch(words):
        words = f"{words} {_('Untitled')}".strip()
    tail = f"{f' {number}' if number > 1 else ''}.{ending}"
    words = words[: MOST_NAME - len(tail)]
    words = words.encode()[: MOST_NAME_BYTES - len(tail)].decode(errors="ignore")
    return words.rstrip(". ") + tail


def _is_unseen(sign: str) -> bool:
    """Control signs, marks that turn the direction of writing, and halves of signs."""
    return unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp")


# -- Getting it -----------------------------------------------------------------------------------------


def load_sound(clip: Clip, into: IO[bytes]) -> None:
    """The clip's sound, from the archive or else from the provider's link. Raises DownloadError."""
    if _copy_kept(kept_file(clip, Kind.SOUND), into):
        return
    if not clip.audio_url:
        raise DownloadError(_("This clip has no finished sound yet."))
    try:
        status = asyncio.run(_fetch(clip.audio_url, into, AUDIO_MAX_BYTES))
    except ProviderError as error:
        logger.info("sound to download not reachable: %s", error.message)
        if error.cause == "too_large":
            raise DownloadError(
                _("The file is larger than %(size)s MB.") % {"size": AUDIO_MAX_BYTES // 1_000_000}
            ) from None
        raise DownloadError(problem_words(_PROBLEMS.get(error.cause, Problem.UNREACHABLE))) from None
    if status in GONE:
        clip.note_sound(Problem.EXPIRED)
        raise DownloadError(problem_words(Problem.EXPIRED))
    if status != 200:
        raise DownloadError(problem_words(Problem.SERVER_ERROR))


_PROBLEMS = {"timeout": Problem.TIMEOUT, "broke_off": Problem.BROKE_OFF, "server_error": Problem.SERVER_ERROR}


def load_cover(clip: Clip) -> bytes:
    """The clip's picture, or nothing: a file without one is a file all the same."""
    cover = io.BytesIO()
    try:
        if _copy_kept(kept_file(clip, Kind.COVER), cover):
            return cover.getvalue()
        status = asyncio.run(_fetch(clip.image_url, cover, IMAGE_MAX_BYTES)) if clip.image_url else 404
    except ProviderError:
        return b""
    return cover.getvalue() if status == 200 else b""


def _copy_kept(kept: ArchivedFile | None, into: IO[bytes]) -> bool:
    """Whether there was something to copy; a storage that is away now has the provider asked instead."""
    if kept is None:
        return False
    try:
        with storage_faults():
            source = open_file(kept.name)
            if source is None:
                return False
            with source:
                shutil.copyfileobj(source, into)
    except StorageError:
        into.seek(0)
        into.truncate()
        return False
    return True


async def _fetch(url: str, into: IO[bytes], most: int) -> int:
    """The status; the body is only taken where it is 200."""
    async with (
        Outbound(outbound_policy()) as client,
        client.open_media(url, max_bytes=most, deadline_seconds=DEADLINE_SECONDS) as media,
    ):
        if media.status == 200:
            async for chunk in media.aiter_bytes():
                into.write(chunk)
        return media.status


def make_song(clip: Clip) -> Song:
    cover = load_cover(clip)
    cover_type = sniff_picture(cover) or ""
    if cover_type and cover_type not in _COVER_TYPES:
        cover, cover_type = _as_jpeg(cover), "image/jpeg"
    moment = clip.created_at or clip.task.finished_at or clip.task.created_at
    return Song(
        title=_clean(clip_title(clip, clip.task)),
        style=_clean(clip.tags),
        lyrics=_clean(clip.lyrics),
        model=_clean(clip.model),
        date=timezone.localtime(moment).date().isoformat(),
        cover=cover if cover_type else b"",
        cover_type=cover_type,
    )


def _clean(text: str) -> str:
    """Without signs that end a text in a tag."""
    return "".join(sign for sign in text if sign in "\t\n" or unicodedata.category(sign) not in ("Cc", "Cs"))


def _as_jpeg(picture: bytes) -> bytes:
    """A picture of a kind that players do not know, or nothing where it cannot be read."""
    try:
        with Image.open(io.BytesIO(picture)) as opened:
            if opened.width * opened.height > MOST_COVER_PIXELS:
                return b""
            jpeg = io.BytesIO()
            opened.convert("RGB").save(jpeg, "JPEG", quality=88)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return b""
    return jpeg.getvalue()


# -- Tags -----------------------------------------------------------------------------------------------


def tagged(sound: IO[bytes], content_type: str, song: Song) -> IO[bytes]:
    """``sound`` with its tags, in a new file; ``sound`` itself where it is of a kind without any, or broken."""
    write = _WRITERS.get(content_type)
    if write is None:
        return sound
    copy: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
    try:
        sound.seek(0)
        shutil.copyfileobj(sound, copy)
        copy.seek(0)
        write(copy, song)
    except Exception as error:  # noqa: BLE001
        # A file that players play may still be no file to mutagen: better without tags than not at all.
        level = logging.INFO if isinstance(error, MutagenError) else logging.WARNING
        logger.log(level, "no tags in a %s file: %s", content_type, type(error).__name__)
        copy.close()
        return sound
    sound.close()
    return copy


def _write_mp3(file: IO[bytes], song: Song) -> None:
    """ID3v2.3 with UTF-16, which the oldest players read too."""
    delete_id3(file)
    tags, utf16 = ID3(), Encoding.UTF16
    tags.add(TIT2(encoding=utf16, text=song.title))
    tags.add(TDRC(encoding=utf16, text=song.date))
    if song.style:
        tags.add(TCON(encoding=utf16, text=song.style))
    if song.lyrics:
        tags.add(USLT(encoding=utf16, lang="XXX", desc="", text=song.lyrics))
    if song.model:
        tags.add(COMM(encoding=utf16, lang="eng", desc="", text=song.model))
    if song.cover:
        cover = {"mime": song.cover_type, "type": PictureType.COVER_FRONT, "desc": "", "data": song.cover}
        tags.add(APIC(encoding=Encoding.LATIN1, **cover))
    tags.update_to_v23()
    file.seek(0)
    tags.save(file, v1=0, v2_version=3)


def _write_mp4(file: IO[bytes], song: Song) -> None:
    mp4: Any = MP4(file)
    if mp4.tags is None:
        mp4.add_tags()
    values = {"©nam": song.title, "©gen": song.style, "©lyr": song.lyrics, "©cmt": song.model, "©day": song.date}
    mp4.tags.clear()
    mp4.tags.update({name: [value] for name, value in values.items() if value})
    if song.cover:
        mp4.tags["covr"] = [MP4Cover(song.cover, imageformat=_COVER_TYPES[song.cover_type])]
    file.seek(0)
    mp4.save(file)


def _comments(song: Song) -> dict[str, list[str]]:
    values = {
        "title": song.title, "genre": song.style, "lyrics": song.lyrics, "comment": song.model, "date": song.date,
    }  # fmt: skip
    return {name: [value] for name, value in values.items() if value}


def _picture(song: Song) -> Picture:
    picture = Picture()
    picture.type, picture.mime, picture.data = PictureType.COVER_FRONT, song.cover_type, song.cover
    with Image.open(io.BytesIO(song.cover)) as opened:
        picture.width, picture.height = opened.size
    picture.depth = 24
    return picture


def _write_flac(file: IO[bytes], song: Song) -> None:
    flac: Any = FLAC(file)
    if flac.tags is None:
        flac.add_tags()
    flac.tags.clear()
    flac.update(_comments(song))
    flac.clear_pictures()
    if song.cover:
        flac.add_picture(_picture(song))
    file.seek(0)
    flac.save(file)


def _write_ogg(file: IO[bytes], song: Song) -> None:
    head = file.read(64)
    kind = OggOpus if b"OpusHead" in head else OggFLAC if b"FLAC" in head else OggVorbis
    file.seek(0)
    ogg: Any = kind(file)
    ogg.tags.clear()
    ogg.update(_comments(song))
    if song.cover:
        ogg["metadata_block_picture"] = [base64.b64encode(_picture(song).write()).decode()]
    file.seek(0)
    ogg.save(file)


_WRITERS: dict[str, Callable[[IO[bytes], Song], None]] = {
    "audio/mpeg": _write_mp3,
    "audio/mp4": _write_mp4,
    "audio/flac": _write_flac,
    "audio/ogg": _write_ogg,
}
