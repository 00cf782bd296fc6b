"""Forms for credentials. A key that was typed is read here and never written back into a page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext

from tracker.checking import outbound_policy, try_key
from tracker.models import Credential, Membership
from tracker.models.credentials import CredentialQuerySet
from tracker.outbound import BAD_KEY, check_base_url
from tracker.providers import ErrorKind, Provider, ProviderError, get_provider, provider_choices
from tracker.secrets import SealBrokenError

KEY_MAX_LENGTH = BASE_URL_MAX_LENGTH = 500

FORBIDDEN_ADDRESS = _(
    "This address lies in a private or reserved network. musicboard only asks public addresses; whoever runs it can "
    "open a network with OUTBOUND_ALLOW_NETS."
)
BASE_URL_ERRORS = {
    "bad_characters": _("This address contains a character that web addresses cannot have."),
    "not_http": _("The address begins with https:// (or http://)."),
    "userinfo": _("Leave out what stands before the @; the key has a field of its own."),
    "query": _("Leave out everything from the ? or # on."),
    "no_host": _("This address names no server."),
    "bad_host": _("This address names no server."),
    "bad_port": _("The port in this address is not valid."),
    "forbidden_address": FORBIDDEN_ADDRESS,
}


def base_url_for(provider: Provider) -> str | None:
    """The address that is asked for ``provider``; None where the person types it.

    ``PROVIDER_BASE_URLS`` puts another one, such as a mirror's or the demo's, in the place of the provider's own.
    """
    return settings.PROVIDER_BASE_URLS.get(provider.slug) or provider.base_url


class KeyField(forms.CharField):
    """A key: one line of printable ASCII. A pasted ``Bearer`` in front of it is taken off."""

    def __init__(self, **kwargs: Any) -> None:
        attributes = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}
        super().__init__(label=_("Key"), widget=forms.PasswordInput(attrs=attributes), **kwargs)

    def clean(self, value: Any) -> str:
        key: str = re.sub(r"^bearer\s+", "", super().clean(value), flags=re.IGNORECASE)
        if len(key) > KEY_MAX_LENGTH:
            raise ValidationError(_("This is too long for a key: at most 500 characters."), code="long")
        if re.search(r"[\r\n]", key):
            raise ValidationError(
                _("There is a line break in this key. Paste the key alone, in one line."), code="lines"
            )
        if re.search(r"\s", key):
            raise ValidationError(_("There is a space in this key. Paste the key alone."), code="space")
        if not re.fullmatch(r"[!-~]*", key):
            raise ValidationError(
                _("A key has plain letters, digits and signs only. Copy it again from the provider's page."),
                code="ascii",
            )
        return key


class ProviderSelect(forms.Select):
    """Marks the providers whose address a person types, so that the stylesheet shows the field for them alone."""

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option = super().create_option(name, value, *args, **kwargs)
        if base_url_for(get_provider(str(value))) is None:
            option["attrs"]["data-types-base-url"] = True
        return option


class CredentialForm(forms.Form):
    """A new credential."""

    provider = forms.ChoiceField(label=_("Provider"), choices=provider_choices, widget=ProviderSelect)
    label = forms.CharField(label=_("Name"), max_length=80, help_text=_("How you tell it from your other keys."))
    base_url = forms.CharField(
        label=_("Base URL"),
        required=False,
        max_length=BASE_URL_MAX_LENGTH,
        widget=forms.TextInput(
            attrs={"inputmode": "url", "autocomplete": "off", "spellcheck": "false", "placeholder": "https://"}
        ),
    )
    key = KeyField(error_messages={"required": _("Type the key.")})
    team_may_use = forms.BooleanField(
        label=_("Lend it to the team"),
        required=False,
        help_text=_("Colleagues can track tasks with it, and never see the key. You see who used it for what."),
    )

    def __init__(self, *args: Any, membership: Membership, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.membership = membership
        labels = pgettext("list", ", ").join(
            label for slug, label in provider_choices() if base_url_for(get_provider(slug)) is None
        )
        self.fields["base_url"].help_text = _("Only for: %(providers)s. The others have a fixed address.") % {
            "providers": labels
        }

    @property
    def chosen_provider(self) -> Provider | None:
        slug = self.cleaned_data.get("provider")
        return get_provider(slug) if slug else None

    def clean_label(self) -> str:
        label: str = self.cleaned_data["label"]
        if self._namesakes().filter(label=label).exists():
            raise _taken()
        return label

    def clean_base_url(self) -> str:
        provider = self.chosen_provider
        fixed = base_url_for(provider) if provider else None
        typed = fixed or self.cleaned_data["base_url"]
        if provider is None:
            return typed
        if not typed:
            raise ValidationError(_("Type the address of your relay."), code="required")
        return clean_base_url(typed, provider)

    def save(self) -> Credential | None:
        """The new credential; None, with an error at the field, where the name was taken this very moment."""
        credential = Credential(
            team=self.membership.team,
            owner=self.membership.user,
            provider=self.cleaned_data["provider"],
            label=self.cleaned_data["label"],
            base_url=self.cleaned_data["base_url"],
            team_may_use=self.cleaned_data["team_may_use"],
        )
        credential.seal(self.cleaned_data["key"])
        try:
            with transaction.atomic():
                credential.save()
        except IntegrityError:
            self.add_error("label", _taken())
            return None
        return credential

    def to_test(self) -> tuple[Provider, str, str]:
        """Provider, address and key of a form without errors."""
        return get_provider(self.cleaned_data["provider"]), self.cleaned_data["base_url"], self.cleaned_data["key"]

    def _namesakes(self) -> CredentialQuerySet:
        return Credential.objects.owned_by(self.membership.user, self.membership.team)


class CredentialEditForm(CredentialForm):
    """A credential that is there: its key can be replaced, but not read. An empty key keeps the stored one."""

    stamp = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, credential: Credential, **kwargs: Any) -> None:
        initial = {
            "label": credential.label,
            "base_url": credential.base_url,
            "team_may_use": credential.team_may_use,
            "stamp": stamp_of(credential),
        }
        super().__init__(*args, initial=initial, **kwargs)
        self.credential = credential
        del self.fields["provider"]
        self.has_fixed_address = base_url_for(credential.provider_format) is not None
        if self.has_fixed_address:
            del self.fields["base_url"]
        else:
            self.fields["base_url"].help_text = _(
                "To change the address, enter the key again: it would be sent to a new address."
            )
        self.fields["key"].required = False
        self.fields["key"].label = _("New key")
        self.fields["key"].help_text = _("Leave it empty to keep the stored key.")

    @property
    def chosen_provider(self) -> Provider:
        return self.credential.provider_format

    @property
    def new_base_url(self) -> str:
        """Where the key would be sent after saving."""
        typed: str = self.cleaned_data.get("base_url") or ""
        fixed = base_url_for(self.chosen_provider) if self.cleaned_data.get("key") else None
        return fixed or typed or self.credential.base_url

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if self._would_send_stored_key_elsewhere():
            anew = _("Enter the key again: it would be sent to a new address.")
            self.add_error("key", ValidationError(anew, code="key_anew"))
        if cleaned.get("stamp") != stamp_of(self.credential):
            # The answer carries the new stamp, so that sending the form once more is a decision.
            self.data = {**{name: self.data.get(name) for name in self.data}, "stamp": stamp_of(self.credential)}
            stale = _(
                "This credential was changed in the meantime, perhaps in another window. Check what you typed, "
                "then save again."
            )
            self.add_error(None, ValidationError(stale, code="stale"))
        return cleaned

    def _would_send_stored_key_elsewhere(self) -> bool:
        cleaned = self.cleaned_data
        return "key" in cleaned and not cleaned["key"] and self.new_base_url != self.credential.base_url

    def save(self) -> Credential | None:
        credential, cleaned = self.credential, self.cleaned_data
        credential.label = cleaned["label"]
        try:
            with transaction.atomic():
                credential.save(update_fields=["label"])
        except IntegrityError:
            self.add_error("label", _taken())
            return None
        credential.lend(to_team=cleaned["team_may_use"])
        if cleaned["key"]:
            credential.replace_key(cleaned["key"], base_url=self.new_base_url, now=timezone.now())
        return credential

    def to_test(self) -> tuple[Provider, str, str]:
        """Raises :class:`tracker.secrets.SealBrokenError` where the stored key is needed and cannot be opened."""
        return self.chosen_provider, self.new_base_url, self.cleaned_data["key"] or self.credential.reveal()

    def _namesakes(self) -> CredentialQuerySet:
        return super()._namesakes().exclude(pk=self.credential.pk)


def stamp_of(credential: Credential) -> str:
    """Changes with whatever the form can change; tells nothing about it."""
    text = "\n".join([credential.label, credential.base_url, credential.sealed_key, str(credential.team_may_use)])
    return salted_hmac("tracker.credential_forms", text).hexdigest()[:32]


def clean_base_url(text: str, provider: Provider) -> str:
    """The base URL as it is kept. Raises ValidationError in words for the person."""
    try:
        url = check_base_url(text, outbound_policy())
        if _is_this_machine(url):
            check_base_url("http://127.0.0.1", outbound_policy())
    except ValueError as error:
        code = str(error)
        raise ValidationError(BASE_URL_ERRORS.get(code, BASE_URL_ERRORS["bad_host"]), code=code) from None
    if len(url) > BASE_URL_MAX_LENGTH:
        raise ValidationError(BASE_URL_ERRORS["bad_host"], code="long")
    # Whoever pastes the address of a question means what stands before it.
    return url.partition(provider.task_request("0").path.removesuffix("/0"))[0]


def _is_this_machine(url: str) -> bool:
    """RFC 6761: these names are loopback wherever they are looked up."""
    host = urlsplit(url).hostname or ""
    return host == "localhost" or host.endswith((".localhost", ".localdomain"))


def _taken() -> ValidationError:
    return ValidationError(_("You have a credential of this name already."), code="taken")


# Testing a key ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a test found, in words for the person."""

    works: bool
    words: str
    said: str = ""
    """What the provider said itself."""


