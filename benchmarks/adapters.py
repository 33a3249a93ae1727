"""What all of flatwater's adapters and guards cost a FastAPI service with SQLAlchemy, and whether 60 bytes a request that it leaks are found and named.

The service runs twice at once, plain and watched, and the two are loaded by turns of a second, so that whatever else the machine does meets both. What is compared
is the processor time of the process for each request: the service is one process on one core, so requests a second are what that leaves, and it does not move with the
neighbours as requests a second do. The leak is a `bytes` of 60 in one endpoint: each endpoint is asked alone, in blocks, and what the allocator holds afterwards tells which it is.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import msgspec
import psycopg

from benchmarks.load import Load, Request, run_load
from benchmarks.sick import _own_server
from benchmarks.work import Figure
from flatwater.slope import fit_slope

AT_MOST = 3.0
TURNS = 24
TURN_S = 1.0
WARM_S = 0.2
CLIENTS = 4
AUTHORS = 200
NOTES = 100_000
PLANTED_BYTES = 60
BLOCK = 400
BLOCKS = 14
TINY = {"TURNS": 1, "TURN_S": 0.2, "NOTES": 2_000, "BLOCK": 5, "BLOCKS": 10}
SERVICE = Path(__file__).parent / "peers" / "adapted_service.py"
TICKS = os.sysconf("SC_CLK_TCK")
LEAKING, CLEAN = "/authors/{author}/notes", "/authors/{author}/total"


class _Running(msgspec.Struct):
    port: int
    pid: int


def measure(say: Callable[[str], None]) -> list[Figure]:
    module = _own_server()
    server = module.OwnServer(module.newest_binaries(), {"shared_buffers": "128MB"})
    try:
        with psycopg.connect(server.conninfo, autocommit=True) as at:
            at.execute("create table note (id int primary key, author int not null, words text not null)")
            at.execute(
                "insert into note select n, n %% %s, repeat('w', 60) from generate_series(1, %s) n",
                [AUTHORS, NOTES],
            )
            at.execute("create index on note (author, id)")
            at.execute("vacuum analyze note")
        place = {
            **os.environ,
            "PGHOST": str(server.folder),
            "PGPORT": str(server.port),
            "PGUSER": "postgres",
            "PGDATABASE": "postgres",
        }
        return [_cost(place, say), *_leak(place, say)]
    finally:
        server.remove()


def _cost(place: dict[str, str], say: Callable[[str], None]) -> Figure:
    with ExitStack() as stack:
        plain, watched = (stack.enter_context(_service({**place, "ADAPTED": each})) for each in ("0", "1"))
        for each in (plain, watched):
            _turn(each)
        ratios: list[float] = []
        rates: dict[int, list[float]] = {plain.pid: [], watched.pid: []}
        for turn in range(TURNS):
            order = (plain, watched) if turn % 2 else (watched, plain)
            spent = {}
            for each in order:
                spent[each.pid], per_s = _turn(each)
                rates[each.pid].append(per_s)
            ratios.append(spent[watched.pid] / spent[plain.pid])
    # So much more processor time for a request leaves so many fewer requests a second.
    cost = (1 - 1 / median(ratios)) * 100
    middle = sorted((1 - 1 / each) * 100 for each in ratios)
    quarter = len(middle) // 4
    without, having = median(rates[plain.pid]), median(rates[watched.pid])
    told = (
        f"by processor time a request, middle half of {TURNS} turns {middle[quarter]:.1f} to {middle[-quarter - 1]:.1f} %; "
        f"by requests a second here and now {having:,.0f} against {without:,.0f}"
    )
    say(f"adapters and guards cost {cost:.1f} % ({told})")
    return Figure(
        "what all adapters and guards cost FastAPI + SQLAlchemy",
        cost,
        "%",
        f"<= {AT_MOST:.0f} %",
        cost <= AT_MOST,
        told,
    )


def _leak(place: dict[str, str], say: Callable[[str], None]) -> Iterator[Figure]:
    with _service({**place, "ADAPTED": "1", "LEAK_BYTES": str(PLANTED_BYTES)}) as running:
        slopes = {path: _blocks(running, path) for path in (LEAKING, CLEAN)}
    for path, (low, high) in slopes.items():
        say(f"{path}: {low:.2f} to {high:.2f} blocks a request stay behind")
    named = [path for path, (low, _) in slopes.items() if low > 0.5]
    low, high = slopes[LEAKING]
    yield Figure(
        f"a planted leak of {PLANTED_BYTES} bytes a request, by endpoint",
        (low + high) / 2,
        "blocks/request",
        "found, and only there",
        named == [LEAKING],
        f"95 % interval {low:.2f} to {high:.2f}; {CLEAN} beside it {slopes[CLEAN][0]:.2f} to {slopes[CLEAN][1]:.2f}",
    )


def _blocks(running: _Running, path: str) -> tuple[float, float]:
    """The interval of what stays behind a request of one endpoint, in blocks of the allocator."""
    address = f"http://127.0.0.1:{running.port}"
    asked, held = [], []
    with httpx.Client(base_url=address, timeout=60.0) as client:
        for block in range(BLOCKS):
            for number in range(BLOCK):
                client.get(path.format(author=number % AUTHORS)).raise_for_status()
            if block >= 2:  # what the first requests open and learn is no leak
                asked.append(float(block * BLOCK))
                held.append(float(client.get("/-/blocks").json()))
    slope = fit_slope(list(zip(asked, held, strict=True)))
    return slope.low, slope.high


def _turn(running: _Running) -> tuple[float, float]:
    """Processor seconds a request, and requests a second."""
    requests = [
        [Request("GET", f"/authors/{(client + step) % AUTHORS}/notes") for step in range(20)]
        for client in range(CLIENTS)
    ]
    before = _processor_s(running.pid)
    outcome = run_load(Load("127.0.0.1", running.port, requests, TURN_S, warm_s=0.0))
    spent = _processor_s(running.pid) - before
    if set(outcome.statuses) != {"200"}:
        raise RuntimeError(f"not every list was given: {outcome.statuses}")
    return spent / outcome.requests, outcome.per_s


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def _service(place: dict[str, str]) -> Iterator[_Running]:
    words = [sys.executable, str(SERVICE)]
    with subprocess.Popen(words, env=place, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        running: Any = _Running(int(process.stdout.readline()), process.pid)
        try:
            yield running
        finally:
            process.terminate()
