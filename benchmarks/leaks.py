"""The leak proof: a million mixed requests, error paths and three outages included, and a planted leak that is found and named.

PostgreSQL is a server of the measurement's own, so that it can be killed under the running program. Memory is the program's PSS.
Flat is shown by equivalence: the whole 95 % interval (Theil-Sen, moving-block bootstrap) within ± 2 bytes a request. That the
method would see a leak is shown by planting one of 60 bytes in one endpoint: the same arithmetic must find it, and calling each
endpoint alone, in turns of some thousand requests, must name it by the allocator's blocks that it leaves behind.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks.load import Load, Request, run_load
from benchmarks.work import ROOT, Figure, Service, fresh, run, service, tokens_for
from flatwater.monitors import pss_of
from flatwater.slope import fit_slope

REQUESTS = 1_000_000
SAMPLES = 100
WARM_UP = 100_000
WITHIN_BYTES = 2.0
OUTAGES = 3
OUTAGE_S = 5.0
BACK_WITHIN_MB = 2.0
PLANTED_BYTES = 60
PLANTED_PATH = "/api/v1/students"
BLOCK = 6_000
ROUNDS = 6
CLIENTS = 16
SCHOOLS = 400
CHILDREN = 40_000
PLANTED_SAMPLES = 40
TINY = {
    "REQUESTS": 200,
    "SAMPLES": 20,
    "WARM_UP": 20,
    "OUTAGES": 1,
    "OUTAGE_S": 0.2,
    "BLOCK": 10,
    "ROUNDS": 2,
    "CLIENTS": 1,
    "SCHOOLS": 12,
    "CHILDREN": 1_200,
    "PLANTED_SAMPLES": 20,
}
MEANT = {
    "200",
    "201",
    "204",
    "303",
    "401",
    "403",
    "404",
    "405",
    "409",
    "413",
    "422",
    "429",
    "500",
    "503",
    "504",
    "507",
}
BLOCKS_PATH = "/leaking/blocks"
PLANTED = [sys.executable, "-m", "benchmarks.leaking"]


def measure(say: Callable[[str], None]) -> list[Figure]:
    with _programme(say) as (folder, server):
        tokens = tokens_for(folder, "coordinator", CLIENTS)
        with service(folder) as running:
            flat, outages = _soak(running, tokens, server, say)
        os.environ["LEAK_BYTES"], os.environ["LEAK_PATH"] = str(PLANTED_BYTES), PLANTED_PATH
        try:
            with service(folder, program=PLANTED) as leaking:
                found = _find(leaking, tokens, say)
        finally:
            del os.environ["LEAK_BYTES"], os.environ["LEAK_PATH"]
    return [flat, outages, *found]


@contextmanager
def _programme(say: Callable[[str], None]) -> Iterator[tuple[Path, object]]:
    """A made-up programme on a server that may be killed, and the folder beside it."""
    sys.path.insert(0, str(ROOT / "flatwater" / "tests"))
    from running_server import RunningServer

    server = RunningServer()
    server.start()
    os.environ["DATABASE_URL"] = server.conninfo
    folder = fresh("leaks")
    try:
        say(f"making {SCHOOLS:,} schools and {CHILDREN:,} children")
        run(
            "generate",
            "--schools",
            str(SCHOOLS),
            "--children",
            str(CHILDREN),
            "--seed",
            "3",
            "--data",
            str(folder),
        )
        yield folder, server
    finally:
        del os.environ["DATABASE_URL"]
        server.remove()


def _kinds(running: Service, token: str) -> dict[str, list[Request]]:
    """Requests by endpoint, right ones and wrong ones."""
    schools = [each["id"] for each in running.get("/api/v1/schools?limit=20", token)["items"]]
    round_id = running.get("/api/v1/rounds?limit=1", token)["items"][0]["id"]
    children = running.get(f"/api/v1/students?school_id={schools[0]}&limit=20", token)["items"]
    signed = {"Authorization": f"Bearer {token}"}
    sent = {**signed, "Content-Type": "application/json"}
    nobody = f"{'0' * 8}-0000-7000-8000-{'0' * 12}"
    return {
        "students": [
            Request("GET", f"/api/v1/students?school_id={each}&limit=50", signed) for each in schools
        ],
        "schools": [
            Request("GET", "/api/v1/schools?limit=50", signed),
            Request("GET", "/api/v1/schools?search=a", signed),
        ],
        "rounds": [Request("GET", "/api/v1/rounds", signed)],
        "figures": [
            Request("GET", f"/api/v1/figures?round_id={round_id}&subject={subject}", signed)
            for subject in ("math", "language")
        ],
        "me": [Request("GET", "/api/v1/me", signed)],
        "result": [
            Request("POST", "/api/v1/results", sent, _result(each["id"], round_id)) for each in children
        ],
        "wrong": [
            Request("POST", "/api/v1/results", sent, '{"id":"x"'),
            Request("POST", "/api/v1/results", sent, "{}"),
            Request("GET", "/api/v1/rounds?limit=-1", signed),
            Request("GET", "/api/v1/rounds?after=nonsense", signed),
            Request("GET", f"/api/v1/results/{nobody}", signed),
        ],
        "strangers": [
            Request("GET", "/api/v1/me"),
            Request("GET", "/sign-in"),
            Request("GET", "/nothing/here"),
            Request("GET", "/"),
            Request("GET", "/api/v1/me", {"Authorization": "Bearer rl_made_up"}),
            Request("POST", "/api/v1/results", {"Content-Type": "application/json"}, "{}"),
        ],
        "pages": [Request("GET", "/static/style.css"), Request("GET", "/sign-in", {"Accept-Language": "km"})],
        "service": [
            Request("GET", "/version"),
            Request("DELETE", "/version"),
            Request("GET", "/api/v1/openapi.json"),
        ],
    }


def _result(child: str, round_id: int) -> str:
    """A result whose id is the child's own, so that the same one comes again and again."""
    write = {"id": child, "student_id": child, "round_id": round_id, "subject": "math", "outcome": "absent"}
    return json.dumps({**write, "tested_on": "2026-11-20"})


