"""What bytes are, by their first few: a provider's word for a type is not taken. Pure."""

from __future__ import annotations


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
        return "audio/mp4"
    if len(head) >= 2 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        # The two layer bits are 0 in AAC's frames, and never in those of MPEG audio.
        return "audio/mpeg" if head[1] & 0x06 else "audio/aac"
    return None


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


def looks_like_text(head: bytes) -> bool:
    """A page, XML or JSON where a file was promised."""
    return head[:200].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"<", b"{", b"[")
