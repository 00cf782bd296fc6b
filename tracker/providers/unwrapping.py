"""From a decoded answer to snapshots: where the tasks are, where their songs are, and what each field says.

The same clip stands under many wrappers: relays answer ``{code, message, data: task}``, the original
``Suno-API`` answers a single task as the bare list of its clips, sunoapi.org nests
``data.response.sunoData``, key4u nests a second envelope. Keys that only a task or only a clip has decide
what an object is; everything else is opened, at most four levels deep.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias, TypeVar

from tracker.providers.errors import ProviderError, WireError
from tracker.providers.reading import (
    CALLBACK_WORDS,
    Fields,
    clean,
    first_name,
    first_text,
    first_url,
    read_clip_state,
    read_duration,
    read_lyrics,
    read_name,
    read_progress,
    read_reason,
    read_status,
    read_tags,
    read_text,
    read_time,
    read_url,
    still_streams,
)
from tracker.providers.refusal import decode
from tracker.providers.snapshot import ClipSnapshot, ClipState, Lyrics, TaskKind, TaskSnapshot, TaskStatus

DEEPEST = 4
"""How many wrappers may lie between an envelope and its task, and between a task and its clips."""

_TASK_KEYS = frozenset({"submit_time", "fail_reason", "action", "taskId", "jobId", "callbackType"})
_MEDIA_KEYS = (
    "audio_url", "audioUrl", "cld2AudioUrl", "source_audio_url", "sourceAudioUrl",
    "stream_audio_url", "streamAudioUrl", "source_stream_audio_url", "sourceStreamAudioUrl",
    "image_url", "imageUrl", "cld2ImageUrl", "image_large_url", "imageLargeUrl", "cover_url",
    "video_url", "videoUrl", "cld2VideoUrl",
)  # fmt: skip
_CLIP_KEYS = frozenset({*_MEDIA_KEYS, "metadata"})
_ID_KEYS = frozenset({"clip_id", "clipId", "musicId", "audio_id", "id"})
_EARLY_CLIP_KEYS = frozenset({"status", "state", "title"})
_WRAPPERS = ("data", "response", "sunoData", "items", "clips", "musics", "result", "output")

TASK_ID_KEYS = ("task_id", "taskId", "jobId")
_STATUS_KEYS = ("status", "state", "callbackType")
_FAIL_KEYS = ("errorMessage", "error_message", "error", "msg", "message")
_NO_REASONS = frozenset({"success", "ok"})
_SUBMITTED_KEYS = ("submit_time", "submitTime", "created_at", "createTime", "create_time", "createdAt")
_STARTED_KEYS = ("start_time", "startTime")
_FINISHED_KEYS = ("finish_time", "finishTime", "end_time", "completeTime")

_STATE_KEYS = ("status", "state")
_FAILED_CLIP_KEYS = ("msg", "progressMsg")
_UNFINISHED = (ClipState.QUEUED, ClipState.RUNNING)


class _Spellings(NamedTuple):
    """For each field of a clip the keys it may stand under; the first that holds anything counts."""

    clip_id: tuple[str, ...] = ("clip_id", "clipId", "musicId", "audio_id", "id")
    tags: tuple[str, ...] = ("tags", "style")
    lyrics: tuple[str, ...] = ("lyric", "lyrics", "text", "prompt")
    description: tuple[str, ...] = ("gpt_description_prompt", "gptDescriptionPrompt")
    duration: tuple[str, ...] = ("duration",)
    model: tuple[str, ...] = ("mv", "model_name", "modelName", "model", "major_model_version")
    state: tuple[str, ...] = _STATE_KEYS
    created_at: tuple[str, ...] = ("created_at", "createTime", "create_time", "createdAt")
    error: tuple[str, ...] = ("error_message", "errorMessage", "error_type")
    # `media_urls` is left alone: what it points to is reported to be encrypted.
    audio: tuple[str, ...] = (
        "audio_url", "audioUrl", "cld2AudioUrl", "url", "source_audio_url", "sourceAudioUrl",
    )  # fmt: skip
    stream: tuple[str, ...] = (
        "stream_audio_url", "streamAudioUrl", "source_stream_audio_url", "sourceStreamAudioUrl",
    )  # fmt: skip
    image: tuple[str, ...] = (
        "image_url", "imageUrl", "cld2ImageUrl", "cover_url",
        "image_large_url", "imageLargeUrl", "source_image_url", "sourceImageUrl",
    )  # fmt: skip
    video: tuple[str, ...] = ("video_url", "videoUrl", "cld2VideoUrl")


_SPELLINGS = _Spellings()


@lru_cache(maxsize=64)
def _spellings_among(keys: tuple[str, ...]) -> _Spellings:
    """The spellings that an object with these keys uses; a provider's clips all have the same keys."""
    return _Spellings(*(tuple(key for key in field if key in keys) for field in _SPELLINGS))


