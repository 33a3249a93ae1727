"""Which hosts serve one database, how each fares, and which of them does what only one is to do.

A host is a process that serves. Each tells every fifteen seconds; one that has told nothing for a minute is gone. Whoever is elected
tells alerts for all, sweeps and keeps the history; another follows within a minute when it ends without a word, at once when it ends in order.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

import msgspec

from flatwater.baselines import SERVICE_LEVELS, Verdict, worst
from flatwater.clock import Clock
from flatwater.errors import Refused
from flatwater.pool import Database
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel import __version__
from rightlevel.database.errors import DatabaseProblem
from rightlevel.operations.readings import Reading
from rightlevel.programme.photos import Store

log = logging.getLogger("rightlevel.operations")
_queries = load_queries(__package__ or "", "hosts.sql")

ALIVE: Final = timedelta(seconds=60)
"""Four words that did not come. `activity` in queries.sql counts by the same."""
FORGOTTEN: Final = timedelta(days=1)
ELECTED_FOR: Final = timedelta(seconds=45)
"""Three turns: one slow look costs nobody an election."""
ALONE_AFTER_S: Final = 300.0
"""A host that could ask nobody for so long speaks for itself: told twice is better than told by nobody."""
DEADLINE_S: Final = 5.0
ARRIVAL_S: Final = 10.0
SIGN_S: Final = 10.0
"""A folder of another machine that is gone answers nothing at all."""
ELECTION: Final = "cluster"

SIGNS: Final = "hosts"
"""The folder of signs where files lie; backups leave it out."""
OF_A_HOST: Final = ("memory_bytes", "query_p95_s", "cache_hit_rate", "turning_away_s")
"""The service levels that each host has of its own; the others are the database's, the same for all who look."""
HIGHER_IS_BETTER: Final = frozenset(level.name for level in SERVICE_LEVELS if level.higher_is_better)
BEYOND_MEASURE: Final = 1e18
"""JSON has no infinity."""


class FilesElsewhere(DatabaseProblem):
    """The files of another host on this database lie in another place, so this one does not start."""


class HeardInTwoWays(DatabaseProblem):
    """Another host on this database hears of changes in another way, so this one does not start."""


class Host(msgspec.Struct, frozen=True):
    """A process that serves, as it last told. `levels` is JSON: its own service levels by name."""

    id: str
    name: str
    process_id: int
    version: str
    began_at: datetime
    told_at: datetime
    verdict: Verdict
    levels: str
    connections: int
    hears_by: str
    has_sign: bool
    is_alive: bool
    is_elected: bool

    @property
    def own_levels(self) -> dict[str, float | None]:
        return msgspec.json.decode(self.levels, type=dict[str, float | None])


async def list_hosts(session: Session) -> list[Host]:
    """The hosts of this database by name, those that fell silent within a day among them. *Cost*: one statement, at most 64 rows."""
    found = await session.fetch_all(_queries["list_hosts"], {"alive": ALIVE, "election": ELECTION}, into=Host)
    return sorted(found, key=lambda each: (each.name, each.began_at, each.id))


