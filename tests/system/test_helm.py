"""The Helm chart: linted, rendered, valid for three Kubernetes versions, and what kustomize builds of the same intent.

No API server is asked: admission, the operators' own checks and an upgrade stay unproven.
"""

import json
import re
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import Encoding

from exporter.settings import parse
from exporter.settings.model import StateSection
from exporter.settings.names import VARIABLES
from tests.support.chart import CHART, VALUES, helm, render
from tests.support.deploy import PORT, accepted
from tests.support.harness import Exporter, command, config_for
from tests.support.manifests import (
    NAME,
    VERSIONS,
    Resource,
    assert_known_to_the_operator,
    assert_restricted,
    assert_valid,
    config_of,
    credential_files,
    kustomize,
    mounts,
    of,
    ours,
    pods,
)
from tests.support.pem import certificate
from tests.support.web import HASH, PASSWORD, Certificates

CONFIGURED = [name for name in VALUES if name != "environment"]


@pytest.fixture(scope="module")
def rendered() -> Callable[[str], list[Resource]]:
    return {name: render(f"--values={path}") for name, path in VALUES.items()}.__getitem__


def test_the_chart_has_the_version_of_the_exporter() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == version(NAME)


@pytest.mark.parametrize("name", ["no", *VALUES])
def test_the_chart_is_clean(name: str) -> None:
    options = [f"--values={VALUES[name]}"] if name in VALUES else []
    output, complaint = helm("lint", "--strict", str(CHART), *options)
    assert "0 chart(s) failed" in output, complaint


@pytest.mark.parametrize("kubernetes", VERSIONS)
@pytest.mark.parametrize("name", VALUES)
def test_what_is_rendered_is_valid(name: str, kubernetes: str) -> None:
    resources = render(f"--values={VALUES[name]}", f"--kube-version={kubernetes}")
    assert_valid(resources, kubernetes)
    assert_known_to_the_operator(resources)
    assert {resource["metadata"]["namespace"] for resource in resources} == {NAME}


@pytest.mark.parametrize("name", VALUES)
def test_the_pod_fits_the_restricted_security_standard(name: str, rendered: Callable[[str], list[Resource]]) -> None:
    (pod,) = pods(rendered(name))
    assert_restricted(pod)


OWN_LABELS = {
    "app.kubernetes.io/instance",
    "app.kubernetes.io/version",
    "app.kubernetes.io/managed-by",
    "helm.sh/chart",
}
"""Helm's, which kustomize does not set."""


def comparable(value: Any) -> Any:
    """A resource without the labels and the annotation that only the chart sets."""
    match value:
        case dict():
            pairs = {
                key: comparable(item) for key, item in value.items() if key not in {*OWN_LABELS, "checksum/config"}
            }
            return {key: item for key, item in pairs.items() if (key, item) != ("annotations", {})}
        case list():
            return [comparable(item) for item in value]
        case _:
            return value


def by_name(resources: list[Resource]) -> dict[tuple[str, str], Any]:
    """Resources by kind and name, in which names that a tool chooses are one and the configuration is parsed."""
    text = json.dumps(comparable(resources))
    text = re.sub(rf"{NAME}-\w{{10}}(?=\")", NAME, text)  # kustomize's hash of a ConfigMap
    text = re.sub(r"github-enterprise-(exporter-)?dashboard-", "dashboard-", text)
    result = {}
    for resource in json.loads(text):
        if "config.yaml" in resource.get("data", {}):
            resource["data"] = yaml.safe_load(resource["data"]["config.yaml"])
        result[resource["kind"], resource["metadata"]["name"]] = resource
    return result


@pytest.mark.parametrize("overlay", ["standalone", "prometheus-operator", "pod-monitors", "shards"])
def test_the_chart_makes_the_objects_of_the_overlay(overlay: str, rendered: Callable[[str], list[Resource]]) -> None:
    """But for the namespace, which is no part of a chart, a label of the dashboards, and the overlay's sidecars."""
    expected, actual = by_name(kustomize(overlay)), by_name(rendered(overlay))
    del expected["Namespace", NAME]
    for resource in expected.values():
        resource["metadata"]["labels"]["app.kubernetes.io/name"] = NAME
    if overlay == "pod-monitors":
        expected["PodMonitor", NAME]["spec"]["selector"] = {"matchLabels": {"app.kubernetes.io/name": NAME}}
    assert actual.keys() == expected.keys()
    assert actual == expected


def test_two_releases_in_a_namespace_share_nothing() -> None:
    everything = [f"--values={VALUES['prometheus-operator']}", "--set=podDisruptionBudget.enabled=true"]
    releases = {release: render(*everything, release=release) for release in ("one", "other")}
    names = [{(each["kind"], each["metadata"]["name"]) for each in resources} for resources in releases.values()]
    assert not names[0] & names[1]
    for release, resources in releases.items():
        (pod,) = pods(resources)
        labels = pod["metadata"]["labels"] | {"app.kubernetes.io/instance": release}
        selectors = list(selecting(resources))
        assert len(selectors) == 5
        assert all(selector.items() <= labels.items() for selector in selectors)
        assert all("app.kubernetes.io/instance" in selector for selector in selectors)


