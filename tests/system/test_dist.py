"""Wheel and sdist: what is in them, that the same files give the same bytes, and that the wheel needs nothing else."""

import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from importlib.metadata import distribution, version
from pathlib import Path
from types import ModuleType

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.deploy import DEPLOY, ROOT, tool
from tests.support.harness import ENVIRON, get, until

NAME = "github-enterprise-exporter"
VERSION = version(NAME)
RELEASE = DEPLOY / "release"


def build(folder: Path, **environ: str) -> tuple[Path, Path]:
    """Build both as `make dist` does; wheel and sdist."""
    script = str(RELEASE / "dist.sh")
    tool("sh", script, sys.executable, str(folder), env={**os.environ, **environ}, umask=0o077 if environ else 0o022)
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    return wheel, sdist


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return build(tmp_path_factory.mktemp("dist"))


def test_two_builds_are_byte_for_byte_the_same(dist: tuple[Path, Path], tmp_path: Path) -> None:
    again = build(tmp_path / "dist", TZ="Asia/Kolkata", LC_ALL="C", HOME=str(tmp_path), PYTHONHASHSEED="7")
    for first, second in zip(dist, again, strict=True):
        assert first.name == second.name
        assert first.read_bytes() == second.read_bytes()


def test_the_sdist_gives_the_same_wheel(dist: tuple[Path, Path], tmp_path: Path) -> None:
    wheel, sdist = dist
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    tool(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path), cwd=tmp_path / sdist.name[:-7])
    # Its times are not the commit's, so the archives differ.
    assert contents(tmp_path / wheel.name) == contents(wheel)


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_wheel_has_the_package_and_nothing_else(dist: tuple[Path, Path]) -> None:
    listed = tool("git", "ls-files", "--cached", "--others", "--exclude-standard", "exporter", cwd=ROOT).splitlines()
    inside = set(contents(dist[0]))
    metadata = {f"{NAME.replace('-', '_')}-{VERSION}.dist-info"}
    assert {name for name in inside if name.startswith("exporter/")} == {one for one in listed if (ROOT / one).exists()}
    assert {name.partition("/")[0] for name in inside} == {"exporter", *metadata}


def test_an_index_would_take_both(dist: tuple[Path, Path]) -> None:
    assert tool("twine", "check", "--strict", *map(str, dist)).count("PASSED") == 2


def requirements() -> Iterator[str]:
    """The names of the locked requirements that this platform has."""
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        if re.match(r"\w", line):
            requirement = Requirement(line.removesuffix("\\"))
            if requirement.marker is None or requirement.marker.evaluate():
                yield requirement.name


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory, dist: tuple[Path, Path]) -> Path:
    """An environment with the locked requirements, copied so that no network is needed, and the wheel; its `bin`."""
    tmp_path = tmp_path_factory.mktemp("clean")
    tool(sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv"))
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    for name in requirements():
        for file in distribution(name).files or ():
            if ".." not in file.parts and file.suffix != ".pyc":
                target = site / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(str(file.locate()), target)
    pip = ["-m", "pip", "--disable-pip-version-check", "--python", str(tmp_path / "venv" / "bin" / "python")]
    tool(sys.executable, *pip, "install", "--no-index", str(dist[0]))  # refuses what the lock lacks
    return tmp_path / "venv" / "bin"


def test_the_wheel_runs_the_demo_in_an_environment_without_anything_else(clean: Path, tmp_path: Path) -> None:
    assert VERSION in tool(str(clean / NAME), "--version", cwd=tmp_path)
    output = tmp_path / "demo.log"
    with output.open("wb") as log:
        demo = subprocess.Popen(
            [clean / NAME, "demo", "--web.listen-address=127.0.0.1:0"],
            stdout=log,
            stderr=log,
            cwd=tmp_path,
            env=ENVIRON,
        )
    try:
        port = until(lambda: re.search(r"http://localhost:(\d+)/metrics", output.read_text()), "the demo listens")[1]
        wanted = "github_api_insights_requests_total{"
        until(lambda: wanted in get(f"http://127.0.0.1:{port}/metrics")[1], "metrics", 60)
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(15) == 0, output.read_text()
    finally:
        demo.kill()
        demo.wait(10)


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, RELEASE / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_version_is_the_package_s_everywhere() -> None:
    versions = script("version")
    assert versions.version() == VERSION, "reinstall the package: make clean"
    assert [str(file) for file, _ in versions.changes()] == []


def test_a_new_version_is_written_into_every_file_that_has_one(tmp_path: Path) -> None:
    versions = script("version")
    for file in [*ROOT.glob("*.md"), ROOT / "Dockerfile", ROOT / "pyproject.toml"]:
        shutil.copy(file, tmp_path)
    for folder in ("docs", "deploy"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    project = tmp_path / "pyproject.toml"
    project.write_text(project.read_text().replace(f'version = "{VERSION}"', 'version = "7.8.9"'))
    changed = dict(versions.changes(tmp_path))
    names = {str(file.relative_to(tmp_path)) for file in changed}
    assert names > {
        "Dockerfile",
        "README.md",
        "deploy/kubernetes/base/stateful-set.yaml",
        "deploy/compose/compose.yaml",
    }
    assert names >= {str(chart.relative_to(tmp_path)) for chart in (tmp_path / "deploy").rglob("Chart.yaml")}
    for text in changed.values():
        assert "7.8.9" in text
        assert not re.search(rf"{NAME}:{re.escape(VERSION)}|newTag: {re.escape(VERSION)}", text)


def test_the_bill_of_materials_of_the_wheel_has_the_locked_libraries(dist: tuple[Path, Path]) -> None:
    first, again = (tool(sys.executable, str(RELEASE / "sbom.py"), "wheel", str(dist[0]), "1796000000") for _ in "12")
    assert first == again
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(first) is None
    bill = json.loads(first)
    assert {one["name"] for one in bill["components"]} == {canonicalize_name(name) for name in requirements()}
    subject = bill["metadata"]["component"]
    assert (subject["name"], subject["version"]) == (NAME, VERSION)
    assert subject["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(dist[0].read_bytes()).hexdigest()}]
    needs = {one["ref"]: one.get("dependsOn", []) for one in bill["dependencies"]}
    assert any(one.startswith("pkg:pypi/httpx@") for one in needs[subject["bom-ref"]])


DPKG = """Package: libc6
Status: install ok installed
Architecture: arm64
Source: glibc
Version: 2.41-12

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1
"""


def test_the_bill_of_materials_of_an_image_has_debian_s_packages_and_python(clean: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "opt").mkdir(parents=True)
    (root / "opt" / "exporter").symlink_to(clean.parent)
    for name, text in {
        "var/lib/dpkg/status": DPKG,
        "usr/lib/os-release": 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_ID="13"\n',
        "usr/local/include/python3.13/patchlevel.h": '#define PY_VERSION              "3.13.15"\n',
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    text = tool(sys.executable, str(RELEASE / "sbom.py"), "image", str(root), "1796000000")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    purls = {one["purl"] for one in json.loads(text)["components"]}
    assert "pkg:deb/debian/libc6@2.41-12?arch=arm64&distro=debian-13" in purls
    assert "pkg:generic/python@3.13.15" in purls
    assert f"pkg:pypi/{NAME}@{VERSION}" in purls
    assert not any("gone" in purl for purl in purls)
    assert len(purls) == len(set(requirements())) + 3
