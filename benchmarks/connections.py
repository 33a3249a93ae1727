"""Connections: 64 clients on four processes of the platform that share one PostgreSQL, counted on the server every 50 ms.

Each process has at most three connections for requests, and one kept apart on which it listens and looks after itself.
A minute after the last request only that one is left.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

import psycopg

from benchmarks.load import Load, Request, run_load
from benchmarks.work import ROOT, Figure, fresh, run, service, tokens_for

PROCESSES = 4
CLIENTS = 64
LOAD_S = 15.0
QUIET_S = 75.0
COUNTED_S = 10.0
SCHOOLS = 100
CHILDREN = 10_000
TINY = {
    "PROCESSES": 1,
    "CLIENTS": 1,
    "LOAD_S": 0.3,
    "QUIET_S": 0.1,
    "COUNTED_S": 0.2,
    "SCHOOLS": 12,
    "CHILDREN": 1_200,
}
COUNT = (
    "select count(*) filter (where application_name not like '%/apart'), count(*) filter (where application_name like '%/apart') "
    "from pg_stat_activity where application_name like 'rightlevel%'"
)


def measure(say: Callable[[str], None]) -> list[Figure]:
    sys.path.insert(0, str(ROOT / "flatwater" / "tests"))
    from running_server import RunningServer

    server = RunningServer()
    server.start()
    os.environ["DATABASE_URL"] = server.conninfo
    try:
        folder = fresh("connections")
        run(
            "generate",
            "--schools",
            str(SCHOOLS),
            "--children",
            str(CHILDREN),
            "--seed",
            "4",
            "--data",
            str(folder),
        )
        tokens = tokens_for(folder, "coordinator", CLIENTS // PROCESSES)
        with ExitStack() as opened:
            processes = [opened.enter_context(service(fresh(f"connections-{n}"))) for n in range(PROCESSES)]
            counting = _Counting(server.conninfo)
            say(f"{CLIENTS} clients for {LOAD_S:.0f} s")
            answered = _load([each.port for each in processes], tokens)
            most, apart = counting.end()
            say(f"{answered:,} answers; quiet for {QUIET_S:.0f} s")
            time.sleep(QUIET_S)
            counting = _Counting(server.conninfo)
            time.sleep(COUNTED_S)
            left, left_apart = counting.end()
    finally:
        del os.environ["DATABASE_URL"]
        server.remove()
    # Every process has the same bound, so all together at theirs means each at its own.
    return [
        Figure(
            "connections for requests a process, at most",
            most / PROCESSES,
            "",
            "<= 3",
            most <= 3 * PROCESSES,
            f"{most} over {PROCESSES} processes under load, and {apart} kept apart",
        ),
        Figure(
            "connections a process a minute later",
            (left + left_apart) / PROCESSES,
            "",
            "<= 1",
            left + left_apart <= PROCESSES,
            f"{left} for requests, {left_apart} kept apart",
        ),
    ]


def _load(ports: list[int], tokens: list[str]) -> int:
    answered: list[int] = []

    def one(port: int, mine: list[str]) -> None:
        clients = [
            [
                Request("GET", "/api/v1/students?limit=50", {"Authorization": f"Bearer {token}"}),
                Request("GET", "/api/v1/rounds", {"Authorization": f"Bearer {token}"}),
            ]
            for token in mine
        ]
        answered.append(run_load(Load("127.0.0.1", port, clients, LOAD_S, warm_s=0.0)).requests)

    threads = [threading.Thread(target=one, args=[port, tokens[: CLIENTS // PROCESSES]]) for port in ports]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(answered)


class _Counting:
    """Counts until it is ended; the most that was seen at once."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._is_ended = threading.Event()
        self._most = self._apart = 0
        self._thread = threading.Thread(target=self._count)
        self._thread.start()

    def _count(self) -> None:
        with psycopg.connect(self._conninfo, autocommit=True, application_name="onlooker") as connection:
            while not self._is_ended.wait(0.05):
                row = connection.execute(COUNT).fetchone()
                assert row is not None
                self._most, self._apart = max(self._most, row[0]), max(self._apart, row[1])

    def end(self) -> tuple[int, int]:
        self._is_ended.set()
        self._thread.join()
        return self._most, self._apart