def selecting(resources: list[Resource]) -> Iterator[dict[str, str]]:
    """The labels by which objects select the pod or its Service."""
    for resource in resources:
        spec = resource.get("spec", {})
        selector = spec.get("selector") or spec.get("podSelector")
        if selector:
            yield selector.get("matchLabels", selector)


@pytest.mark.parametrize("name", CONFIGURED)
def test_the_exporter_takes_its_configuration_and_finds_what_it_names(
    name: str, rendered: Callable[[str], list[Resource]], tmp_path: Path
) -> None:
    resources = rendered(name)
    (pod,) = pods(resources)
    config = config_of(resources, pod)
    assert yaml.safe_load(config) == yaml.safe_load(VALUES[name].read_text())["config"]
    (tmp_path / "ca.pem").write_bytes(certificate("Corp").public_bytes(Encoding.PEM))
    accepted(config.replace("/etc/ssl/corp", str(tmp_path)), tmp_path)
    places = set(mounts(pod))
    assert {str(Path(file).parent) for file in credential_files(config)} <= places
    assert {str(StateSection().path), *re.findall(r"ca_file: (\S+)/", config)} <= places


@pytest.mark.parametrize("name", VALUES)
def test_the_flags_and_variables_are_the_exporters(name: str, rendered: Callable[[str], list[Resource]]) -> None:
    (pod,) = pods(rendered(name))
    container = ours(pod)
    environ = {entry["name"]: entry.get("value", "") for entry in container.get("env", [])}
    assert environ.keys() <= {*VARIABLES.values(), "GITHUB_EXPORTER_TOKEN"}
    flags = [arg for arg in container["args"] if not arg.startswith(("--config.file=", "--web.config.file="))]
    _, settings = parse(["check", *flags], {"GITHUB_EXPORTER_TOKEN": "t", "GITHUB_EXPORTER_ORGANIZATIONS": "acme"})
    assert settings.web.listen_address == (f":{PORT}",)
    assert container["ports"] == [{"name": "github-metrics", "containerPort": PORT}]


def test_several_secrets_are_one_folder(rendered: Callable[[str], list[Resource]]) -> None:
    (pod,) = pods(rendered("company"))
    sources = [{"secret": {"name": "github-token"}}, {"secret": {"name": "ghes-token"}}]
    assert mounts(pod)[f"/run/secrets/{NAME}"]["projected"] == {"defaultMode": 0o440, "sources": sources}


def test_with_a_web_configuration_the_probes_are_the_exporters_own(rendered: Callable[[str], list[Resource]]) -> None:
    """The kubelet could not log in."""
    (pod,) = pods(rendered("web-config"))
    container = ours(pod)
    (flag,) = [arg for arg in container["args"] if arg.startswith("--web.config.file=")]
    folder = str(Path(flag.partition("=")[2]).parent)
    assert {source["secret"]["name"] for source in mounts(pod)[folder]["projected"]["sources"]} == {
        "exporter-web",
        "exporter-tls",
    }
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["exec"]["command"] == [NAME, "healthcheck", container["args"][0], flag]
        assert "httpGet" not in container[probe]
    assert container["args"][0].startswith("--config.file=")
    assert container["env"] == [{"name": "GITHUB_EXPORTER_HEALTHCHECK_PASSWORD_FILE", "value": f"{folder}/password"}]


def test_those_probes_log_in_to_a_running_exporter(rendered: Callable[[str], list[Resource]], tmp_path: Path) -> None:
    (pod,) = pods(rendered("web-config"))
    container = ours(pod)

    def local(text: str) -> str:
        return re.sub(rf"/(run/secrets|etc)/{NAME}(-web)?(?=/)", str(tmp_path), text)

    Certificates(tmp_path)
    tls = "tls_server_config: {cert_file: cert.pem, key_file: key.pem}"
    (tmp_path / "web.yml").write_text(f"{tls}\nbasic_auth_users: {{prometheus: {HASH}}}\n")
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "token").write_text("t")
    web = yaml.safe_load(VALUES["web-config"].read_text())["config"]["web"]
    config = config_for("http://127.0.0.1:9", "acme", token_file=tmp_path / "token", web=web)
    with Exporter(tmp_path, config) as exporter:
        exporter.start(*(local(arg) for arg in container["args"]))
        address = f"--web.listen-address=127.0.0.1:{exporter.port}"
        variables = {entry["name"]: local(entry["value"]) for entry in container["env"]}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            words = [local(word) for word in container[probe]["exec"]["command"][1:]]
            done = command(*words, address, **variables)
            assert done.returncode == 0, done.stderr
        assert command(*words, address).returncode == 1, "without the password"


@pytest.mark.parametrize(
    ("web", "prefix"),
    [
        ("route_prefix=github/", "/github"),
        ("external_url=https://example.com/a/b/", "/a/b"),
        ("external_url=https://example.com/a,config.web.route_prefix=/", ""),
    ],
)
def test_probes_and_monitor_have_the_prefix_of_the_configuration(web: str, prefix: str) -> None:
    resources = render(
        f"--values={VALUES['prometheus-operator']}", f"--set=config.web.{web},config.web.telemetry_path=/m"
    )
    (pod,) = pods(resources)
    paths = {ours(pod)[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths == {f"{prefix}/-/healthy", f"{prefix}/-/ready"}
    assert [endpoint["path"] for endpoint in of(resources, "ServiceMonitor")["spec"]["endpoints"]] == [f"{prefix}/m"]
