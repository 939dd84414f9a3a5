"""The HTTP server, and what it serves: metrics, the exporter's own metrics, the status page."""
