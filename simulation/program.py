"""The program under the simulation's clock: `python -m simulation.program` starts real processes of it, one fork each.

It reads one JSON line a command from its input and answers with one line: `run` starts `rightlevel ARGS` in a process of its own and gives
its number, `wait` gives how a process ended. Everything heavy is imported once, so that a process is up in a fraction of a second.
This is the only part of the simulation that imports the program, and it does so only to start it.
"""

from __future__ import annotations

import faulthandler
import json
import mmap
import os
import signal
import struct
import sys
import time
import traceback
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from simulation.planted import plant_in_program

HEAVY = (
    "uvicorn",
    "uvloop",
    "rightlevel.commands",
    "rightlevel.commands.serve",
    "rightlevel.assembly",
    "rightlevel.web.app",
    "rightlevel.commands.reconcile",
    "rightlevel.commands.person",
    "rightlevel.commands.token",
)
CLOCK_BYTES = 8
WAIT_PAUSE_S = 0.005


class ShiftedClock:
    """Reads how far the simulated time is ahead of the machine's from a file that the simulation writes."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), CLOCK_BYTES, access=mmap.ACCESS_READ)

    def shift_s(self) -> float:
        """How many seconds the simulated time is ahead."""
        return struct.unpack("d", self._shared[:CLOCK_BYTES])[0]

    def now(self) -> datetime:
        """The simulated instant."""
        return datetime.now(UTC) + timedelta(seconds=self.shift_s())

    def monotonic(self) -> float:
        """A monotonic number of simulated seconds: what lives for a minute is over when a day has passed."""
        return time.monotonic() + self.shift_s()


def install_clock(path: Path) -> None:
    """Puts the shifted clock in the place of the machine's, in this process."""
    system: Any = import_module("flatwater.clock").SystemClock
    shifted = ShiftedClock(path)
    system.now = lambda _self: shifted.now()
    system.monotonic = lambda _self: shifted.monotonic()


def compile_templates() -> None:
    """Compiles every template before anything is forked: processes are started hundreds of times here."""
    import_module("rightlevel.web.templating").compile_templates()


SEALING_S = 0.4


def hasten_sealing() -> None:
    """Rounds are sealed within half a second: a day passes in a few here, and nobody would see a frozen round otherwise."""
    upkeep: Any = import_module("rightlevel.operations.upkeep")
    chores = upkeep.Upkeep.chores.fget
    replace = import_module("msgspec").structs.replace

    def hastened(self: Any) -> Any:
        return tuple(
            replace(each, period_s=SEALING_S) if each.name == "round sealing" else each
            for each in chores(self)
        )

    upkeep.Upkeep.chores = property(hastened)


HASHING_KIB = 64


def cheapen_hashing() -> None:
    """Passwords and PINs are hashed in a thousandth of the memory: a wave of deeds is as slow as its slowest, and nobody guesses here."""
    passwords: Any = import_module("rightlevel.programme.accounts.passwords")
    passwords.MEMORY_KIB = HASHING_KIB


def _become(command: dict[str, Any]) -> None:
    """The child: own group, own log, own environment; then `rightlevel ARGS` until it ends."""
    os.setsid()
    log = os.open(command["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    os.environ.update(command["environment"])
    if command.get("clock"):
        install_clock(Path(command["clock"]))
        hasten_sealing()
        cheapen_hashing()
    if command.get("plant"):
        plant_in_program(command["plant"])
    main: Any = import_module("rightlevel.commands").main
    main(args=command["arguments"], prog_name="rightlevel")


def _run(command: dict[str, Any]) -> dict[str, Any]:
    process_id = os.fork()
    if process_id:
        return {"process_id": process_id}
    code = 70
    try:
        _become(command)
        code = 0
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 1
    except BaseException:  # noqa: BLE001 (said in the process's own log: it ends here, and nobody above it would)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(command: dict[str, Any]) -> dict[str, Any]:
    """How a process ended. One that does not end in the time it has is killed, and its code says so (-9)."""
    process_id, until = command["process_id"], time.monotonic() + command["most_s"]
    try:
        while True:
            done, status = os.waitpid(process_id, os.WNOHANG)
            if done:
                return {"code": os.waitstatus_to_exitcode(status)}
            if time.monotonic() > until:
                os.kill(process_id, signal.SIGKILL)
            time.sleep(WAIT_PAUSE_S)
    except ChildProcessError:
        return {"code": None}


def main() -> None:
    """Answers commands until the input ends; whatever still runs then is ended."""
    for each in HEAVY:
        import_module(each)
    compile_templates()
    started: list[int] = []
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        answer = _run(command) if command["do"] == "run" else _wait(command)
        if "process_id" in answer:
            started.append(answer["process_id"])
        print(json.dumps(answer), flush=True)
    for process_id in started:
        try:
            done, _ = os.waitpid(process_id, os.WNOHANG)
        except ChildProcessError:
            continue
        if not done:
            os.kill(process_id, signal.SIGKILL)


if __name__ == "__main__":
    main()