T = TypeVar("T")
Object: TypeAlias = dict[str, Any]


# -- Envelopes -------------------------------------------------------------------------------------


def read_tasks(document: object, *, task_id: str | None = None) -> list[TaskSnapshot]:
    """The tasks of an answer that was not refused; ``task_id`` is what was asked for, if it was one task.

    A bare list of clips, a bare lyrics object and an empty answer are the task that was asked for. Raises
    `WireError` where there is no task.
    """
    asked_id = read_name(clean(task_id)) if task_id else None
    if tasks := find_tasks(document):
        return [read_task(task, asked_id=asked_id, told=_told(document)) for task in tasks]
    content = _content(document)
    clips, lyrics = find_content(content)
    if clips or lyrics:
        return [_read_bare(clips, lyrics, asked_id)]
    if content is None or content in ("", [], {}):
        # Suno-API answers a task that has nothing to show yet with the nothing itself.
        return [TaskSnapshot(task_id=asked_id)] if asked_id else []
    if submitted_id := _submitted_id(content):
        return [TaskSnapshot(task_id=submitted_id, status=TaskStatus.QUEUED)]
    raise WireError("The answer holds neither a task nor songs.")


def find_tasks(document: object) -> list[Object]:
    """The task objects of an answer, as the provider sent them."""
    tasks: list[Object] = []
    _collect_tasks(document, tasks, DEEPEST)
    return tasks


def find_content(value: object) -> tuple[list[Object], list[Object]]:
    """The clip objects and the lyrics objects under any wrappers, as the provider sent them."""
    clips: list[Object] = []
    lyrics: list[Object] = []
    _collect(value, clips, lyrics, DEEPEST)
    return clips, lyrics


def _collect_tasks(value: object, tasks: list[Object], depth: int) -> None:
    if type(value) is dict:
        if _is_task(value):
            tasks.append(value)
        elif depth and _CLIP_KEYS.isdisjoint(value):
            for key in _WRAPPERS:
                if inner := value.get(key):
                    _collect_tasks(_opened(inner), tasks, depth - 1)
    elif type(value) is list:
        for item in value:
            if type(item) is dict:
                _collect_tasks(item, tasks, depth)


def _is_task(fields: Object) -> bool:
    if not _TASK_KEYS.isdisjoint(fields):
        return True
    # Published clips carry `task_id` and `status` as well, so those two decide only where no clip key stands.
    return "task_id" in fields and ("status" in fields or "data" in fields) and _CLIP_KEYS.isdisjoint(fields)


def _collect(value: object, clips: list[Object], lyrics: list[Object], depth: int) -> None:
    if type(value) is str:
        value = _opened(value)
    if type(value) is list:
        for item in value:
            if type(item) is dict:
                _collect(item, clips, lyrics, depth)
    elif type(value) is dict:
        if not _CLIP_KEYS.isdisjoint(value):
            clips.append(value)
        elif "text" in value:
            lyrics.append(value)
        elif not (depth and _collect_wrapped(value, clips, lyrics, depth - 1)) and _is_early_clip(value):
            clips.append(value)


