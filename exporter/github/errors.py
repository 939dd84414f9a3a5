"""What can go wrong between us and GitHub; one class for each thing an operator does about it.

GitHubError
├── CredentialRejected   401: replace the token
├── Forbidden            403 that is no limit: give the permission, role, scope or SSO authorisation
├── NotFound             404: check the name, the permission or the plan (GitHub hides what it does not show)
├── Retired              410: switch the collector off
├── RateLimited          403 or 429 by a limit: nothing, it waits; lower the use if it stays
│   └── OverBudget       nothing was asked: our own budget is spent; raise it or lower the use if it stays
├── Unavailable          5xx, network, TLS, timeout: nothing, it is tried again
│   └── LinkExpired      a signed link that its host takes no more: nothing, a new one is asked for
└── Invalid              an answer that cannot be read, or that we refuse (size, pages, foreign link)
    └── Refused          400 and 422: see what GitHub says about the request

`state` is the value of `github_exporter_endpoint_state`, `reason` that of `github_exporter_collector_errors_total`.
Messages are shown to people (log, status page): they never hold a URL's query, a token or a body.
"""

from typing import ClassVar, Literal

State = Literal["ok", "forbidden", "not_found", "retired", "rate_limited", "unavailable", "invalid"]
Reason = Literal["credential", "forbidden", "not_found", "retired", "rate_limited", "unavailable", "invalid"]


class GitHubError(Exception):
    """A request that did not give data. `str()` is one line for the operator, `hint` what to do about it."""

    state: ClassVar[State]
    reason: ClassVar[Reason]
    hint: ClassVar[str]


class CredentialRejected(GitHubError):
    """401: the token is wrong, expired or revoked."""

    state = "forbidden"
    reason = "credential"
    hint = "replace the token; its file is read again when it changes"


class Forbidden(GitHubError):
    """403 without any sign of a limit."""

    state = "forbidden"
    reason = "forbidden"
    hint = "give the credential the permission, role or SSO authorisation that this endpoint needs"


class NotFound(GitHubError):
    """404: unknown, not shown to this credential, or not part of the plan."""

    state = "not_found"
    reason = "not_found"
    hint = "check the name, the credential's permission and that the feature is part of the plan"


class Retired(GitHubError):
    """410: GitHub closed the endpoint."""

    state = "retired"
    reason = "retired"
    hint = "GitHub closed this endpoint; switch the collector off"


class RateLimited(GitHubError):
    """A primary or secondary limit; nothing is asked before `until` (epoch seconds, GitHub's clock)."""

    state = "rate_limited"
    reason = "rate_limited"
    hint = "nothing to do: the quota pool waits; lower intervals or budget if this stays"

    def __init__(self, message: str, until: float) -> None:
        super().__init__(message)
        self.until = until


class OverBudget(RateLimited):
    """Our own budget, or the reserve that is left to others, does not allow the request; it is no attempt."""

    hint = "nothing to do: it waits for its budget; raise budget.share or lengthen intervals if this stays"


class Unavailable(GitHubError):
    """GitHub, or the way to it, failed: 5xx, network, TLS, timeout."""

    state = "unavailable"
    reason = "unavailable"
    hint = "nothing to do if it passes; else check network, proxy, DNS and the certificate authority (ca_file)"


class Invalid(GitHubError):
    """An answer that cannot be read, or that is refused: too large, too many pages, a link outside the API root."""

    state = "invalid"
    reason = "invalid"
    hint = "see the message; an answer like this is not used, the last good one stays"


class Refused(Invalid):
    """400 or 422: GitHub understood the request and does not want it."""

    hint = "see GitHub's message; if the collector has options that narrow the request, take them out"


class LinkExpired(Unavailable):
    """A signed link that its host takes no more (401, 403, 404, 410); GitHub gives a new one."""
