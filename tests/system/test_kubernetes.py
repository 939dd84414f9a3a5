"""The manifests: built by kustomize, valid for three Kubernetes versions, locked down, and about this exporter.

No API server is asked: admission and the operators' own checks stay unproven.
"""

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from exporter.settings.model import StateSection
from tests.support.deploy import DEPLOY, PORT, ROOT, accepted
from tests.support.harness import Exporter, config_for, get, until
from tests.support.manifests import (
    KUBERNETES,
    NAME,
    OPERATOR,
    VERSIONS,
    Resource,
    assert_known_to_the_operator,
    assert_restricted,
    assert_valid,
    config_of,
    containers,
    credential_files,
    kustomize,
    mounts,
    of,
    ours,
    pods,
)

OVERLAYS = sorted(path.name for path in (KUBERNETES / "overlays").iterdir())


@pytest.fixture(scope="module")
def built() -> Callable[[str], list[Resource]]:
    return {name: kustomize(name) for name in OVERLAYS}.__getitem__


@pytest.mark.parametrize("kubernetes", VERSIONS)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_manifests_are_valid(overlay: str, kubernetes: str, built: Callable[[str], list[Resource]]) -> None:
    assert_valid(built(overlay), kubernetes)


def test_what_the_operator_reads_has_its_fields_and_no_others(built: Callable[[str], list[Resource]]) -> None:
    resources = [*built("prometheus-operator"), *built("pod-monitors")]
    kinds = {resource["kind"] for resource in resources if resource["apiVersion"] == OPERATOR}
    assert kinds == {"ServiceMonitor", "PodMonitor", "PrometheusRule"}
    assert_known_to_the_operator(resources)


def test_every_component_is_part_of_an_overlay() -> None:
    overlays = [yaml.safe_load(file.read_text()) for file in KUBERNETES.glob("overlays/*/kustomization.yaml")]
    used = {Path(name).name for overlay in overlays for name in overlay.get("components", [])}
    assert {folder.name for folder in (KUBERNETES / "components").iterdir()} == used


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_fit_the_restricted_security_standard(overlay: str, built: Callable[[str], list[Resource]]) -> None:
    for pod in pods(built(overlay)):
        assert_restricted(pod)
        for container in containers(pod):
            assert (pod["spec"]["securityContext"] | container["securityContext"])["runAsUser"] > 0


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_secret_is_in_a_manifest_and_every_other_name_leads_somewhere(
    overlay: str, built: Callable[[str], list[Resource]]
) -> None:
    resources = built(overlay)
    names = {(one["kind"], one["metadata"]["name"]) for one in resources}
    assert "Secret" not in {kind for kind, _ in names}
    for pod in pods(resources):
        for volume in pod["spec"]["volumes"]:
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in names
            if "persistentVolumeClaim" in volume:
                assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in names
            if "secret" in volume:
                assert volume["secret"] == {"secretName": NAME, "defaultMode": 0o440}
        account = pod["spec"].get("serviceAccountName")
        assert account is None or ("ServiceAccount", account) in names


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_exporter_gets_a_configuration_that_it_takes_where_it_looks_for_it(
    overlay: str, built: Callable[[str], list[Resource]], tmp_path: Path
) -> None:
    resources = built(overlay)
    (pod,) = [one for one in pods(resources) if NAME in one["metadata"]["labels"]]
    assert ours(pod)["image"] == f"{NAME}:{version(NAME)}"
    config = config_of(resources, pod)
    accepted(config, tmp_path)
    assert credential_files(config)
    assert {str(Path(file).parent) for file in credential_files(config)} <= set(mounts(pod))
    assert str(StateSection().path) in mounts(pod)


def test_the_probes_and_the_arguments_are_those_of_a_running_exporter(
    built: Callable[[str], list[Resource]], tmp_path: Path
) -> None:
    (pod,) = pods(built("standalone"))
    container = ours(pod)
    (tmp_path / "token").write_text("t")
    config = config_for("http://127.0.0.1:9", "acme", token_file=tmp_path / "token")
    with Exporter(tmp_path, config) as exporter:
        exporter.start(*(arg for arg in container["args"] if not arg.startswith("--config.file=")))
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            path = container[probe]["httpGet"]["path"]
            until(lambda path=path: get(exporter.url + path)[0] == 200, f"{probe} succeeds")
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    assert {container[probe]["httpGet"]["port"] for probe in container if probe.endswith("Probe")} == set(ports)
    assert set(ports.values()) == {PORT}


def test_what_scrapes_finds_the_pods_and_their_port(built: Callable[[str], list[Resource]]) -> None:
    resources = built("prometheus-operator")
    state = of(resources, "StatefulSet")["spec"]
    labels = state["template"]["metadata"]["labels"]
    port = ours(state["template"])["ports"][0]["name"]
    service = of(resources, "Service")
    assert state["serviceName"] == service["metadata"]["name"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert [one["targetPort"] for one in service["spec"]["ports"]] == [port]
    monitor = of(resources, "ServiceMonitor")["spec"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert [one["port"] for one in monitor["endpoints"]] == [one["name"] for one in service["spec"]["ports"]]
    policy = of(resources, "NetworkPolicy")["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    assert policy["ingress"][0]["ports"] == [{"protocol": "TCP", "port": port}]
    pod_monitor = of(built("pod-monitors"), "PodMonitor")["spec"]
    assert [one["port"] for one in pod_monitor["podMetricsEndpoints"]] == [port]
    (expression,) = pod_monitor["selector"]["matchExpressions"]
    (sidecar,) = pods(built("sidecar"))
    assert expression["operator"] == "Exists"
    assert expression["key"] in labels.keys() & sidecar["metadata"]["labels"].keys()


def test_the_sidecar_is_the_same_container_and_outlives_no_pod(built: Callable[[str], list[Resource]]) -> None:
    (alone,) = pods(built("standalone"))
    (beside,) = pods(built("sidecar"))
    ((sidecar,), container) = (beside["spec"]["initContainers"], dict(ours(alone)))
    user = {
        key: alone["spec"]["securityContext"][key]
        for key in ("runAsNonRoot", "runAsUser", "runAsGroup", "seccompProfile")
    }
    container["securityContext"] = user | container["securityContext"]
    container["volumeMounts"] = [mount | {"name": f"{NAME}-{mount['name']}"} for mount in container["volumeMounts"]]
    del container["readinessProbe"]
    assert sidecar == container | {"restartPolicy": "Always"}
    assert "fsGroup" in beside["spec"]["securityContext"]
    assert of(built("sidecar"), "Deployment", "prometheus")["spec"]["strategy"] == {"type": "Recreate"}


def test_every_rule_is_in_a_prometheus_rule(built: Callable[[str], list[Resource]]) -> None:
    for source in (DEPLOY / "prometheus").glob("*.yaml"):
        rule = of(built("prometheus-operator"), "PrometheusRule", f"{NAME}-{source.stem}")
        assert rule["spec"] == yaml.safe_load(source.read_text())


def test_every_dashboard_is_in_a_config_map_that_kubectl_can_apply(built: Callable[[str], list[Resource]]) -> None:
    maps = [one for one in built("prometheus-operator") if one["metadata"].get("labels", {}).get("grafana_dashboard")]
    found = {name: json.loads(text) for one in maps for name, text in one["data"].items()}
    assert found == {path.name: json.loads(path.read_text()) for path in (ROOT / "grafana/dashboards").glob("*.json")}
    # `kubectl apply` keeps the whole of it in an annotation, whose limit this is.
    assert all(len(json.dumps(one)) < 262_144 for one in maps)
