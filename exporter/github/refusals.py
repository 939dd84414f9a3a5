"""Finds the cause of a refusal: a status has several causes, and each needs another fix. Pure.

GitHub has no error codes, so its message is searched for words that are likely to survive a rewording. The text of a
cause is ours and names no person, so it is shown under every `privacy`.

https://docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from exporter.errors import CredentialRejected, Forbidden, Invalid, NotFound
from exporter.github.decoding import decode_json

BODY_READ = 64 * 1024
OLDEST_VERSION = "2022-11-28"
"""The version that every server knows: https://docs.github.com/rest/about-the-rest-api/api-versions"""


class Cause(NamedTuple):
    """A cause of refusals: what is wrong, for a message, and what to do about it."""

    what: str
    hint: str


EXPIRED = Cause(
    "the token has expired",
    "make a new token on GitHub (Settings, Developer settings, Personal access tokens) and put it into the file; the "
    "file is read again when it changes",
)
NO_TOKEN = Cause(
    "GitHub saw no token that it takes here",
    "check that no proxy on the way removes the Authorization header, and that the api_url is the one that the token "
    "was made for",
)
LOGIN_ATTEMPTS = Cause(
    "GitHub refuses all logins for a while, because too many with a wrong token came before",
    "replace the wrong token, here or in another program of the same user or address; it is tried again in an hour",
)
SUSPENDED = Cause(
    "the account or the App's installation is suspended",
    "have it unsuspended: an App's installation by an owner of the organization (Settings, GitHub Apps, Configure), a "
    "user by an administrator of the enterprise or by GitHub's support",
)
ADDRESS = Cause(
    "an IP allow list does not let this machine's address in",
    "have an owner add the address from which this machine (or its proxy) reaches GitHub to the list (Settings of "
    "the organization or enterprise, Authentication security, IP allow list)",
)
SIGN_ON = Cause(
    "the token is not authorised for the organization's single sign-on (SSO)",
    "authorise the token for single sign-on: its user opens https://github.com/settings/tokens, then Configure SSO "
    "beside the token, then Authorize; an App needs none",
)
LIFETIME = Cause(
    "the token lives longer than the organization or enterprise allows",
    "make a token with a shorter lifetime, as the policy says (Settings of the organization or enterprise, Personal "
    "access tokens), or use a GitHub App, which needs none",
)
OAUTH_APP = Cause(
    "the organization restricts access by OAuth apps",
    "have an owner approve the OAuth app that made the token (Settings of the organization, Third-party access, OAuth "
    "app policy), or use a personal access token or a GitHub App",
)
TOKEN_KIND = Cause(
    "the organization or enterprise forbids this kind of token",
    "use another kind of token, best a GitHub App, or have an owner allow this kind (Settings of the organization or "
    "enterprise, Personal access tokens)",
)
POLICY = Cause(
    "a policy or setting of the organization or enterprise switches this feature or its API off",
    "have an owner switch it on in the policies of the enterprise or organization (for Copilot: AI controls, Copilot, "
    "“Copilot usage metrics”: Enabled everywhere), or switch the collector off",
)
PAYMENT = Cause(
    "something is wrong with the payment of the organization or enterprise",
    "have an owner or billing manager look at Billing and licensing in its settings",
)
PLAN = Cause(
    "the plan, or the licences bought, do not have this feature",
    "switch the collector off for this target, or have the plan upgraded (Settings, Billing and licensing)",
)
APP_PERMISSION = Cause(
    "the GitHub App lacks a permission",
    "give the App the permission that this endpoint needs (the App's settings, Permissions & events), then have an "
    "owner accept it (Settings of the organization or enterprise, GitHub Apps, Review request)",
)
TOKEN_PERMISSION = Cause(
    "the fine-grained token lacks a permission, or an owner has not approved it yet",
    "give the token the permission that this endpoint needs (https://github.com/settings/personal-access-tokens), with "
    "the organization as its resource owner, and have an owner approve it (Settings of the organization, Personal "
    "access tokens, Pending requests)",
)
SCOPE = Cause(
    "the token lacks a scope",
    "give the token the scope that this endpoint needs (https://github.com/settings/tokens)",
)
ROLE = Cause(
    "the token's user lacks the role that this endpoint asks for",
    "use a token of an owner or administrator, or give its user the role that this endpoint needs; an App needs its "
    "permission instead",
)
USER_AGENT = Cause(
    "the request was refused by a rule about requests, not about the credential",
    "check that no proxy on the way removes or changes headers such as User-Agent",
)
VERSION_UNKNOWN = Cause(
    "this server does not know the API version that was asked for",
    f'write api_version: "{OLDEST_VERSION}" in this credential: an appliance knows 2026-03-10 '
    "from GitHub Enterprise Server 3.21 on",
)
VERSION_ENDED = Cause(
    "GitHub no longer supports the API version that was asked for",
    'write a newer api_version in this credential, such as "2026-03-10", or update the exporter',
)
NOT_THE_API = Cause(
    "the answer is none of GitHub's API",
    "check api_url: https://api.github.com, https://api.SUBDOMAIN.ghe.com or, of an appliance, https://HOST/api/v3; if "
    "it is right, a proxy, a firewall or a login page on the way answers instead",
)