NOT_A_PROVIDER = _("Something answers at %(host)s, but not as %(provider)s does. Check the address.")
WORDS_OF_KIND = {
    ErrorKind.QUOTA: _("%(provider)s knows this key, but its account has no credit left."),
    ErrorKind.RATE_LIMITED: _(
        "The address is right, but %(provider)s is limiting requests right now (429). Test again in a minute."
    ),
    ErrorKind.UNREADABLE: NOT_A_PROVIDER,
}
WORDS_OF_CAUSE = {
    "address": _("%(host)s cannot be reached: there is no such name, or nothing answers there. Check the address."),
    "forbidden_address": _(
        "%(host)s leads to a private or reserved network. musicboard only asks public addresses; whoever runs it can "
        "open a network with OUTBOUND_ALLOW_NETS."
    ),
    "html": _(
        "%(host)s answers with a web page instead of data. Check the address: it is that of the API, not of the site."
    ),
    "not_json": NOT_A_PROVIDER,
    "redirect": _("%(host)s redirects to another address. Enter the final address."),
    "server_error": _("%(host)s has a server error (%(status)s). The key could not be tested; try again later."),
    "timeout": _("%(host)s did not answer in time. It may be down, or the address may be wrong."),
    "tls": _("%(host)s has no certificate that can be trusted, or does not speak https. Check the address."),
    "too_large": NOT_A_PROVIDER,
    "wrong_path": _(
        "%(host)s does not know this address (%(status)s). Leave out what follows the server's name, or ask for its "
        "base URL."
    ),
}
STATUS_UNKNOWN = _("%(host)s answered with an error (%(status)s). The key could not be tested.")


