"""Write the files that Kubernetes' tools need of ours in another form or place; `make docs` runs it.

kustomize cannot wrap a file that is no resource, and a Helm chart reads nothing outside its folder.
"""  # noqa: INP001 - a script beside its output

import json
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent

import yaml

from exporter.collectors import COLLECTORS
from exporter.settings.docs.schema import schema

DEPLOY = Path(__file__).parent
RULES = DEPLOY / "prometheus"
DASHBOARDS = DEPLOY.parent / "grafana" / "dashboards"
COMPONENT = DEPLOY / "kubernetes" / "components" / "prometheus-rule"
HELM = DEPLOY / "helm"
CHART = HELM / "github-enterprise-exporter"


def files() -> Iterator[tuple[Path, str]]:
    """Each generated file and its text."""
    for rules in sorted(RULES.glob("*.yaml")):
        yield COMPONENT / rules.name, prometheus_rule(rules.stem, rules.read_text())
        yield CHART / "files" / "rules" / rules.name, rules.read_text()
    for dashboard in sorted(DASHBOARDS.glob("*.json")):
        yield CHART / "files" / "dashboards" / dashboard.name, dashboard.read_text()
    yield CHART / "values.schema.json", values_schema((HELM / "values.schema.yaml").read_text(), schema(COLLECTORS))


def prometheus_rule(name: str, rules: str) -> str:
    """The resource around the text of a rule file, comments and all."""
    return (
        f"# Written by generate.py from deploy/prometheus/{name}.yaml.\n"
        "apiVersion: monitoring.coreos.com/v1\n"
        "kind: PrometheusRule\n"
        "metadata:\n"
        f"  name: github-enterprise-exporter-{name}\n"
        "  labels: {app.kubernetes.io/name: github-enterprise-exporter}\n"
        "spec:\n" + indent(rules, "  ")
    )


def values_schema(source: str, config: str) -> str:
    """The schema of the chart's values, `source`, with that of the exporter's configuration for the value `config`."""
    values, exporter = yaml.safe_load(source), json.loads(config)
    del exporter["$schema"]
    values["$defs"] |= exporter.pop("$defs")  # where its references point to
    values["properties"]["config"] = exporter
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write them all."""
    for file, text in files():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


if __name__ == "__main__":
    main()
