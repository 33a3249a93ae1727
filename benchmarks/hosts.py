"""Hosts: one, two and four processes that serve one server, by turns: what they read and write together, what each takes, and their connections.

Sixteen clients in all, spread over the hosts, so that what is compared is the same work. Each turn goes over all numbers of hosts, and what is told is the
median of the turns: what else the machine does meets all.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

import msgspec
import psycopg

from benchmarks.load import Load, Outcome, Request, run_load
from benchmarks.work import (
    COMMAND,
    ROOT,
    Figure,
    Service,
    free_port,
    fresh,
    machine,
    run,
    tokens_for,
    wait_for,
)
from benchmarks.write import CLASS, Children
from flatwater.monitors import pss_of
from rightlevel.database import server as server_room
from rightlevel.database.server import PrivateServer
from rightlevel.database.sizing import server_settings

NUMBERS = (1, 2, 4)
CLIENTS = 16
SECONDS = 4.0
WARM_S = 0.5
WRITES_EACH = 40
TURNS = 3
SCHOOLS = 250
CHILDREN = 31_250
MEMORY_BYTES = 1_000_000_000
MOST_CONNECTIONS = "60"
TINY = {
    "NUMBERS": (1, 2),
    "CLIENTS": 2,
    "SECONDS": 0.2,
    "WARM_S": 0.1,
    "WRITES_EACH": 3,
    "TURNS": 1,
    "SCHOOLS": 10,
    "CHILDREN": 1_250,
}


class Turn(msgspec.Struct, frozen=True):
    """What so many hosts did in one turn."""

    reads: float
    writes: float
    read_p99_ms: float
    write_p99_ms: float
    program_bytes: int
    connections: int


def measure(say: Callable[[str], None]) -> list[Figure]:
    folder = fresh("hosts")
    say(f"making {SCHOOLS:,} schools and {CHILDREN:,} children")
    size = ("--schools", str(SCHOOLS), "--children", str(CHILDREN))
    run("generate", *size, "--seed", "3", "--data", str(folder))
    tokens = tokens_for(folder, "coordinator", CLIENTS)
    server = PrivateServer(folder, MEMORY_BYTES)
    # The private server is for one host; somebody else's, for which it stands here, takes more connections.
    with mock.patch.object(server_room, "server_settings", _for_several):
        server.start()
    try:
        children = Children(folder)
        turns: dict[int, list[Turn]] = {number: [] for number in NUMBERS}
        for turn in range(TURNS):
            for number in NUMBERS:
                say(f"turn {turn + 1}, {number} hosts")
                turns[number].append(_turn(server, folder, number, tokens, children))
        beside = machine(children.conninfo)
    finally:
        server.stop()
    found = run("reconcile", "--json", "--data", str(folder))
    say(f"reconcile: {found.stdout.strip()}")
    return [figure for number in NUMBERS for figure in _figures(number, turns[number], beside)]


def _for_several(*sizes: Any) -> dict[str, str]:
    return server_settings(*sizes) | {"max_connections": MOST_CONNECTIONS}


def _figures(number: int, turns: list[Turn], beside: str) -> list[Figure]:
    who = "one host" if number == 1 else f"{number} hosts"
    p99 = f"p99 {median(each.read_p99_ms for each in turns):.1f} ms; {beside}"
    write_p99 = f"p99 {median(each.write_p99_ms for each in turns):.1f} ms"
    most = max(each.connections for each in turns)
    return [
        Figure(f"list of 50 children, {who}", median(each.reads for each in turns), "requests/s", floor=p99),
        Figure(
            f"results one at a time, {who}",
            median(each.writes for each in turns),
            "results/s",
            floor=write_p99,
        ),
        Figure(f"memory of a host, {who}", median(each.program_bytes for each in turns) / 1e6, "MB PSS"),
        Figure(f"connections to the server, {who}", float(most), "", f"<= {5 * number}", most <= 5 * number),
    ]


def _turn(server: PrivateServer, folder: Path, number: int, tokens: list[str], children: Children) -> Turn:
    with ExitStack() as opened:
        hosts = [opened.enter_context(_host(server, folder, each)) for each in range(number)]
        school = hosts[0].get("/api/v1/schools?limit=1", tokens[0])["items"][0]["id"]
        listing = f"/api/v1/students?school_id={school}&limit=50"
        reads = _together(hosts, tokens, {t: [_asked("GET", listing, t)] for t in tokens}, seconds=SECONDS)
        picked = [child for _, some in children.classes(-(-CLIENTS * WRITES_EACH // CLASS)) for child in some]
        sent = {
            token: [
                _asked("POST", "/api/v1/results", token, children.write(child, n))
                for n, child in enumerate(picked[at * WRITES_EACH : (at + 1) * WRITES_EACH])
            ]
            for at, token in enumerate(tokens)
        }
        writes = _together(hosts, tokens, sent, seconds=None)
        took = [pss_of([each.process.pid]) or 0 for each in hosts]
        with psycopg.connect(children.conninfo) as looking:
            row = looking.execute(
                "select count(*) from pg_stat_activity where datname = current_database() and application_name like 'rightlevel%%'"
            ).fetchone()
    return Turn(
        reads=sum(each.per_s for each in reads),
        writes=sum(each.requests for each in writes) / max(each.seconds for each in writes),
        read_p99_ms=max(each.p99_ms for each in reads),
        write_p99_ms=max(each.p99_ms for each in writes),
        program_bytes=sum(took) // number,
        connections=row[0] if row else 0,
    )


@contextmanager
def _host(server: PrivateServer, folder: Path, number: int) -> Iterator[Service]:
    """One process that serves, with a data folder of its own and the files of all."""
    own, port = folder / f"host{number}", free_port()
    own.mkdir(exist_ok=True)
    environment = {
        **os.environ,
        "DATABASE_URL": server.service_conninfo,
        "RIGHTLEVEL_OWNER_DATABASE_URL": server.conninfo,
        "RIGHTLEVEL_FILES_FOLDER": str(folder / "shared"),
    }
    words = [COMMAND, "serve", "--data", str(own), "--port", str(port)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, env=environment, cwd=ROOT)
    try:
        wait_for(port, process=process)
        yield Service(own, port, process)
    finally:
        process.terminate()
        process.wait(30)


def _asked(method: str, path: str, token: str, body: object = None) -> Request:
    headers = {"Authorization": f"Bearer {token}"}
    if body is None:
        return Request(method, path, headers)
    headers["Content-Type"] = "application/json"
    return Request(method, path, headers, msgspec.json.encode(body).decode())


def _together(
    hosts: list[Service], tokens: list[str], sent: dict[str, list[Request]], seconds: float | None
) -> list[Outcome]:
    """Every client on its host, all at once. Without seconds each list is sent once."""

    def load(at: int) -> Outcome:
        mine = [sent[token] for token in tokens[at :: len(hosts)]]
        port = hosts[at].port
        if seconds is None:
            return run_load(Load("127.0.0.1", port, mine, 120.0, warm_s=0.0, repeat=False))
        return run_load(Load("127.0.0.1", port, mine, seconds, warm_s=WARM_S))

    with ThreadPoolExecutor(len(hosts)) as beside:
        outcomes = list(beside.map(load, range(len(hosts))))
    bad = [each.statuses for each in outcomes if set(each.statuses) - {"200", "201"}]
    if bad:
        raise RuntimeError(f"not all was answered: {bad}")
    return outcomes


if __name__ == "__main__":
    for found in measure(print):
        print(
            f"{time.strftime('%H:%M:%S')} {found.name}: {found.value:,.1f} {found.unit} {found.promise} {found.floor}"
        )
