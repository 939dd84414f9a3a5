"""Tokens: where they come from, when they are read again, and that nobody sees them."""

import asyncio
import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from exporter.errors import CredentialRejected
from exporter.fetching import Reply
from exporter.github.credentials import TokenCredential
from exporter.github.exchange import Method

CANARY = "ghp_CANARYcanary0123456789"


def of_file(path: Path) -> TokenCredential:
    return TokenCredential("classic", "https://api.github.com", "2022-11-28", token_file=path)


def of_text(token: str) -> TokenCredential:
    return TokenCredential("classic", "https://api.github.com", "2022-11-28", token_text=SecretStr(token))


def replace(path: Path, text: str) -> None:
    """Rotate as Kubernetes and careful people do: a new file takes the name."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def test_a_token_is_stripped() -> None:
    assert of_text(f" {CANARY}\n").secret() == CANARY


@pytest.mark.parametrize("text", [f"{CANARY}\n", f"  {CANARY}\r\n", CANARY])
def test_a_token_file_is_stripped(tmp_path: Path, text: str) -> None:
    path = tmp_path / "token"
    path.write_bytes(text.encode())
    assert of_file(path).secret() == CANARY


def test_a_rotated_file_gives_the_new_token_at_once(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first")
    credential = of_file(path)
    assert credential.secret() == "first"
    replace(path, "other")
    assert credential.secret() == "other"


def test_a_rotation_within_one_tick_of_the_file_systems_clock_is_seen(tmp_path: Path) -> None:
    """Same size, same time, another file."""
    path = tmp_path / "token"
    path.write_text("first")
    os.utime(path, ns=(0, 0))
    credential = of_file(path)
    assert credential.secret() == "first"
    new = tmp_path / "new"
    new.write_text("other")
    os.utime(new, ns=(0, 0))
    new.replace(path)
    assert credential.secret() == "other"


def test_a_swapped_symlink_gives_the_new_token(tmp_path: Path) -> None:
    """Kubernetes mounts a secret as a link to a folder that it exchanges."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "token").write_text(f"token-{name}")
    current = tmp_path / "current"
    current.symlink_to("a")
    credential = of_file(current / "token")
    assert credential.secret() == "token-a"
    (tmp_path / "next").symlink_to("b")
    (tmp_path / "next").replace(current)
    assert credential.secret() == "token-b"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot be read: No such file"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"two\nlines", "more than one plain word"),
        (b"two words", "more than one plain word"),
        (b"\xff\xfe", "is empty"),
        (b"\xff\xfe\xff", "holds no text"),
        (b"ghp_\xc3\xbc", "a character that no token has, perhaps an invisible one"),
        (b"a\x00b", "a character that no token has"),
        (b"x" * 70_000, "more than 64 KiB"),
    ],
)
def test_an_unusable_file_is_told_by_its_name_only(tmp_path: Path, content: bytes | None, complaint: str) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CredentialRejected, match=complaint) as caught:
        of_file(path).secret()
    assert str(path) in str(caught.value)
    assert caught.value.__context__ is None
    assert "two" not in str(caught.value)


def test_a_folder_or_a_fifo_is_no_token_file(tmp_path: Path) -> None:
    """Opening a FIFO would wait for ever."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (tmp_path, fifo):
        with pytest.raises(CredentialRejected, match="no regular file"):
            of_file(path).secret()


@pytest.mark.parametrize("spoiled", ["", "half a\ntoken", None])
def test_the_last_good_token_stays_while_the_file_is_spoiled(
    tmp_path: Path, spoiled: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """One warning says so, however often the token is used; then the repaired file is read."""
    path = tmp_path / "token"
    path.write_text("good")
    credential = of_file(path)
    assert credential.secret() == "good"
    if spoiled is None:
        path.unlink()
    else:
        replace(path, spoiled)
    assert [credential.secret() for _ in range(3)] == ["good"] * 3
    assert capsys.readouterr().out.count("its last content stays in use") == 1
    replace(path, "newer")
    assert credential.secret() == "newer"


@pytest.mark.parametrize("token", ["", "  ", "two words", "line\nbreak", "ümlaut"])
def test_a_text_that_no_header_could_carry_is_refused(token: str) -> None:
    with pytest.raises(CredentialRejected) as caught:
        of_text(token).secret()
    assert not token.strip() or token not in str(caught.value)


class Unasked:
    """The way to GitHub that a token never needs."""

    def now(self) -> float:
        raise AssertionError

    async def __call__(self, method: Method, path: str, bearer: str) -> Reply:
        raise AssertionError(method, path, bearer)


def test_a_token_needs_no_asking(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(CANARY)
    for credential in (of_text(CANARY), of_file(path)):
        assert asyncio.run(credential.token(Unasked())) == credential.secret() == CANARY


def test_a_rejected_token_is_worth_another_try_only_if_its_file_holds_another(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first")
    credential = of_file(path)
    credential.secret()
    assert not asyncio.run(credential.renew("first"))
    replace(path, " first\n")
    assert not asyncio.run(credential.renew("first"))
    replace(path, "other")
    assert asyncio.run(credential.renew("first"))
    assert not asyncio.run(credential.renew("other"))
    path.unlink()
    assert not asyncio.run(credential.renew("other"))
    assert not asyncio.run(of_file(path).renew("first"))
    assert not asyncio.run(of_text(CANARY).renew(CANARY))


def test_exactly_one_source_of_the_token() -> None:
    with pytest.raises(ValueError, match="either a token or a token_file"):
        TokenCredential("x", "https://api.github.com", "2022-11-28")
    with pytest.raises(ValueError, match="either a token or a token_file"):
        TokenCredential("x", "https://h", "2022-11-28", token_text=SecretStr("a"), token_file=Path("b"))


def test_the_fingerprint_tells_the_same_token_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(CANARY)
    credential = of_file(path)
    first = credential.fingerprint(b"salt")
    assert first == credential.fingerprint(b"salt") == of_text(CANARY).fingerprint(b"salt")
    assert first != credential.fingerprint(b"pepper")
    assert len(first) == 16
    assert CANARY not in first
    replace(path, "rotated")
    assert credential.fingerprint(b"salt") != first


def test_no_text_form_shows_the_token(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(CANARY)
    for credential in (of_text(CANARY), of_file(path)):
        credential.secret()
        assert CANARY not in f"{credential!r} {credential} {credential._file!r}"
