"""Why a request to GitHub failed: one class for each thing that an operator does about it.

GitHubError
├── CredentialRejected   401: replace the token or key
├── Forbidden            403 that is no limit: give the permission, role, scope or SSO authorisation
├── NotFound             404: check name, permission, installation and plan (GitHub hides what it does not show)
├── Retired              410: switch the collector off
├── RateLimited          403 or 429 by a limit: nothing, the quota pool resumes; use less if it stays
│   └── OverBudget       no request was sent, our own budget is used up: nothing; raise it or use less if it stays
├── Unavailable          5xx, network, TLS, timeout: nothing, the next run tries again
│   └── LinkExpired      a signed link is refused: nothing, a new one is asked for; if that fails, see the firewall
└── Invalid              a reply that cannot be read, or that we refuse (size, pages, foreign link)
    ├── HostRefused      a signed link to a host that the configuration does not allow: allow it
    └── Refused          400 and 422: see what GitHub says about the request

This is the only place for such advice: log, status page and `doctor` show `hint`. One status has several causes; where
GitHub's words show which (`github/refusals.py`), the error has the hint of that cause instead of its class's.

Messages are shown to people (log, status page): they never hold a URL's query, a token or a body.
"""

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

OutcomeState = Literal["ok", "forbidden", "not_found", "retired", "rate_limited", "unavailable", "invalid"]
"""Values of the label `state` of `github_exporter_endpoint_state`."""
Reason = Literal["credential", "forbidden", "not_found", "retired", "rate_limited", "unavailable", "invalid"]
"""Values of the label `reason` of `github_exporter_collector_errors_total`."""


class GitHubError(Exception):
    """A request that returned no data. `str()` is one line for the operator, `hint` what to do about it.

    `title` names the failure in a heading, `runbook` is the name of its page in `docs/runbooks`. A hint is a sentence
    without capital and full stop; lines to be pasted, if any, follow its first line.
    """

    state: ClassVar[OutcomeState]
    reason: ClassVar[Reason]
    title: ClassVar[str]
    runbook: ClassVar[str]
    hint: str

    def __init__(self, message: str = "", hint: str = "") -> None:
        super().__init__(message)
        if hint:
            self.hint = hint


class CredentialRejected(GitHubError):
    """401: the token is wrong, expired or revoked."""

    state = "forbidden"
    reason = "credential"
    title = "GitHub rejects the credential"
    runbook = "GithubCredentialRejected"
    hint = "replace the token; its file is read again when it changes"


class Forbidden(GitHubError):
    """403 without any sign of a limit."""

    state = "forbidden"
    reason = "forbidden"
    title = "forbidden"
    runbook = "GithubCollectorFailing"
    hint = "give the credential what this endpoint needs: a permission, role, scope or SSO authorisation"


class NotFound(GitHubError):
    """404: unknown, not shown to this credential, or not part of the plan."""

    state = "not_found"
    reason = "not_found"
    title = "not found"
    runbook = "GithubCollectorFailing"
    hint = (
        "check the target's name, the credential's permission (without it GitHub answers 404, too), that a GitHub App "
        "is installed there, and that the plan has this feature"
    )


class Retired(GitHubError):
    """410: GitHub closed the endpoint."""

    state = "retired"
    reason = "retired"
    title = "closed by GitHub"
    runbook = "GithubEndpointRetired"
    hint = "GitHub closed this endpoint; switch the collector off"


class RateLimited(GitHubError):
    """A primary or secondary limit; no request is sent before `until` (epoch seconds, GitHub's clock)."""

    state = "rate_limited"
    reason = "rate_limited"
    title = "rate limited"
    runbook = "GithubCollectorUnavailable"
    hint = (
        "nothing to do, the quota pool resumes when the limit resets; if this stays: longer intervals, a smaller "
        "budget.share, or a GitHub App, which has quotas of its own"
    )

    def __init__(self, message: str, until: float) -> None:
        super().__init__(message)
        self.until = until


class OverBudget(RateLimited):
    """Our own budget, or the reserve for others, does not allow the request; it does not count as an attempt."""

    hint = "nothing to do, runs resume when the budget allows; if this stays: a larger budget.share or longer intervals"


class Unavailable(GitHubError):
    """GitHub, or the way to it, failed: 5xx, network, TLS, timeout."""

    state = "unavailable"
    reason = "unavailable"
    title = "unavailable"
    runbook = "GithubCollectorUnavailable"
    hint = (
        "nothing to do if it passes, the next run tries again; else do what the message says, or check network, DNS, "
        "proxy and ca_file"
    )


class Invalid(GitHubError):
    """A reply that cannot be read, or that we refuse: too large, too many pages, a link outside the API root."""

    state = "invalid"
    reason = "invalid"
    title = "unusable reply"
    runbook = "GithubCollectorUnavailable"
    hint = "do what the message says; else remove options that narrow the request, upgrade, or report it"


class HostRefused(Invalid):
    """A signed link to a host that `download_hosts` does not allow; `hosts` is what it allows."""

    hint = "allow the host in the collector's download_hosts, if GitHub keeps report files there"

    def __init__(self, message: str, host: str, hosts: Sequence[str]) -> None:
        super().__init__(message)
        self._host, self._hosts = host, hosts

    def set_collector(self, name: str, variable: str) -> None:
        """Complete the hint: whose `download_hosts` it is, and the environment variable of that setting."""
        hosts = [*self._hosts, self._host]
        self.hint = (
            f"allow {self._host}, if GitHub keeps report files there (a firewall's page is none):\n"
            f"collectors:\n  {name}:\n    download_hosts: {json.dumps(hosts)}\n"
            f"# or, without a file: {variable}='{','.join(hosts)}'"
        )


class Refused(Invalid):
    """400 or 422: GitHub understood the request and refuses it."""

    hint = "see GitHub's message; if the collector has options that narrow the request, remove them"


class LinkExpired(Unavailable):
    """A signed link that is refused (401, 403, 404, 410): it has expired, or something on the way forbids its host.

    The caller asks GitHub once for a new link.
    """

    def __init__(self, message: str, host: str) -> None:
        super().__init__(
            message, f"a new link was refused, too: if this stays, let https to {host} through the firewall or proxy"
        )


BY_REASON: Mapping[Reason, type[GitHubError]] = {
    kind.reason: kind for kind in (CredentialRejected, Forbidden, NotFound, Retired, RateLimited, Unavailable, Invalid)
}
"""The class of a failure of which only the reason is known, as in the state."""
_GENERAL: Sequence[type[GitHubError]] = (*BY_REASON.values(), OverBudget, Refused, HostRefused)
GENERAL_HINTS = frozenset(kind.hint for kind in _GENERAL)
"""The hints that follow from a status alone; any other hint is that of a known cause."""