class Hosts:
    """This host among the others. `signs` are the places of files, where several hosts can be: each leaves a file of its id there, by which
    one that arrives sees that its places are theirs."""

    def __init__(self, database: Database, clock: Clock, *, port: int, signs: tuple[Store, ...] = ()) -> None:
        self.id = str(uuid4())
        self.name = f"{socket.gethostname()[:190]}:{port}"
        self.has_sign = False
        self.known: tuple[Host, ...] = ()
        """Those alive when this host last told, itself among them."""
        self.predecessors: tuple[str, ...] = ()
        """The ids of those in whose place this host came: they bore its name, and two can't serve at one port of a machine."""
        self._signs = signs
        self._database = database
        self._clock = clock
        self._began_at = clock.now()
        self._is_elected = False
        self._answered_s = clock.monotonic()

    @property
    def is_elected(self) -> bool:
        """Whether this host does what only one is to do.

        While the database can't be asked, whoever was elected last goes on; after five minutes every host speaks for itself.
        """
        return self._is_elected or self._clock.monotonic() - self._answered_s > ALONE_AFTER_S

    async def arrive(self) -> None:
        """Tells of this host for the first time. Hosts arrive one after another, so of two the second sees the first.

        *Errors*: FilesElsewhere when a host that is alive keeps files where this one does not see them, HeardInTwoWays when it would not hear
        what this one changes; then nothing is left of this one.
        """
        await self._leave_signs()

        async def arrive(session: Session) -> tuple[list[Host], bool]:
            await session.fetch_value(_queries["hold_arrivals"], {})
            return await self._tell(session, None)

        arrived, _ = await self._database.run(arrive, deadline_s=ARRIVAL_S, idempotent=True)
        self.predecessors = tuple(
            each.id for each in arrived if each.name == self.name and each.id != self.id
        )
        self._heard(arrived)
        deaf = [each.name for each in self.known if each.hears_by != self._database.announcer.way]
        if deaf:
            await self.leave()
            raise HeardInTwoWays(
                f"Other hosts work on this database ({', '.join(deaf)}) with another RIGHTLEVEL_POOLER, so that what one changes the other would not "
                "hear. Set the same for all, and start them anew together."
            )
        try:
            if self.has_sign:
                await self._require_files(self.known)
        except FilesElsewhere:
            await self.leave()
            raise

    async def require_files(self) -> None:
        """Passes when the hosts that are alive keep their files where this command sees them: a backup would lack them, a sweep leave them for ever.

        *Errors*: FilesElsewhere.
        """
        async with self._database.read(deadline_s=DEADLINE_S) as session:
            hosts = await list_hosts(session)
        await self._require_files(tuple(each for each in hosts if each.is_alive))

    async def _require_files(self, hosts: tuple[Host, ...]) -> None:
        strangers = [each.name for each in hosts if not await self._shares_files(each)]
        if strangers:
            raise FilesElsewhere(
                f"Other hosts work on this database ({', '.join(strangers)}), and their files lie where this one does not see them. Name one "
                "folder that all hosts share with RIGHTLEVEL_FILES_FOLDER (and the same RIGHTLEVEL_PHOTO_STORE_ADDRESS and _BUCKET, if photos lie in "
                "a store) for each. A host that ended without a word is forgotten after a minute."
            )

    async def _leave_signs(self) -> None:
        try:
            async with asyncio.timeout(SIGN_S):
                for store in self._signs:
                    await store.put(_sign_of(self.id), self.name.encode())
            self.has_sign = bool(self._signs)
        except (Refused, OSError) as error:
            # A store that is away stops no host: its pages say so where a file is asked for.
            log.warning("where files lie could not be examined: %s", error)

    async def _shares_files(self, other: Host) -> bool:
        """Whether the other's signs are where our files lie. Where either could not be looked at, nothing is known and nothing refused."""
        if not other.has_sign or other.id == self.id:
            return True
        try:
            async with asyncio.timeout(SIGN_S):
                return all([await store.get(_sign_of(other.id)) is not None for store in self._signs])
        except (Refused, OSError) as error:
            log.warning("where files lie could not be examined: %s", error)
            return True

    async def tell(self, reading: Reading) -> tuple[Host, ...]:
        """Says how this host fares and stands for election; the hosts alive, itself among them. *Cost*: three short statements. *Errors*: those of a write.

        A host that was silent for a day (a machine that slept, a clock that was set) was forgotten, and its signs went with it: they are left anew.
        """
        # On the connection kept apart: behind requests that wait for a full pool a host that is at work would seem to be gone.
        async with self._database.operations(deadline_s=DEADLINE_S, writes=True) as session:
            hosts, was_forgotten = await self._tell(session, reading)
        self._heard(hosts)
        if was_forgotten:
            await self._leave_signs()
        return self.known

    async def _tell(self, session: Session, reading: Reading | None) -> tuple[list[Host], bool]:
        """The hosts there are, and whether nothing was known of this one."""
        values = {
            "id": self.id,
            "name": self.name,
            "process_id": os.getpid(),
            "version": __version__,
            "began_at": self._began_at,
            "verdict": _verdict(reading),
            "levels": msgspec.json.encode(_own_levels(reading)).decode(),
            "connections": self._database.statistics().connections,
            "hears_by": self._database.announcer.way,
            "has_sign": self.has_sign,
            "arrives": reading is None,
        }
        is_new = bool(await session.fetch_value(_queries["tell_host"], values))
        await session.execute(_queries["elect_host"], {"name": ELECTION, "id": self.id, "lasts": ELECTED_FOR})
        return await list_hosts(session), is_new

    def _heard(self, hosts: list[Host]) -> None:
        self.known = tuple(each for each in hosts if each.is_alive)
        self._answered_s = self._clock.monotonic()
        self._is_elected = any(each.id == self.id and each.is_elected for each in hosts)

    async def forget_silent(self) -> None:
        """Forgets hosts that have told nothing for a day, and takes their signs away."""

        async def forget(session: Session) -> list[_Forgotten]:
            return await session.fetch_all(
                _queries["forget_hosts"], {"forgotten": FORGOTTEN}, into=_Forgotten
            )

        for each in await self._database.run(forget, deadline_s=DEADLINE_S):
            await self._take_sign(each.id)

    async def _take_sign(self, host_id: str) -> None:
        for store in self._signs:
            with suppress(Refused, OSError):  # a few bytes that mean nothing any more
                async with asyncio.timeout(SIGN_S):
                    await store.remove(_sign_of(host_id))

    async def leave(self) -> None:
        """This host ends: another may be elected at once. What can't be told is forgotten in a day."""
        self._is_elected = False

        async def leave(session: Session) -> None:
            await session.execute(_queries["give_up_election"], {"name": ELECTION, "id": self.id})
            await session.execute(_queries["forget_host"], {"id": self.id})

        with suppress(Refused):
            await self._database.run(leave, deadline_s=DEADLINE_S, idempotent=True)
        await self._take_sign(self.id)


