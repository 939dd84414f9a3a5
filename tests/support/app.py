"""A GitHub App: its key, its installations, an exporter that uses it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from exporter.instants import HOUR
from exporter.simulator.apps import SimulatedInstallation
from exporter.simulator.facts import Event
from tests.support.harness import Exporter, config_for

CLIENT_ID = "Iv23liSIMULATED"


def new_key(file: Path) -> str:
    """Write a private key, as GitHub gives it; its public part."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    new = file.with_suffix(".new")
    new.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    new.replace(file)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return public.decode()


def app_config(url: str, folder: Path, *organizations: str) -> dict[str, Any]:
    """All organizations by one App."""
    config = config_for(url, *organizations, token_file=folder / "token")
    app = {"api_url": url, "app_client_id": CLIENT_ID, "private_key_file": str(folder / "app.pem")}
    config["credentials"] = {"app": app}
    for entry in config["organizations"]:
        entry["credential"] = "app"
    return config


def installed(*organizations: str) -> Mapping[str, SimulatedInstallation]:
    return {name: SimulatedInstallation(1000 + number) for number, name in enumerate(organizations)}


def traffic(now: int, *organizations: str) -> list[Event]:
    return [
        event
        for name in organizations
        for event in (
            Event(name, "user", 1, now - HOUR, requests=9, name="u1"),
            Event(name, "installation", 2, now - HOUR, requests=90, name="bot"),
        )
    ]


def works(exporter: Exporter, collector: str, *organizations: str) -> bool:
    pattern = rf'^github_exporter_collector_success\{{collector="{collector}",target="organization/([^"]+)"\}} 1$'
    return set(re.findall(pattern, exporter.metrics(), re.MULTILINE)) >= set(organizations)
