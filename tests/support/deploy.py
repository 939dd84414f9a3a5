"""The files in deploy/, and the tools that check them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from exporter.collectors import COLLECTORS
from exporter.settings import parse
from exporter.settings.web import WebSection

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"

PORT = int(WebSection().listen_address[0].rpartition(":")[2])


def tool(*command: str, **more: Any) -> str:
    """What a tool prints; it lies beside this Python or on the path, and is never skipped."""
    found = shutil.which(command[0], path=Path(sys.executable).parent) or shutil.which(command[0])
    assert found, f"{command[0]} is missing"
    done: subprocess.CompletedProcess[str] = subprocess.run(
        [found, *command[1:]], capture_output=True, text=True, check=False, **more
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def accepted(config: str, folder: Path) -> None:
    """Whether `check` takes a configuration, once the secrets that it names are there."""
    secret = folder / "secret"
    secret.write_text("secret")
    file = folder / "config.yaml"
    file.write_text(re.sub(r"/run/(?:secrets|credentials)/\S+", str(secret), config))
    command, settings = parse(["run", f"--config.file={file}"], {}, collectors=COLLECTORS)
    assert command == "run"
    assert settings.organizations
