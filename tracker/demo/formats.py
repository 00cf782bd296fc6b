"""The three published bodies: a plan and a moment in, the task object of one format out."""

import uuid
from collections.abc import Callable
from typing import Any

from .catalogue import DURATIONS
from .tasks import ClipState, Moment, Plan

Body = dict[str, Any]
Format = Callable[[Plan, str, Moment, str], Body]

SCRIPT_TITLE = "<script>alert(1)</script>"
SCRIPT_AUDIO = "javascript:alert(1)"
SCRIPT_IMAGE = "data:text/html,<script>alert(1)</script>"
STRANGE_STATUS = "DREAMING"

STATUS_WORDS = {
    "queued": "SUBMITTED",
    "running": "IN_PROGRESS",
    "succeeded": "SUCCESS",
    "failed": "FAILURE",
    "strange": STRANGE_STATUS,
}


def qhaigc(plan: Plan, kind: str, moment: Moment, media: str) -> Body:
    """https://www.qhaigc.net/docs: camelCase clips, createTime in milliseconds, start_time always 0."""
    lyrics = _lyrics(plan, kind, moment)
    if kind == "lyrics":
        payload: Any = lyrics
    elif moment.clips is None:
        payload = None
    else:
        payload = [
            _qhaigc_clip(plan, kind, moment, position, state, media) for position, state in enumerate(moment.clips)
        ]
    return {
        "task_id": plan.task_id,
        "action": "LYRICS" if kind == "lyrics" else "GENERATIONS",
        "status": "PENDING" if moment.stage == "queued" else STATUS_WORDS[moment.stage],
        "fail_reason": moment.fail_reason,
        "submit_time": int(moment.submitted),
        "start_time": 0,
        "finish_time": int(moment.finished),
        "progress": f"{moment.progress}%",
        "data": payload,
    }


def _qhaigc_clip(plan: Plan, kind: str, moment: Moment, position: int, state: ClipState, media: str) -> Body:
    clip_id = plan.clip_ids[position]
    is_script = kind == "fault-script"
    stream: str | None = f"{media}/stream/{clip_id}"
    image: str | None = f"{media}/{clip_id}.jpeg"
    audio: str | None = ""
    source: str | None = ""
    if state == "complete":
        audio = _sound_url(kind, clip_id, media)
        source = f"{media}/source/{clip_id}.mp3" if _is_sound(kind) else audio
    elif state == "silent":
        audio = source = stream = image = None
    elif state == "error":
        stream = ""
    return {
        "id": clip_id,
        "tags": plan.song.tags,
        "title": SCRIPT_TITLE if is_script else plan.song.title,
        # The published answer shows a backslash and an n, not a line break.
        "prompt": plan.song.lyrics.replace("\n", "\\n"),
        "audioUrl": audio,
        "duration": DURATIONS[plan.sounds[position]] if state == "complete" else 0,
        "imageUrl": SCRIPT_IMAGE if is_script else image,
        "modelName": plan.song.model,
        "createTime": int((moment.finished or moment.started) * 1000),
        "sourceAudioUrl": source,
        "sourceImageUrl": SCRIPT_IMAGE if is_script else image,
        "streamAudioUrl": SCRIPT_AUDIO if is_script else stream,
        "sourceStreamAudioUrl": SCRIPT_AUDIO if is_script else stream,
    }


def relay(plan: Plan, kind: str, moment: Moment, media: str) -> Body:
    """The aggregator's `GET /suno/fetch/{task_id}`: snake_case, clip times as strings of digits."""
    return _suno_task(plan, kind, moment, media, with_history=False)


def huiyan(plan: Plan, kind: str, moment: Moment, media: str) -> Body:
    """Huiyan's `GET /suno/fetch/{task_id}`: as the relay's, with two history fields in each clip."""
    return _suno_task(plan, kind, moment, media, with_history=True)


def _suno_task(plan: Plan, kind: str, moment: Moment, media: str, *, with_history: bool) -> Body:
    payload: Any = None
    if kind == "lyrics":
        payload = _lyrics(plan, kind, moment)
    elif moment.clips is not None:
        payload = [
            _suno_clip(plan, kind, moment, position, state, media) for position, state in enumerate(moment.clips)
        ]
        if with_history:
            for clip in payload:
                clip["history"] = None
                clip["concat_history"] = None
    is_new = with_history and moment.stage == "queued"
    return {
        "task_id": plan.task_id,
        "action": "LYRICS" if kind == "lyrics" else "MUSIC",
        "status": "NOT_START" if is_new else STATUS_WORDS[moment.stage],
        "fail_reason": moment.fail_reason,
        "submit_time": int(moment.submitted),
        "start_time": int(moment.started),
        "finish_time": int(moment.finished),
        "progress": f"{moment.progress}%",
        "data": payload,
    }


# status and state of a clip, in the words of the published documents
_CLIP_WORDS: dict[ClipState, tuple[str, str]] = {
    "streaming": ("streaming", "running"),
    "complete": ("complete", "succeeded"),
    "silent": ("complete", "succeeded"),
    "error": ("error", "failed"),
}


def _suno_clip(plan: Plan, kind: str, moment: Moment, position: int, state: ClipState, media: str) -> Body:
    clip_id = plan.clip_ids[position]
    is_script = kind == "fault-script"
    is_silent = state == "silent"
    image = SCRIPT_IMAGE if is_script else None if is_silent else f"{media}/{clip_id}.jpeg"
    audio: str | None = {
        "streaming": f"{media}/stream/{clip_id}",
        "complete": _sound_url(kind, clip_id, media),
        "error": f"{media}/None.mp3",
    }.get(state)
    status, state_word = _CLIP_WORDS[state]
    return {
        "id": clip_id,
        "mv": plan.song.model,
        "msg": moment.fail_reason if state == "error" else "",
        "tags": plan.song.tags,
        "state": state_word,
        "title": SCRIPT_TITLE if is_script else plan.song.title,
        "prompt": plan.song.lyrics,
        "status": status,
        "clip_id": clip_id,
        "task_id": f"{plan.task_id}_{position + 1}",
        "duration": round(DURATIONS[plan.sounds[position]]) if state == "complete" else None,
        "audio_url": audio,
        "image_url": image,
        "video_url": SCRIPT_AUDIO if is_script else None if is_silent else "",
        "continue_at": None,
        "create_time": str(int(moment.started)),
        "update_time": str(int(moment.finished or moment.started)),
        "image_large_url": image,
        "continue_clip_id": None,
        "gpt_description_prompt": plan.song.description,
    }


def _is_sound(kind: str) -> bool:
    return kind not in ("expired", "fault-script") and not kind.startswith("badsound-")


def _sound_url(kind: str, clip_id: str, media: str) -> str:
    if kind == "fault-script":
        return SCRIPT_AUDIO
    if kind == "expired":
        return f"{media}/expired/{clip_id}.mp3"
    if kind.startswith("badsound-"):
        return f"{media}/fault/{kind.removeprefix('badsound-')}/{clip_id}.mp3"
    return f"{media}/{clip_id}.mp3"


def _lyrics(plan: Plan, kind: str, moment: Moment) -> Body | None:
    if kind != "lyrics" or moment.stage != "succeeded":
        return None
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, plan.task_id)),
        "text": plan.song.lyrics,
        "title": plan.song.title,
        "status": "complete",
        "tags": plan.song.tags.split(", "),
        "error_message": "",
    }
