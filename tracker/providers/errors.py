"""The two errors that reading a provider's answer may raise, and nothing else."""

from __future__ import annotations

from enum import StrEnum


class ErrorKind(StrEnum):
    """Why there is no snapshot; each kind has its own consequence for the task or the credential."""

    KEY_REFUSED = "key_refused"
    """401 or 403: the credential rests until its key is replaced."""
    QUOTA = "quota"
    """The account has no credit left: the credential rests."""
    UNKNOWN_TASK = "unknown_task"
    """The provider does not know this id: final after several tries."""
    RATE_LIMITED = "rate_limited"
    """Too many requests: wait for ``retry_after`` seconds."""
    TRANSIENT = "transient"
    """Down, slow, HTML, truncated: try again later and touch nothing known."""
    UNREADABLE = "unreadable"
    """JSON that holds neither a task nor a known error: try again later."""


class ProviderError(Exception):
    """A provider gave no snapshot.

    ``message`` is the provider's own text or a short English cause, without keys; ``http_status`` is the
    answer's status where there was one; ``retry_after`` is in seconds.
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str = "",
        *,
        http_status: int | None = None,
        retry_after: float | None = None,
        cause: str = "",
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.http_status = http_status
        self.retry_after = retry_after
        self.cause = cause
        """For transport faults a stable word: ``timeout``, ``address`` (name or connection), ``broke_off``,
        ``forbidden_address``, ``too_large``, ``tls``, ``html``, ``not_json``, ``server_error``,
        ``wrong_path`` (the base URL leads elsewhere); empty otherwise."""
        self.was_redirected = False
        """Met at an address that a redirect led to."""

    def __repr__(self) -> str:
        return f"ProviderError({self.kind.value!r}, {self.message!r}, http_status={self.http_status!r})"


class WireError(ValueError):
    """The answer has a shape that no provider of this format is known to send."""
