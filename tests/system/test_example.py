"""The example and the schema of the configuration: as the code makes them, complete, and right."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from exporter.cli.reference import files
from exporter.collectors import COLLECTORS
from exporter.settings import reference
from tests.support.harness import command
from tests.support.pem import FIRST, PKCS1

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLE = (DOCS / "config.example.yaml").read_text()
SCHEMA_TEXT = (DOCS / "config.schema.json").read_text()
SCHEMA = json.loads(SCHEMA_TEXT)
UNCOMMENTED = re.sub(r"^( *)#(?=\S)", r"\1", EXAMPLE, flags=re.MULTILINE)


def test_the_committed_files_are_the_codes() -> None:
    assert files().keys() == {"config.example.yaml", "config.schema.json", "configuration.md"}
    for name, text in files().items():
        assert (DOCS / name).read_text() == text, name


def test_as_it_is_the_example_sets_nothing_and_names_its_schema() -> None:
    assert yaml.safe_load(EXAMPLE) is None
    assert EXAMPLE.startswith("# yaml-language-server: $schema=config.schema.json\n")


def test_every_key_of_the_reference_is_in_the_example() -> None:
    values = yaml.safe_load(UNCOMMENTED)
    credentials = {key: value for one in values["credentials"].values() for key, value in one.items()}
    values["credentials"] = {"NAME": credentials}
    for key in re.findall(r"^\| `([\w.\[\]]+)` \|", reference(COLLECTORS).partition("## Flags")[0], re.MULTILINE):
        place: Any = values
        for part in key.split("."):
            place = place[part.removesuffix("[]")]
            place = place[0] if part.endswith("[]") else place


def test_check_accepts_the_example_without_its_comment_signs(tmp_path: Path) -> None:
    contents = {".pem": FIRST, "app.pem": PKCS1, ".yml": b"{}"}
    config = UNCOMMENTED
    for number, path in enumerate(sorted(set(re.findall(r"/(?:run|etc)/[\w/.]+", UNCOMMENTED)))):
        file = tmp_path / f"secret-{number}"
        file.write_bytes(contents.get(Path(path).name) or contents.get(Path(path).suffix) or b"secret")
        file.chmod(0o600)
        config = config.replace(path, str(file))
    (tmp_path / "config.yaml").write_text(config)
    done = command("check", f"--config.file={tmp_path / 'config.yaml'}")
    assert (done.returncode, done.stderr) == (0, "")
    assert "The configuration is valid." in done.stdout


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("budget: {share: 0.3}", True),
        ("budget: {share: 30}", False),
        ("budget: {share: 0}", False),
        (UNCOMMENTED, True),
        ("organizations: [acme, {name: globex}]\nwatch:\n", True),
        ("web: {listen_address: ':1'}\ncounters: {birth_delay: 1h30m}\nno_proxy: 'a,b'\n", True),
        ("web: {listen_address: [':1', ':2']}\nbudget: {share: 1}\n", True),
        ("collectors: {user_stats: {enabled: false}}\n", True),
        ("organisations: [acme]\n", False),
        ("counters: {birth_delay: 60}\n", False),
        ("collectors: {users: {}}\n", False),
        ("collectors: {user_stats: {top_users: -1}}\n", False),
        ("credentials: {default: {token: x}}\n", False),
        ("log: {format: text}\n", False),
        ("config: {file: x}\n", False),
    ],
)
def test_the_schema_takes_what_check_takes(text: str, valid: bool) -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    validator.check_schema(SCHEMA)
    assert validator.is_valid(yaml.safe_load(text)) == valid
