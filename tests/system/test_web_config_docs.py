"""TLS and a password in five minutes: what docs/web-configuration.md tells a newcomer to type, as it is written."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from tests.support.deploy import ROOT
from tests.support.harness import until

PAGE = (ROOT / "docs" / "web-configuration.md").read_text()
FIRST_STEPS = PAGE.partition("in five minutes\n")[2].partition("\n## ")[0]
CERTIFICATE, HASH, START, ASK = re.findall(r"```sh\n(.*?)```", FIRST_STEPS, re.DOTALL)
WEB, PROMETHEUS = re.findall(r"```yaml\n(.*?)```", FIRST_STEPS, re.DOTALL)
PATTERN = re.compile(r"\$2[by]\$10\$\S{53}")


def test_tls_and_a_password_in_five_minutes(tmp_path: Path) -> None:
    """At a port that is free; without htpasswd and uv the hash comes from the same code in this Python."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environ = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "GITHUB_EXPORTER_WEB_LISTEN_ADDRESS": f"127.0.0.1:{port}",
    }

    def typed(text: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["sh", "-euc", text], env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )

    has_htpasswd = shutil.which("htpasswd") is not None
    printed = typed(CERTIFICATE if has_htpasswd else re.sub(r"htpasswd .*", "", CERTIFICATE)).stdout
    printed += typed(HASH.replace("uv run --no-project --with bcrypt ", "")).stdout
    hashes = PATTERN.findall(printed)
    assert len(hashes) == (2 if has_htpasswd else 1), printed
    (tmp_path / "web" / "web.yml").write_text(WEB.replace("$2y$10$…", hashes[0]))
    with subprocess.Popen(
        ["sh", "-euc", f"exec {START}"], env=environ, cwd=tmp_path, stdout=subprocess.DEVNULL
    ) as demo:
        try:
            asked = ASK.replace("curl", "curl -fsS").replace("10171", str(port))

            def scraped() -> "subprocess.CompletedProcess[str] | None":
                """What all commands print; the first scrapes come before GitHub was read."""
                done = typed(asked)
                return done if done.returncode == 0 and "github_api_insights_requests_total" in done.stdout else None

            answer = until(scraped, "a scrape of GitHub's figures and a health check")
            assert answer.stdout.endswith("healthy\n")
            assert demo.poll() is None
        finally:
            demo.terminate()


def test_promtool_accepts_the_scrape_configuration(tmp_path: Path) -> None:
    for name in ("tls.crt", "password"):
        (tmp_path / name).write_text("")
    config = tmp_path / "prometheus.yml"
    config.write_text(PROMETHEUS.replace("/etc/prometheus/", f"{tmp_path}/"))
    done = subprocess.run(["promtool", "check", "config", str(config)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