_KINDS_OF_PAT = r"\b(?:personal access tokens?|fine-grained|classic)\b"
_FORBIDS = (
    r"\b(?:forbid|prohibit|block|disallow|restrict|disabl)\w*|"
    r"(?:\bnot|n't|\bcannot) (?:be )?(?:allow|permit|accept|support|use)\w*"
)
_REFUSED = frozenset({403, 404, 422})
# The first match counts. Real messages, and where they were seen, are in `tests/unit/test_refusals.py`.
_WORDS: tuple[tuple[frozenset[int], str, Cause], ...] = (
    (
        frozenset({400}),
        r"\bversion\b.*support|support.*\bversion\b|\b(?:unknown|invalid)\b.*\bversion\b",
        VERSION_UNKNOWN,
    ),
    (frozenset({410}), r"\bversion\b", VERSION_ENDED),
    (frozenset({401}), r"\bexpired\b", EXPIRED),
    (frozenset({401}), r"\brequires? (?:you to be )?authenticat|\bmust (?:be )?authenticate", NO_TOKEN),
    (frozenset({401, 403}), r"\bsuspended\b", SUSPENDED),
    (frozenset({403}), r"\blogin attempts\b", LOGIN_ATTEMPTS),
    (frozenset({403}), r"\buser-agent\b|\badministrative rules\b", USER_AGENT),
    (_REFUSED, r"\bip allow|\ballow[- ]?list|\bip (?:address )?(?:is )?(?:not|restrict|block)|\bip address\b", ADDRESS),
    (_REFUSED, r"\bsaml\b|\bsso\b|\bsingle[- ]sign[- ]?on\b|\bidentity provider\b", SIGN_ON),
    (_REFUSED, r"\btokens?\b.*\b(?:lifetime|expiration|expiry|expires?)\b|\blifetime\b.*\btoken", LIFETIME),
    (_REFUSED, r"\boauth\b.*\brestrict|\bthird[- ]part(?:y|ies)\b|\brestrict\w*\b.*\boauth\b", OAUTH_APP),
    (
        _REFUSED,
        rf"(?:{_FORBIDS}).*{_KINDS_OF_PAT}|{_KINDS_OF_PAT}.*(?:{_FORBIDS})",
        TOKEN_KIND,
    ),
    (_REFUSED, r"\bpayments?\b|\bcredit card\b|\b(?:over|past) ?due\b|\bbilling (?:problem|issue|error)", PAYMENT),
    (
        _REFUSED,
        r"\bpolic(?:y|ies)\b|\b(?:must be|not|been) (?:enabled|turned on)\b|\b(?:disabled|turned off|switched off)\b",
        POLICY,
    ),
    (
        _REFUSED,
        r"\bupgrade\b|\bplans?\b|\bsubscription|\blicen[cs]e|\benterprise cloud\b|\bpurchase|\bnot available\b",
        PLAN,
    ),
    (frozenset({403}), r"\bby (?:this )?(?:integration|github app|app)\b|\bintegration\b", APP_PERMISSION),
    (frozenset({403}), r"\bby (?:this )?(?:fine-grained )?personal access token\b|\bfine-grained\b", TOKEN_PERMISSION),
    (frozenset({403}), r"\bscopes?\b", SCOPE),
    (
        frozenset({403}),
        r"\badmin(?:s|istrators?)?\b|\bowners?\b|\broles?\b|\brights\b|\bmembers?\b|\bmanagers?\b|\bauthorized\b",
        ROLE,
    ),
)
_CAUSES = tuple((statuses, re.compile(words), cause) for statuses, words, cause in _WORDS)
_QUOTES = dict.fromkeys(map(ord, "\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}`"), "'")
# Names are in quotes, and may be words such as `sso`. An apostrophe after a letter is not an opening quote.
_NAMES = re.compile(r"(?<!\w)(?:'[^']{0,100}'|\"[^\"]{0,100}\"|“[^”]{0,100}”)(?!\w)")
_URLS = re.compile(r"https?://\S+")
_PERMISSIONS = frozenset(cause.hint for cause in (APP_PERMISSION, TOKEN_PERMISSION, SCOPE, ROLE))


def message_of(body: bytes) -> str:
    """GitHub's message in a body; empty if there is none. Never raises."""
    try:
        answer = decode_json(body) if len(body) <= BODY_READ else None
    except Invalid:
        return ""
    message = answer.get("message") if isinstance(answer, dict) else None
    return message if isinstance(message, str) else ""


def is_web_page(body: bytes) -> bool:
    """Whether a body is a web page: it begins with `<`, as no JSON does."""
    return body[:256].removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")


def cause_of(status: int, headers: Mapping[str, str], body: bytes) -> Cause | None:
    """Why GitHub refused; None if its message does not say. Never raises. `headers` have lower-case names."""
    message = message_of(body)
    redirect = 300 <= status < 400 and status != 304
    if redirect or status == 406 or (status < 500 and is_web_page(body)) or (status == 404 and not message):
        return NOT_THE_API
    if status in _REFUSED and "x-github-sso" in headers:
        return SIGN_ON
    with_names = _URLS.sub(" ", message[:2000].translate(_QUOTES)).lower()
    for text in (_NAMES.sub(" ", with_names), with_names):
        line = " ".join(text.split())
        for statuses, words, cause in _CAUSES:
            if status in statuses and words.search(line):
                return cause
    return None


def of_permission(hint: str) -> bool:
    """Whether a hint is about what the credential may do."""
    return hint in _PERMISSIONS or hint in (Forbidden.hint, NotFound.hint)


def may_be_temporary(error: object) -> bool:
    """Whether an error may be temporary, because some servers do not know a new token yet: 401, or 403 for permissions.

    https://github.com/octokit/auth-app.js/issues/65, https://github.com/octokit/auth-app.js/issues/589
    """
    return isinstance(error, CredentialRejected) or (isinstance(error, Forbidden) and of_permission(error.hint))
