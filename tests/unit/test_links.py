"""What an `api_url` should be, judged from its text alone."""

import pytest

from exporter.github.links import wrong_api_url

_CLOUD = "it should be https://api.github.com (the API of GitHub.com)"


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com",
        "https://www.github.com/",
        "https://github.com/acme",
        "https://GitHub.com/enterprises/acme",
        "https://gist.github.com",
        "https://raw.githubusercontent.com",
        "https://api.github.com/v3",
        "https://api.github.com/api/v3",
        "https://api.github.com/graphql",
        "https://api.github.com:8443",
        "https://api.github.com.",
        "http://github.com",
        "https://ghp_secret@github.com/?token=ghp_secret",
        "github.com",
        "api.github.com",
    ],
)
def test_an_address_of_github_com_that_is_not_its_api_is_wrong(url: str) -> None:
    assert wrong_api_url(url) == _CLOUD


@pytest.mark.parametrize(
    ("url", "right"),
    [
        ("https://acme.ghe.com", "https://api.acme.ghe.com"),
        ("https://ACME.ghe.com/api/v3", "https://api.acme.ghe.com"),
        ("https://api.acme.ghe.com/api/v3", "https://api.acme.ghe.com"),
        ("https://ghe.com", "https://api.SUBDOMAIN.ghe.com"),
        ("https://api.ghe.com", "https://api.SUBDOMAIN.ghe.com"),
    ],
)
def test_an_address_of_ghe_com_that_is_not_its_api_is_wrong(url: str, right: str) -> None:
    assert (wrong_api_url(url) or "").startswith(f"it should be {right} (")


@pytest.mark.parametrize(
    ("url", "right"),
    [
        ("https://ghes.example.com", "https://ghes.example.com/api/v3"),
        ("https://GHES.example.com/", "https://ghes.example.com/api/v3"),
        ("https://ghes", "https://ghes/api/v3"),
        ("https://10.0.0.5", "https://10.0.0.5/api/v3"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443/api/v3"),
        ("https://ghes.example.com:8443", "https://ghes.example.com:8443/api/v3"),
        ("https://ghes.example.com/api", "https://ghes.example.com/api/v3"),
        ("https://ghes.example.com/v3", "https://ghes.example.com/api/v3"),
        ("https://ghes.example.com/api/v4", "https://ghes.example.com/api/v3"),
        ("https://ghes.example.com/API/V3", "https://ghes.example.com/api/v3"),
        ("https://ghes.example.com/api/v3/orgs", "https://ghes.example.com/api/v3"),
        ("https://ghes.example.com/api/graphql", "https://ghes.example.com/api/v3"),
        ("https://ghes.example.com/api/uploads", "https://ghes.example.com/api/v3"),
        ("https://ghes.example.com/orgs/acme", "https://ghes.example.com/api/v3"),
        ("https://proxy.example.com/ghes/api/v3/orgs", "https://proxy.example.com/ghes/api/v3"),
        ("http://ghes.example.com/api/v3", "https://ghes.example.com/api/v3"),
        ("ghes.example.com/api/v3", "https://ghes.example.com/api/v3"),
    ],
)
def test_an_address_of_an_appliance_without_the_path_of_its_api_is_wrong(url: str, right: str) -> None:
    assert (wrong_api_url(url) or "").startswith(f"it should be {right} (")


@pytest.mark.parametrize(
    "url",
    [
        "https://api.github.com",
        "https://API.github.com/",
        "https://api.github.com:443",
        "https://api.acme.ghe.com",
        "https://ghes.example.com/api/v3/",
        "https://ghes.example.com:8443/api/v3",
        "https://proxy.example.com/api.github.com",
        "https://proxy.example.com/tools/api",
        "https://api.proxy.example.com",
        "http://127.0.0.1:8081",
        "http://localhost:8081/anything",
        "http://[::1]:8081",
        "https://",
        "not a url",
        "ftp://github.com",
    ],
)
def test_an_address_that_can_be_right_or_is_judged_elsewhere_passes(url: str) -> None:
    assert wrong_api_url(url) is None
