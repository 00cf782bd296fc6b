"""Where the archive's files are kept, as ARCHIVE_STORAGE_URL says."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

SIGNED_SECONDS = 600
"""How long a link to a file in an S3 bucket holds: a browser that seeks asks there again, and a song is shorter; a
share that is revoked is silent after as long at the latest."""

FORM = "s3://[KEY:SECRET@]HOST[:PORT]/BUCKET[/PREFIX][?region=REGION][&tls=off]"


def archive_storage(url: str, folder: Path) -> dict[str, Any]:
    """An entry of STORAGES: ``folder`` where ``url`` is empty, else an S3-compatible bucket."""
    if not url:
        return {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(folder)}}
    parts = urlsplit(url)
    bucket, _, prefix = parts.path.strip("/").partition("/")
    if parts.scheme != "s3" or not parts.hostname or not bucket:
        raise ImproperlyConfigured(f"ARCHIVE_STORAGE_URL is to look like {FORM}.")
    options: dict[str, Any] = {
        "bucket_name": bucket,
        "location": prefix,
        "endpoint_url": archive_origin(url),
        "region_name": parse_qs(parts.query).get("region", ["us-east-1"])[0],
        "addressing_style": "path",
        "signature_version": "s3v4",
        "querystring_expire": SIGNED_SECONDS,
        # The name is made of the bytes: what is overwritten is the same.
        "file_overwrite": True,
        "default_acl": None,
    }
    if parts.username:
        options |= {"access_key": unquote(parts.username), "secret_key": unquote(parts.password or "")}
    return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}


def archive_origin(url: str) -> str:
    """The origin to which a browser is sent for sound; empty where this site serves it itself."""
    parts = urlsplit(url)
    if not parts.hostname:
        return ""
    scheme = "http" if parse_qs(parts.query).get("tls") == ["off"] else "https"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{scheme}://{host}:{parts.port}" if parts.port else f"{scheme}://{host}"
