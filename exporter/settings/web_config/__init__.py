"""The web configuration file (`--web.config.file`) of Prometheus' exporter-toolkit.

    reading = read(path)

Keys and their meaning: https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
"""

from exporter.settings.web_config.reading import PLAIN, Outline, WebConfig, WebConfigResult, outline, read

__all__ = ["PLAIN", "Outline", "WebConfig", "WebConfigResult", "outline", "read"]
