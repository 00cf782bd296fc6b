"""Icons of the sprite, and what a message may carry besides its words."""

from __future__ import annotations

from collections.abc import Sized
from functools import cache
from uuid import UUID

from django import template
from django.contrib.messages.storage.base import Message
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from tracker.cards import address, short_id

register = template.Library()

UNDO = "undo-"


@register.simple_tag
@cache
def icon(name: str) -> SafeString:
    """The icon ``name`` of ``static/icons.svg``, for the eye only; a page has hundreds, so each is made once."""
    return format_html('<svg class="icon" aria-hidden="true"><use href="{}#{}"/></svg>', static("icons.svg"), name)


@register.filter
def undo_of(message: Message) -> UUID | None:
    """The task that the Undo button of ``message`` brings back."""
    for tag in (message.extra_tags or "").split():
        if tag.startswith(UNDO):
            return UUID(tag.removeprefix(UNDO))
    return None


@register.filter
def initials(name: object) -> str:
    """Letters that stand for a team or a person: ``SN`` for Studio North, the first sign of a Chinese name."""
    words = [word for word in str(name).split() if word[:1].isalnum()]
    if not words:
        return "?"
    return (words[0][0] + (words[1][0] if len(words) > 1 and words[1].isascii() else "")).upper()


@register.filter
def length_over(rows: Sized, most: int) -> int:
    """How many of ``rows`` are left when ``most`` of them are shown."""
    return max(len(rows) - most, 0)


register.filter("short_id", short_id)
register.simple_tag(address, name="address")
