"""Write a PrometheusRule for each rule file of Prometheus; kustomize cannot wrap a file that is no resource.

Run it after a change of `deploy/prometheus/`: `python deploy/kubernetes/components/prometheus-rule/generate.py`.
"""  # noqa: INP001 - a script beside its output

from pathlib import Path
from textwrap import indent

HERE = Path(__file__).parent
SOURCE = HERE.parents[2] / "prometheus"


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


def main() -> None:
    """Write them all."""
    for file in sorted(SOURCE.glob("*.yaml")):
        (HERE / file.name).write_text(prometheus_rule(file.stem, file.read_text()))


if __name__ == "__main__":
    main()
