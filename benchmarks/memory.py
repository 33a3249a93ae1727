"""Memory: PSS of program and PostgreSQL with a million children after the work, and the slope over 200,000 requests.

Flat is shown by equivalence: the whole 95 % interval of the slope must lie within ± 4 bytes a request. That the method
would see a leak is shown by planting one of 100 bytes a request in the same program.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.load import Load, Request, run_load
from benchmarks.work import Figure, Service, generated, service, tokens_for
from flatwater.slope import Slope, fit_slope

BUDGET_MB = 150.0
REQUESTS = 200_000
SAMPLES = 50
WARM_UP = 40_000
WITHIN_BYTES = 4.0
LEAKING = [sys.executable, "-m", "benchmarks.leaking"]
CLIENTS = 8
SCHOOLS = 10_000
CHILDREN = 1_000_000
TINY = {"SCHOOLS": 12, "CHILDREN": 1_200, "REQUESTS": 80, "SAMPLES": 20, "WARM_UP": 20, "CLIENTS": 1}


def measure(say: Callable[[str], None]) -> list[Figure]:
    with generated(SCHOOLS, CHILDREN) as folder:
        tokens = tokens_for(folder, "coordinator", CLIENTS)
        with service(folder) as running:
            slope = _slope(running, tokens, say)
            health = running.get("/healthz")
            program_mb, database_mb = health["program_bytes"] / 1e6, health["database_bytes"] / 1e6
        with service(folder, program=LEAKING) as leaking:
            leak = _slope(leaking, tokens, say)
    total_mb = program_mb + database_mb
    is_flat = slope.verdict(WITHIN_BYTES) == "flat"
    is_seen = leak.verdict(WITHIN_BYTES) == "grows"
    return [
        Figure(
            f"everything, PSS, with {CHILDREN:,} children",
            total_mb,
            "MB",
            f"<= {BUDGET_MB:.0f} MB",
            total_mb <= BUDGET_MB,
            f"program {program_mb:.1f} + PostgreSQL {database_mb:.1f}",
        ),
        Figure(
            f"slope over {REQUESTS:,} mixed requests",
            slope.slope,
            "B/request",
            f"interval within +-{WITHIN_BYTES:.0f}",
            is_flat,
            f"95 % interval {slope.low:.2f} to {slope.high:.2f}",
        ),
        Figure(
            "slope with 100 bytes planted",
            leak.slope,
            "B/request",
            "seen",
            is_seen,
            f"95 % interval {leak.low:.2f} to {leak.high:.2f}",
        ),
    ]


def _mixed(running: Service, token: str) -> list[Request]:
    schools = [each["id"] for each in running.get("/api/v1/schools?limit=40", token)["items"]]
    round_id = running.get("/api/v1/rounds?limit=1", token)["items"][0]["id"]
    child = running.get(f"/api/v1/students?school_id={schools[0]}&limit=1", token)["items"][0]["id"]
    headers = {"Authorization": f"Bearer {token}"}
    paths = [f"/api/v1/students?school_id={school}&limit=50" for school in schools]
    paths += [
        f"/api/v1/students/{child}",
        f"/api/v1/figures?round_id={round_id}&subject=math",
        "/api/v1/me",
    ] * 5
    paths += [
        "/api/v1/nothing-here",
        f"/api/v1/students/{'0' * 8}-0000-7000-8000-{'0' * 12}",
        "/api/v1/students?limit=-1",
    ] * 3
    requests = [Request("GET", path, headers) for path in paths]
    requests += [Request("GET", "/sign-in"), Request("GET", "/api/v1/me")] * 3
    return requests


def _slope(running: Service, tokens: list[str], say: Callable[[str], None]) -> Slope:
    """Bytes a request, with their 95 % interval."""
    requests = [_mixed(running, token) for token in tokens]
    _send(running, requests, WARM_UP)
    points: list[tuple[float, float]] = []
    for sample in range(SAMPLES):
        _send(running, requests, REQUESTS // SAMPLES)
        points.append(((sample + 1) * (REQUESTS // SAMPLES), float(_private_bytes(running.process.pid))))
    slope = fit_slope(points)
    say(
        f"slope {slope.slope:.2f} B/request, 95 % {slope.low:.2f} to {slope.high:.2f}, private memory {points[-1][1] / 1e6:.1f} MB"
    )
    return slope


def _send(running: Service, requests: list[list[Request]], count: int) -> None:
    share = count // len(requests)
    each = [(mine * (share // len(mine) + 1))[:share] for mine in requests]
    outcome = run_load(Load("127.0.0.1", running.port, each, 600.0, warm_s=0.0, repeat=False))
    unexpected = set(outcome.statuses) - {"200", "401", "404", "422", "429"}
    if unexpected:
        raise RuntimeError(f"answers that were not meant: {outcome.statuses}")


def _private_bytes(process_id: int) -> int:
    rollup = Path(f"/proc/{process_id}/smaps_rollup").read_text()
    wanted = ("Private_Clean:", "Private_Dirty:")
    return sum(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith(wanted))
