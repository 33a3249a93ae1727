"""Read: a list of children over HTTP, signed in, 16 clients, one process, beside a bare handler with the same SQL.

The bare handler runs exactly the statements that our request runs (who is asking, then the list) and returns the rows that
PostgreSQL made into JSON itself, with no routing, types, limits, deadlines or errors around them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.load import Load, Outcome, Request, run_load
from benchmarks.work import ROOT, WORK, Figure, Service, free_port, generated, machine, service, tokens_for
from rightlevel.database.server import AttachedServer

CLIENTS = 16
SECONDS = 10.0
WARM_S = 1.0
TURNS = 3
SCHOOLS = 1_000
CHILDREN = 100_000
SHARE = 0.80
P99_TIMES = 2.0
TINY = {"CLIENTS": 1, "SECONDS": 0.2, "WARM_S": 0.1, "TURNS": 1, "SCHOOLS": 12, "CHILDREN": 1_200}


def measure(say: Callable[[str], None]) -> list[Figure]:
    with generated(SCHOOLS, CHILDREN) as folder:
        tokens = tokens_for(folder, "coordinator", CLIENTS)
        token = tokens[0]
        with service(folder) as running:
            school = running.get("/api/v1/schools?limit=1", token)["items"][0]["id"]
            say("50 and 100 children of a school, by turns with the floor")
            rounds: dict[str, list[Outcome]] = {"ours_50": [], "bare_50": [], "ours_100": [], "bare_100": []}
            with (
                _bare(running, token, school, 50) as bare_port,
                _bare(running, token, school, 100) as bare_100,
            ):
                for _ in range(TURNS):
                    rounds["ours_50"].append(_load(running.port, school, 50, tokens))
                    rounds["bare_50"].append(_load(bare_port, school, 50, tokens))
                    rounds["ours_100"].append(_load(running.port, school, 100, tokens))
                    rounds["bare_100"].append(_load(bare_100, school, 100, tokens))
            beside = machine(AttachedServer(folder).conninfo)
    return figures(rounds, beside)


def figures(rounds: dict[str, list[Outcome]], beside: str) -> list[Figure]:
    median = {
        name: sorted(outcomes, key=lambda each: each.per_s)[len(outcomes) // 2]
        for name, outcomes in rounds.items()
    }
    for name, outcomes in rounds.items():
        bad = [each.statuses for each in outcomes if set(each.statuses) != {"200"}]
        if bad:
            raise RuntimeError(f"{name} was not all answered with 200: {bad}")
    share = median["ours_50"].per_s / median["bare_50"].per_s
    hundred = median["ours_100"].per_s / median["bare_100"].per_s
    longest_ms = P99_TIMES * median["bare_50"].p99_ms
    floor = f"bare handler: {median['bare_50'].per_s:,.0f}/s, p99 {median['bare_50'].p99_ms:.1f} ms; {beside}"
    return [
        Figure("list of 50 children", median["ours_50"].per_s, "requests/s", "", None, floor),
        Figure(
            "share of the bare handler", 100 * share, "%", f">= {100 * SHARE:.0f} %", share >= SHARE, floor
        ),
        Figure(
            "list of 50 children, p99",
            median["ours_50"].p99_ms,
            "ms",
            f"<= {P99_TIMES:.0f} x its floor",
            median["ours_50"].p99_ms <= longest_ms,
            floor,
        ),
        Figure(
            "list of 100 children",
            median["ours_100"].per_s,
            "requests/s",
            f">= {SHARE:.0%} of its floor",
            hundred >= SHARE,
            f"{hundred:.0%} of the bare handler, {median['bare_100'].per_s:,.0f}/s",
        ),
    ]


def _load(port: int, school: int, rows: int, tokens: list[str]) -> Outcome:
    path = f"/api/v1/students?school_id={school}&limit={rows}"
    clients = [[Request("GET", path, {"Authorization": f"Bearer {token}"})] for token in tokens]
    return run_load(Load("127.0.0.1", port, clients, SECONDS, WARM_S))


class _bare:  # noqa: N801
    """The floor, served by a process of its own while the block runs."""

    def __init__(self, running: Service, token: str, school: int, rows: int) -> None:
        self._spec = WORK / f"bare-{rows}.json"
        self._spec.write_text(json.dumps(same_sql(running.folder, token, school, rows)))
        self._port = free_port()

    def __enter__(self) -> int:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.bare", str(self._port), str(self._spec)], cwd=ROOT
        )
        time.sleep(1.5)
        return self._port

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)


def same_sql(folder: Path, token: str, school: int, rows: int) -> dict[str, Any]:
    """The statements of our request, the list's made into JSON by PostgreSQL."""
    from datetime import UTC, datetime

    from flatwater.queries import load_queries
    from rightlevel.programme.accounts.store import digest

    now = datetime.now(UTC)
    by_token = load_queries("rightlevel.programme.accounts")["actor_by_token"]
    listing = load_queries("rightlevel.programme.students")["list_students"].plus("by_school", "live")
    who = {
        "token_hash": "hex:" + digest(token).hex(),
        "now": now.isoformat(),
        "today": now.date().isoformat(),
        "reads_held": False,
    }
    children = f"select convert_to(json_agg(row_to_json(l))::text, 'UTF8') from ({listing.text}) l"
    return {
        "conninfo": AttachedServer(folder).conninfo,
        "statements": [[by_token.text, who], [children, {"school_id": school, "rows": rows + 1}]],
    }
