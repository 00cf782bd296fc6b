"""Relays that serve the Suno API under ``/suno``: the format of Suno-API, new-api and one-hub.

Documentation: https://github.com/Suno-API/Suno-API and https://github.com/QuantumNous/new-api; many relays
publish the same pages under their own name.
"""

from __future__ import annotations

from collections.abc import Sequence

from tracker.providers.base import Provider, WireRequest, path_of


class SunoFetch(Provider):
    """``GET /suno/fetch/{task_id}``, and ``POST /suno/fetch {"ids": […]}`` for many.

    A batch answer leaves out unknown ids, keeps no order, and is ``data: null`` where it found none. The
    original Suno-API answers a single task as the bare list of its clips. new-api itself asks for up to 1000
    ids; 50 keeps answers small enough to arrive in time.
    """

    slug = "suno-fetch"
    label = "Suno API relay (/suno/fetch)"
    docs_url = "https://github.com/Suno-API/Suno-API"
    batch_limit = 50

    def task_request(self, task_id: str) -> WireRequest:
        return WireRequest(method="GET", path=path_of("/suno/fetch/", task_id))

    def batch_request(self, task_ids: Sequence[str]) -> WireRequest:
        return WireRequest(method="POST", path="/suno/fetch", json={"ids": list(task_ids)})
