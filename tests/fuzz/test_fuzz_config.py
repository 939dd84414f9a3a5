"""The configuration file, environment variables and flags: settings, or an error that says every mistake."""

import asyncio
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
import trustme
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from exporter.collectors import COLLECTORS
from exporter.settings import COMMANDS, SettingsError, parse
from exporter.settings.collectors_section import variables_of
from exporter.settings.names import COMMAND_FLAGS, FLAGS, VARIABLES
from tests.support.fuzzing import examples
from tests.support.in_process import exporter
from tests.support.mutations import NUMBERS, TEXTS, VALUES, damaged, mutated, raw, text_of

ROOT = Path(__file__).parents[2]
TEXT = re.sub(r"^( *)#(?! |$)", r"\1", (ROOT / "docs" / "config.example.yaml").read_text(), flags=re.MULTILINE)
TREE = yaml.safe_load(TEXT)
TOKEN = "ghp_" + "CanarYtoken" * 3 + "abc"
SECRET = "hunter2-not-to-be-seen"
KEY = "-----BEGIN PRIVATE KEY-----\nCanarYkey\n-----END PRIVATE KEY-----"

YAML = st.one_of(
    VALUES,
    st.sampled_from([TOKEN, KEY, f"https://user:{TOKEN}@proxy", f"/run/secrets/{TOKEN}"]),
    st.sampled_from(
        list(
            map(
                raw,
                (
                    "*nowhere",
                    "&a [*a]",
                    "&b {x: *b}",
                    "!!python/object/apply:os.system [id]",
                    "!!binary x",
                    "!!timestamp 99",
                    "!!int x",
                    "!!set {a, b}",
                    "!!omap [a: 1]",
                    "{? [a, b] : c}",
                    "{? {a: b} : c}",
                    "{1: a, 1.5: b, true: c, ~: d, 2024-01-01: e}",
                    "0o17",
                    "1_000",
                    "190:20:30",
                    ".nan",
                    ".inf",
                    "2024-02-30",
                    "=",
                    "on",
                    "|",
                    "%",
                    "@",
                ),
            )
        )
    ),
)
BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]\n" for n in range(9))

PATHS = ("token_file", "private_key_file")


def plain(text: str) -> str:
    """The text as an operating system passes it: without NULs, and other bytes as lone surrogates."""
    return text.replace("\0", "").encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("config")
    for name in ("token", "app.pem", "ca.pem"):
        (folder / name).write_text(SECRET)
    return folder


def problems(argv: list[str], environ: dict[str, str]) -> list[str]:
    """What is wrong with the settings, a line each."""
    try:
        parse(argv, environ, COLLECTORS)
    except SettingsError as error:
        return [*map(str, error.problems)] or [""]
    return []


def settle(argv: list[str], environ: dict[str, str], *secrets: str) -> None:
    """Parse; every problem is a line of text, and no secret is in it."""
    for problem in problems(argv, environ):
        assert problem
        assert "\n" not in problem
        for secret in (TOKEN, "CanarYkey", *secrets):
            assert secret not in problem


async def answers(folder: Path, tree: dict[str, Any]) -> list[tuple[int, str]]:
    """What a daemon with these settings answers."""
    async with exporter(folder, **tree) as (host, port), httpx.AsyncClient(base_url=f"http://{host}:{port}") as client:
        replies = [await client.get(path, timeout=30) for path in ("/metrics", "/", "/api/v1/status")]
    return [(reply.status_code, reply.text) for reply in replies]


def write(folder: Path, content: bytes) -> str:
    path = folder / "config.yaml"
    path.write_bytes(content)
    return f"--config.file={path}"


@pytest.mark.parametrize("command", ["run", "check", "backfill", "state"])
@examples(12)
@given(tree=mutated(TREE, YAML))
def test_fuzz_any_tree_in_the_configuration(command: str, folder: Path, tree: Any) -> None:
    settle([write(folder, text_of(tree).encode()), command], {})


