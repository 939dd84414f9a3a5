"""Behind a path of a reverse proxy: every link and path is below the prefix, and `healthcheck` knows it."""

import urllib.parse
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.support.daemon import NOBODY
from tests.support.harness import Exporter, command, get

CHECKED = ["/", "/metrics", "/api/v1/status", "/-/healthy", "/-/ready"]


class Links(HTMLParser):
    """The links of a page to its own host."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.paths: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        link = dict(attrs).get("href") or ""
        if tag == "a" and not urllib.parse.urlsplit(link).netloc:
            self.paths.append(link)


@pytest.fixture
def exporter(tmp_path: Path) -> Exporter:
    (tmp_path / "token").write_text("ghp_CANARY0123456789")
    return Exporter(tmp_path, {**NOBODY, "organizations": []} | {"enterprises": ["acme-corp"]})


@pytest.mark.parametrize(
    "flags", [["--web.external-url=https://example.com/a/github/"], ["--web.route-prefix=a/github"]]
)
def test_everything_is_below_the_prefix(exporter: Exporter, flags: list[str]) -> None:
    with exporter:
        exporter.start(*flags, "--web.telemetry-path=/m")
        status, page = get(f"{exporter.url}/")  # redirected
        assert status == 200
        paths = Links(page).paths
        assert paths == [f"/a/github{path}" for path in ("/m", "/api/v1/status", "/-/healthy", "/-/ready")]
        for path in paths:
            assert get(exporter.url + path)[0] in (200, 503)
            assert get(exporter.url + path.removeprefix("/a/github"))[0] == 404
        assert get(f"{exporter.url}/a/github")[0] == 200
        assert get(f"{exporter.url}/a/github/nowhere") == (404, "not found; metrics are at /a/github/m\n")
        assert '"path": "/a/github/m"' in exporter.log.read_text()

        address = f"--web.listen-address=127.0.0.1:{exporter.port}"
        assert command("healthcheck", address, *flags).returncode == 0
        answer = command("healthcheck", address)
        assert (answer.returncode, "answers 404" in answer.stderr) == (1, True)


def test_the_links_are_those_of_the_proxy_that_removes_its_path(exporter: Exporter) -> None:
    with exporter:
        exporter.start("--web.external-url=https://example.com/github", "--web.route-prefix=/")
        assert "/github/metrics" in Links(get(f"{exporter.url}/")[1]).paths
        assert get(f"{exporter.url}/metrics")[0] == 200
        assert get(f"{exporter.url}/github/metrics")[0] == 404
