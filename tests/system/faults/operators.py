"""What operators do to a running exporter, most of it by mistake."""

import os
import signal
from pathlib import Path

from tests.system.faults.row import Row
from tests.system.faults.scene import Place

WEB_CONFIG = "http_server_config:\n  headers:\n    X-Frame-Options: deny\n"
UNREADABLE = r'^github_exporter_credential_readable\{credential="PLACE".*\} 0$'


def put_back(place: Place) -> None:
    """Write the token into its file again."""
    file = place.token_file
    if file.is_dir():
        file.rmdir()
    else:
        file.unlink(missing_ok=True)
    place.give(place.token)


def without_file(place: Place) -> None:
    """Delete the file."""
    place.token_file.unlink()


def empty_file(place: Place) -> None:
    """Leave nothing in the file."""
    place.token_file.write_text("")


def folder_for_file(place: Place) -> None:
    """Mount a folder where the file was, as a wrong volume does."""
    place.token_file.unlink()
    place.token_file.mkdir()


def pipe_for_file(place: Place) -> None:
    """Put a pipe in the file's place, whose reader would wait for ever."""
    place.token_file.unlink()
    os.mkfifo(place.token_file)


def swapped_link(place: Place) -> None:
    """Rotate the token as Kubernetes does: a link to a folder is replaced, then the old token is revoked."""
    folder, name = place.scene.folder, place.token_file.name
    for version, token in (("..1", place.token), ("..2", f"ghp_CANARY2{place.name}")):
        (folder / f"{name}{version}").mkdir(exist_ok=True)
        (folder / f"{name}{version}" / "token").write_text(token)
    link = folder / f"{name}..data"
    _point(link, f"{name}..1")
    place.token_file.unlink()
    place.token_file.symlink_to(f"{link.name}/token")
    place.scene.tokens[f"ghp_CANARY2{place.name}"] = {place.name}
    _point(link, f"{name}..2")


def _point(link: Path, target: str) -> None:
    new = link.with_name(f"{link.name}.new")
    new.symlink_to(target)
    new.replace(link)


def hang_up(place: Place, times: int = 1) -> None:
    """Ask for a reload."""
    process = place.scene.exporter.process
    assert process is not None
    for _ in range(times):
        process.send_signal(signal.SIGHUP)


def broken_config(place: Place) -> None:
    """Reload a file that is no configuration, and has a token in the wrong place."""
    file = place.scene.exporter.config
    place.scene.good_config = file.read_text()
    file.write_text(file.read_text() + "\nnonsense: {token: ghp_CANARY3, organizations: [\n")
    hang_up(place)


def good_config(place: Place) -> None:
    """Reload the file as it was."""
    place.scene.exporter.config.write_text(place.scene.good_config)
    hang_up(place)


def broken_web_config(place: Place) -> None:
    """Break the web configuration, which is read at each connection."""
    (place.scene.folder / "web.yaml").write_text("tls_server_config: {cert_file: nowhere.pem}\nbasic_auth_users: [\n")


def good_web_config(place: Place) -> None:
    """Mend it."""
    (place.scene.folder / "web.yaml").write_text(WEB_CONFIG)


def second_exporter(place: Place) -> None:
    """Start another exporter with the same state folder: it must refuse."""
    done = place.scene.exporter.start_second()
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr


OPERATORS = (
    Row("the token's file is deleted", "operator", without_file, put_back, None, shows=UNREADABLE),
    Row("the token's file is empty", "operator", empty_file, put_back, None, shows=UNREADABLE),
    Row("a folder in place of the token's file", "operator", folder_for_file, put_back, None, shows=UNREADABLE),
    Row("a pipe in place of the token's file", "operator", pipe_for_file, put_back, None, shows=UNREADABLE),
    Row("the token rotates as in Kubernetes", "operator", swapped_link, lambda place: place.revoke(), None, lasts=6),
    Row(
        "a reload with a broken configuration",
        "operator",
        broken_config,
        good_config,
        None,
        shows="^github_exporter_config_last_reload_successful 0$",
    ),
    Row("fifty reloads at once", "operator", lambda place: hang_up(place, 50), hang_up, None, lasts=3),
    Row(
        "a broken web configuration",
        "operator",
        broken_web_config,
        good_web_config,
        None,
        shows="^github_exporter_web_config_last_reload_successful 0$",
        web_config=WEB_CONFIG,
    ),
    Row("a second exporter with the same state", "operator", second_exporter, lambda _: None, None),
)