@examples(40)
@given(content=damaged(TEXT.encode(), 8))
def test_fuzz_any_damage_of_the_configuration(folder: Path, content: bytes) -> None:
    settle([write(folder, content), "check"], {})


@examples(30)
@given(
    content=st.binary(max_size=200) | st.text(alphabet="ab:-[]{}&*!|>'\"%@`#,? \n\t0.<~=\u2028\ufeff").map(str.encode)
)
@example(BOMB.encode() + b"organizations: *a9")
@example(BOMB.encode() + b"? *a9\n: 1")
@example(BOMB.encode() + b"credentials: {a: *a9}")
@example(BOMB.encode() + b"collectors: {summary_stats: *a9}")
@example(b"organizations: [acme]\ncredentials: &c {a: {b: *c}}")
@example(b"[" * 1500)
@example(b"{a: " * 20_000)
@example(b"- " * 50_000)
def test_fuzz_any_text_as_configuration(folder: Path, content: bytes) -> None:
    settle([write(folder, content), "check"], {})


@pytest.mark.parametrize(
    "key", ["token", "token_file", "private_key_file", "app_client_id", "password", "toke", "pool"]
)
@examples(8)
@given(secret=st.text(st.characters(codec="ascii", categories=("L", "N", "P")), min_size=16, max_size=60), more=VALUES)
def test_fuzz_no_secret_of_a_credential_is_in_an_error(key: str, folder: Path, secret: str, more: Any) -> None:
    tree = {
        "organizations": ["acme"],
        "credentials": {"default": {key: f"hunter2{secret}", "ca_file": more}},
        "x": more,
    }
    settle([write(folder, text_of(tree).encode()), "check"], {}, *(() if key in PATHS else (f"hunter2{secret}",)))


VARIABLE_NAMES = sorted(
    {*VARIABLES.values(), *(v for v in variables_of(COLLECTORS)), "GITHUB_EXPORTER_TOKE", "GITHUB_EXPORTER_PORT"}
)
ENVIRON = st.dictionaries(
    st.sampled_from(VARIABLE_NAMES), (TEXTS | NUMBERS.map(str) | st.just(TOKEN) | st.just(KEY)).map(plain), max_size=6
)


@examples(30)
@given(environ=ENVIRON)
def test_fuzz_any_environment(environ: dict[str, str]) -> None:
    settle(["check"], {"GITHUB_EXPORTER_TOKEN": SECRET, **environ}, SECRET)


WORDS = st.sampled_from([*COMMANDS, *FLAGS.values(), *COMMAND_FLAGS.values(), "--token", "-x", "--", "list", "export"])
ARGUMENTS = st.one_of(
    WORDS,
    TEXTS.map(plain),
    st.tuples(WORDS, TEXTS | st.just(TOKEN)).map("=".join).map(plain),
    st.just(f"--token={TOKEN}"),
)


@examples(30)
@given(argv=st.lists(ARGUMENTS, max_size=6))
def test_fuzz_any_command_line(argv: list[str]) -> None:
    settle(argv, {})


RUNS = {
    "credentials": {"default": {"token_file": "token", "api_url": "http://127.0.0.1:9", "ca_file": "ca.pem"}},
    "organizations": ["acme", {"name": "globex", "credential": "default"}],
    "enterprises": ["acme-corp"],
    "watch": {"users": [{"organization": "acme", "id": 4711}]},
    "collectors": {"subject_stats": {"subject_name_substring": "a", "interval": "1h"}},
    "privacy": {"user_names": "pseudonym"},
    "counters": {"birth_delay": "1m"},
}


@examples(10)
@given(tree=mutated(RUNS, TEXTS))
def test_fuzz_what_is_accepted_runs(tree: Any) -> None:
    """A daemon starts with it, and answers; its GitHub refuses connections."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "ca.pem").write_bytes(trustme.CA().cert_pem.bytes())
        try:
            pages = asyncio.run(answers(folder, tree if isinstance(tree, dict) else {}))
        except SettingsError:
            return
        assert [status for status, _ in pages] == [200] * 3
        assert list(text_string_to_metric_families(pages[0][1]))
