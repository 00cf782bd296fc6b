"""What the board asks for: ids to track, and which tasks to show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from tracker.models import Credential, MusicTask
from tracker.models.tasks import Shelf
from tracker.pasting import MAX_IDS, Pasted, read_pasted
from tracker.providers import PROVIDERS


class PastedField(forms.CharField):
    """A text in which a person's clipboard was emptied; NUL and other rubbish is theirs to send."""

    def to_python(self, value: Any) -> str:
        return (super().to_python(value) or "").replace("\x00", " ")


class TrackForm(forms.Form):
    """Ids in any dress, and the credential to ask with. ``pasted`` holds what was read."""

    ids = PastedField(strip=False, error_messages={"required": _("Paste at least one task id.")})
    credential = forms.UUIDField(
        error_messages={"required": _("Choose a credential."), "invalid": _("Choose a credential.")}
    )

    def __init__(self, data: Mapping[str, Any] | None, *, credentials: Sequence[Credential]) -> None:
        super().__init__(data)
        self._credentials = {credential.public_id: credential for credential in credentials}
        self.pasted = Pasted()

    def clean_ids(self) -> tuple[str, ...]:
        self.pasted = pasted = read_pasted(self.cleaned_data["ids"])
        if pasted.has_too_many or pasted.is_cut:
            raise ValidationError(
                _("%(count)s ids are too many at once: up to %(limit)s can be tracked. Nothing was tracked yet.")
                if not pasted.is_cut
                else _("This text is too long: up to %(limit)s ids can be tracked at once. Nothing was tracked yet."),
                params={"count": len(pasted.ids), "limit": MAX_IDS},
            )
        if not pasted.ids:
            raise ValidationError(_("There is no task id in this text."))
        return pasted.ids

    def clean_credential(self) -> Credential:
        credential = self._credentials.get(self.cleaned_data["credential"])
        if credential is None:
            raise ValidationError(_("This credential can no longer be used. Choose another one."))
        return credential


PAGE_SIZE = 50
_MAX_ID = 2**63 - 1
_NARROWING = ("provider", "credential", "person", "q")


@dataclass(frozen=True, slots=True)
class BoardFilter:
    """Which tasks the board shows; all of it stands in the address. What makes no sense is left out."""

    state: str = ""
    provider: str = ""
    credential: UUID | None = None
    person: int | None = None
    q: str = ""
    before: int | None = None
    after: int | None = None

    @classmethod
    def read(cls, query: QueryDict) -> BoardFilter:
        before, after = _number(query.get("before")), _number(query.get("after"))
        return cls(
            state=_one_of(query.get("state"), Shelf.values),
            provider=_one_of(query.get("provider"), list(PROVIDERS)),
            credential=_uuid(query.get("credential")),
            person=_number(query.get("person")),
            q=(query.get("q") or "").replace("\x00", "").strip()[:200],
            before=before,
            after=None if before else after,
        )

    @property
    def is_narrow(self) -> bool:
        """Something besides the state is asked for, so that the counts on the chips would not fit."""
        return any(getattr(self, name) for name in _NARROWING)

    @property
    def is_plain(self) -> bool:
        """The newest tasks of all: where new ones appear."""
        return not (self.state or self.is_narrow or self.before or self.after)

    @property
    def narrowings(self) -> int:
        """How many of the filters behind the button are set."""
        return sum(bool(value) for value in (self.provider, self.credential, self.person))

    @property
    def without_filters(self) -> str:
        return self.query(provider="", credential=None, person=None)

    def apply(self, tasks: QuerySet[MusicTask]) -> QuerySet[MusicTask]:
        """``tasks`` narrowed down, the newest first (the oldest first after ``after``)."""
        wanted = {
            "shelf": self.state,
            "provider": self.provider,
            "credential__public_id": self.credential,
            "added_by": self.person,
            "pk__lt": self.before,
            "pk__gt": self.after,
        }
        tasks = tasks.filter(**{name: value for name, value in wanted.items() if value})
        if self.q:
            tasks = tasks.search(self.q)  # type: ignore[attr-defined]
        return tasks.order_by("pk" if self.after else "-pk")

    def query(self, **changes: Any) -> str:
        """The address's query with ``changes``; a changed filter starts at the newest again."""
        changed = replace(self, **{"before": None, "after": None, **changes})
        values = {name: getattr(changed, name) for name in ("state", *_NARROWING, "before", "after")}
        return "?" + urlencode({name: value for name, value in values.items() if value})


def _one_of(value: str | None, choices: Sequence[str]) -> str:
    return value if value in choices else ""  # type: ignore[return-value]


def _number(value: str | None) -> int | None:
    if not value or not value.isascii() or not value.isdigit() or len(value) > 19:
        return None
    return min(int(value), _MAX_ID)


def _uuid(value: str | None) -> UUID | None:
    try:
        return UUID(value or "")
    except ValueError:
        return None
