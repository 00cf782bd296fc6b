"""What musicboard keeps. Rules live here and on the querysets; constraints in the database guard them."""

from __future__ import annotations

from tracker.models.credentials import Credential
from tracker.models.recording import Answer, Claim, claim, record, release
from tracker.models.tasks import Clip, MusicTask, TaskEvent, TaskText
from tracker.models.teams import EntryLink, Membership, Role, Team, User

__all__ = [
    "Answer",
    "Claim",
    "Clip",
    "Credential",
    "EntryLink",
    "Membership",
    "MusicTask",
    "Role",
    "TaskEvent",
    "TaskText",
    "Team",
    "User",
    "claim",
    "record",
    "release",
]
