"""Behind a path of a reverse proxy: every link and path is below the prefix, and `healthcheck` knows it."""

import os
import re
import shlex
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.support.daemon import NOBODY
from tests.support.harness import Exporter, command, get, until

PAGE = (Path(__file__).parents[2] / "docs" / "reverse-proxy.md").read_text()
EXAMPLES = re.findall(r"```sh\n(.*?)\n```\n\n```nginx\n(.*?)```", PAGE, re.DOTALL)
"""Flags of the exporter and a location of nginx, as they stand in the documentation."""


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


@contextmanager
def nginx(folder: Path, location: str) -> Iterator[str]:
    """A real nginx with this location; gives the beginning of its URLs."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "nginx is missing: tests/install-tools.sh"
    folder.mkdir()
    as_root = "user root; " if os.geteuid() == 0 else ""  # a worker as nobody could not enter the folder
    temporary = " ".join(
        f"{kind}_temp_path {folder / kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    for _ in range(5):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        (folder / "nginx.conf").write_text(
            f"{as_root}daemon off; worker_processes 1; pid {folder / 'pid'}; error_log {folder / 'error.log'};\n"
            f"events {{}}\nhttp {{ access_log off; {temporary}\n"
            f"server {{ listen 127.0.0.1:{port}; server_name localhost;\n{location}\n}} }}\n"
        )
        process = subprocess.Popen(
            [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
        )
        try:
            url = f"http://127.0.0.1:{port}"
            until(lambda url=url, process=process: get(url)[0] or process.poll() is not None, "nginx listens")
            if process.poll() is None:
                yield url
                return
        finally:
            process.terminate()
            process.wait(10)
    raise AssertionError((folder / "error.log").read_text())


def landed(url: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> str:
    """Where redirects of a URL lead; the last answer's status must be 200."""
    with urllib.request.urlopen(urllib.request.Request(url, method=method, headers=dict(headers or {}))) as answer:
        assert answer.status == 200
        return str(answer.url)


@pytest.mark.parametrize(("start", "location"), EXAMPLES, ids=["path passed on", "path removed"])
def test_a_real_nginx_serves_it_below_a_path_as_documented(
    exporter: Exporter, tmp_path: Path, start: str, location: str
) -> None:
    flags = [flag for flag in shlex.split(start)[1:] if not flag.startswith("--web.listen-address")]
    with exporter:
        exporter.start(*flags, "--web.enable-lifecycle")
        with nginx(tmp_path / "nginx", location.replace("127.0.0.1:10171", f"127.0.0.1:{exporter.port}")) as url:
            assert landed(f"{url}/github") == f"{url}/github/"
            status, page = get(f"{url}/github/")
            assert status == 200
            paths = Links(page).paths
            assert "/github/metrics" in paths
            for path in paths:
                until(lambda path=path: get(url + path)[0] == 200, f"{path} is served")
            metrics = get(f"{url}/github/metrics", {"accept-encoding": "identity"})[1]
            assert "github_exporter_build_info" in metrics
            reload = urllib.request.Request(f"{url}/github/-/reload", method="POST")
            with pytest.raises(urllib.error.HTTPError, match="403: Forbidden"):
                urllib.request.urlopen(reload)
        assert '"event": "reloaded"' not in exporter.log.read_text()


def test_there_are_two_examples() -> None:
    assert len(EXAMPLES) == 2