def _collect_wrapped(fields: Object, clips: list[Object], lyrics: list[Object], depth: int) -> bool:
    """Collects what stands under the wrappers of an object; whether it has any."""
    has_any = False
    for key in _WRAPPERS:
        if inner := fields.get(key):
            has_any = True
            _collect(_listed(inner) if key == "clips" else inner, clips, lyrics, depth)
    return has_any


def _is_early_clip(fields: Object) -> bool:
    """Before there is anything to hear or see, a clip may be an id and a state."""
    return not (_ID_KEYS.isdisjoint(fields) or _EARLY_CLIP_KEYS.isdisjoint(fields))


def _listed(clips: object) -> object:
    """A map of clips by id, as GoAPI sends it, as a list."""
    if type(clips) is not dict or not _CLIP_KEYS.isdisjoint(clips):
        return clips
    return [{"id": clip_id, **clip} for clip_id, clip in clips.items() if type(clip) is dict]


def _opened(value: object) -> object:
    """JSON that was sent as a string, decoded; everything else as it is."""
    if type(value) is not str or not value.startswith(("{", "[")):
        return value
    try:
        return decode(value.encode())
    except (ProviderError, WireError):
        return None


def _content(document: object) -> object:
    """What an envelope without a task object carries; what has no envelope carries itself."""
    if type(document) is list and document:
        return document
    if type(document) is not dict:
        raise WireError("The answer is no JSON object.")
    if "text" in document or not _CLIP_KEYS.isdisjoint(document):
        return document
    for key in _WRAPPERS:
        if key in document:
            return document[key]
    raise WireError("The answer holds no data.")


def _submitted_id(content: object) -> str | None:
    """The id in an answer to a submission, which is all that such an answer holds."""
    name = read_name(content) if type(content) is str else None
    return name if name and len(name) <= 255 and not any(char.isspace() for char in name) else None


def _told(document: object) -> str | None:
    """The envelope's own message, which is where callbacks of sunoapi.org tell why a task failed."""
    told = first_text(document, ("msg", "message")) if type(document) is dict else None
    return None if told and told.lower() in _NO_REASONS else read_reason(told)


# -- Tasks -----------------------------------------------------------------------------------------


def read_task(task: Object, *, asked_id: str | None = None, told: str | None = None) -> TaskSnapshot:
    """One task object.

    ``asked_id`` names a task that does not name itself; ``told`` is the last place to look for the reason of
    a failure. A task without a word for its status is ``unknown``, whatever its clips say, unless it has
    AceData's ``success``.

    The status is what the provider said. Some say success before the addresses of the songs are there; whoever
    records the snapshot decides how long to wait for them.
    """
    found: list[Object] = []
    wrote: list[Object] = []
    _collect_wrapped(task, found, wrote, DEEPEST)
    word = first_name(task, _STATUS_KEYS)
    status = _status_of_task(task, word)
    clips = tuple(read_clip(clip, status) for clip in found)
    if word is None and task.get("success") is True and clips:
        status, _ = _status_of_clips(found, clips)
    action = read_text(task.get("action"))
    kind = _kind(clips, wrote, action)
    if status is TaskStatus.UNKNOWN and word and word.upper() == "CALLBACK_EXCEPTION":
        # Their call to the submitter failed; the songs may well be there.
        status = TaskStatus.SUCCEEDED if any(clip.playable for clip in clips) else TaskStatus.FAILED
    reason = read_reason(task.get("fail_reason"))
    if reason is None and status is TaskStatus.FAILED:
        reason = _why_failed(task, clips, wrote) or told
    return TaskSnapshot(
        task_id=first_name(task, TASK_ID_KEYS) or asked_id,
        action=action,
        kind=kind,
        status=status,
        raw_status=word,
        progress=read_progress(task.get("progress")),
        fail_reason=reason,
        submitted_at=_first(read_time, task, _SUBMITTED_KEYS),
        started_at=_first(read_time, task, _STARTED_KEYS),
        finished_at=_first(read_time, task, _FINISHED_KEYS),
        lyrics=_written(wrote),
        clips=clips,
    )