def _verdict(reading: Reading | None) -> Verdict:
    """How a host is, as its health page says it: what has nothing to judge yet (a cache nobody asked) is no trouble of the host."""
    if reading is None or reading.activity is None:
        return "not_examined"
    told = worst(each for each in reading.judgements if each.verdict in ("warning", "critical"))
    return "ok" if told == "not_examined" else told


def _own_levels(reading: Reading | None) -> dict[str, float | None]:
    told: dict[str, float | None] = {} if reading is None else reading.levels
    return {
        name: None if (value := told.get(name)) is None else min(value, BEYOND_MEASURE) for name in OF_A_HOST
    }


def _sign_of(host_id: str) -> str:
    return f"{SIGNS}/{host_id}"


class _Forgotten(msgspec.Struct, frozen=True):
    id: str


def levels_of_all(reading: Reading, hosts: tuple[Host, ...]) -> dict[str, float | None]:
    """The service levels of the whole: the database's as this host saw them, and of what each host has of its own the worst of all."""
    levels = dict(reading.levels)
    for name in OF_A_HOST:
        told = [each.own_levels.get(name) for each in hosts]
        seen = [value for value in (levels[name], *told) if value is not None]
        if seen:
            levels[name] = min(seen) if name in HIGHER_IS_BETTER else max(seen)
    return levels


def where_it_is(name: str, value: float | None, hosts: tuple[Host, ...]) -> str:
    """Which hosts a service level is the worst at, where there are several; nothing for what is the database's."""
    if name not in OF_A_HOST or value is None or len(hosts) < 2:
        return ""
    return ", ".join(each.name for each in hosts if each.own_levels.get(name) == value)
