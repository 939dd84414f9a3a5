"""The commands of docs/operations.md that move state between folders, and between pods without an API server."""

import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.collectors import COLLECTORS
from exporter.exposition.snapshot import Snapshot
from exporter.settings.shards import owner
from exporter.state.database import State
from exporter.state.renaming import renamed_by
from tests.support.chart import VALUES, render
from tests.support.deploy import DEPLOY, ROOT
from tests.support.harness import ENVIRON, until
from tests.support.manifests import NAME, VERSIONS, Resource, assert_valid, kustomize, of, ours
from tests.support.snapshots import COUNTING, SNAPSHOT

PAGE = (ROOT / "docs" / "operations.md").read_text()
BLOCKS = [
    re.findall(
        r"^ *```sh\n(.*?)```",
        PAGE.partition(f"\n### Resharding {where}")[2].partition("\n### ")[0],
        re.MULTILINE | re.DOTALL,
    )
    for where in ("on hosts", "in Kubernetes")
]
BACK = BLOCKS[0][-1]
HOLD, MOVE, RELEASE = BLOCKS[1]
MOUNTED = "/etc/github-enterprise-exporter/config.yaml"
NOW = float(int(time.time()))
ORGANIZATIONS = [f"org{number}" for number in range(12)]

CLUSTER = """#!/bin/sh -eu
# kubectl for a cluster that is a folder: exec runs here, as in the pod's container; patch changes a file.
test "$1 $2" = "-n github-enterprise-exporter"
shift 2
case "$1" in
exec)
    shift
    if [ "$1" = -i ]; then shift; else exec < /dev/null; fi
    pod=$1
    test "$2" = --
    shift 2
    . "./variables"
    export GITHUB_EXPORTER_SHARD="${pod##*-}" GITHUB_EXPORTER_STATE_PATH="$PWD/state-$pod"
    exec "$@" ;;
patch)
    test "$2 $3 $4" = "statefulset github-enterprise-exporter -p"
    "$KUBECTL" patch --local -f stateful-set.yaml -o yaml -p "$5" > patched.yaml
    mv patched.yaml stateful-set.yaml ;;
rollout) test "$*" = "rollout status statefulset github-enterprise-exporter" ;;
*) exit 1 ;;
esac
"""


def typed(text: str, folder: Path, **environ: str) -> None:
    path = f"{folder}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-euc", text],
        env={**ENVIRON, **environ, "PATH": path},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def jobs(shard: int, total: int, read_at: float = NOW) -> dict[str, Snapshot]:
    """What a shard has of its organizations."""
    snapshot = replace(SNAPSHOT, last_success=read_at, counting=replace(COUNTING, read_at=int(read_at)))
    names = [name for name in ORGANIZATIONS if owner(f"app/{name}", total) == shard]
    return {f"subject_stats organization/{name}": snapshot for name in names}


def kept(folder: Path, saved: dict[str, Snapshot]) -> None:
    state = State(folder, renamed=renamed_by(COLLECTORS))
    state.open(NOW)
    assert all(state.save(key, snapshot, NOW, ended=True) for key, snapshot in saved.items())
    state.close()


def snapshots(folder: Path) -> dict[str, Snapshot]:
    state = State(folder, renamed=renamed_by(COLLECTORS))
    restored = state.open(NOW)
    state.close()
    return {key: packed.unpack() for key, packed in restored.snapshots.items()}


def config(folder: Path, **more: Any) -> None:
    app = {"app_client_id": "Iv1", "private_key_file": "app.pem"}
    values = {"credentials": {"app": app}, "organizations": [{"name": name} for name in ORGANIZATIONS], **more}
    (folder / "config.yaml").write_text(yaml.safe_dump(values))


