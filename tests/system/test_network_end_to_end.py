"""The exporter as a process in a company's network: one proxy that re-signs TLS, one appliance inside."""

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from exporter.collectors import COLLECTORS
from exporter.simulator.stored import ANSWERS
from tests.support.company import Authority, Proxy, Site, reply
from tests.support.harness import Exporter, command, until
from tests.support.threads import in_thread

FILES = "copilot-reports.github.com"
COPILOT = 'github_exporter_collector_success{collector="copilot_usage",target="organization/acme"}'
APPLIANCE = 'github_exporter_collector_success{collector="appliance_stats",target="appliance/ghes"}'
STATISTICS = json.loads((ANSWERS / "appliance_stats.json").read_text())


def github(path: str) -> bytes:
    """GitHub.com, its file host and an appliance, behind whatever name they are asked by."""
    if found := re.match(r"/orgs/acme/copilot/metrics/reports/organization-1-day\?day=(.*)", path):
        link = f"https://{FILES}/{found[1]}.json?sig=CANARY"
        return reply(json.dumps({"download_links": [link], "report_day": found[1]}).encode())
    if found := re.match(r"/([0-9-]+)\.json\?sig=CANARY", path):
        return reply(json.dumps({"day": found[1], "daily_active_users": 7}).encode())
    if path == "/api/v3/enterprise/stats/all":
        return reply(json.dumps(STATISTICS["/enterprise/stats/all"]).encode())
    return reply(b"{}", b"404 Not Found")


def config(folder: Path, appliance: int, **more: Any) -> dict[str, Any]:
    (folder / "token").write_text("ghp_CANARY0123456789")
    on = ("copilot_usage", "appliance_stats")
    ghes = {"api_url": f"https://localhost:{appliance}/api/v3", "token_file": str(folder / "token")}
    return {
        "credentials": {"cloud": {"token_file": str(folder / "token")}, "ghes": ghes | more.pop("ghes", {})},
        "organizations": [{"name": "acme", "credential": "cloud"}],
        "appliances": [{"name": "ghes", "credential": "ghes"}],
        "collectors": {one.name: {"enabled": one.name in on, "interval": "1s"} for one in COLLECTORS}
        | {"copilot_usage": {"interval": "1s", "download_hosts": [FILES]}},
        **more,
    }


@pytest.mark.parametrize("strict", [True, False], ids=["authority as of today", "authority of old"])
def test_api_and_downloads_through_a_proxy_that_resigns_and_an_appliance_inside(tmp_path: Path, strict: bool) -> None:
    corp, own = Authority(tmp_path, strict=strict), Authority(tmp_path, "Appliance CA", strict=strict)
    appliance = Site(github, tls=own.server("localhost"))
    cloud, proxy = Site(github), Proxy(resigns=corp)
    with in_thread(cloud.running(), appliance.running(), proxy.running()):
        proxy.upstream = cloud.port
        settings = config(
            tmp_path,
            appliance.port,
            proxy=proxy.url,
            ca_file=str(corp.pem),
            ghes={"proxy": "direct", "ca_file": str(own.pem)},
        )
        with Exporter(tmp_path, settings) as exporter:
            exporter.start()
            for series in (COPILOT, APPLIANCE):
                until(lambda series=series: exporter.value(series) == 1.0, f"{series} is 1")
            assert exporter.value('github_copilot_organization_daily_active_users{organization="acme"}') == 7.0
            assert exporter.value('github_appliance_total_repos{appliance="ghes"}') == 212.0
            assert set(proxy.asked) == {"CONNECT api.github.com:443", f"CONNECT {FILES}:443"}
        doctor = command("doctor", f"--config.file={exporter.config}")
        assert "2 of 2 endpoints work" in doctor.stdout, doctor.stdout
        assert "CANARY" not in exporter.log.read_text()


def test_a_reload_takes_over_proxy_no_proxy_and_ca_file(tmp_path: Path) -> None:
    corp = Authority(tmp_path)
    appliance = Site(github, tls=corp.server("localhost"))
    cloud, proxy = Site(github), Proxy(resigns=corp)
    wrong = Proxy(answer=reply(status=b"407 Proxy Authentication Required"))
    with in_thread(cloud.running(), appliance.running(), proxy.running(), wrong.running()):
        proxy.upstream = cloud.port
        settings = config(tmp_path, appliance.port, proxy=wrong.url.replace("//", "//me:CANARY@"))
        with Exporter(tmp_path, settings) as exporter:
            exporter.start()
            for series in (COPILOT, APPLIANCE):
                until(lambda series=series: exporter.value(series) == 0.0, f"{series} is 0")
            until(lambda: len(wrong.asked) > 1, "both ask through the proxy")
            settings = config(tmp_path, appliance.port, proxy=proxy.url, no_proxy=["localhost"], ca_file=str(corp.pem))
            Exporter(tmp_path, settings)  # it writes the file
            assert exporter.process is not None
            exporter.process.send_signal(signal.SIGHUP)
            for series in (COPILOT, APPLIANCE):
                until(lambda series=series: exporter.value(series) == 1.0, f"{series} is 1", 60)
            assert not any("localhost" in target for target in proxy.asked)
            log = exporter.log.read_text()
            assert f"the proxy 127.0.0.1:{wrong.port} answers 407 Proxy Authentication Required; " in log
            assert "CANARY" not in log


