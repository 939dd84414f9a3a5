"""Which format and encoding a scrape accepts. Pure; headers that cannot be parsed mean plain text, uncompressed."""

from exporter.exposition.text import Format

OPENMETRICS_VERSIONS = ("", "1.0.0", "0.0.1")


def accepted_format(accept: str) -> Format:
    """OpenMetrics 1.0 if the client prefers it to text, else text 0.0.4."""
    openmetrics = text = 0.0
    for kind, parameters in _ranges(accept):
        quality = _quality(parameters)
        if kind == "application/openmetrics-text" and parameters.get("version", "") in OPENMETRICS_VERSIONS:
            openmetrics = max(openmetrics, quality)
        elif kind in ("text/plain", "text/*", "*/*"):
            text = max(text, quality)
    return "openmetrics" if openmetrics and openmetrics >= text else "text"


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether the answer may be gzip."""
    qualities = {coding: _quality(parameters) for coding, parameters in _ranges(accept_encoding)}
    return qualities.get("gzip", qualities.get("*", 0.0)) > 0


def _ranges(header: str) -> list[tuple[str, dict[str, str]]]:
    ranges = []
    for item in header.split(","):
        kind, *rest = (part.strip() for part in item.split(";"))
        pairs = (part.partition("=") for part in rest)
        ranges.append((kind.lower(), {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}))
    return ranges


def _quality(parameters: dict[str, str]) -> float:
    try:
        quality = float(parameters.get("q", "1"))
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0
