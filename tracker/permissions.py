"""What a person's role lets them do, asked by views before anything else."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied

from tracker.middleware import PersonRequest
from tracker.models import Membership


def require_member(request: PersonRequest) -> Membership:
    """The person's place in a team. 403 for somebody who is in none."""
    if request.membership is None:
        raise PermissionDenied
    return request.membership


def require_tracking(request: PersonRequest) -> Membership:
    """The same, for what a viewer may not do: add tasks and keep credentials."""
    membership = require_member(request)
    if not membership.can_track:
        raise PermissionDenied
    return membership
