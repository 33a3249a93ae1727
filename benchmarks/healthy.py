"""A healthy server under ordinary load, looked at again and again: what the doctor calls trouble there that is none.

pgbench, a FastAPI service with SQLAlchemy and a Django service take turns, some minutes each: no week of them was measured. What is told of the server
at rest (it lets everybody in by its socket, for one) is told apart: it is so, load or not.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg

from benchmarks.peers import healthy_services
from benchmarks.sick import STATEMENTS, _own_server
from benchmarks.work import Figure
from flatwater.doctor.look import Look
from flatwater.doctor.model import Snapshot
from flatwater.doctor.run import Doctor

EACH_S = 90.0
LOOK_EVERY_S = 10.0
SETTLE_S = 3.0
SCALE = 10
TINY = {"EACH_S": 1.0, "LOOK_EVERY_S": 0.5, "SCALE": 1}
CLIENTS = 4
LOUD = {"warning", "critical"}
ROLE = """
create role shop login;
alter role shop set statement_timeout = '30s';
alter role shop set lock_timeout = '5s';
alter role shop set idle_in_transaction_session_timeout = '30s';
create database shop owner shop;
"""


def measure(say: Callable[[str], None]) -> list[Figure]:
    module = _own_server()
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"))
    if not found:
        say("pgbench is not installed here, so nothing was measured")
        return [Figure("healthy servers under load", 0, "looks", "pgbench is wanted")]
    binaries = found[-1].parent
    settings = {**STATEMENTS, "fsync": "on", "shared_buffers": "128MB", "max_connections": "100"}
    server = module.OwnServer(binaries, settings)
    try:
        return list(_measured(server, binaries, say))
    finally:
        server.remove()


def _measured(server: Any, binaries: Path, say: Callable[[str], None]) -> Iterator[Figure]:
    with psycopg.connect(server.conninfo, autocommit=True) as at:
        for statement in filter(str.strip, ROLE.split(";")):
            at.execute(statement)  # type: ignore[call-overload]
    conninfo = server.conninfo.replace("dbname=postgres", "dbname=shop")
    with psycopg.connect(conninfo, autocommit=True) as at:
        at.execute("create extension pg_stat_statements")
    place = {
        **os.environ,
        "PGHOST": str(server.folder),
        "PGPORT": str(server.port),
        "PGUSER": "shop",
        "PGDATABASE": "shop",
    }
    subprocess.run(
        [str(binaries / "pgbench"), "-i", "-q", "-s", str(SCALE)], env=place, check=True, capture_output=True
    )
    history: list[Snapshot] = []
    time.sleep(SETTLE_S)  # what a session counted reaches the statistics within a second
    at_rest = _loud(conninfo, "shop", history)
    say(f"at rest: {', '.join(sorted(at_rest)) or 'nothing'}")
    for name, load in (
        ("pgbench", _pgbench(binaries, place)),
        ("FastAPI + SQLAlchemy", _service("fastapi", place)),
        ("Django", _service("django", place)),
    ):
        with load as answered:
            told: Counter[str] = Counter()
            looks, until = 0, time.monotonic() + EACH_S
            while time.monotonic() < until:
                time.sleep(LOOK_EVERY_S)
                told.update(_loud(conninfo, "shop", history) - at_rest)
                looks += 1
        said = ", ".join(f"{key} {times}x" for key, times in told.most_common()) or "nothing"
        say(f"{name}: {looks} looks, {answered()} answered; called trouble: {said}")
        yield Figure(
            f"called trouble on a healthy server: {name}",
            sum(told.values()) / looks * 100,
            "% of looks",
            "0",
            not told,
            f"{looks} looks in {EACH_S:.0f} s, {answered()} transactions or answers; {said}",
        )
    yield Figure("called trouble at rest", len(at_rest), "findings", floor=", ".join(sorted(at_rest)))


def _loud(conninfo: str, application: str, history: list[Snapshot]) -> set[str]:
    with Look(conninfo, application=application, history=tuple(history)) as look:
        report = Doctor().examine(look)
        history.append(Snapshot(look.at, dict(look.remembered)))
    del history[:-20]
    return {each.key for each in report.findings if each.severity in LOUD}


@contextmanager
def _pgbench(binaries: Path, place: dict[str, str]) -> Iterator[Callable[[], int]]:
    words = [str(binaries / "pgbench"), "-c", str(CLIENTS), "-T", "86400", "-R", "200", "-n"]
    running = subprocess.Popen(
        words, env={**place, "PGAPPNAME": "shop"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def answered() -> int:
        with psycopg.connect(dbname="shop", host=place["PGHOST"], port=place["PGPORT"], user="shop") as at:
            row = at.execute("select count(*) from pgbench_history").fetchone()
        return int(row[0]) if row else 0

    try:
        yield answered
    finally:
        running.terminate()
        running.wait(20)


@contextmanager
def _service(kind: str, place: dict[str, str]) -> Iterator[Callable[[], int]]:
    words = [sys.executable, healthy_services.__file__, kind]
    running = subprocess.Popen(words, env=place, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert running.stdout is not None
    url = running.stdout.readline().strip()
    _until_it_answers(url)
    stop, counted = threading.Event(), [0]

    def ask(client: httpx.Client, number: int) -> None:
        while not stop.wait(0.02):
            number = (number * 7919 + 13) % (SCALE * 100_000) + 1
            answer = (
                client.get(f"/accounts/{number}") if number % 4 else client.post(f"/accounts/{number}/pay")
            )
            answer.raise_for_status()
            counted[0] += 1

    def one(number: int) -> None:
        with httpx.Client(base_url=url, timeout=30) as client:
            ask(client, number)

    threads = [threading.Thread(target=one, args=(each,)) for each in range(1, CLIENTS + 1)]
    try:
        for each in threads:
            each.start()
        yield lambda: counted[0]
    finally:
        stop.set()
        for each in threads:
            each.join()
        running.terminate()
        running.wait(20)


def _until_it_answers(url: str) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            httpx.get(f"{url}/accounts/1").raise_for_status()
        except httpx.TransportError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return
