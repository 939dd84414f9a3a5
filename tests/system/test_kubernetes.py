"""The manifests: built by kustomize, valid for three Kubernetes versions, locked down, and about this exporter.

No API server is asked: admission and the operators' own checks stay unproven.
"""

import importlib.util
import json
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import kubernetes_validate
import pytest
import yaml

from exporter.settings.model import StateSection
from tests.support.deploy import DEPLOY, PORT, ROOT, accepted, tool
from tests.support.harness import Exporter, config_for, get, until

KUBERNETES = DEPLOY / "kubernetes"
OVERLAYS = sorted(path.name for path in (KUBERNETES / "overlays").iterdir())
VERSIONS = ("1.29", "1.33", "1.37")
"""The first with native sidecars, and later ones."""
OPERATOR = "monitoring.coreos.com/v1"
NAME = "github-enterprise-exporter"
Resource = dict[str, Any]


def kustomize(folder: Path) -> list[Resource]:
    return list(yaml.safe_load_all(tool("kubectl", "kustomize", str(folder))))


@pytest.fixture(scope="module")
def built() -> Callable[[str], list[Resource]]:
    done = {name: kustomize(KUBERNETES / "overlays" / name) for name in OVERLAYS}
    return done.__getitem__


def of(resources: list[Resource], kind: str, name: str = NAME) -> Resource:
    (found,) = [one for one in resources if one["kind"] == kind and one["metadata"]["name"] == name]
    return found


def pods(resources: list[Resource]) -> Iterator[Resource]:
    yield from (one["spec"]["template"] for one in resources if one["kind"] in {"Deployment", "StatefulSet"})


def containers(pod: Resource) -> list[Resource]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def ours(pod: Resource) -> Resource:
    (found,) = [one for one in containers(pod) if one["name"] == NAME]
    return found


@pytest.mark.parametrize("kubernetes", VERSIONS)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_manifests_are_valid(overlay: str, kubernetes: str, built: Callable[[str], list[Resource]]) -> None:
    for resource in built(overlay):
        if resource["apiVersion"] != OPERATOR:
            kubernetes_validate.validate(resource, kubernetes, strict=True)


SCRAPE = {"port", "path", "interval", "scrapeTimeout"}
OPERATOR_FIELDS = {
    "ServiceMonitor": {"selector", "jobLabel", "endpoints"},
    "PodMonitor": {"selector", "podMetricsEndpoints"},
    "PrometheusRule": {"groups"},
}
"""Those of the operator's API that we use, as its own models have them: https://prometheus-operator.dev/docs/api-reference/api/"""
GROUP = {"name", "interval", "rules"}
RULE = {"alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations"}


def test_what_the_operator_reads_has_its_fields_and_no_others(built: Callable[[str], list[Resource]]) -> None:
    both = [*built("prometheus-operator"), *built("pod-monitors")]
    resources = [resource for resource in both if resource["apiVersion"] == OPERATOR]
    assert {one["kind"] for one in resources} == set(OPERATOR_FIELDS)
    for one in resources:
        spec = one["spec"]
        assert set(spec) == OPERATOR_FIELDS[one["kind"]]
        assert all(set(end) <= SCRAPE for end in (*spec.get("endpoints", ()), *spec.get("podMetricsEndpoints", ())))
        for group in spec.get("groups", ()):
            assert set(group) <= GROUP
            assert all(set(rule) <= RULE for rule in group["rules"])


def test_every_component_is_part_of_an_overlay() -> None:
    overlays = [yaml.safe_load(file.read_text()) for file in KUBERNETES.glob("overlays/*/kustomization.yaml")]
    used = {Path(name).name for overlay in overlays for name in overlay.get("components", [])}
    assert {folder.name for folder in (KUBERNETES / "components").iterdir()} == used


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_fit_the_restricted_security_standard(overlay: str, built: Callable[[str], list[Resource]]) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, and a read-only root."""
    for pod in pods(built(overlay)):
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        assert all(
            {*volume} <= {"name", "configMap", "secret", "persistentVolumeClaim", "emptyDir"}
            for volume in spec["volumes"]
        )
        for container in containers(pod):
            security = spec["securityContext"] | container["securityContext"]
            assert security["runAsNonRoot"]
            assert security["runAsUser"] > 0
            assert security["seccompProfile"] == {"type": "RuntimeDefault"}
            assert security["allowPrivilegeEscalation"] is False
            assert security["readOnlyRootFilesystem"]
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert set(container["resources"]["requests"]) == {"cpu", "memory"}
            assert container["resources"]["limits"]["memory"]


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
    container = ours(pod)
    assert container["image"] == f"{NAME}:{version(NAME)}"
    (flag,) = [arg for arg in container["args"] if arg.startswith("--config.file=")]
    folder, _, file = flag.partition("=")[2].rpartition("/")
    mounted = {one["mountPath"]: one["name"] for one in container["volumeMounts"]}
    (volume,) = [one for one in pod["spec"]["volumes"] if one["name"] == mounted[folder]]
    config = of(resources, "ConfigMap", volume["configMap"]["name"])["data"][file]
    accepted(config, tmp_path)
    read = [
        value
        for one in yaml.safe_load(config)["credentials"].values()
        for key, value in one.items()
        if key.endswith("_file")
    ]
    assert read
    assert all(str(Path(one).parent) in mounted for one in read)
    assert str(StateSection().path) in mounted


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


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", KUBERNETES / "components/prometheus-rule/generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_rule_is_in_a_prometheus_rule(built: Callable[[str], list[Resource]]) -> None:
    """After a change of deploy/prometheus/: `python deploy/kubernetes/components/prometheus-rule/generate.py`."""
    module = generator()
    sources = sorted((DEPLOY / "prometheus").glob("*.yaml"))
    written = sorted(path.name for path in module.HERE.glob("*.yaml") if path.name != "kustomization.yaml")
    assert written == [path.name for path in sources]
    for source in sources:
        text = source.read_text()
        assert (module.HERE / source.name).read_text() == module.prometheus_rule(source.stem, text)
        rule = of(built("prometheus-operator"), "PrometheusRule", f"{NAME}-{source.stem}")
        assert rule["spec"] == yaml.safe_load(text)


def test_every_dashboard_is_in_a_config_map_that_kubectl_can_apply(built: Callable[[str], list[Resource]]) -> None:
    maps = [one for one in built("prometheus-operator") if one["metadata"].get("labels", {}).get("grafana_dashboard")]
    found = {name: json.loads(text) for one in maps for name, text in one["data"].items()}
    assert found == {path.name: json.loads(path.read_text()) for path in (ROOT / "grafana/dashboards").glob("*.json")}
    # `kubectl apply` keeps the whole of it in an annotation, whose limit this is.
    assert all(len(json.dumps(one)) < 262_144 for one in maps)
