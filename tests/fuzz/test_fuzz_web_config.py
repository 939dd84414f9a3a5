"""The web configuration file: a configuration, or an error that says every mistake and no secret."""

from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.settings.web_config import outline, read
from tests.support.fuzzing import check_words, examples
from tests.support.mutations import VALUES, damaged, mutated, raw, text_of

SECRET = "hunter2-not-to-be-seen"
HASH = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"
KEY = "-----BEGIN PRIVATE KEY-----\nCanarYkey\n-----END PRIVATE KEY-----"
TREE = {
    "tls_server_config": {
        "cert_file": "cert.pem",
        "key_file": "key.pem",
        "client_ca_file": "ca.pem",
        "client_auth_type": "RequireAndVerifyClientCert",
        "client_allowed_sans": ["prometheus.example.com"],
        "min_version": "TLS12",
        "max_version": "TLS13",
        "cipher_suites": ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"],
        "curve_preferences": ["CurveP256"],
        "prefer_server_cipher_suites": True,
    },
    "http_server_config": {"http2": False, "headers": {"X-Frame-Options": "deny", "Content-Security-Policy": "x"}},
    "basic_auth_users": {"ada": HASH, "grace": HASH},
    "rate_limit": {"interval": "1s", "burst": 5},
}
YAML = st.one_of(
    VALUES,
    st.sampled_from(
        [KEY, HASH, "cert.pem", "key.pem", "nothing.pem", "/dev/null", "/", "TLS10", "TLS_AES_128_GCM_SHA256"]
    ),
    st.sampled_from(["1h30m", "1e9h", "-1s", "999999999999999999h", ".s", "1s1s", "µs", "X25519MLKEM768", "CurveP521"]),
    st.sampled_from(
        list(map(raw, ("*x", "&a [*a]", "&b {x: *b}", "{? [a] : b}", "{1: 2, ~: 3}", "!!binary x", ".inf", "on")))
    ),
)
FORMS = ["{{ada: '{}'}}", "{{'ada:{}': x}}", "['ada:{}']", "'ada:{}'", "{{headers: {{'ada:{}': 1}}}}", "{{cert: '{}'}}"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with certificate, key and authority."""
    folder, authority = tmp_path_factory.mktemp("web"), trustme.CA()
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    return folder


def check(folder: Path, content: bytes) -> None:
    path = folder / "web.yml"
    path.write_bytes(content)
    result = read(path)
    outline(path)
    assert (result.config is None) != (result.error is None)
    for problem in result.error.problems if result.error else ():
        check_words(ValueError(str(problem)), HASH, "CanarYkey", SECRET)


def test_the_tree_that_is_changed_is_a_configuration(folder: Path) -> None:
    (folder / "web.yml").write_text(text_of(TREE))
    assert read(folder / "web.yml").error is None


@examples(60)
@given(tree=mutated(TREE, YAML))
def test_fuzz_any_tree_in_the_web_configuration(folder: Path, tree: Any) -> None:
    check(folder, text_of(tree).encode())


@examples(40)
@given(content=damaged(text_of(TREE).encode(), 8) | st.binary(max_size=100))
@example(b"[" * 1500)
@example(b"basic_auth_users: &a {b: *a}")
@example(b"basic_auth_users:\n  ? {a: b}\n  : c")
def test_fuzz_any_text_as_web_configuration(folder: Path, content: bytes) -> None:
    check(folder, content.replace(HASH.encode(), b"*"))


@examples(20)
@given(
    place=st.sampled_from(
        ["basic_auth_users", "tls_server_config", "http_server_config", "rate_limit", "ada:" + SECRET]
    ),
    form=st.sampled_from(FORMS),
    more=VALUES,
)
def test_fuzz_no_password_in_a_wrong_place_is_in_an_error(folder: Path, place: str, form: str, more: Any) -> None:
    check(folder, f"{place}: {form.format(SECRET)}\nrate_limit: {text_of(more)}".encode("utf-8", "replace"))


@examples(20)
@given(data=st.data(), name=st.sampled_from(["cert.pem", "key.pem", "ca.pem"]))
def test_fuzz_any_damage_of_a_certificate_or_key(folder: Path, data: st.DataObject, name: str) -> None:
    whole = (folder / name).read_bytes()
    try:
        (folder / name).write_bytes(data.draw(damaged(whole)))
        check(folder, text_of(TREE).encode())
    finally:
        (folder / name).write_bytes(whole)
