"""What happens to the exporter's process, its files and its clock: one after another."""

import shutil
import signal
from pathlib import Path
from random import Random

from tests.soak.github import CREDENTIALS, HOUR, ORGANIZATIONS
from tests.soak.scene import Fault, Scene
from tests.support.harness import command

BROKEN = ("", "organizations: nonsense\n", "organizations: [acme\n", "\x00\xff", "no_such_setting: 1\n")


def kill(scene: Scene, random: Random) -> None:
    scene.say("exporter  kill -9 and a start")
    scene.kill()
    scene.pause(random.uniform(0.0, 1.0))
    scene.start()


def kill_in_a_start(scene: Scene, random: Random) -> None:
    scene.say("exporter  three kills -9 right after a start")
    for _ in range(3):
        scene.kill()
        scene.start()
        scene.pause(random.uniform(0.0, 0.3))


def terminate(scene: Scene, random: Random) -> None:
    scene.say("exporter  SIGTERM and a start")
    scene.stop()
    scene.pause(random.uniform(0.0, 1.0))
    scene.start()


def hours_ahead(scene: Scene, random: Random) -> None:
    """What was to wait for an hour or a day is due, and then that was in the future."""
    hours = random.choice((2, 26, 24 * 20))
    seconds = random.uniform(4.0, 8.0)
    scene.say(
        f"exporter  SIGTERM, {seconds:.1f} s with its clock {hours} h ahead, kill -9, and a start at the right time"
    )
    scene.stop()
    with scene.turned_clock(hours * HOUR):
        scene.pause(seconds)
    scene.start()


def clock_jumps(scene: Scene, random: Random) -> None:
    jumps = [random.choice((1, -1)) * random.choice((1, 5, 30, 24 * 20)) for _ in range(3)]
    scene.say(f"exporter  SIGTERM, its wall clock jumps {jumps} h, kill -9, and a start")
    scene.stop()
    with scene.turned_clock(0) as turn:
        for jump in jumps:
            scene.pause(random.uniform(1.5, 3.0))
            turn(jump * HOUR)
        scene.pause(random.uniform(1.5, 3.0))
    scene.start()


def moved_state(scene: Scene, _random: Random) -> None:
    """As to another machine: `state export` there, `state import` here."""
    scene.say("exporter  its state is exported, and imported into another folder")
    scene.stop()
    old = Path(scene.settings["state"]["path"])
    new = scene.folder / ("state-a" if old.name != "state-a" else "state-b")
    targets = [f"organization/{name}" for name in ORGANIZATIONS]
    exported = command("state", "export", *targets, f"--state.path={old}")
    assert exported.returncode == 0, exported.stderr
    imported = command("state", "import", f"--state.path={new}", stdin=exported.stdout)
    assert imported.returncode == 0, imported.stderr
    scene.settings["state"]["path"] = str(new)
    scene.write_settings()
    scene.start()
    shutil.rmtree(old)


def changed_settings(scene: Scene, random: Random) -> None:
    seconds = random.randint(2, 9)
    scene.say(f"exporter  SIGHUP: drill-downs every {seconds} s, no time_stats, and back")
    collectors = dict(scene.settings["collectors"])
    collectors["time_stats"] = {"enabled": False}
    for name in ("user_stats", "route_stats"):
        collectors[name] = {**collectors[name], "interval": f"{seconds}s"}
    scene.reload({**scene.settings, "collectors": collectors})
    scene.pause(random.uniform(0.5, 3.0))
    scene.reload()
    scene.reloaded(successful=True)


def target_away(scene: Scene, random: Random) -> None:
    gone = random.choice(ORGANIZATIONS)
    scene.say(f"exporter  SIGHUP: {gone} is removed, and comes back")
    others = [one for one in scene.settings["organizations"] if one["name"] != gone]
    watch = {kind: [one for one in of if one["organization"] != gone] for kind, of in scene.settings["watch"].items()}
    scene.reload({**scene.settings, "organizations": others, "watch": watch})
    scene.pause(random.uniform(0.5, 4.0))
    scene.reload()
    scene.reloaded(successful=True)


