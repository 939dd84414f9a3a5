"""The unit for systemd: well-formed, confined, and about this exporter. It is not started here."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from exporter.settings import COMMANDS
from exporter.settings.model import StateSection
from exporter.settings.names import VARIABLES
from tests.support.deploy import DEPLOY, ROOT, accepted, tool
from tests.support.harness import command

NAME = "github-enterprise-exporter"
UNIT = DEPLOY / "systemd" / f"{NAME}.service"
CONFIG = DEPLOY / "systemd" / "config.yaml"
PAGE = (ROOT / "docs" / "deploying.md").read_text()


def settings(key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", UNIT.read_text(), re.MULTILINE)


def commands() -> Sequence[Sequence[str]]:
    return [line.split() for key in ("ExecStart", "ExecReload") for line in settings(key)]


def test_systemd_takes_the_unit_as_it_stands(tmp_path: Path) -> None:
    """But for the command, which is not installed where the unit has it."""
    installed = tmp_path / NAME
    installed.write_text("#!/bin/sh\n")
    installed.chmod(0o755)
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace(f"/usr/local/bin/{NAME}", str(installed)))
    assert tool("sh", "-c", 'systemd-analyze verify --man=no "$0" 2>&1', str(copy)) == "", "no warning either"


def test_the_service_is_exposed_to_2_of_10_at_most() -> None:
    tool("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", str(UNIT))


def test_it_has_no_rights_but_to_its_state_and_the_network() -> None:
    confined = {
        "DynamicUser": "yes",
        "NoNewPrivileges": "yes",
        "CapabilityBoundingSet": "",
        "AmbientCapabilities": "",
        "ProtectSystem": "strict",
        "ProtectHome": "yes",
        "StateDirectory": StateSection().path.name,
    }
    assert {key: settings(key) for key in confined} == {key: [value] for key, value in confined.items()}
    assert StateSection().path.parent == Path("/var/lib")
    allowed, refused, *_ = settings("SystemCallFilter")
    assert allowed == "@system-service", "a list of what is allowed"
    assert refused == "~@privileged @resources @aio"


def test_the_commands_and_variables_are_the_exporter_s() -> None:
    own = [line[1:] for line in commands() if line[0].endswith(NAME)]
    assert own == [[]]
    variables = dict(line.split("=") for line in settings("Environment"))
    assert set(variables) <= set(VARIABLES.values())
    assert commands()[-1] == ["/bin/kill", "-HUP", "$MAINPID"]


def test_the_documented_reload_stops_at_a_broken_configuration_before_the_signal(tmp_path: Path) -> None:
    """The check is not in the unit: systemd shows the secrets to the main process only."""
    (check,) = re.findall(rf"`sudo {NAME} (.*) && sudo systemctl reload {NAME}`", PAGE)
    assert settings("ExecReload") == ["/bin/kill -HUP $MAINPID"]
    words = shlex.split(check)
    assert words[0] in COMMANDS
    assert f"GITHUB_EXPORTER_CONFIG_FILE={words[1].partition('=')[2]}" in settings("Environment")
    broken = tmp_path / "config.yaml"
    broken.write_text("organisations: [acme]\n")
    done = command(words[0], f"--config.file={broken}")
    assert done.returncode == 1
    assert "organisations" in done.stderr


def test_the_configuration_names_the_credential_that_the_unit_loads(tmp_path: Path) -> None:
    config = CONFIG.read_text()
    (credential,) = settings("LoadCredential")
    name, _, source = credential.partition(":")
    assert f"/run/credentials/{UNIT.name}/{name}" in config
    accepted(config, tmp_path)
    assert f"{source}\n" in PAGE
    assert f"/etc/{NAME}/{CONFIG.name}" in "".join(settings("Environment"))
