"""What is asked for a share: how long, with which password, and what a stranger may do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tracker.models import Clip, ShareLink
from tracker.models.shares import ShareLinkQuerySet
from tracker.share_pages import date_text, version_names

PAGE_SIZE = 50
LONGEST = timedelta(days=3653)
KEEP, ON_DATE, NEVER = "keep", "date", "never"
DAYS = {
    "1": gettext_lazy("1 day"),
    "7": gettext_lazy("7 days"),
    "30": gettext_lazy("30 days"),
    "90": gettext_lazy("90 days"),
}
SWITCHES = ("allow_download", "show_lyrics", "show_prompt", "allow_embed")


class ShareForm(forms.Form):
    """A new link. What it asks for is in ``limits()``, ``chosen_clips()`` and ``new_password()``."""

    title = forms.CharField(
        label=gettext_lazy("Heading"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("Stands above the player. Empty: the song’s own title."),
    )
    expiry = forms.ChoiceField(label=gettext_lazy("How long"), initial="30")
    expires_on = forms.DateField(
        label=gettext_lazy("Last day"), required=False, widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d")
    )
    password = forms.CharField(
        label=gettext_lazy("Password"),
        required=False,
        strip=False,
        min_length=6,
        max_length=128,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
        help_text=gettext_lazy("Optional. Tell it apart from the link, by another way."),
    )
    allow_download = forms.BooleanField(
        label=gettext_lazy("Download"), required=False, help_text=gettext_lazy("The songs can be kept as files.")
    )
    show_lyrics = forms.BooleanField(
        label=gettext_lazy("Lyrics"), required=False, initial=True, help_text=gettext_lazy("The words stand below.")
    )
    show_prompt = forms.BooleanField(
        label=gettext_lazy("Prompt"), required=False, help_text=gettext_lazy("What the song was asked for with.")
    )
    allow_embed = forms.BooleanField(
        label=gettext_lazy("Embedding"),
        required=False,
        help_text=gettext_lazy("Other sites may show the player in a frame. Not together with a password."),
    )
    clips = forms.MultipleChoiceField(
        label=gettext_lazy("Songs"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("None chosen: all of them, those that are still to come too."),
        error_messages={"invalid_choice": gettext_lazy("This song does not belong to the task. Choose again.")},
    )

    def __init__(self, data: Mapping[str, Any] | None, *, clips: Sequence[Clip], initial: Any = None) -> None:
        super().__init__(data, initial=initial)
        self._clips = {str(clip.public_id): clip for clip in clips}
        names = version_names(clips, "")
        self.fields["clips"].choices = list(zip(self._clips, names, strict=True))  # type: ignore[attr-defined]
        self.fields["expiry"].choices = self.expiries()  # type: ignore[attr-defined]
        self.fields["expires_on"].widget.attrs["min"] = timezone.localdate().isoformat()

    def expiries(self) -> list[tuple[str, Any]]:
        return [*DAYS.items(), (ON_DATE, _("Until a day")), (NEVER, _("Until revoked"))]

    def clean_expires_on(self) -> date | None:
        day: date | None = self.cleaned_data["expires_on"]
        if self.cleaned_data.get("expiry") != ON_DATE:
            return None
        if day is None:
            raise ValidationError(_("Choose the last day."))
        if day < timezone.localdate():
            raise ValidationError(_("This day is over. Choose today or a day to come."))
        if day > timezone.localdate() + LONGEST:
            raise ValidationError(_("That is more than ten years away. Choose “Until revoked” instead."))
        return day

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if cleaned.get("allow_embed") and self.will_have_password():
            self.add_error("allow_embed", _("A link with a password cannot be embedded. Choose one of the two."))
        return cleaned

    def will_have_password(self) -> bool:
        return bool(self.cleaned_data.get("password"))

    def limits(self, now: datetime) -> dict[str, Any]:
        """The link's fields as they were asked for; to be called on a valid form."""
        fields = {name: self.cleaned_data[name] for name in ("title", *SWITCHES)}
        expiry = self.cleaned_data["expiry"]
        return fields if expiry == KEEP else {**fields, "expires_at": self._end(expiry, now)}

    def _end(self, expiry: str, now: datetime) -> datetime | None:
        if expiry == NEVER:
            return None
        if expiry in DAYS:
            return now + timedelta(days=int(expiry))
        # A day is open to its end, where the person lives.
        after: date = self.cleaned_data["expires_on"] + timedelta(days=1)
        return timezone.make_aware(datetime.combine(after, time.min)) - timedelta(seconds=1)

    def chosen_clips(self) -> list[Clip]:
        return [self._clips[chosen] for chosen in self.cleaned_data["clips"]]

    def new_password(self) -> str | None:
        return self.cleaned_data["password"] or None


class ShareEditForm(ShareForm):
    """A link that is there already: its end and its password stay, unless others are asked for."""

    remove_password = forms.BooleanField(label=gettext_lazy("Ask for no password any more"), required=False)

    def __init__(self, data: Mapping[str, Any] | None, *, link: ShareLink, clips: Sequence[Clip]) -> None:
        self.link = link
        chosen = [str(clip.public_id) for clip in link.clips.all()]
        initial = {name: getattr(link, name) for name in ("title", *SWITCHES)}
        super().__init__(data, clips=clips, initial={**initial, "expiry": KEEP, "clips": chosen})
        if link.password:
            self.fields["password"].label = _("New password")
            self.fields["password"].help_text = _("Empty: it stays as it is. A new one locks out whoever knew the old.")
        else:
            del self.fields["remove_password"]

    def expiries(self) -> list[tuple[str, Any]]:
        end = self.link.expires_at
        stays = _("As it is: until %(date)s") % {"date": date_text(end)} if end else _("As it is: until revoked")
        return [(KEEP, stays), *super().expiries()]

    def will_have_password(self) -> bool:
        if super().will_have_password():
            return True
        return bool(self.link.password) and not self.cleaned_data.get("remove_password")

    def new_password(self) -> str | None:
        return super().new_password() or ("" if self.cleaned_data.get("remove_password") else None)


@dataclass(frozen=True, slots=True)
class ShareFilter:
    """Which links the list shows; all of it stands in the address. What makes no sense is left out."""

    state: str = ""
    before: int | None = None
    after: int | None = None

    @classmethod
    def read(cls, query: QueryDict) -> ShareFilter:
        state = query.get("state", "")
        before, after = _number(query.get("before")), _number(query.get("after"))
        return cls(state if state in ShareLink.State.values else "", before, None if before else after)

    def apply(self, links: ShareLinkQuerySet, now: datetime) -> ShareLinkQuerySet:
        """``links`` narrowed down, the newest first (the oldest first after ``after``)."""
        if self.state:
            links = links.in_state(self.state, now)
        wanted = {"pk__lt": self.before, "pk__gt": self.after}
        links = links.filter(**{name: value for name, value in wanted.items() if value})
        return links.order_by("pk" if self.after else "-pk")

    def query(self, *, before: int | None = None, after: int | None = None) -> str:
        values = {"state": self.state, "before": before, "after": after}
        return "?" + "&".join(f"{name}={value}" for name, value in values.items() if value)


def _number(value: str | None) -> int | None:
    return int(value) if value and value.isascii() and value.isdigit() and len(value) <= 18 else None


def read_ids(values: Sequence[str]) -> list[UUID]:
    """The chosen links; raises ValueError for what is no id."""
    return [UUID(value) for value in dict.fromkeys(values[: 2 * PAGE_SIZE])]
