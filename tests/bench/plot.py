"""A few small charts side by side as one SVG, both axes logarithmic: how something grows is its slope."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, LEFT, TOP, BOTTOM, RIGHT = 360, 270, 58, 34, 42, 14
COLUMNS = 3
COLOURS = {"ours": "#0969da", "gaugevec": "#bc4c00", "objects": "#8250df", "csv.reader": "#57606a"}
NAMES = {"gaugevec": "client_golang", "objects": "prometheus_client"}


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines by whose they are, each of points (x, y)."""

    title: str
    across: str
    up: str
    lines: Mapping[str, Sequence[tuple[float, float]]]


def decades(values: Sequence[float]) -> tuple[int, int]:
    """The whole powers of ten around them."""
    first = math.floor(math.log10(min(values)) + 1e-9)
    return first, max(first + 1, math.ceil(math.log10(max(values)) - 1e-9))


def word(power: int) -> str:
    """A power of ten, short."""
    if power >= 3:
        return f"{10 ** (power % 3)}{'kMG'[power // 3 - 1]}"
    return f"{10.0**power:g}"


def drawn(chart: Chart) -> str:
    """One chart, its corner at 0,0."""
    points = [point for line in chart.lines.values() for point in line]
    (x0, x1), (y0, y1) = decades([x for x, _ in points]), decades([y for _, y in points])
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(x: float, y: float) -> tuple[float, float]:
        return (
            LEFT + wide * (math.log10(x) - x0) / (x1 - x0),
            TOP + high * (1 - (math.log10(y) - y0) / (y1 - y0)),
        )

    parts = [f'<text x="{LEFT}" y="16" class="title">{escape(chart.title)}</text>']
    for power in range(x0, x1 + 1):
        x, _ = at(10.0**power, 10.0**y0)
        parts.append(f'<path class="grid" d="M{x:.1f} {TOP}v{high}"/>')
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 26}" text-anchor="middle">{word(power)}</text>')
    for power in range(y0, y1 + 1):
        _, y = at(10.0**x0, 10.0**power)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}h{wide}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{word(power)}</text>')
    parts.append(f'<text x="{LEFT + wide / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(chart.across)}</text>')
    parts.append(f'<text transform="translate(13 {TOP + high / 2})rotate(-90)" text-anchor="middle">{chart.up}</text>')
    for number, (whose, line) in enumerate(chart.lines.items()):
        colour = COLOURS.get(whose, "#1a7f37")
        places = [at(*point) for point in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        name = escape(NAMES.get(whose, whose))
        parts.append(f'<text x="{LEFT + 6}" y="{TOP + 14 + 14 * number}" style="fill:{colour}">{name}</text>')
    return "".join(parts)


def svg(charts: Sequence[Chart]) -> str:
    """All charts, in rows."""
    rows = -(-len(charts) // COLUMNS)
    wide, high = COLUMNS * WIDTH, rows * HEIGHT
    style = "text{font:11px sans-serif;fill:#24292f}.title{font-weight:bold;font-size:12px}.grid{stroke:#d0d7de}"
    placed = "".join(
        f'<g transform="translate({number % COLUMNS * WIDTH} {number // COLUMNS * HEIGHT})">{drawn(chart)}</g>\n'
        for number, chart in enumerate(charts)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}">'
        f'<style>{style}</style><rect width="100%" height="100%" fill="#ffffff"/>\n{placed}</svg>\n'
    )