def test_from_three_to_two_the_others_get_what_the_last_one_had(tmp_path: Path) -> None:
    """Also where they have an older state of it, from the time when there were two."""
    config(tmp_path, shard={"total": 2})
    for shard in range(2):
        kept(tmp_path / f"exporter-{shard}", jobs(shard, 2, NOW - 60) | jobs(shard, 3))
    kept(tmp_path / "exporter-2", jobs(2, 3))
    typed(BACK.replace("/var/lib/", f"{tmp_path}/"), tmp_path)
    for shard in range(2):
        assert snapshots(tmp_path / f"exporter-{shard}") == jobs(shard, 2)


def by_kustomize() -> list[Resource]:
    return kustomize("shards")


def by_helm() -> list[Resource]:
    return render("--values", str(VALUES["shards"]))


def cluster(folder: Path, whole: Resource) -> None:
    """Two shards of what three are made of: the StatefulSet, and the folder of each pod's state."""
    (folder / "bin").mkdir()
    kubectl = folder / "bin" / "kubectl"
    kubectl.write_text(CLUSTER)
    kubectl.chmod(kubectl.stat().st_mode | stat.S_IXUSR)
    two = deepcopy(whole)
    two["spec"]["replicas"] = 2
    ours(two["spec"]["template"])["env"][0]["value"] = "2"
    (folder / "stateful-set.yaml").write_text(yaml.safe_dump(two))
    config(folder)
    for shard in range(2):
        kept(folder / f"state-{NAME}-{shard}", jobs(shard, 2))


@pytest.mark.parametrize("built", [by_kustomize, by_helm])
def test_pods_without_the_exporter_move_its_state_and_get_it_back(
    built: Callable[[], list[Resource]], tmp_path: Path
) -> None:
    whole = of(built(), "StatefulSet")
    cluster(tmp_path, whole)
    kubectl = next(str(path) for place in os.environ["PATH"].split(":") if (path := Path(place) / "kubectl").is_file())

    def run(text: str) -> Resource:
        """The StatefulSet after the commands; its variables are those of the pods."""
        typed(text.replace(MOUNTED, f"{tmp_path}/config.yaml"), tmp_path, KUBECTL=kubectl)
        patched: Resource = yaml.safe_load((tmp_path / "stateful-set.yaml").read_text())
        for kubernetes in VERSIONS:
            assert_valid([patched], kubernetes)
        variables = ours(patched["spec"]["template"])["env"]
        (tmp_path / "variables").write_text("".join(f"export {one['name']}={one['value']}\n" for one in variables))
        return patched

    waiting = run(HOLD)
    container, original = (ours(one["spec"]["template"]) for one in (waiting, whole))
    assert waiting["spec"]["replicas"] == 3
    assert container.pop("command")[:2] == ["sh", "-c"]
    probes = {name for name in original if name.endswith("Probe")}
    assert container == {name: value for name, value in original.items() if name not in probes}
    assert f"--config.file={MOUNTED}" in original["args"], "the file that the commands name"
    run(MOVE)
    assert snapshots(tmp_path / f"state-{NAME}-2") == jobs(2, 3)
    released = run(RELEASE.partition("kubectl apply")[0])
    assert released["spec"]["replicas"] == 0, "so pods begin once, when the manifests are applied"
    assert ours(released["spec"]["template"]) == container
    overlay = re.findall(r"^ *kubectl apply -k deploy/(\S+)$", RELEASE, re.MULTILINE)
    assert [(DEPLOY / path).name for path in overlay if (DEPLOY / path).is_dir()] == ["shards"]


def test_the_shell_that_waits_ends_when_it_is_told_to() -> None:
    """By a handler: without one process 1 gets no SIGTERM, and Kubernetes would wait for half a minute."""
    (command,) = re.findall(r"command: (\[sh.*\])", HOLD)
    with subprocess.Popen(yaml.safe_load(command)) as shell:
        children = Path(f"/proc/{shell.pid}/task/{shell.pid}/children")
        (sleep,) = until(lambda: children.read_text().split(), "it waits")
        shell.terminate()
        code = shell.wait(60)
        os.kill(int(sleep), signal.SIGKILL)  # a pod ends with its process 1
        assert code in {0, 128 + signal.SIGTERM}, "its handler ran; a shell that a signal ends has the code -15"