def _mixed(running: Service, tokens: list[str]) -> list[list[Request]]:
    weights = {
        "students": 10,
        "result": 6,
        "figures": 6,
        "me": 6,
        "schools": 4,
        "rounds": 4,
        "wrong": 2,
        "strangers": 2,
        "pages": 2,
    }
    clients: list[list[Request]] = []
    for token in tokens:
        kinds = _kinds(running, token)
        mine: list[Request] = []
        for turn in range(20):
            for kind, weight in weights.items():
                mine += [kinds[kind][(turn * weight + n) % len(kinds[kind])] for n in range(weight)]
        clients.append(mine)
    return clients


def _send(
    running: Service,
    clients: list[list[Request]],
    count: int,
    *,
    seconds: float = 900.0,
    repeat: bool = False,
) -> int:
    share = count // len(clients)
    each = [(mine * (share // len(mine) + 1))[:share] for mine in clients]
    outcome = run_load(Load("127.0.0.1", running.port, each, seconds, warm_s=0.0, repeat=repeat))
    if unexpected := set(outcome.statuses) - MEANT:
        raise RuntimeError(f"answers that were not meant: {unexpected} in {outcome.statuses}")
    return outcome.requests


def _pss(running: Service) -> float:
    found = pss_of([running.process.pid])
    if found is None:
        raise RuntimeError("this machine does not tell a process's PSS, so flatness can't be measured here")
    return float(found)


def _soak(
    running: Service, tokens: list[str], server: object, say: Callable[[str], None]
) -> tuple[Figure, Figure]:
    clients = _mixed(running, tokens)
    say(f"warming up with {WARM_UP:,} requests")
    _send(running, clients, WARM_UP)
    leavers = _Leavers(running.port)
    points: list[tuple[float, float]] = []
    done = 0
    outages = {SAMPLES * (number + 1) // (OUTAGES + 1) for number in range(OUTAGES)}
    for sample in range(SAMPLES):
        done += _send(running, clients, REQUESTS // SAMPLES) + leavers.leave(20)
        if sample in outages:
            done += _outage(running, clients, server, say)
        points.append((float(done), _pss(running)))
        if sample % 10 == 9:
            say(f"{done:,} requests, PSS {points[-1][1] / 1e6:.1f} MB")
    # PSS moves by some megabytes as the allocator gives pages back and takes them; what it comes back to is its lowest.
    before_mb = min(size for _, size in points[: min(outages)]) / 1e6
    back_mb = min(size for _, size in points[max(outages) + 1 :]) / 1e6
    slope = fit_slope(points)
    verdict = slope.verdict(WITHIN_BYTES)
    interval = f"95 % interval {slope.low:.2f} to {slope.high:.2f}; PSS {points[0][1] / 1e6:.1f} to {points[-1][1] / 1e6:.1f} MB"
    return (
        Figure(
            f"slope over {done:,} mixed requests",
            slope.slope,
            "B/request",
            f"interval within +-{WITHIN_BYTES:.0f}",
            verdict == "flat",
            interval,
        ),
        Figure(
            "memory after three outages",
            back_mb - before_mb,
            "MB more",
            f"<= {BACK_WITHIN_MB:.0f} MB",
            back_mb - before_mb <= BACK_WITHIN_MB,
            f"{before_mb:.1f} to {back_mb:.1f} MB",
        ),
    )


def _outage(
    running: Service, clients: list[list[Request]], server: object, say: Callable[[str], None]
) -> int:
    """Kills PostgreSQL under load, leaves it away, starts it again, and goes on until all is well."""
    server.end(signal.SIGKILL)  # type: ignore[attr-defined]
    gone = _send(running, clients, REQUESTS // SAMPLES, seconds=OUTAGE_S, repeat=True)
    server.start()  # type: ignore[attr-defined]
    began = time.monotonic()
    while running_is_ill(running) and time.monotonic() - began < 30:
        time.sleep(0.1)
    say(
        f"an outage of {OUTAGE_S:.0f} s with {gone:,} requests; well again {time.monotonic() - began:.1f} s after the server was"
    )
    return gone + _send(running, clients, REQUESTS // SAMPLES)


def running_is_ill(running: Service) -> bool:
    try:
        running.get("/version")
    except OSError:
        return True
    return False


class _Leavers:
    """Clients that ask and go before the answer, or in the middle of what they send."""

    def __init__(self, port: int) -> None:
        self._port = port

    def leave(self, count: int) -> int:
        threads = [threading.Thread(target=self._one, args=[number]) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return count

    def _one(self, number: int) -> None:
        with socket.create_connection(("127.0.0.1", self._port), 5) as opened:
            if number % 2:
                opened.sendall(b"GET /api/v1/figures HTTP/1.1\r\nhost: x\r\n\r\n")
            else:
                opened.sendall(b"POST /api/v1/results HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\n\r\n{")


def _find(leaking: Service, tokens: list[str], say: Callable[[str], None]) -> list[Figure]:
    """Finds the planted leak in the mixture, then names its endpoint by blocks of one kind each, taking turns."""
    clients = _mixed(leaking, tokens)
    _send(leaking, clients, WARM_UP)
    share = sum(each.path.startswith(PLANTED_PATH) for each in clients[0]) / len(clients[0])
    points: list[tuple[float, float]] = []
    done = 0
    for _ in range(PLANTED_SAMPLES):
        done += _send(leaking, clients, REQUESTS // SAMPLES)
        points.append((float(done), _pss(leaking)))
    slope = fit_slope(points)
    say(f"planted: {slope.slope:.1f} B/request over all, of {PLANTED_BYTES * share:.1f}")
    by_kind: dict[str, list[float]] = {}
    kinds = [_kinds(leaking, token) for token in tokens]
    for turn in range(ROUNDS):
        for kind in kinds[0]:
            before = leaking.get(BLOCKS_PATH)
            sent = _send(leaking, [each[kind] for each in kinds], BLOCK)
            if turn:  # the first block of each warms it up
                by_kind.setdefault(kind, []).append((leaking.get(BLOCKS_PATH) - before) / sent)
    per_request = {kind: median(grown) for kind, grown in by_kind.items()}
    named = max(per_request, key=lambda kind: per_request[kind])
    say(", ".join(f"{kind} {grown:.2f}" for kind, grown in per_request.items()))
    second = max(grown for kind, grown in per_request.items() if kind != named)
    is_named = named == "students" and per_request[named] > 0.9 and second < 0.1
    return [
        Figure(
            f"slope with {PLANTED_BYTES} bytes planted in one endpoint",
            slope.slope,
            "B/request",
            "found",
            slope.verdict(WITHIN_BYTES) == "grows",
            f"95 % interval {slope.low:.2f} to {slope.high:.2f}; planted {PLANTED_BYTES * share:.1f} over all",
        ),
        Figure(
            f"the endpoint named: {named}",
            per_request[named],
            "blocks/request",
            "students, one",
            is_named,
            f"the next one grows {second:.3f}",
        ),
    ]
