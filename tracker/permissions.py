"""What a person's role lets them do, asked by views before anything else."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied

from tracker.middleware import PersonRequest
from tracker.models import Act, Membership


def require(request: PersonRequest, act: Act) -> Membership:
    """The person's place in the team they look at. 403 for somebody who is in none, or may not do ``act``."""
    membership = request.membership
    if membership is None or not membership.may(act):
        raise PermissionDenied
    return membership
