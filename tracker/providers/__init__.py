"""What music providers send, read into musicboard's words. Pure: no model, no network, no clock.

A new format is one file here, its payloads in ``tests/wire/``, and one line in `PROVIDERS`.
"""

from __future__ import annotations

from tracker.providers.base import Provider, WireRequest
from tracker.providers.errors import ErrorKind, ProviderError, WireError
from tracker.providers.huiyan import Huiyan
from tracker.providers.qhaigc import Qhaigc
from tracker.providers.snapshot import (
    ClipSnapshot,
    ClipState,
    Lyrics,
    TaskKind,
    TaskSnapshot,
    TaskStatus,
    snapshot_to_dict,
)
from tracker.providers.suno_fetch import SunoFetch

__all__ = [
    "PROVIDERS",
    "ClipSnapshot",
    "ClipState",
    "ErrorKind",
    "Lyrics",
    "Provider",
    "ProviderError",
    "TaskKind",
    "TaskSnapshot",
    "TaskStatus",
    "WireError",
    "WireRequest",
    "get_provider",
    "provider_choices",
    "snapshot_to_dict",
]

PROVIDERS: dict[str, Provider] = {provider.slug: provider for provider in (Qhaigc(), SunoFetch(), Huiyan())}


def get_provider(slug: str) -> Provider:
    """The provider of that name; `KeyError` where there is none."""
    return PROVIDERS[slug]


def provider_choices() -> list[tuple[str, str]]:
    """(slug, label) of every provider, as form fields want them."""
    return [(provider.slug, provider.label) for provider in PROVIDERS.values()]