def test_a_new_authority_in_the_same_file_counts_after_a_reload(tmp_path: Path) -> None:
    old, new = Authority(tmp_path, "Old CA"), Authority(tmp_path, "New CA")
    appliance = Site(github, tls=new.server("localhost"))
    with in_thread(appliance.running()):
        (tmp_path / "corp.pem").write_bytes(old.pem.read_bytes())
        settings = config(tmp_path, appliance.port, ghes={"ca_file": str(tmp_path / "corp.pem")})
        settings["organizations"] = []
        with Exporter(tmp_path, settings) as exporter:
            exporter.start()
            until(lambda: exporter.value(APPLIANCE) == 0.0, "the authority is not known")
            assert "ca_file in the credential or at the top of the file" in exporter.log.read_text()
            (tmp_path / "corp.pem").write_bytes(new.pem.read_bytes())
            assert exporter.process is not None
            exporter.process.send_signal(signal.SIGHUP)
            until(lambda: exporter.value(APPLIANCE) == 1.0, "the authority is known", 60)


def test_a_reload_takes_over_a_changed_store_of_the_machine(tmp_path: Path) -> None:
    old, new = Authority(tmp_path, "Old CA"), Authority(tmp_path, "New CA")
    (bundle := tmp_path / "bundle.crt").write_bytes(old.pem.read_bytes())
    environ = {"SSL_CERT_FILE": str(bundle), "SSL_CERT_DIR": str(tmp_path / "nothing")}
    appliance = Site(github, tls=new.server("localhost"))
    with in_thread(appliance.running()):
        settings = config(tmp_path, appliance.port)
        settings["organizations"] = []
        with Exporter(tmp_path, settings, **environ) as exporter:
            done = command("check", f"--config.file={exporter.config}", **environ)
            assert f"this machine's certificate store, {bundle}." in done.stdout
            exporter.start()
            until(lambda: exporter.value(APPLIANCE) == 0.0, "the authority is not known")
            assert appliance.heads == []
            bundle.write_bytes(new.pem.read_bytes())
            assert exporter.process is not None
            exporter.process.send_signal(signal.SIGHUP)
            until(lambda: exporter.value(APPLIANCE) == 1.0, "the authority is known", 60)


def test_check_tells_the_way_of_each_credential_and_no_password(tmp_path: Path) -> None:
    corp, own = Authority(tmp_path), Authority(tmp_path, "Appliance CA")
    settings = config(
        tmp_path,
        8443,
        proxy="http://me:CANARY@proxy.example.com:3128",
        no_proxy=[".corp.example"],
        ca_file=str(corp.pem),
        ghes={"proxy": "direct", "ca_file": str(own.pem)},
    )
    file = Exporter(tmp_path, settings).config
    done = command("check", f"--config.file={file}")
    assert done.returncode == 0, done.stderr
    lines = [re.split(r"  +", line) for line in done.stdout.splitlines()]
    through = "http://<secret>@proxy.example.com:3128"
    assert ["cloud", "https://api.github.com", through, str(corp.pem)] in lines
    assert ["cloud", "downloads", f"{through}, but for .corp.example", str(corp.pem)] in lines
    both = f"{corp.pem}, {own.pem}"
    assert ["ghes", "https://localhost:8443/api/v3", "direct", both] in lines
    assert ["ghes", "downloads", "direct", both] in lines
    assert "CANARY" not in done.stdout


def test_the_example_of_the_documentation_is_valid(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    example = next(block for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if block.startswith("proxy:"))
    for path in re.findall(r"/(?:run|etc)/[\w/.-]+", example):
        file = tmp_path / Path(path).name
        file.write_bytes(Authority(tmp_path).pem.read_bytes() if "/ssl/" in path else b"ghp_CANARY")
        example = example.replace(path, str(file))
    (tmp_path / "config.yaml").write_text(example)
    done = command("check", f"--config.file={tmp_path / 'config.yaml'}")
    assert done.returncode == 0, done.stderr
    assert "http://proxy.corp.example:3128, but for .corp.example, 10.0.0.0/8" in done.stdout


@pytest.mark.parametrize("where", ["all", "credential"])
def test_a_ca_file_without_certificates_is_said_before_the_start(tmp_path: Path, where: str) -> None:
    (tmp_path / "corp.pem").write_bytes(b"\x30\x82\x01\x0a DER")
    pem = {"ca_file": str(tmp_path / "corp.pem")}
    settings = config(tmp_path, 8443, **(pem if where == "all" else {"ghes": pem}))
    file = Exporter(tmp_path, settings).config
    for arguments in (["check"], ["run", "--web.listen-address=127.0.0.1:0"], ["doctor"]):
        done = command(*arguments, f"--config.file={file}")
        assert done.returncode == 1
        assert re.search(rf"ca_file .*{tmp_path / 'corp.pem'} holds no PEM certificate", done.stdout + done.stderr)
        assert "Traceback" not in done.stderr
