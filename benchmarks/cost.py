"""What the guards cost: the list of 50 children with all of them on, against none, in turns within one run.

The two programs are started twice each, by turns, on the same folder, and loaded in turns of three seconds; medians are compared. "None" is the same program with rates, shedding, metering, metrics, statement timing and route names taken off.
Beside it, in this process alone: what metering adds to a request of five short steps, the least of five turns.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from statistics import median

from benchmarks.load import Load, Request, run_load
from benchmarks.work import Figure, Service, generated, service, tokens_for
from flatwater.memory_budget import MemoryBudgets, RequestBudget

AT_MOST = 6.0
METERING_TIMES = 4.0
CLIENTS = 16
TURNS = 7
TURN_S = 3.0
WARM_S = 0.5
SCHOOLS = 1_000
CHILDREN = 100_000
RUNS = 2_000
TINY = {"CLIENTS": 1, "TURNS": 1, "TURN_S": 0.2, "WARM_S": 0.1, "SCHOOLS": 12, "CHILDREN": 1_200, "RUNS": 20}
UNGUARDED = [sys.executable, "-m", "benchmarks.unguarded"]


def measure(say: Callable[[str], None]) -> list[Figure]:
    with generated(SCHOOLS, CHILDREN) as folder:
        tokens = tokens_for(folder, "coordinator", CLIENTS)
        with service(folder) as guarded:
            requests = _requests(guarded, tokens)
            guarded_per_s = [_turn(guarded, requests) for _ in range(TURNS)]
        with service(folder, program=UNGUARDED) as bare:
            bare_per_s = [_turn(bare, requests) for _ in range(TURNS)]
        with service(folder) as guarded:
            guarded_per_s += [_turn(guarded, requests) for _ in range(TURNS)]
        with service(folder, program=UNGUARDED) as bare:
            bare_per_s += [_turn(bare, requests) for _ in range(TURNS)]
    on, off = median(guarded_per_s), median(bare_per_s)
    cost = (1 - on / off) * 100
    say(f"with guards {on:,.0f}/s, without {off:,.0f}/s")
    return [
        Figure(
            "what all guards cost",
            cost,
            "%",
            f"<= {AT_MOST:.0f} %",
            cost <= AT_MOST,
            f"{on:,.0f}/s with, {off:,.0f}/s without",
        ),
        _metering(),
    ]


def _metering() -> Figure:
    async def request() -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def seconds(runs: int, *, is_metered: bool) -> float:
        budgets = MemoryBudgets()
        began = time.perf_counter()
        for _ in range(runs):
            if is_metered:
                await budgets.run("request", request(), budgets.meter(RequestBudget()))
            else:
                await request()
        return (time.perf_counter() - began) / runs

    async def least(*, is_metered: bool) -> float:
        return min([await seconds(RUNS, is_metered=is_metered) for _ in range(5)])

    plain = asyncio.run(least(is_metered=False)) * 1e6
    adds = asyncio.run(least(is_metered=True)) * 1e6 - plain
    promise = f"<= {METERING_TIMES:.0f} x the plain request"
    return Figure(
        "metering a request of five steps",
        adds,
        "µs",
        promise,
        adds <= METERING_TIMES * plain,
        f"{plain:.1f} µs plain",
    )


def _requests(running: Service, tokens: list[str]) -> list[list[Request]]:
    schools = [each["id"] for each in running.get("/api/v1/schools?limit=100", tokens[0])["items"]]
    return [
        [
            Request(
                "GET", f"/api/v1/students?school_id={school}&limit=50", {"Authorization": f"Bearer {token}"}
            )
            for school in schools
        ]
        for token in tokens
    ]


def _turn(running: Service, requests: list[list[Request]]) -> float:
    outcome = run_load(Load("127.0.0.1", running.port, requests, TURN_S, warm_s=WARM_S))
    refused = sum(count for status, count in outcome.statuses.items() if status != "200")
    if refused > outcome.requests * 0.01:
        raise RuntimeError(f"not every list was given: {outcome.statuses}")
    return outcome.per_s