def drill_down_away(scene: Scene, random: Random) -> None:
    scene.say("exporter  SIGHUP: nobody is watched, and all are again")
    scene.reload({**scene.settings, "watch": {}})
    scene.pause(random.uniform(0.5, 4.0))
    scene.reload()
    scene.reloaded(successful=True)


def broken_settings(scene: Scene, random: Random) -> None:
    text = random.choice(BROKEN)
    scene.say(f"exporter  SIGHUP with a broken configuration: {text!r}")
    scene.reload(text)
    scene.reloaded(successful=False)
    scene.pause(random.uniform(0.2, 2.0))
    scene.reload()
    scene.reloaded(successful=True)


def many_reloads(scene: Scene, random: Random) -> None:
    scene.say("exporter  fifty SIGHUPs")
    for _ in range(50):
        scene.reload()
        scene.pause(random.uniform(0.0, 0.02))
    scene.reloaded(successful=True)


def rotation(scene: Scene, random: Random) -> None:
    credential = random.choice(list(CREDENTIALS))
    scene.say(f"exporter  the {credential} token is replaced, then the old one revoked")
    token = scene.github.new_token(credential)
    scene.github.store(credential, token)
    scene.pause(random.uniform(0.0, 1.0))
    scene.github.revoke_all_but(credential, token)


def late_rotation(scene: Scene, random: Random) -> None:
    credential = random.choice(list(CREDENTIALS))
    scene.say(f"exporter  the {credential} token is revoked, then replaced")
    scene.github.revoke_all_but(credential)
    scene.pause(random.uniform(0.5, 3.0))
    scene.github.store(credential, scene.github.new_token(credential))


def empty_token_file(scene: Scene, random: Random) -> None:
    credential = random.choice(list(CREDENTIALS))
    scene.say(f"exporter  the file of the {credential} token is empty, then missing, then has another one")
    scene.github.store(credential, "")
    scene.pause(random.uniform(0.2, 1.5))
    scene.github.token_file(credential).unlink()
    scene.pause(random.uniform(0.2, 1.5))
    scene.github.renew(credential)


def full_disk(scene: Scene, random: Random) -> None:
    """Until what was shown meanwhile is saved: a kill before that would lose it, as it must."""
    seconds = random.uniform(1.0, 5.0)
    scene.say(f"exporter  the disk is full for {seconds:.1f} s")
    scene.exporter.fill_disk()
    scene.pause(seconds)
    scene.exporter.free_disk()
    scene.saved()


def suspended(scene: Scene, random: Random) -> None:
    seconds = random.uniform(0.5, 3.0)
    scene.say(f"exporter  it is stopped for {seconds:.1f} s, as by a machine that sleeps")
    life, scene.life = scene.life, 0
    assert scene.exporter.process is not None
    scene.exporter.process.send_signal(signal.SIGSTOP)
    scene.pause(seconds)
    scene.exporter.process.send_signal(signal.SIGCONT)
    scene.exporter.metrics()
    scene.life = life


ENDS: dict[str, Fault] = {
    "kill -9": kill,
    "kill -9 in a start": kill_in_a_start,
    "SIGTERM": terminate,
    "hours ahead": hours_ahead,
    "clock jumps": clock_jumps,
    "state moved": moved_state,
}
"""After these it is another process."""
SAME_PROCESS: dict[str, Fault] = {
    "changed settings": changed_settings,
    "target away": target_away,
    "drill-down away": drill_down_away,
    "broken settings": broken_settings,
    "many reloads": many_reloads,
    "rotation": rotation,
    "late rotation": late_rotation,
    "empty token file": empty_token_file,
    "full disk": full_disk,
    "suspended": suspended,
}
