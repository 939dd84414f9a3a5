"""What GitHub's refusals mean: the sentences that people saw, and the same said otherwise."""

import json

import pytest
from _pytest.mark import ParameterSet

from exporter.errors import CredentialRejected, Forbidden, GitHubError, NotFound, Refused, Retired
from exporter.github import refusals
from exporter.github.refusals import Cause
from exporter.github.responses import RequestFailure, meaning_of

# Each is followed by where it was seen.
SEEN: list[ParameterSet] = [
    # https://github.com/aquasecurity/trivy/issues/10567
    pytest.param(
        403,
        "Although you appear to have the correct authorization credentials, the `acme` organization has an IP allow "
        "list enabled, and your IP address is not permitted to access this resource.",
        refusals.ADDRESS,
    ),
    # https://github.com/microsoft/PullRequestQuantifier/issues/118
    pytest.param(
        403,
        "Although you appear to have the correct authorization credentials, the `acme` organization has an IP allow "
        "list enabled, and 192.0.2.7 is not permitted to access this resource",
        refusals.ADDRESS,
    ),
    # https://github.com/ossf/scorecard/issues/1504
    pytest.param(
        403,
        "Resource protected by organization SAML enforcement. You must grant your Personal Access token access to "
        "this organization.",
        refusals.SIGN_ON,
    ),
    # https://github.com/remotion-dev/github-unwrapped/issues/189
    pytest.param(
        403,
        "Resource protected by organization SAML enforcement. You must grant your OAuth token access to an "
        "organization within this business.",
        refusals.SIGN_ON,
    ),
    # https://github.com/NixOS/org/issues/247
    pytest.param(
        403,
        "The 'acme' organization forbids access via a fine-grained personal access tokens if the token's lifetime is "
        "greater than 90 days. Please adjust your token's lifetime at the following URL: "
        "https://github.com/settings/personal-access-tokens/12885303",
        refusals.LIFETIME,
    ),
    # https://github.com/HHS/simpler-grants-gov/issues/2547, for the enterprise
    pytest.param(
        403,
        "The 'acme corp' enterprise forbids access via a fine-grained personal access tokens if the token's lifetime "
        "is greater than 366 days.",
        refusals.LIFETIME,
    ),
    # https://github.com/aeonfun/aeon/issues/1083
    pytest.param(
        403,
        "Although you appear to have the correct authorization credentials, the `acme` organization has enabled OAuth "
        "App access restrictions, meaning that data access to third-parties is limited. For more information on these "
        "restrictions, including how to enable this app, visit https://docs.github.com/articles/restricting-access/",
        refusals.OAUTH_APP,
    ),
    # https://github.com/git-town/git-town/issues/4609
    pytest.param(
        403,
        "`acme` forbids access via a personal access token (classic). Please use a GitHub App, OAuth App, or a "
        "personal access token with fine-grained permissions.",
        refusals.TOKEN_KIND,
    ),
    # https://github.com/mislav/hub/issues/3363
    pytest.param(
        403,
        "`acme` forbids access via a personal access token with fine-grained permissions. Please use a GitHub App, or "
        "an OAuth App.",
        refusals.TOKEN_KIND,
    ),
    # https://docs.github.com/copilot/concepts/copilot-metrics, seen in August and September 2026
    pytest.param(403, "The 'Copilot usage metrics' policy must be enabled to use this API", refusals.POLICY),
    pytest.param(403, "requires admin, or relevant organization role access", refusals.ROLE),
    # https://docs.github.com/rest/copilot/copilot-metrics
    pytest.param(
        422, "Copilot Usage Metrics API setting is disabled at the organization or enterprise level.", refusals.POLICY
    ),
    # https://github.com/github/app/issues/3007
    pytest.param(
        403,
        "You are not authorized to use this Copilot feature, it requires an enterprise or organization policy to be "
        "enabled.",
        refusals.POLICY,
    ),
    # https://docs.github.com/repositories/configuring-branches-and-merges-in-your-repository/managing-rulesets
    pytest.param(403, "Upgrade to GitHub Pro or make this repository public to enable this feature.", refusals.PLAN),
    # https://docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api
    pytest.param(403, "Resource not accessible by integration", refusals.APP_PERMISSION),
    pytest.param(403, "Resource not accessible by personal access token", refusals.TOKEN_PERMISSION),
    pytest.param(
        403,
        "Request forbidden by administrative rules. Please make sure your request has a User-Agent header",
        refusals.USER_AGENT,
    ),
    pytest.param(403, "Must have admin rights to Repository.", refusals.ROLE),
    pytest.param(403, "Maximum number of login attempts exceeded. Please try again later.", refusals.LOGIN_ATTEMPTS),
    pytest.param(403, "Sorry. Your account was suspended. Please contact GitHub Support.", refusals.SUSPENDED),
    pytest.param(403, "This installation has been suspended", refusals.SUSPENDED),
    pytest.param(401, "Requires authentication", refusals.NO_TOKEN),
    pytest.param(401, "This endpoint requires you to be authenticated.", refusals.NO_TOKEN),
    # https://github.com/sindresorhus/notifier-for-github/issues/110, an appliance in private mode
    pytest.param(401, "Must authenticate to access this API.", refusals.NO_TOKEN),
    pytest.param(400, "The version you specified is not a supported version.", refusals.VERSION_UNKNOWN),
    pytest.param(400, "2026-03-10 is not a supported API version.", refusals.VERSION_UNKNOWN),
    pytest.param(410, "This version of the API is no longer supported.", refusals.VERSION_ENDED),
]

