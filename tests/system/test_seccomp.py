"""deploy/seccomp.json: the exporter makes the system calls that it allows, and no others.

Here a process is killed at any other call, so that one which is merely refused is noticed, too; deploy/image-test.sh
runs the image with the profile in a container runtime.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.deploy import DEPLOY, ROOT
from tests.support.harness import until
from tests.support.report_hosts import ENDPOINTS, Scene, scene
from tests.support.seccomp import ARCHITECTURES, is_call, names_of
from tests.support.web import CERTIFIED, HASH, PASSWORD, Certificates, ask, client_context

__all__ = ["scene"]  # a fixture

PROFILE = DEPLOY / "seccomp.json"
RULES: dict[str, Any] = json.loads(PROFILE.read_text())
REFUSED = (
    {"names": ["clone3"]},  # libc goes back to clone, whose flags can be compared
    {"names": ["io_uring_setup"]},  # libuv goes back to epoll_ctl
    {
        "names": ["socket"],
        "args": [{"index": 0, "value": 10, "op": "SCMP_CMP_GT"}],
    },  # libc looks for addresses by netlink
)
"""What is asked for and can be done without."""
POWERFUL = """
acct add_key bpf capset chroot clone3 delete_module finit_module fsopen init_module io_uring_enter io_uring_register
io_uring_setup iopl keyctl kexec_load mknod mknodat mount move_mount open_by_handle_at perf_event_open personality
pivot_root process_vm_readv process_vm_writev ptrace quotactl reboot request_key setgid setgroups sethostname setns
setresuid settimeofday setuid setxattr swapon syslog umount2 unshare userfaultfd
"""
USERS = f"tls_server_config: {{{CERTIFIED}}}\nbasic_auth_users: {{prometheus: {HASH}}}\n"


def confined(refusals: Sequence[dict[str, Any]] | None = REFUSED) -> str:
    """The beginning of a script whose process is confined."""
    return (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\nfrom pathlib import Path\n"
        f"from tests.support.seccomp import confine\nconfine(Path({str(PROFILE)!r}), {refusals!r})\n"
    )


def test_every_name_is_a_system_call_of_one_of_the_processors_of_the_image() -> None:
    unknown = {name for name in names_of(RULES) if not any(is_call(name, one) for one in ARCHITECTURES)}
    assert unknown == set()


def test_the_page_says_how_many_calls_are_allowed() -> None:
    page = (ROOT / "docs" / "deploying.md").read_text()
    assert f"allows {len(set(names_of(RULES)))} system calls" in page


def test_nothing_is_allowed_that_gives_rights_or_reaches_into_other_processes() -> None:
    assert RULES["defaultAction"] == "SCMP_ACT_ERRNO"
    assert set(names_of(RULES)) & set(POWERFUL.split()) == set()
    assert all(any(is_call(name, one) for one in ARCHITECTURES) for name in POWERFUL.split()), "no name is misspelt"


@pytest.mark.parametrize(
    ("call", "status"),
    [
        ("os.getpid()", 0),
        ("socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", 1),
        ("ctypes.CDLL(None, use_errno=True).unshare(0x10000000) == 0 or sys.exit(1)", 1),
        ("os.chroot('/')", 1),
    ],
)
def test_what_is_not_allowed_is_refused_as_if_the_kernel_did_not_have_it(call: str, status: int) -> None:
    script = confined(None) + f"import ctypes, os, socket\n{call}\n"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert "Error" not in done.stderr or "Function not implemented" in done.stderr


def test_a_call_beside_the_profile_ends_a_process_of_these_tests() -> None:
    script = confined() + "import os\nos.chroot('/')\n"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGSYS


def test_the_exporter_starts_reads_serves_reloads_and_stops_within_the_profile(scene: Scene) -> None:
    """API, downloads through a proxy over TLS, a child process, its state; scrapes over TLS, with a password."""
    certificates = Certificates(scene.folder)
    web, right = certificates.configure(USERS), f"prometheus:{PASSWORD}"
    exporter = scene.exporter(scene.config())
    exporter.script = confined() + exporter.script

    def metrics() -> str:
        reply = ask(exporter.port, "/metrics", client_context(), right)
        assert reply is not None
        assert reply.status == 200
        return reply.body.decode()

    def is_read() -> bool:
        text = metrics()
        state = 'github_exporter_endpoint_state{{collector="{}",target="{}",state="ok"}} 1\n'
        return all(state.format(*endpoint) in text for endpoint in ENDPOINTS)

    with exporter.start(f"--web.config.file={web}") as running:
        until(is_read, "every endpoint is read")
        assert "github_usage_report_gross_amount_usd{" in metrics(), "summed up by the child process"
        for login, status in ((right, 200), ("prometheus:wrong", 401)):
            reply = ask(exporter.port, "/", client_context(), login)
            assert reply is not None
            assert reply.status == status
        certificates.renew()
        assert running.process is not None
        running.process.send_signal(signal.SIGHUP)
        until(lambda: '"reloaded"' in exporter.log.read_text(), "the reload")
        assert is_read()
        assert exporter.stop() == 0
    assert "cannot be written" not in exporter.log.read_text()


@pytest.mark.parametrize("words", ["check", "plan", "doctor", "state list", "metrics", "healthcheck"])
def test_commands_run_within_the_profile(words: str, scene: Scene) -> None:
    """They reach nobody, or find no state, and say so: their own status, no signal."""
    file = scene.folder / "config.yaml"
    config = scene.config() | {"state": {"path": str(scene.folder / "state")}, "proxy": None}
    file.write_text(yaml.safe_dump(config))
    script = confined() + scene.net.trusting
    options = [] if words == "metrics" else [f"--config.file={file}"]
    environ = {"GITHUB_EXPORTER_WEB_LISTEN_ADDRESS": "localhost:1"} if words == "healthcheck" else {}
    done = subprocess.run(
        [sys.executable, "-c", script, *words.split(), *options],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1, 2), done.stderr


def test_the_demo_with_its_simulated_github_runs_within_the_profile(tmp_path: Path) -> None:
    script = confined() + "from exporter.__main__ import main\nsys.exit(main())\n"
    command = [sys.executable, "-c", script, "demo", "--web.listen-address=127.0.0.1:0"]
    log = tmp_path / "log"
    with log.open("wb") as output, subprocess.Popen(command, env={}, stdout=output, stderr=output) as process:
        until(lambda: "listening" in log.read_text() or process.poll() is not None, "the demo listens")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, log.read_text()