def verdict_for(form: CredentialForm) -> Verdict:
    """Try what stands in ``form``: the typed key or, where none was typed, the stored one at its own address.

    Errors at the name stay out of it; nothing is saved.
    """
    form.is_valid()
    for field in ("label", "stamp", NON_FIELD_ERRORS):
        form.errors.pop(field, None)
    if form.errors:
        return Verdict(works=False, words=next(str(error) for errors in form.errors.values() for error in errors))
    try:
        provider, base_url, key = form.to_test()
    except SealBrokenError:
        return Verdict(works=False, words=str(_("The stored key can no longer be opened. Type the key.")))
    return try_verdict(provider, base_url, key)


def try_verdict(provider: Provider, base_url: str, key: str) -> Verdict:
    """Ask ``provider`` at ``base_url`` whether it takes ``key``."""
    names = {"provider": provider.label, "host": urlsplit(base_url).netloc}
    error = try_key(provider=provider.slug, base_url=base_url, key=key)
    if error is None:
        return Verdict(works=True, words=_("It works: %(provider)s takes this key.") % names)
    names["status"] = str(error.http_status or "?")
    return Verdict(works=False, words=str(_words_of(error)) % names, said=error.message if error.http_status else "")


def _words_of(error: ProviderError) -> Any:
    if error.cause == "bad_key":
        return _(BAD_KEY)
    if error.kind == ErrorKind.KEY_REFUSED:
        return _("%(provider)s refused this key (%(status)s).")
    return WORDS_OF_KIND.get(error.kind) or WORDS_OF_CAUSE.get(error.cause) or STATUS_UNKNOWN
