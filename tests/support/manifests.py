"""Kubernetes manifests, as kustomize and Helm build them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

from tests.support.deploy import DEPLOY, tool

KUBERNETES = DEPLOY / "kubernetes"
VERSIONS = ("1.29", "1.33", "1.37")
"""The first with native sidecars, and later ones."""
NAME = "github-enterprise-exporter"
Resource = dict[str, Any]

OPERATOR = "monitoring.coreos.com/v1"
_OPERATOR_FIELDS = {
    "ServiceMonitor": {"selector", "jobLabel", "endpoints"},
    "PodMonitor": {"selector", "podMetricsEndpoints"},
    "PrometheusRule": {"groups"},
}
"""Those of the operator's API that we use, as its own models have them: https://prometheus-operator.dev/docs/api-reference/api/"""
_ENDPOINT = {"port", "path", "interval", "scrapeTimeout", "scheme", "tlsConfig", "basicAuth"}
_GROUP = {"name", "interval", "rules"}
_RULE = {"alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations"}


def kustomize(overlay: str) -> list[Resource]:
    """What kubectl builds of an overlay."""
    return parsed(tool("kubectl", "kustomize", str(KUBERNETES / "overlays" / overlay)))


def parsed(manifests: str) -> list[Resource]:
    """The resources of a YAML stream. The parser in C takes a tenth of the time, which dashboards make long."""
    return [resource for resource in yaml.load_all(manifests, yaml.CSafeLoader) if resource]


def of(resources: list[Resource], kind: str, name: str = NAME) -> Resource:
    """The only resource of that kind and name."""
    (resource,) = [each for each in resources if each["kind"] == kind and each["metadata"]["name"] == name]
    return resource


def pods(resources: list[Resource]) -> Iterator[Resource]:
    yield from (each["spec"]["template"] for each in resources if each["kind"] in {"Deployment", "StatefulSet"})


def containers(pod: Resource) -> list[Resource]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def ours(pod: Resource) -> Resource:
    """The exporter's container."""
    (container,) = [each for each in containers(pod) if each["name"] == NAME]
    return container


def mounts(pod: Resource) -> dict[str, Resource]:
    """The volumes that the exporter's container has, by their path; one without an entry in the pod is a claim's."""
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
    return {mount["mountPath"]: volumes.get(mount["name"], mount) for mount in ours(pod)["volumeMounts"]}


def assert_valid(resources: list[Resource], kubernetes: str) -> None:
    """Kubernetes' own kinds are strictly what that version's schemas say."""
    for resource in resources:
        if resource["apiVersion"] != OPERATOR:
            kubernetes_validate.validate(resource, kubernetes, strict=True)


def assert_known_to_the_operator(resources: list[Resource]) -> None:
    """The Prometheus operator's kinds have the fields that it reads, and no others."""
    for resource in resources:
        if resource["apiVersion"] != OPERATOR:
            continue
        spec = resource["spec"]
        assert set(spec) == _OPERATOR_FIELDS[resource["kind"]]
        assert all(
            set(endpoint) <= _ENDPOINT
            for endpoint in (*spec.get("endpoints", ()), *spec.get("podMetricsEndpoints", ()))
        )
        for group in spec.get("groups", ()):
            assert set(group) <= _GROUP
            assert all(set(rule) <= _RULE for rule in group["rules"])


def assert_restricted(pod: Resource) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, and a read-only root."""
    spec = pod["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    assert all(
        {*volume} <= {"name", "configMap", "secret", "projected", "persistentVolumeClaim", "emptyDir"}
        for volume in spec["volumes"]
    )
    for container in containers(pod):
        security = spec["securityContext"] | container["securityContext"]
        assert security["runAsNonRoot"]
        assert security.get("runAsUser") != 0
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert security["allowPrivilegeEscalation"] is False
        assert security["readOnlyRootFilesystem"]
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}
        assert container["resources"]["limits"]["memory"]


def config_of(resources: list[Resource], pod: Resource) -> str:
    """The configuration that the exporter gets, out of the ConfigMap that is mounted where its flag points to."""
    (flag,) = [arg for arg in ours(pod)["args"] if arg.startswith("--config.file=")]
    file = Path(flag.partition("=")[2])
    config = of(resources, "ConfigMap", mounts(pod)[str(file.parent)]["configMap"]["name"])
    return str(config["data"][file.name])


def credential_files(config: str) -> list[str]:
    """The files that a configuration's credentials name."""
    credentials = yaml.safe_load(config)["credentials"].values()
    return [value for credential in credentials for key, value in credential.items() if key.endswith("_file")]
