"""What musicboard keeps. Rules live here and on the querysets; constraints in the database guard them."""

from __future__ import annotations

from tracker.models.activity import Activity
from tracker.models.archive import ArchivedFile, ArchiveHealth, ClipArchive
from tracker.models.credentials import Credential
from tracker.models.health import PollerBeat, PollTally
from tracker.models.invitations import Invitation
from tracker.models.recording import Answer, Claim, claim, record, release
from tracker.models.roles import MAY, Act, Role
from tracker.models.search import LibraryEntry
from tracker.models.shares import ShareLink
from tracker.models.tasks import Clip, MusicTask, TaskEvent, TaskText
from tracker.models.teams import EntryLink, Membership, Team, User

__all__ = [
    "MAY",
    "Act",
    "Activity",
    "Answer",
    "ArchiveHealth",
    "ArchivedFile",
    "Claim",
    "Clip",
    "ClipArchive",
    "Credential",
    "EntryLink",
    "Invitation",
    "LibraryEntry",
    "Membership",
    "MusicTask",
    "PollTally",
    "PollerBeat",
    "Role",
    "ShareLink",
    "TaskEvent",
    "TaskText",
    "Team",
    "User",
    "claim",
    "record",
    "release",
]
