"""The workflows: linted, every action by its commit, and about what the project supports. No test runs them."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.deploy import ROOT, tool

FOLDER = ROOT / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
CI: dict[str, Any] = yaml.safe_load((FOLDER / "ci.yml").read_text())
AUDIT: dict[str, Any] = yaml.safe_load((FOLDER / "audit.yml").read_text())
RELEASE: dict[str, Any] = yaml.safe_load((FOLDER / "release.yml").read_text())
MAKEFILE = (ROOT / "Makefile").read_text()
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUNNERS = {"ubuntu-24.04": "amd64", "ubuntu-24.04-arm": "arm64"}


def test_the_linter_has_nothing_to_say() -> None:
    """Neither actionlint's rules nor those for security."""
    shellcheck = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert tool("jactionlint", "--strict-exit", f"--shellcheck={shellcheck}", *map(str, FILES)) == ""


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_workflow_is_what_github_s_schema_allows(file: Path) -> None:
    tool("check-jsonschema", "--builtin-schema", "vendor.github-workflows", str(file))


def test_every_action_is_pinned_by_a_commit_with_its_version_beside_it() -> None:
    uses = [line for file in FILES for line in re.findall(r"uses: (.*)", file.read_text()) if not line.startswith("./")]
    assert len(uses) > 10
    pins = [re.fullmatch(r"([\w-]+/[\w-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)", line) for line in uses]
    assert all(pins), uses
    distinct = {pin.groups() for pin in pins if pin}
    assert len({action for action, _, _ in distinct}) == len(distinct), "one commit for each action"


def steps(workflow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job.get("steps", [])


def test_what_the_steps_run_is_there() -> None:
    scripts = "\n".join(step.get("run", "") for workflow in (CI, RELEASE, AUDIT) for step in steps(workflow))
    words = [word for line in re.findall(r"^make ([^\n]*)$", scripts, re.MULTILINE) for word in line.split()]
    targets = {word for word in words if re.fullmatch(r"[a-z-]+", word)}
    assert targets == {"check", "unit", "test", "image", "dist", "wheel-sbom", "audit"}
    assert all(re.search(rf"^{target}:", MAKEFILE, re.MULTILINE) for target in targets)
    paths = re.findall(r"deploy/release/[\w.-]+", scripts)
    assert paths
    assert all((ROOT / path).exists() for path in paths)


def test_the_unit_tests_run_on_each_python_that_the_package_names_and_on_both_processors() -> None:
    matrix = CI["jobs"]["unit"]["strategy"]["matrix"]
    named = (one.rpartition(" ")[2] for one in PROJECT["classifiers"])
    assert matrix["python"] == sorted(one for one in named if one.startswith("3."))
    assert f",{' '.join(matrix['python'])})" in MAKEFILE, "make test-pythons"
    assert PROJECT["requires-python"] == f">={matrix['python'][0]}"
    for job in ("unit", "test", "image"):
        assert set(CI["jobs"][job]["strategy"]["matrix"]["runner"]) == set(RUNNERS)


def test_the_libraries_are_audited_each_day_and_one_without_advisories_is_no_success() -> None:
    assert re.search(r"^  schedule:\n    - cron: ", (FOLDER / "audit.yml").read_text(), re.MULTILINE)
    assert "pip-audit --strict " in MAKEFILE, "it fails when the index knows nothing of a library"
    assert "audit" not in "".join(re.findall(r"^(?:test|unit|check):(?:.*\n)(?:\t.*\n)*", MAKEFILE, re.MULTILINE)), (
        "these work without a network"
    )


def test_all_tests_run_in_the_base_of_the_image() -> None:
    assert f"ARG BASE={CI['jobs']['test']['container']}\n" in (ROOT / "Dockerfile").read_text()


def test_a_release_needs_the_tests_and_publishes_for_both_processors_with_provenance() -> None:
    jobs = RELEASE["jobs"]
    assert jobs["test"]["uses"] == "./.github/workflows/ci.yml"
    assert all("test" in jobs[job]["needs"] for job in ("index", "image"))
    (build,) = [step["with"] for step in jobs["image"]["steps"] if "build-push" in step.get("uses", "")]
    assert set(build["platforms"].split(",")) == {f"linux/{processor}" for processor in RUNNERS.values()}
    assert (build["provenance"], build["sbom"], build["push"]) == ("mode=max", True, True)
    assert jobs["index"]["permissions"] == {"id-token": "write"}, "trusted publishing and nothing else"
    assert "password" not in str(jobs["index"])


def test_only_the_tag_of_the_version_is_released(tmp_path: Path) -> None:
    (script,) = [step["run"] for step in steps(RELEASE) if step.get("id") == "version"]
    version = PROJECT["version"]
    environ = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "GITHUB_OUTPUT": str(tmp_path / "output")}
    for tag, status in ((f"v{version}", 0), ("v99.0.0", 1), (version, 1)):
        done = subprocess.run(
            ["bash", "-e", "-c", script], cwd=ROOT, env={**environ, "GITHUB_REF_NAME": tag}, check=False
        )
        assert done.returncode == status
    assert (tmp_path / "output").read_text() == f"version={version}\n"


def test_the_notes_of_a_release_are_the_changelog_s_section(tmp_path: Path) -> None:
    (script,) = [step["run"] for step in steps(RELEASE) if "notes.md" in step.get("run", "")]
    (tmp_path / "CHANGELOG.md").write_text(
        "# C\n\n## 0.2.0 (2026-12-24)\n\nnew\n\n## 0.2.0rc1 (x)\n\n## 0.1.0\n\nold\n"
    )
    awk = script.splitlines()[0]
    subprocess.run(["sh", "-c", awk], cwd=tmp_path, env={"PATH": os.environ["PATH"], "VERSION": "0.2.0"}, check=True)
    assert (tmp_path / "notes.md").read_text().split() == ["new"]


def test_the_hook_before_a_commit_runs_what_make_check_runs() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    (hooks,) = [repository["hooks"] for repository in config["repos"]]
    assert [repository["repo"] for repository in config["repos"]] == ["local"], "no other repository's code runs"
    assert [(hook["entry"], hook["language"], hook["pass_filenames"]) for hook in hooks] == [
        ("make --no-print-directory check", "system", False)
    ]
