"""The machine's certificate store: used where there is one, besides the `ca_file`s, as curl uses it."""

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path

import certifi
import pytest
import uvloop
from pydantic import SecretStr

from exporter.errors import Unavailable
from exporter.github.client import GitHub
from exporter.github.credentials import TokenCredential
from exporter.github.network import Network, system_store
from exporter.github.network.authorities import trusted_by
from exporter.github.pacing import Pool
from tests.support.company import Authority, Site, reply

RUNNERS = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
Store = Callable[..., None]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Make up the machine's store: a file, or a folder by hash, or nothing."""

    def become(file: Path | None = None, folder: Path | None = None) -> None:
        monkeypatch.setattr(system_store, "BUNDLES", ())
        monkeypatch.setenv("SSL_CERT_FILE", str(file or tmp_path / "no-file"))
        monkeypatch.setenv("SSL_CERT_DIR", str(folder or tmp_path / "no-folder"))

    become()
    return become


def hashed(authority: Authority) -> Path:
    """A folder with this authority alone, as `openssl rehash` makes it."""
    folder = authority.pem.with_suffix(".d")
    folder.mkdir()
    command = ["openssl", "x509", "-hash", "-noout", "-in", str(authority.pem)]
    digest = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    (folder / f"{digest}.0").write_bytes(authority.pem.read_bytes())
    return folder


async def asked(port: int, *ca_files: Path) -> str:
    """What is answered, or why nothing is."""
    network, root = Network(ca_files=ca_files), f"https://localhost:{port}"
    credential = TokenCredential("classic", root, "2022-11-28", network, token_text=SecretStr("ghp_CANARY0123456789"))
    github = GitHub(credential, Pool("classic"), clock=lambda: 0.0, monotonic=lambda: 0.0)
    try:
        return (await github.get("/a")).body.decode()
    except Unavailable as error:
        return str(error)
    finally:
        await github.aclose()


@RUNNERS
@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize("strict", [True, False], ids=["authority as of today", "authority of old"])
def test_the_machines_store_is_trusted(
    run: Callable[..., None], kind: str, strict: bool, store: Store, tmp_path: Path
) -> None:
    corp, other = Authority(tmp_path, strict=strict), Authority(tmp_path, "Other CA")

    async def scenario() -> None:
        async with Site([reply(b"yes")], tls=corp.server("localhost")).running() as site:
            assert "unable to get local issuer certificate" in await asked(site.port)
            store(**{kind: corp.pem if kind == "file" else hashed(corp)})
            assert await asked(site.port) == "yes"
            assert await asked(site.port, other.pem) == "yes"
            store(**{kind: other.pem if kind == "file" else hashed(other)})
            assert "unable to get local issuer certificate" in await asked(site.port)
            assert await asked(site.port, corp.pem) == "yes"

    run(scenario())


def test_names_and_dates_are_checked_with_the_machines_store_too(store: Store, tmp_path: Path) -> None:
    corp = Authority(tmp_path)
    store(corp.pem)

    async def scenario() -> None:
        async with Site([reply()], tls=corp.server("other.example")).running() as site:
            assert "not valid for 'localhost'" in await asked(site.port)
        async with Site([reply()], tls=corp.server("localhost", days=(-9, -2))).running() as site:
            assert "certificate has expired" in await asked(site.port)

    asyncio.run(scenario())


def subjects(*ca_files: Path) -> int:
    return len(trusted_by(Network(ca_files=ca_files)).get_ca_certs())


def test_what_the_machine_does_not_trust_is_not_trusted(store: Store, tmp_path: Path) -> None:
    corp, own = Authority(tmp_path), Authority(tmp_path, "Appliance CA")
    store(corp.pem)
    assert subjects() == 1
    assert subjects(own.pem) == 2


def test_without_a_store_the_public_authorities_of_certifi_are_trusted(store: Store, tmp_path: Path) -> None:
    store()
    public = Path(certifi.where()).read_text().count("BEGIN CERTIFICATE")
    assert subjects() == public > 100
    assert subjects(Authority(tmp_path).pem) == public + 1
    (tmp_path / "empty").mkdir()
    store(folder=tmp_path / "empty")
    assert subjects() == public


def test_the_places_of_distributions_count_where_openssl_knows_of_none(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corp = Authority(tmp_path)
    store()
    monkeypatch.setattr(system_store, "BUNDLES", (str(tmp_path / "nothing"), str(corp.pem)))
    assert subjects() == 1


def test_a_store_without_certificates_is_named_with_what_to_do(store: Store, tmp_path: Path) -> None:
    broken = tmp_path / "bundle.crt"
    broken.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n")
    store(broken)
    with pytest.raises(Unavailable, match=r"bundle\.crt, this machine's certificate store, .*; repair it \(update-ca"):
        trusted_by(Network())
