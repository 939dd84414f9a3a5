# ruff: noqa: INP001 - a script beside its pictures, no package
# ruff: noqa: S310 - the URLs are those of our own Prometheus
# ruff: noqa: TID251 - no part of the exporter: a tool with a clock and a network of its own
"""The figures that boards.py draws: the running demo, and a month before it by `backfill`, in one Prometheus."""

import json
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import yaml

ROOT = Path(__file__).parents[2]
DASHBOARDS = ROOT / "grafana" / "dashboards"
RULES = ROOT / "deploy" / "prometheus"
DAY = 86_400
JOB, INSTANCE = "github", "github-exporter:10171"
SETTLED = 60
"""Seconds until every collector of the demo has run."""
RUNS = 600
"""Seconds that the demo runs before pictures are taken: alerts wait for minutes."""
LOADED = 75
"""Seconds after which Prometheus has found a new block: it looks each minute."""
PASTS = (
    (4, "1m", "summary_stats"),
    (4, "15m", "subject_stats"),
    (31, "2h", "copilot_usage,copilot_people,copilot_repositories,usage_reports,billing_usage,server_statistics"),
)
"""Days before today, time between two samples, collectors: so much is enough for the graphs."""
LOOK_BACK = 7_260
"""Seconds for which Prometheus shows a sample: a bit more than the longest step."""
STEP = 1_800
"""Seconds between two samples of recorded series in the past."""
PASSES = 3
"""So many rules, one behind the other, lead from what is read to what is shown."""

Result = TypeVar("Result")
Rule = Mapping[str, Any]


@contextmanager
def figures(folder: Path) -> Iterator[str]:
    """The URL of a Prometheus with a month of figures, and some minutes of a running demo."""
    demo = ["env", f"TMPDIR={folder}", sys.executable, "-m", "exporter", "demo", "--web.listen-address=127.0.0.1:0"]
    with running(demo, folder / "demo.log") as log:
        port = until(lambda: re.search(r"http://localhost:(\d+)/$", log.read_text(), re.MULTILINE))[1]
        with prometheus(folder, f"127.0.0.1:{port}") as url:
            began = time.time()
            time.sleep(SETTLED)
            (config,) = folder.glob("github-exporter-demo-*/config.yaml")
            for number, (days, step, collectors) in enumerate(PASTS):
                backfill(config, folder / f"past-{number}", days, step, collectors)
                for file in sorted((folder / f"past-{number}").glob("*.om")):
                    load(file, folder / "data")
            for number in range(PASSES):
                time.sleep(LOADED)
                file = folder / f"recorded-{number}.om"
                file.write_text("".join(recorded(url, began)) + "# EOF\n")
                load(file, folder / "data")
            time.sleep(max(LOADED, began + RUNS - time.time()))
            yield url


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[str]:
    """A Prometheus with our rules that scrapes a target."""
    scrape = {"job_name": JOB, "static_configs": [{"targets": [target], "labels": {"instance": INSTANCE}}]}
    config = {
        "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
        "rule_files": [str(RULES / "*.yaml")],
        "scrape_configs": [scrape],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=60d",
        f"--query.lookback-delta={LOOK_BACK}s",
        f"--web.listen-address={address}",
    ]
    with running(command, folder / "prometheus.log"):
        until(lambda: is_ready(f"http://{address}/-/ready"))
        yield f"http://{address}"


def backfill(config: Path, output: Path, days: int, step: str, collectors: str) -> None:
    """Ask the demo's GitHub for its past."""
    first = time.strftime("%Y-%m-%d", time.gmtime(time.time() - days * DAY))
    flags = [f"--config.file={config}", f"--from={first}", f"--step={step}", f"--collectors={collectors}"]
    labels = [f"--label=job={JOB}", f"--label=instance={INSTANCE}"]
    # The demo has a source that is refused, so the exit code is 1.
    command = [sys.executable, "-m", "exporter", "backfill", *flags, *labels, f"--output={output}"]
    subprocess.run(command, cwd=ROOT, check=False)  # noqa: S603 - our own command


def load(file: Path, data: Path) -> None:
    """Give an OpenMetrics file to Prometheus."""
    promtool = ["promtool", "tsdb", "create-blocks-from", "--quiet", "--max-block-duration=162h", "openmetrics"]
    subprocess.run([*promtool, str(file), str(data)], check=True)  # noqa: S603 - our own files


def recorded(url: str, began: float) -> Iterator[str]:
    """Lines of what the rules that dashboards name would have recorded in the past, as far as it is known by now.

    They end early: Prometheus would still show them beside those of the present, such as a second running month.
    """
    shown = "".join(path.read_text() for path in DASHBOARDS.glob("*.json"))
    groups = yaml.safe_load((RULES / "recording.yaml").read_text())["groups"]
    for rule in (rule for group in groups for rule in group["rules"] if rule["record"] in shown):
        yield from samples(rule, ask(url, rule["expr"], began - 31 * DAY, began - LOOK_BACK))


def ask(url: str, query: str, start: float, end: float) -> Sequence[Any]:
    """What a range query finds."""
    asked = {"query": query, "start": start // STEP * STEP, "end": end // STEP * STEP, "step": STEP}
    with urllib.request.urlopen(f"{url}/api/v1/query_range?{urllib.parse.urlencode(asked)}") as reply:
        results: Sequence[Any] = json.load(reply)["data"]["result"]
        return results


def samples(rule: Rule, results: Sequence[Any]) -> Iterator[str]:
    """The lines of a rule's series."""
    for series in results:
        labels = series["metric"] | rule.get("labels", {})
        labels.pop("__name__", None)
        text = ",".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in labels.items())
        for at, value in series["values"]:
            yield f"{rule['record']}{{{text}}} {value} {at}\n"


@contextmanager
def running(command: Sequence[str], log: Path) -> Iterator[Path]:
    """A process while the context lasts; its log."""
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)  # noqa: S603 - our own commands
        try:
            yield log
        finally:
            process.terminate()
            process.wait(30)


def until(look: Callable[[], Result | None]) -> Result:
    """What a look finds, within two minutes."""
    for _ in range(240):
        if result := look():
            return result
        time.sleep(0.5)
    raise SystemExit("a process has not started in time")


def is_ready(url: str) -> bool:
    """Whether Prometheus answers."""
    try:
        return bool(urllib.request.urlopen(url).status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False
