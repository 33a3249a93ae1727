"""How the running program is: its memory, garbage, statements and endpoints, and the guards that act on them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from flatwater.clock import Clock
from flatwater.guards import Guards
from flatwater.load_shedding import LoadShedder
from flatwater.memory_budget import MemoryBudgets
from flatwater.metrics import Metrics, RequestMetrics
from flatwater.monitors import GarbageMonitor, ProcessMonitor, ProcessSample, pss_of, resident_bytes
from flatwater.pool import Database
from flatwater.rate_limit import MemoryRateLimiter, RateLimits, RateStore, Store
from flatwater.recycling import Recycler
from flatwater.valkey import Client, ValkeyRateLimiter
from rightlevel.database.server import Server

PROGRAM_SHARE: Final = 0.9
"""What the program may reach of the budget where it has a PostgreSQL of its own; shedding begins at 85 % of this.

*Source*: measured: 60 to 75 MB of program at rest, 38 MB more while two passwords are hashed (Argon2id at 19 MiB), and 30 to 35 MB
of PostgreSQL, which its settings bound. A smaller share turned people away at an ordinary sign-in.
"""
CRITICAL_SHARE: Final = 1.0
EVERY_S: Final = 5.0


class MemoryLedger(msgspec.Struct, frozen=True):
    """Who has how much of the budget. *Units*: bytes of PSS; None where this machine doesn't tell."""

    budget_bytes: int
    program_bytes: int | None
    database_bytes: int | None
    backends: dict[str, int]
    caches: dict[str, int]

    @property
    def total_bytes(self) -> int | None:
        if self.program_bytes is None or self.database_bytes is None:
            return self.program_bytes
        return self.program_bytes + self.database_bytes


class Vitals(msgspec.Struct, frozen=True):
    """What watches a running platform from inside, and its guards."""

    process: ProcessMonitor
    garbage: GarbageMonitor
    budgets: MemoryBudgets
    shedder: LoadShedder
    recycler: Recycler
    rates: RateLimits
    metrics: Metrics
    requests: RequestMetrics
    guards: Guards


def program_allowance(server: Server, budget_bytes: int) -> int:
    """What the program itself may take of the budget."""
    return int(budget_bytes * PROGRAM_SHARE) if server.is_private else budget_bytes


def rate_limits(store: Client | None) -> RateLimits:
    """Allowances in this process, or in the store that hosts share; what must outlive a restart stays in the database."""
    if store is None:
        return RateLimits(MemoryRateLimiter())
    shared: dict[Store, RateStore] = {"shared": ValkeyRateLimiter(store, prefix="rightlevel")}
    return RateLimits(MemoryRateLimiter(), shared, instead={"memory": "shared"})


@asynccontextmanager
async def watching(
    database: Database,
    server: Server,
    clock: Clock,
    budget_bytes: int,
    *,
    is_service: bool = True,
    store: Client | None = None,
) -> AsyncIterator[Vitals]:
    """Watches while the block runs: samples memory every five seconds, sheds before the allowance is used up, and as the
    last line asks to be replaced. Where hosts share a store, it counts what each would else count in its memory.
    """
    allowance = program_allowance(server, budget_bytes)
    budgets, garbage = MemoryBudgets(), GarbageMonitor()
    recycler = Recycler(int(allowance * CRITICAL_SHARE), clock, grown=budgets.growth.standing)

    def see(sample: ProcessSample) -> None:
        budgets.growth.mark()
        recycler.see(sample.pss_bytes or sample.rss_bytes)

    process = ProcessMonitor(clock, every_s=EVERY_S, garbage=garbage, on_sample=[see])
    shedder = LoadShedder(
        allowance, resident_bytes, clock, pool_statistics=database.statistics, pool_waiting=database.limits.waiting
    )  # fmt: skip
    rates, metrics = rate_limits(store), Metrics()
    requests = RequestMetrics(metrics)
    guards = Guards(shedder, budgets, requests.observe, rates)
    vitals = Vitals(process, garbage, budgets, shedder, recycler, rates, metrics, requests, guards)
    if not is_service:  # a command takes what its work takes, and turns nobody away
        yield vitals
        return
    async with process, shedder:
        yield vitals


def ledger(server: Server, budget_bytes: int, caches: dict[str, int]) -> MemoryLedger:
    """Who has how much now. *Cost*: one file read a process, about 0.5 ms each."""
    backends: dict[str, int] = {}
    if server.is_private:
        for process_id in server.process_ids():
            found = pss_of([process_id])
            if found is not None:
                backends[str(process_id)] = found
    return MemoryLedger(
        budget_bytes, pss_of([os.getpid()]), sum(backends.values()) if server.is_private else None, backends, caches
    )  # fmt: skip
