"""What each running service tells of itself in its data folder, for the doctor and for `rightlevel reload`: one small file a process.

A file is written whole or not at all, once a minute, and taken away when its process ends; one whose process ended without doing so is
taken for nobody's and removed by whoever sees it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from flatwater.clock import Clock
from flatwater.doctor.application_numbers import MOST_ENDPOINTS, MOST_STATEMENTS, ApplicationNumbers
from flatwater.monitors.endpoints import EndpointStanding
from flatwater.pool import Database
from flatwater.statement_times import QueryTimes

FOLDER: Final = "processes"
MOST_BYTES: Final = 64_000
MOST_PROCESSES: Final = 64


class OwnNumbers(msgspec.Struct, frozen=True):
    """One process. `ticks` is when the kernel says it began: the number of a process may be another's later."""

    process_id: int
    ticks: int
    began_at: datetime
    told_at: datetime
    numbers: ApplicationNumbers


class Telling:
    """Writes this process's numbers into its data folder."""

    def __init__(
        self, folder: Path, database: Database, standing: Callable[[], list[EndpointStanding]], clock: Clock
    ) -> None:
        self._file = folder / FOLDER / f"{os.getpid()}.json"
        self._database = database
        self._standing = standing
        self._clock = clock
        self._began_at = clock.now()

    def tell(self) -> None:
        """Writes the numbers of now. *Errors*: OSError. *Cost*: a file of at most 64 kB, a millisecond."""
        now = self._clock.now()
        numbers = ApplicationNumbers(
            (os.getpid(),),
            max(0.0, (now - self._began_at).total_seconds()),
            tuple(self._database.statements.costliest(MOST_STATEMENTS)),
            tuple(self._standing()[:MOST_ENDPOINTS]),
        )
        told = OwnNumbers(os.getpid(), _ticks_of(os.getpid()) or 0, self._began_at, now, numbers)
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self._file.with_suffix(".part")
        part.write_bytes(msgspec.json.encode(told))
        part.replace(self._file)

    def end(self) -> None:
        """Takes the file away."""
        self._file.unlink(missing_ok=True)


def running_processes(folder: Path) -> list[OwnNumbers]:
    """The services that run on a data folder on this machine, at most 64; what is left of others is removed."""
    found: list[OwnNumbers] = []
    for file in sorted((folder / FOLDER).glob("*.json"))[:MOST_PROCESSES]:
        try:
            with file.open("rb") as content:
                told = msgspec.json.decode(content.read(MOST_BYTES), type=OwnNumbers)
        except (FileNotFoundError, msgspec.MsgspecError):
            continue  # it ended this moment, or was never whole; what is not whole tells nothing
        if _is_alive(told):
            found.append(told)
        else:
            file.unlink(missing_ok=True)
    return found


def numbers_of(folder: Path) -> ApplicationNumbers | None:
    """What the services of a data folder tell together, or None where none runs here."""
    told = running_processes(folder)
    if not told:
        return None
    statements: dict[str, QueryTimes] = {}
    endpoints: dict[str, EndpointStanding] = {}
    for one in told:
        for each in one.numbers.statements:
            known = statements.get(each.name)
            statements[each.name] = each if known is None else _both(known, each)
        for each in one.numbers.endpoints:
            known = endpoints.get(each.name)
            # Of two processes the one that grew more speaks for the endpoint: a fault of one is not thinned by the other.
            if known is None or each.growth_bytes > known.growth_bytes:
                endpoints[each.name] = each
    return ApplicationNumbers(
        tuple(one.process_id for one in told),
        max(one.numbers.for_s for one in told),
        tuple(sorted(statements.values(), key=lambda each: -each.total_s)[:MOST_STATEMENTS]),
        tuple(sorted(endpoints.values(), key=lambda each: -each.growth_bytes)[:MOST_ENDPOINTS]),
    )


def _both(one: QueryTimes, other: QueryTimes) -> QueryTimes:
    return QueryTimes(
        one.name, one.calls + other.calls, one.total_s + other.total_s, max(one.longest_s, other.longest_s)
    )


def _is_alive(told: OwnNumbers) -> bool:
    if told.ticks:
        return _ticks_of(told.process_id) == told.ticks
    try:
        os.kill(told.process_id, 0)
    except OSError:
        return False
    return True


def _ticks_of(process_id: int) -> int | None:
    """When a process began, in the kernel's ticks; None where there is none of that number, or no /proc."""
    try:
        text = Path(f"/proc/{process_id}/stat").read_bytes()
    except OSError:
        return None
    return int(text.rpartition(b")")[2].split()[19])
