"""Shards: which exporter reads which targets."""

from collections import Counter
from pathlib import Path

import pytest

from exporter.collectors import COLLECTORS
from exporter.settings import Settings, SettingsError, parse
from exporter.settings.shards import ordinal, owner
from tests.support.app import new_key

POOLS = [f"app/organization-{number}" for number in range(1_000)]


@pytest.mark.parametrize("total", [2, 3, 7])
def test_pools_are_spread_evenly(total: int) -> None:
    owned = Counter(owner(pool, total) for pool in POOLS)
    assert set(owned) == set(range(total))
    assert max(owned.values()) < 1.3 * len(POOLS) / total


@pytest.mark.parametrize("total", [1, 2, 3, 7])
def test_with_one_shard_more_only_those_move_that_it_gets(total: int) -> None:
    moved = [pool for pool in POOLS if owner(pool, total) != owner(pool, total + 1)]
    assert moved
    assert all(owner(pool, total + 1) == total for pool in moved)


def test_an_owner_is_the_same_in_every_version() -> None:
    assert [owner(pool, 5) for pool in POOLS[:12]] == [4, 1, 4, 3, 4, 3, 1, 0, 1, 4, 1, 3]


@pytest.mark.parametrize(
    ("host", "number"),
    [
        ("exporter-0", 0),
        ("github-enterprise-exporter-12", 12),
        ("exporter-3.exporter.monitoring.svc", 3),
        ("exporter", None),
        ("exporter3", None),
        ("ip-10-0-0-x", None),
        ("exporter-", None),
        ("-1", 1),
        ("", None),
        ("a-9999999999", None),
        ("a-\N{ARABIC-INDIC DIGIT THREE}", None),
    ],
)
def test_the_number_at_the_end_of_a_hosts_name(host: str, number: int | None) -> None:
    assert ordinal(host) == number


CONFIG = """
credentials:
  app: {{app_client_id: Iv1, private_key_file: {folder}/key.pem}}
  token: {{token_file: {folder}/token}}
  same: {{token_file: {folder}/token, pool: token}}
organizations:
{organizations}
  - {{name: one, credential: token}}
  - {{name: two, credential: token}}
enterprises:
  - {{name: big, credential: same}}
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    organizations = "\n".join(f"  - {{name: org{number}, credential: app}}" for number in range(40))
    (tmp_path / "config.yaml").write_text(CONFIG.format(folder=tmp_path, organizations=organizations))
    (tmp_path / "token").write_text("token")
    new_key(tmp_path / "key.pem")
    return f"--config.file={tmp_path}/config.yaml"


def settings(*argv: str, **environ: str) -> Settings:
    return parse(argv, environ, COLLECTORS)[1]


def test_each_target_is_read_by_one_shard_and_a_pool_is_never_split(config: str) -> None:
    whole = settings("run", config)
    assert whole.targets() == whole.all_targets()
    shards = [settings("run", config, f"--shard={shard}", "--total-shards=3") for shard in range(3)]
    read = [target for shard in shards for target in shard.targets()]
    assert sorted(map(str, read)) == sorted(map(str, whole.targets()))
    assert all(shard.targets() for shard in shards)
    assert all(shard.all_targets() == whole.all_targets() for shard in shards)
    pools = [{shard.pool_of(target) for target in shard.targets()} for shard in shards]
    assert sum(map(len, pools)) == len(set().union(*pools))


def test_flags_go_before_variables(config: str) -> None:
    environ = {"GITHUB_EXPORTER_SHARD": "1", "GITHUB_EXPORTER_TOTAL_SHARDS": "3"}
    assert settings("run", config, **environ).shard.index == 1
    assert settings("run", config, "--shard=2", **environ).shard.index == 2


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (
            ("--shard=3", "--total-shards=3"),
            "there is no shard 3: with a total of 3 they are numbered 0 to 2",
        ),
        (("--shard=1",), "flag: --shard: there is no shard 1: with a total of 1"),
        (("--shard=-1", "--total-shards=3"), "flag: --shard: "),
        (("--total-shards=0",), "flag: --total-shards: "),
        (("--total-shards=1001",), "flag: --total-shards: "),
        (("--total-shards=x",), "flag: --total-shards: must be a whole number"),
    ],
)
def test_what_cannot_be_is_refused(argv: tuple[str, ...], problem: str, config: str) -> None:
    for command in ("run", "check", "doctor"):
        with pytest.raises(SettingsError) as raised:
            settings(command, config, *argv)
        assert problem in str(raised.value)