REWORDED: list[ParameterSet] = [
    pytest.param(403, "Access denied: an ip allow-list is active for “acme”", refusals.ADDRESS),
    pytest.param(404, "YOUR IP ADDRESS IS NOT ON THE ALLOWLIST OF THE ENTERPRISE", refusals.ADDRESS),
    pytest.param(403, "Authorize your token for single sign-on to see `acme`", refusals.SIGN_ON),
    pytest.param(
        403, "The \u2018acme\u2019 organization doesn\u2019t take a token with a lifetime of a year", refusals.LIFETIME
    ),
    pytest.param(
        403, "`acme` forbids access via a personal access token (classic) that never expires", refusals.LIFETIME
    ),
    pytest.param(403, "This OAuth application is restricted by the organization", refusals.OAUTH_APP),
    pytest.param(
        403, "Fine-grained personal access tokens are not permitted by the 'acme' enterprise", refusals.TOKEN_KIND
    ),
    pytest.param(404, "The Copilot metrics API has been turned off by an enterprise owner", refusals.POLICY),
    pytest.param(403, "Your plan does not include this feature", refusals.PLAN),
    pytest.param(404, "API Insights requires GitHub Enterprise Cloud", refusals.PLAN),
    pytest.param(422, "There is a problem with your payment method", refusals.PAYMENT),
    pytest.param(403, "Your token has not been granted the required scopes", refusals.SCOPE),
    pytest.param(401, "Your personal access token has expired", refusals.EXPIRED),
    pytest.param(400, "Unsupported API version", refusals.VERSION_UNKNOWN),
    pytest.param(403, "Sign in again with your identity provider", refusals.SIGN_ON),
    pytest.param(403, "The acme organization has disabled classic tokens", refusals.TOKEN_KIND),
    pytest.param(403, "Access denied: IP restrictions apply", refusals.ADDRESS),
    # Names in quotes tell nothing.
    pytest.param(403, "You must be an owner of `sso`", refusals.ROLE),
    pytest.param(403, "Resource of 'ip-allow-list' not accessible by integration", refusals.APP_PERMISSION),
]


def given_up(status: int, message: str, *, quoted: bool = True, **headers: str) -> GitHubError:
    body = json.dumps({"message": message, "documentation_url": "https://docs.github.com/rest"}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    found = meaning_of(status, named, body, 0.0, 0, quoted=quoted)
    assert isinstance(found, RequestFailure)
    return found.error


@pytest.mark.parametrize("quoted", [True, False])
@pytest.mark.parametrize(("status", "message", "cause"), SEEN + REWORDED)
def test_a_refusal_has_the_hint_of_its_cause_whatever_may_be_quoted(
    status: int, message: str, cause: Cause, quoted: bool
) -> None:
    error = given_up(status, message, quoted=quoted)
    assert error.hint == cause.hint
    if quoted:
        assert message[:100].replace("\u2018", "") in str(error).replace("\u2018", "")
    else:
        assert str(error) == f"GitHub answers {status}; {cause.what}"
        assert "acme" not in str(error) + error.hint
        assert "192.0.2.7" not in str(error)


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (401, "Bad credentials", CredentialRejected),
        (403, "Forbidden", Forbidden),
        (404, "Not Found", NotFound),
        (410, "Gone", Retired),
        (422, "Validation Failed", Refused),
        (400, "Problems parsing JSON", Refused),
    ],
)
def test_words_that_tell_nothing_leave_the_hint_of_the_status(
    status: int, message: str, kind: type[GitHubError]
) -> None:
    error = given_up(status, message)
    assert type(error) is kind
    assert error.hint == kind.hint


def test_a_cause_changes_neither_state_nor_reason() -> None:
    error = given_up(422, "Copilot Usage Metrics API setting is disabled at the organization or enterprise level.")
    assert (type(error), error.state, error.reason) == (Refused, "invalid", "invalid")


def test_the_header_of_single_sign_on_tells_it_where_words_do_not() -> None:
    link = "required; url=https://github.com/orgs/acme/sso?authorization_request=CANARY"
    error = given_up(404, "Not Found", quoted=False, x_github_sso=link)
    assert error.hint == refusals.SIGN_ON.hint
    assert str(error) == f"GitHub answers 404; {refusals.SIGN_ON.what}"


@pytest.mark.parametrize("body", [b"<!DOCTYPE html><html>", b"\xef\xbb\xbf\n <html>", b"<?xml version='1.0'?>"])
@pytest.mark.parametrize("status", [200, 202, 400, 401, 403, 404, 406, 410, 418])
def test_a_web_page_is_no_answer_of_the_api(status: int, body: bytes) -> None:
    found = meaning_of(status, {}, body, 0.0, 0)
    assert isinstance(found, RequestFailure)
    assert found.error.hint == refusals.NOT_THE_API.hint
    assert str(found.error) == f"GitHub answers {status}; {refusals.NOT_THE_API.what}"


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_web_page_of_a_github_that_is_down_tells_nothing_of_the_address(status: int) -> None:
    found = meaning_of(status, {}, b"<html>Unicorn!</html>", 0.0, 0)
    assert isinstance(found, RequestFailure)
    assert found.error.hint != refusals.NOT_THE_API.hint


@pytest.mark.parametrize("body", [b"", b"[]", b'{"message": 7}', b'{"message": "\\ud800"}', b"{" * 9000, b"\xff\xfe"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 406, 410, 422])
def test_no_body_makes_it_raise(status: int, body: bytes) -> None:
    assert isinstance(meaning_of(status, {}, body, 0.0, 0), RequestFailure)
