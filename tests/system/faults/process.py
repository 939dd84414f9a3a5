"""What happens to the process itself, its disk and its clock: one at a time, each with a process of its own."""

import shutil
import signal
import time

from exporter.instants import DAY, HOUR
from tests.support.harness import until
from tests.system.faults.row import Row, nothing
from tests.system.faults.scene import INTERVAL, Place

FAILED_WRITES = r"^github_exporter_state_writes_failed_total [1-9]"


def kill(place: Place) -> None:
    """kill -9, and start it again."""
    place.scene.exporter.kill()
    place.scene.start()


def kill_often(place: Place) -> None:
    """kill -9 five times, each time a moment later."""
    for number in range(5):
        place.use(1)
        end = time.monotonic() + 0.1 * number
        until(lambda end=end: time.monotonic() > end, "a moment")
        kill(place)


def stop(place: Place) -> None:
    """Stop it and start it again."""
    assert place.scene.exporter.stop() == 0
    place.scene.start()


def freeze(place: Place) -> None:
    """Let the process stand still, as a suspended machine does, for longer than an interval."""
    process = place.scene.exporter.process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    end = time.monotonic() + INTERVAL + 2
    until(lambda: time.monotonic() > end, "it has stood still")
    process.send_signal(signal.SIGCONT)


def full_disk(place: Place) -> None:
    """Let no file grow any more, the log neither."""
    place.scene.exporter.fill_disk(4096)


def free_disk(place: Place) -> None:
    """Let files grow again."""
    place.scene.exporter.free_disk()


def delete_state(place: Place) -> None:
    """Delete the state folder while the exporter runs."""
    shutil.rmtree(place.scene.folder / "state")


def overwrite_state(place: Place) -> None:
    """Write nonsense into the middle of the state file."""
    with (place.scene.folder / "state" / "state.db").open("r+b") as file:
        file.seek(1024)
        file.write(b"nonsense" * 4096)


def turn(place: Place, seconds: float) -> None:
    """Set the exporter's clock."""
    place.scene.turn(seconds)


PROCESS = (
    Row("kill -9", "operator", kill, nothing, None, stops=True),
    Row("kill -9, five times", "operator", kill_often, nothing, None, stops=True),
    Row("SIGTERM, and a start", "operator", stop, nothing, None, stops=True),
    Row("the machine is suspended", "clock", freeze, nothing, None, stops=True),
    Row("the clock is set back by an hour", "clock", lambda place: turn(place, -HOUR), nothing, None, lasts=6),
    Row("the clock is set forward by a day", "clock", lambda place: turn(place, DAY), nothing, None, lasts=6),
    Row(
        "the clock is a day ahead for a while",
        "clock",
        lambda place: turn(place, DAY),
        lambda place: turn(place, 0),
        None,
        lasts=6,
    ),
    Row("the disk is full", "disk", full_disk, free_disk, None, shows=FAILED_WRITES, lasts=4),
    Row("the state folder is deleted", "disk", delete_state, nothing, None, shows=FAILED_WRITES),
    Row("the state file is overwritten", "disk", overwrite_state, nothing, None, shows=FAILED_WRITES),
)
