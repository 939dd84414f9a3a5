"""The lines of the text formats, Prometheus text 0.0.4 and OpenMetrics 1.0: headers, samples, label values, numbers.

The lines of samples are the same in both formats; headers and the end of the text differ. Pure.
"""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Literal

from exporter.tables import Labels

Format = Literal["text", "openmetrics"]

CONTENT_TYPES: Mapping[Format, str] = {
    "text": "text/plain; version=0.0.4; charset=utf-8",
    "openmetrics": "application/openmetrics-text; version=1.0.0; charset=utf-8",
}
END: Mapping[Format, bytes] = {"text": b"", "openmetrics": b"# EOF\n"}
"""How the text ends."""


@lru_cache(maxsize=2_000)
def header(name: str, kind: str, text: str, form: Format) -> bytes:
    """HELP and TYPE of a family. OpenMetrics names a counter without its `_total`."""
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    if form == "openmetrics":
        text = text.replace('"', '\\"')
        name = name.removesuffix("_total") if kind == "counter" else name
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n".encode()


def sample(name: str, label_names: Sequence[str], labels: Labels, value: float) -> str:
    """One line."""
    return f"{_cached_series(name, label_names, labels)} {number(value)}\n"


def series(name: str, label_names: Sequence[str], labels: Labels) -> str:
    """The beginning of a line, up to the value: name and labels."""
    pairs = ",".join(f'{label}="{escape(text)}"' for label, text in zip(label_names, labels, strict=True))
    return f"{name}{{{pairs}}}" if pairs else name


_cached_series = lru_cache(maxsize=20_000)(series)
"""For the exporter's own samples: they are rendered one by one, every second, and their labels hardly ever change."""


def escape(text: str) -> str:
    """A label value as it stands between quotes."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def number(value: float) -> str:
    """A value as Prometheus reads it; integers are written without a fraction."""
    if math.isfinite(value):
        integer = int(value)
        return str(integer) if integer == value and abs(integer) < 2**63 else repr(float(value))
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
