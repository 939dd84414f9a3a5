"""Prometheus exporter for GitHub Enterprise statistics."""