def _read_bare(found: list[Object], wrote: list[Object], asked_id: str | None) -> TaskSnapshot:
    """The task whose clips or lyrics were sent without it: its status follows from theirs."""
    clips = tuple(read_clip(clip, None) for clip in found)
    lyrics = _written(wrote)
    status, word = _status_of_clips(found, clips) if clips else _status_of_lyrics(wrote, lyrics)
    return TaskSnapshot(
        task_id=asked_id,
        kind=TaskKind.MUSIC if clips else TaskKind.LYRICS,
        status=status,
        raw_status=word,
        fail_reason=_why_failed({}, clips, wrote) if status is TaskStatus.FAILED else None,
        lyrics=lyrics,
        clips=clips,
    )


def _status_of_task(task: Object, word: str | None) -> TaskStatus:
    if word is None:
        # AceData has no word for the status, only whether it went wrong.
        went_wrong = task.get("success") is False or task.get("error")
        return TaskStatus.FAILED if went_wrong else TaskStatus.UNKNOWN
    if "callbackType" in task and word in CALLBACK_WORDS:
        return CALLBACK_WORDS[word]
    return read_status(word)


def _status_of_clips(found: list[Object], clips: tuple[ClipSnapshot, ...]) -> tuple[TaskStatus, str | None]:
    """What the clips of a bare list make of their task, and the word of the first one that is not done."""
    words = [first_name(clip, _STATE_KEYS) for clip in found]
    for word in words:
        if word and read_clip_state(word) is None:
            return TaskStatus.UNKNOWN, word
    states = [clip.state for clip in clips]
    undone = next((index for index, state in enumerate(states) if state is not ClipState.COMPLETE), 0)
    if ClipState.RUNNING in states or ClipState.QUEUED in states:
        waiting = ClipState.RUNNING not in states and ClipState.COMPLETE not in states
        status = TaskStatus.QUEUED if waiting else TaskStatus.RUNNING
    elif ClipState.COMPLETE not in states:
        status = TaskStatus.FAILED
    else:
        status = TaskStatus.SUCCEEDED
    return status, words[undone]


def _status_of_lyrics(wrote: list[Object], lyrics: Lyrics | None) -> tuple[TaskStatus, str | None]:
    word = first_name(wrote[0], _STATE_KEYS)
    if word is None:
        return (TaskStatus.SUCCEEDED if lyrics and lyrics.text else TaskStatus.UNKNOWN), None
    return read_status(word), word


def _kind(clips: tuple[ClipSnapshot, ...], wrote: list[Object], action: str | None) -> TaskKind:
    """What was sent decides; relays print the action LYRICS over songs, so it counts only over nothing."""
    if clips:
        return TaskKind.MUSIC
    return TaskKind.LYRICS if wrote or (action and "LYRIC" in action.upper()) else TaskKind.MUSIC


def _written(wrote: list[Object]) -> Lyrics | None:
    for fields in wrote:
        if text := read_lyrics(fields["text"]):
            return Lyrics(title=read_text(fields.get("title")), text=text, tags=read_tags(fields.get("tags")))
    return None


def _why_failed(task: Object, clips: tuple[ClipSnapshot, ...], wrote: list[Object]) -> str | None:
    """The first reason for a failure outside ``fail_reason``: the task's, its payload's, then its clips'."""
    places = [task, task.get("data"), *wrote]
    for place in places:
        if type(place) is dict:
            for key in ("fail_reason", *_FAIL_KEYS):
                value = place.get(key)
                reason = read_reason(value.get("message") if type(value) is dict else value)
                if reason and reason.lower() not in _NO_REASONS:
                    return reason
    return next((clip.error for clip in clips if clip.error), None)


def _first(read: Callable[[object], T | None], fields: Fields, keys: tuple[str, ...]) -> T | None:
    """The first of several spellings of a key that holds anything `read` can read."""
    for key in keys:
        value = fields.get(key)
        if value and (found := read(value)):
            return found
    return None


