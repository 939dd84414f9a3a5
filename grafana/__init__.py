"""The Grafana dashboards as Python data: `python -m grafana` writes them to `grafana/dashboards/*.json`."""
