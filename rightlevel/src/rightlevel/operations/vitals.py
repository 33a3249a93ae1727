"""How the running program is: its memory, garbage, statements and endpoints, and the guards that act on them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from flatwater.clock import Clock
from flatwater.guards import Guards
from flatwater.load_shedding import LoadShedder
from flatwater.memory_budget import MemoryBudgets
from flatwater.metrics import Metrics, RequestMetrics
from flatwater.monitors import GarbageMonitor, MemorySampler, ProcessMonitor, ProcessSample
from flatwater.pool import Database
from flatwater.rate_limit import MemoryRateLimiter, RateLimits, RateStore, Store
from flatwater.recycling import Recycler
from flatwater.supervisor import Supervisor
from flatwater.valkey import Client, ValkeyRateLimiter
from rightlevel.database.server import Server
from rightlevel.operations.memory_plan import program_allowance

CRITICAL_SHARE: Final = 1.0
EVERY_S: Final = 5.0


class Vitals(msgspec.Struct, frozen=True):
    """What watches a running platform from inside, and its guards. `memory` is the one reading that they all judge by."""

    memory: MemorySampler
    process: ProcessMonitor
    garbage: GarbageMonitor
    budgets: MemoryBudgets
    shedder: LoadShedder
    recycler: Recycler
    rates: RateLimits
    metrics: Metrics
    requests: RequestMetrics
    guards: Guards


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
    supervisor: Supervisor,
    *,
    is_service: bool = True,
    is_busy: Callable[[], bool] = bool,
    store: Client | None = None,
) -> AsyncIterator[Vitals]:
    """Watches while the block runs: sheds before the allowance is used up, and as the last line asks to be replaced, by the same reading.

    `is_busy`: whether work is under way that being replaced would cost. Where hosts share a store, it counts what each would else
    count in its memory.
    """
    allowance = program_allowance(budget_bytes, is_private=server.is_private)
    memory, budgets, garbage = MemorySampler(clock), MemoryBudgets(), GarbageMonitor()
    shedder = LoadShedder(
        allowance,
        memory.owned_bytes,
        clock,
        pool_statistics=database.statistics,
        pool_waiting=database.limits.waiting,
        supervisor=supervisor,
    )
    recycler = Recycler(
        int(allowance * CRITICAL_SHARE), clock, grown=budgets.growth.standing, is_busy=is_busy
    )

    def see(sample: ProcessSample) -> None:
        budgets.growth.mark()
        recycler.see(sample.pss_bytes, memory_short_s=shedder.memory_short_s)

    process = ProcessMonitor(
        clock, every_s=EVERY_S, garbage=garbage, memory=memory, on_sample=[see], supervisor=supervisor
    )
    rates, metrics = rate_limits(store), Metrics()
    requests = RequestMetrics(metrics)
    guards = Guards(shedder, budgets, requests.observe, rates)
    vitals = Vitals(
        memory=memory,
        process=process,
        garbage=garbage,
        budgets=budgets,
        shedder=shedder,
        recycler=recycler,
        rates=rates,
        metrics=metrics,
        requests=requests,
        guards=guards,
    )
    if not is_service:  # a command takes what its work takes, and turns nobody away
        yield vitals
        return
    async with process, shedder:
        yield vitals
