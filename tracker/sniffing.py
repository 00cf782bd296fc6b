"""What bytes are, by their first few: a provider's word for a type is not taken. Pure."""

from __future__ import annotations

from collections.abc import Callable

SOUND_ENDINGS = {
    "audio/mpeg": "mp3", "audio/mp4": "m4a", "audio/aac": "aac", "audio/ogg": "ogg", "audio/flac": "flac",
    "audio/wav": "wav",
}  # fmt: skip
PICTURE_ENDINGS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}
VIDEO_ENDINGS = {"video/mp4": "mp4"}
"""What the archive keeps, and under which endings."""

_PICTURE_BRANDS = frozenset({b"avif", b"avis", b"heic", b"heix", b"hevc", b"mif1", b"msf1"})
_HEAD = 16


def sniff_sound(head: bytes) -> str | None:
    """The type of a sound file, or None for what is not known to be one."""
    if head[:3] == b"ID3":
        return "audio/mpeg"
    for magic, content_type in ((b"OggS", "audio/ogg"), (b"fLaC", "audio/flac"), (b"\x1aE\xdf\xa3", "audio/webm")):
        if head.startswith(magic):
            return content_type
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "audio/wav"
    if head[4:8] == b"ftyp":
        return None if head[8:12] in _PICTURE_BRANDS else "audio/mp4"
    return _sniff_frame(head)


def _sniff_frame(head: bytes) -> str | None:
    """The type by the header of one frame of MPEG audio or AAC.

    Its sync bits alone say little: text in UTF-16 begins with them too.
    """
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    layer = head[1] >> 1 & 3
    if layer == 0:
        # The two layer bits are 0 in AAC's frames, and never in those of MPEG audio.
        return "audio/aac" if head[1] & 0xF0 == 0xF0 and head[2] >> 2 & 15 < 13 else None
    is_version, is_layer = head[1] >> 3 & 3 != 1, layer != 3
    has_rates = head[2] >> 4 not in (0, 15) and head[2] >> 2 & 3 != 3
    return "audio/mpeg" if is_version and is_layer and has_rates else None


def examine_sound(read_at: Callable[[int, int], bytes]) -> str | None:
    """As :func:`sniff_sound`, of a whole file of which ``read_at(place, count)`` reads a part.

    An ID3 tag may stand before anything: what follows it must be sound.
    """
    head = read_at(0, _HEAD)
    if head[:3] != b"ID3":
        return sniff_sound(head)
    if len(head) < 10 or any(byte & 0x80 for byte in head[6:10]):
        return None
    # The size of a tag has seven bits to the byte; a tag with a footer is ten bytes longer.
    size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    rest = read_at(10 + size + (10 if head[5] & 0x10 else 0), 4096).lstrip(b"\x00")
    return sniff_sound(rest) if rest[:3] != b"ID3" else "audio/mpeg"


def sniff_picture(head: bytes) -> str | None:
    """The type of a picture that holds nothing but pixels: never SVG."""
    if head[:3] == b"\xff\xd8\xff":
        return "image/jpeg"
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return "image/png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "image/gif"
    return None


def sniff_video(head: bytes) -> str | None:
    return "video/mp4" if head[4:8] == b"ftyp" and head[8:12] not in _PICTURE_BRANDS else None


def looks_like_text(head: bytes) -> bool:
    """A page, XML or JSON where a file was promised."""
    return head[:200].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"<", b"{", b"[")
