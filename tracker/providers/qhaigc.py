"""qhaigc: https://www.qhaigc.net/docs, "查询音乐生成任务" (``GET /v1/music/tasks/{task_id}``)."""

from __future__ import annotations

from typing import Any

from tracker.providers.base import Provider, WireRequest, path_of


class Qhaigc(Provider):
    """A relay over sunoapi.org's field names, in the envelope of the new-api family.

    Times are seconds for the task (0 where unset) and milliseconds for a clip; lyrics stand under ``prompt``
    with literal ``\\n`` pairs. A task is asked for alone.
    """

    slug = "qhaigc"
    label = "qhaigc"
    docs_url = "https://www.qhaigc.net/docs"
    base_url = "https://api.qhaigc.net"

    def task_request(self, task_id: str) -> WireRequest:
        return WireRequest(method="GET", path=path_of("/v1/music/tasks/", task_id))

    def reshape(self, document: object) -> object:
        """An answer of the older documentation (docs/api-reference/music/query) as tasks.

        ``{created, data: [{id, url, lyrics, title, cover_url, audio_url, duration, tags, model}]}`` has
        neither code nor status, and ``id`` is the task's, shared by its songs. An answer to a submission
        looks the same with ``{id, status}`` alone.
        """
        if type(document) is not dict or "created" not in document or "code" in document:
            return document
        items = document.get("data")
        if type(items) is not list:
            return document
        songs_of: dict[object, list[dict[str, Any]]] = {}
        for item in items:
            if type(item) is dict and isinstance(item.get("id"), str | int):
                song = {key: value for key, value in item.items() if key != "id"}
                songs_of.setdefault(item["id"], []).append(song)
        return {"data": [_task(task_id, songs) for task_id, songs in songs_of.items()]} if songs_of else document


def _task(task_id: object, songs: list[dict[str, Any]]) -> dict[str, Any]:
    status = next((song["status"] for song in songs if song.get("status")), None)
    # Without a word for its status a task goes by its songs.
    return {"task_id": task_id, "status": status, "success": status is None, "data": songs}
