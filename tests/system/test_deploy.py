"""The image and the compose files say what the exporter is. That they run is proven by deploy/image-test.sh."""

import importlib.util
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.settings import COMMANDS, parse
from exporter.settings.model import StateSection
from exporter.settings.names import VARIABLES
from tests.support.deploy import DEPLOY, PORT, ROOT, accepted, tool

COMPOSE = DEPLOY / "compose"
VERSION = version("github-enterprise-exporter")


def instructions(text: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile, continued lines joined."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines())]


DOCKERFILE = instructions((ROOT / "Dockerfile").read_text())
STAGES = [number for number, (word, _) in enumerate(DOCKERFILE) if word == "FROM"]
FINAL = DOCKERFILE[STAGES[-1] :]


def values(word: str, of: Sequence[tuple[str, str]] = FINAL) -> list[str]:
    return [rest for one, rest in of if one == word]


def test_the_dockerfile_and_the_scripts_are_clean() -> None:
    tool("hadolint", str(ROOT / "Dockerfile"))
    scripts = sorted(str(path) for path in (*DEPLOY.rglob("*.sh"), *(ROOT / "tests").glob("*.sh")))
    tool("shellcheck", "--severity=style", *scripts)


def test_each_stage_is_built_on_the_base_that_is_pinned_by_digest() -> None:
    (base,) = [rest for word, rest in DOCKERFILE[: STAGES[0]] if word == "ARG"]
    assert re.fullmatch(r"BASE=python:3\.13-slim-\w+@sha256:[0-9a-f]{64}", base)
    assert [rest.split()[0] for rest in values("FROM", DOCKERFILE)] == ["${BASE}"] * len(STAGES)


def test_nothing_is_copied_from_another_image() -> None:
    named = {rest.split()[2] for rest in values("FROM", DOCKERFILE) if " AS " in rest}
    sources = set(re.findall(r"--from=(\S+)", "\n".join(values("COPY", DOCKERFILE))))
    assert sources == named


def test_the_image_runs_the_exporter_as_a_numeric_user_and_nothing_else() -> None:
    assert values("USER") == ["65532:65532"]
    assert values("ENTRYPOINT") == ['["github-enterprise-exporter"]']
    assert values("CMD") == []
    (health,) = values("HEALTHCHECK")
    assert health.endswith('CMD ["github-enterprise-exporter", "healthcheck"]')
    assert "healthcheck" in COMMANDS
    assert values("EXPOSE") == [str(PORT)]
    assert values("VOLUME") == [str(StateSection().path)]
    assert f"-o 65532 -g 65532 -m 0700 {StateSection().path}" in "\n".join(values("RUN"))


def test_requirements_are_installed_by_their_hashes_and_never_compiled() -> None:
    installs = re.findall(r"pip(?: --python \S+)? install ([^&]*)", "\n".join(values("RUN", DOCKERFILE)))
    files = [install for install in installs if " -r " in install]
    assert len(files) == 2
    for install in files:
        assert {"--require-hashes", "--no-deps", "--only-binary=:all:"} <= set(install.split())
    assert all("--no-deps" in install for install in installs)


def test_the_image_is_labelled_with_this_version() -> None:
    assert f"VERSION={VERSION}" in values("ARG")
    (labels,) = values("LABEL")
    for label in ("title", "source", "description", "licenses", "version", "revision", "base.name"):
        assert f'org.opencontainers.image.{label}="' in labels


def test_the_build_gets_what_it_copies_and_nothing_else() -> None:
    copied = {source for rest in values("COPY", DOCKERFILE) if "--from" not in rest for source in rest.split()[:-1]}
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == copied
    assert all((ROOT / source).exists() for source in copied)


def test_what_is_generated_for_kubernetes_is_up_to_date() -> None:
    """After a change of rules, dashboards or settings: `make docs`."""
    spec = importlib.util.spec_from_file_location("generate", DEPLOY / "generate.py")
    assert spec
    assert spec.loader
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    generated: dict[Path, str] = dict(generate.files())
    assert [str(file) for file, text in generated.items() if file.read_text() != text] == []
    present = {*generate.COMPONENT.glob("*.yaml"), *(generate.CHART / "files").rglob("*.*")}
    assert present - {generate.COMPONENT / "kustomization.yaml"} <= set(generated)


DEMO: dict[str, Any] = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
GITHUB: dict[str, Any] = yaml.safe_load((COMPOSE / "github.yaml").read_text())


ONE_SHOTS = {
    other
    for service in DEMO["services"].values()
    for other, awaited in service.get("depends_on", {}).items()
    if awaited["condition"] == "service_completed_successfully"
}


@pytest.mark.parametrize("name", ["compose.yaml", "github.yaml"])
def test_a_compose_file_is_what_the_specification_allows(name: str) -> None:
    tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE / name))