# -- Clips -----------------------------------------------------------------------------------------


def read_clip(clip: Object, task_status: TaskStatus | None) -> ClipSnapshot:
    """One clip object of a task that stands at ``task_status``; ``None`` where the clip came without a task.

    An address under an audio key counts as a finished file unless it is known to stream, or the clip says
    that it is not done while its task is not either.
    """
    keys = _spellings_among(tuple(clip))
    state = read_clip_state(first_name(clip, keys.state))
    audio_urls, stream_url = _read_sound(clip, keys, state, task_status)
    audio_url = audio_urls[0] if audio_urls else None
    error = read_reason(first_text(clip, keys.error)) if keys.error else None
    metadata = clip.get("metadata")
    more = _read_metadata(metadata) if type(metadata) is dict else _NO_METADATA
    if state is None:
        state = _guess_state(audio_url, stream_url, more.error or error, task_status)
    if error is None and state is ClipState.FAILED:
        error = read_reason(first_text(clip, _FAILED_CLIP_KEYS))
    return ClipSnapshot(
        clip_id=first_name(clip, keys.clip_id),
        title=read_text(clip.get("title")),
        tags=_first(read_tags, clip, keys.tags) or more.tags,
        lyrics=_first(read_lyrics, clip, keys.lyrics) or more.lyrics,
        description=first_text(clip, keys.description) or more.description,
        duration_seconds=read_duration(clip.get("duration")) or more.duration_seconds,
        model=first_text(clip, keys.model),
        state=state,
        error=more.error or error,
        audio_url=audio_url,
        more_audio_urls=audio_urls[1:],
        stream_url=stream_url,
        image_url=first_url(clip, keys.image),
        video_url=first_url(clip, keys.video),
        created_at=_first(read_time, clip, keys.created_at),
    )


def _read_sound(
    clip: Object, keys: _Spellings, state: ClipState | None, task_status: TaskStatus | None
) -> tuple[tuple[str, ...], str | None]:
    """The addresses of the finished file, the best first, and of the stream, each where there is one."""
    stream_url = first_url(clip, keys.stream)
    finished: tuple[str, ...] = ()
    for key in keys.audio:
        value = clip[key]
        url = read_url(value) if value else None
        if url is None:
            continue
        if still_streams(url) or (task_status is not TaskStatus.SUCCEEDED and _may_grow(value, clip, keys, state)):
            # Beside a finished file nobody asks for the stream under another name.
            stream_url = stream_url if finished else stream_url or url
        elif url not in finished:
            finished = (*finished, url)
    return finished, stream_url


def _may_grow(value: object, clip: Object, keys: _Spellings, state: ClipState | None) -> bool:
    """Whether an address is that of an unfinished song: the clip says so, or streams from the same address."""
    return state in _UNFINISHED or (state is None and any(clip[key] == value for key in keys.stream))


def _guess_state(
    audio_url: str | None, stream_url: str | None, error: str | None, task_status: TaskStatus | None
) -> ClipState:
    """The state of a clip that names none, or one we do not know."""
    if audio_url:
        return ClipState.COMPLETE
    if error or (task_status is TaskStatus.FAILED and not stream_url):
        return ClipState.FAILED
    if stream_url or task_status not in (TaskStatus.QUEUED, None):
        return ClipState.RUNNING
    return ClipState.QUEUED


_NO_METADATA = ClipSnapshot()


def _read_metadata(metadata: Object) -> ClipSnapshot:
    """What Suno itself nests one level deeper, as a clip of its own."""
    return ClipSnapshot(
        tags=read_tags(metadata.get("tags")),
        lyrics=read_lyrics(metadata.get("prompt")),
        description=first_text(metadata, _SPELLINGS.description),
        duration_seconds=read_duration(metadata.get("duration")),
        error=read_reason(first_text(metadata, _SPELLINGS.error)),
    )
