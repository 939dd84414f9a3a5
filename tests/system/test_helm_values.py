"""The values of the Helm chart: each is documented, a misspelt one is refused, and the documented commands work."""

import base64
import gzip
import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.chart import CHART, VALUES, helm, render
from tests.support.deploy import ROOT
from tests.support.manifests import mounts, of, ours, pods

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
ORGANIZATION = "--set=config.organizations[0].name=acme"


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("imagee.tag=1", "imagee"),
        ("image.tags=1", "tags"),
        ("image.digest=latest", "digest"),
        ("replicas=2", "replicas"),
        ("credentials.existingSecret=token", "existingSecret"),
        ("webConfig.secrets[0]=web", "secrets"),
        ("webConfig.file=../web.yaml", "file"),
        ("monitor.kind=Probe", "kind"),
        ("monitor.interval=30s", "interval"),
        ("monitor.endpoint.interval=30", "interval"),
        ("monitor.endpoint.path=/x", "path"),
        ("persistence.size=big", "size"),
        ("log.format=xml", "format"),
        ("networkPolicy.egressPorts[0]=https", "egressPorts"),
        ("extraArgs[0]=web.max-requests", "extraArgs"),
        ("config.organisations[0].name=acme", "organisations"),
        ("config.credentials.default.token=secret", "token"),
        ("config.collectors.subject_stats.intervall=1h", "intervall"),
        ("config.budget.share=2", "share"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(value: str, names: str) -> None:
    _, complaint = helm("template", "x", str(CHART), ORGANIZATION, f"--set={value}")
    assert "values don't meet the specifications of the schema" in complaint
    assert names in complaint


def test_what_other_charts_and_helm_add_is_taken() -> None:
    render(ORGANIZATION, "--set=enabled=true,global.team=platform")


def test_without_a_target_it_says_what_to_write() -> None:
    _, complaint = helm("template", "x", str(CHART))
    assert "organizations: [{name: acme}]" in complaint


def test_a_configuration_with_a_password_is_a_secret() -> None:
    (pod,) = pods(render("--set=existingConfigSecret=exporter-config"))
    (flag,) = [arg for arg in ours(pod)["args"] if arg.startswith("--config.file=")]
    assert mounts(pod)[str(Path(flag.partition("=")[2]).parent)]["secret"]["secretName"] == "exporter-config"
    _, complaint = helm("template", "x", str(CHART), ORGANIZATION, "--set=existingConfigSecret=exporter-config")
    assert "set one of them" in complaint


@pytest.mark.parametrize("empty", ["config=null", "podLabels=null", "monitor.endpoint.interval=null"])
def test_null_removes_a_default(empty: str) -> None:
    render("--set=extraEnvFrom[0].secretRef.name=github", "--set=monitor.enabled=true", f"--set={empty}")


def keys(values: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """The paths of values, down to where anything may stand."""
    for key, value in values.items():
        yield f"{path}{key}"
        if isinstance(value, dict):
            yield from keys(value, f"{path}{key}.")


def closed(schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """The paths of the values that a schema names; the exporter's configuration has a page of its own."""
    for key, value in schema.get("properties", {}).items():
        yield f"{path}{key}"
        if value is not False and key != "config":
            yield from closed(value, f"{path}{key}.")


def test_every_value_is_in_the_documented_file_and_in_the_schema() -> None:
    named = set(closed(SCHEMA)) - {
        "global",
        "enabled",
        "resources.claims",
        "monitor.endpoint.port",
        "monitor.endpoint.path",
    }
    documented = set(keys(yaml.safe_load((CHART / "values.yaml").read_text())))
    assert named <= documented
    free = ("resources.", "podSecurityContext.", "securityContext.", "dashboards.", "monitor.endpoint.")
    assert {key for key in documented - named if not key.startswith(free)} == set()


def test_the_examples_try_every_value() -> None:
    tried = {key for path in VALUES.values() for key in keys(yaml.safe_load(path.read_text()))}
    top = {key.partition(".")[0] for key in tried}
    assert set(SCHEMA["properties"]) - top <= {
        "global",
        "enabled",
        "nameOverride",
        "replicas",
        "extraEnvFrom",
        "existingConfigSecret",
        "securityContext",
    }


def test_the_package_has_everything_and_fits_into_a_release(tmp_path: Path) -> None:
    """Helm keeps a release, chart and manifest, in a secret of at most 1 MiB."""
    _, complaint = helm("package", str(CHART), f"--destination={tmp_path}")
    assert not complaint
    (package,) = tmp_path.iterdir()
    with tarfile.open(package) as archive:
        members = {Path(name).relative_to(CHART.name) for name in archive.getnames()}
    files = {str(member): base64.b64encode((CHART / member).read_bytes()).decode() for member in members}
    present = {path.relative_to(CHART) for path in CHART.rglob("*") if path.is_file()}
    assert members == {path for path in present if path.parts[0] not in {"ci", ".helmignore"}}
    manifest, _ = helm("template", "x", str(CHART), f"--values={VALUES['prometheus-operator']}")
    release = json.dumps({"chart": files, "manifest": manifest}).encode()
    assert len(base64.b64encode(gzip.compress(release))) < 700_000


def test_the_commands_of_the_documentation_install_it(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "deploying.md").read_text()
    section = text[text.index("\n## Helm\n") :]
    (values,) = re.findall(r"```yaml\n(config:.*?)```", section, re.DOTALL)
    (commands,) = re.findall(r"```sh\n(.*?helm install.*?)```", section, re.DOTALL)
    (tmp_path / "values.yaml").write_text(values)
    (install,) = re.findall(r"^helm install (.*)$", commands.replace("\\\n", ""), re.MULTILINE)
    words = [str(ROOT / word) if word.startswith("deploy/") else word for word in install.split()]
    output, complaint = helm("template", *[str(tmp_path / word) if word == "values.yaml" else word for word in words])
    assert not complaint
    resources = list(yaml.safe_load_all(output))
    (secret,) = re.findall(r"create secret generic (\S+)", commands)
    (credentials,) = [
        volume
        for volume in of(resources, "StatefulSet")["spec"]["template"]["spec"]["volumes"]
        if volume["name"] == "credentials"
    ]
    assert credentials["secret"]["secretName"] == secret