@pytest.mark.parametrize("name", DEMO["services"])
def test_a_service_is_locked_down_pinned_and_watched(name: str) -> None:
    service = DEMO["services"][name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"[\w/-]+:v?\d+\.\d+\.\d+", service["image"])
    if name in ONE_SHOTS:
        assert not {"healthcheck", "ports", "restart"} & set(service)
        return
    assert "cap_add" not in service
    assert service["healthcheck"]["test"][0] == "CMD"
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def mounts(service: dict[str, Any]) -> dict[str, str]:
    """Where the files and folders of a service's own are mounted, by their path inside."""
    pairs = (volume.split(":") for volume in service.get("volumes", []))
    return {inside: outside for outside, inside, *_ in pairs if outside.startswith(".")}


def test_what_compose_mounts_is_there_and_volumes_are_declared() -> None:
    for file in (DEMO, GITHUB):
        for service in file["services"].values():
            assert all((COMPOSE / outside).exists() for outside in mounts(service).values())
            for volume in service.get("volumes", []):
                assert volume.startswith(".") or volume.split(":")[0] in file["volumes"]


def test_the_exporter_in_compose_is_this_version_and_is_asked_what_it_knows(tmp_path: Path) -> None:
    demo, real = DEMO["services"]["exporter"], GITHUB["services"]["exporter"]
    assert demo["image"] == f"github-enterprise-exporter:{VERSION}"
    assert parse([*demo["command"]], {})[1].web.listen_address == (":10171",), "the others reach it"
    assert set(real["command"]) <= set(COMMANDS)
    assert set(real["environment"]) <= set(VARIABLES.values())
    inside = real["environment"]["GITHUB_EXPORTER_CONFIG_FILE"]
    config = (COMPOSE / mounts(real)[inside]).read_text()
    assert f"/run/secrets/{real['secrets'][0]}" in config
    accepted(config, tmp_path)
    assert f"state:{StateSection().path}" in real["volumes"]


def test_prometheus_in_compose_scrapes_the_exporter_and_has_our_rules(tmp_path: Path) -> None:
    service = DEMO["services"]["prometheus"]
    text = (COMPOSE / "prometheus.yaml").read_text()
    config = yaml.safe_load(text)
    (job,) = config["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"exporter:{PORT}"]}]
    (rules,) = config["rule_files"]
    folder = COMPOSE / mounts(service)[str(Path(rules).parent)]
    local = tmp_path / "prometheus.yaml"
    local.write_text(text.replace(str(Path(rules).parent), str(folder.resolve())))
    said = tool("promtool", "check", "config", str(local))
    assert len(re.findall(r"SUCCESS: \d+ rules found", said)) == len(list(folder.glob("*.yaml"))) > 0


def test_grafana_in_compose_finds_prometheus_and_the_dashboards() -> None:
    inside = mounts(DEMO["services"]["grafana"])
    provisioning = COMPOSE / inside["/etc/grafana/provisioning"]
    (source,) = [
        one
        for file in (provisioning / "datasources").glob("*.y*ml")
        for one in yaml.safe_load(file.read_text())["datasources"]
    ]
    assert source["url"] == "http://prometheus:9090"
    config = yaml.safe_load((COMPOSE / "prometheus.yaml").read_text())
    assert source["jsonData"]["timeInterval"] == config["global"]["scrape_interval"]
    paths = [
        one["options"]["path"]
        for file in (provisioning / "dashboards").glob("*.y*ml")
        for one in yaml.safe_load(file.read_text())["providers"]
    ]
    assert paths
    for path in paths:
        assert list((COMPOSE / inside[path]).glob("*.json"))
