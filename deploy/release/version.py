"""The version: pyproject.toml has it, and every file that cannot read it there gets it from here.

python deploy/release/version.py            write it into those files
python deploy/release/version.py --check    exit 1 and name the files that have another one
python deploy/release/version.py --print    print it
"""  # noqa: INP001 - a script, no package

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMAGE = r"(?<=github-enterprise-exporter:)\d+\.\d+\.\d+"
PLACES = (
    ("Dockerfile", r"(?<=^ARG VERSION=)\S+"),
    ("README.md", IMAGE),
    ("docs/**/*.md", IMAGE),
    ("deploy/**/*.yaml", IMAGE),
    ("deploy/**/*.yaml", r"(?<=    newTag: )\S+"),
    ("deploy/helm/*/Chart.yaml", r'(?<=^version: )[^\s"]+'),
    ("deploy/helm/*/Chart.yaml", r'(?<=^appVersion: ")[^\s"]+'),
)
"""Where it stands besides: files, and what is the version in them."""


def version(root: Path = ROOT) -> str:
    """The package's; a chart takes three numbers only, so it has three."""
    text: str = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    if not re.fullmatch(r"\d+\.\d+\.\d+", text):
        sys.exit(f"pyproject.toml: version {text!r} is not MAJOR.MINOR.PATCH, which image, chart and tag need")
    return text


def changes(root: Path = ROOT) -> Iterator[tuple[Path, str]]:
    """The files with another version, and their text with the right one."""
    right = version(root)
    patterns: dict[Path, list[str]] = {}
    for files, pattern in PLACES:
        for file in sorted(root.glob(files)):
            patterns.setdefault(file, []).append(pattern)
    for file, ones in patterns.items():
        old = new = file.read_text()
        for pattern in ones:
            new = re.sub(pattern, right, new, flags=re.MULTILINE)
        if new != old:
            yield file, new


def main(arguments: list[str]) -> int:
    """The exit status."""
    if arguments == ["--print"]:
        sys.stdout.write(f"{version()}\n")
        return 0
    different = list(changes())
    for file, text in different:
        sys.stdout.write(f"{file.relative_to(ROOT)}\n")
        if not arguments:
            file.write_text(text)
    return 1 if arguments and different else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
