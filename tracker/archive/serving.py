"""Kept files as a browser gets them: whole, in part, by nginx, or by a link that holds a few minutes.

Whoever calls has decided that the person may have the file. HTTP as in RFC 9110: one range (14.2), several are
answered with the whole, strong validators (8.8.3), If-Range (13.1.5).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from tracker.archive.storing import archive_storage, local_path, open_file
from tracker.models import ArchivedFile
from tracker.ranges import ByteRange, read_range

WINDOW = 1 << 20
"""What is sent where no end was asked for. A player that is paused stops reading and would hold its thread for as long;
it asks for the next part when it needs it."""
BLOCK = 1 << 18
SOUND_CACHE = "private, max-age=86400"
PICTURE_CACHE = "private, max-age=604800"


def file_response(request: HttpRequest, file: ArchivedFile) -> HttpResponseBase | None:
    """A kept sound or video; None where the storage has lost it."""
    if local_path(file.name) is None:
        return _elsewhere(file)
    etag = f'"{file.digest}"'
    if request.headers.get("If-None-Match") == etag:
        return _with_headers(HttpResponse(status=304), file)
    if settings.ACCEL_REDIRECT_PREFIX:
        handed_over = HttpResponse(content_type=file.content_type)
        handed_over["X-Accel-Redirect"] = f"{settings.ACCEL_REDIRECT_PREFIX.rstrip('/')}/{file.name}"
        return _with_headers(handed_over, file)
    return file_from_here(request, file)


def file_from_here(request: HttpRequest, file: ArchivedFile) -> HttpResponseBase | None:
    """The same, read and sent by this site wherever it lies."""
    content = open_file(file.name)
    if content is None:
        return None
    try:
        response = _answer(request, file, content)
    except OSError:
        content.close()
        return None
    return _with_headers(response, file)


def _with_headers(response: HttpResponseBase, file: ArchivedFile) -> HttpResponseBase:
    response["Accept-Ranges"] = "bytes"
    response["Cache-Control"] = SOUND_CACHE
    response["ETag"] = f'"{file.digest}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _answer(request: HttpRequest, file: ArchivedFile, content: BinaryIO) -> HttpResponseBase:
    if request.method == "HEAD":
        content.close()
        return HttpResponse(content_type=file.content_type, headers={"Content-Length": str(file.size)})
    wanted = read_range(request.headers.get("Range", ""))
    if wanted is not None and request.headers.get("If-Range", f'"{file.digest}"') != f'"{file.digest}"':
        wanted = None
    if wanted is None:
        whole = FileResponse(content, content_type=file.content_type)
        # It would tell the name in the storage.
        del whole["Content-Disposition"]
        return whole
    return _part(file, content, wanted)


def _part(file: ArchivedFile, content: BinaryIO, wanted: ByteRange) -> HttpResponseBase:
    found = wanted.from_end(file.size) if wanted.start is None else wanted
    if found is None or found.start is None or found.start >= file.size:
        content.close()
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{file.size}"})
    length = min(found.length or WINDOW, file.size - found.start)
    content.seek(found.start)
    headers = {
        "Content-Range": f"bytes {found.start}-{found.start + length - 1}/{file.size}",
        "Content-Length": str(length),
    }
    if length <= WINDOW:
        with content:
            return HttpResponse(content.read(length), status=206, content_type=file.content_type, headers=headers)
    return StreamingHttpResponse(_Blocks(content, length), status=206, content_type=file.content_type, headers=headers)


class _Blocks:
    """``length`` bytes of an open file, which is closed with the response."""

    def __init__(self, content: BinaryIO, length: int) -> None:
        self._content = content
        self._left = length

    def __iter__(self) -> Iterator[bytes]:
        while self._left and (block := self._content.read(min(BLOCK, self._left))):
            self._left -= len(block)
            yield block

    def close(self) -> None:
        self._content.close()


def _elsewhere(file: ArchivedFile) -> HttpResponseBase:
    """On to the bucket, by a link that was signed for this one answer."""
    # The types that the bucket is to say; it knows nothing of nosniff.
    signed = archive_storage().url(file.name, parameters={"ResponseContentType": file.content_type})  # type: ignore[call-arg]
    response = HttpResponse(status=302)
    response["Location"] = signed
    response["Cache-Control"] = "no-store"
    return response


def picture_response(file: ArchivedFile, size: int | None) -> HttpResponse | None:
    """A kept cover, or its square of ``size`` pixels; None where the storage has lost it.

    Pictures are small and kept for a week by the browser: they always come through this site.
    """
    content = open_file(file.thumbnail_name(size)) if size else None
    content_type = "image/webp" if content else file.content_type
    content = content or open_file(file.name)
    if content is None:
        return None
    with content:
        response = HttpResponse(content.read(), content_type=content_type)
    response["Cache-Control"] = PICTURE_CACHE
    response["ETag"] = f'"{file.digest}-{size or "whole"}"'
    return response
