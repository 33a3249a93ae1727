"""Groups of a school among 1,000,000 children with as many results and 200,000 quick re-tests: proposing them, looking at them, suggestions and dose."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

import psycopg

from benchmarks.dashboards import fill
from benchmarks.work import Figure, Service, generated, machine, service, tokens_for
from rightlevel.database.server import AttachedServer, PrivateServer

SCHOOLS = 10_000
CHILDREN = 1_000_000
CHECKS = 200_000
ASKED_SCHOOLS = 60
TINY = {"SCHOOLS": 12, "CHILDREN": 1_200, "CHECKS": 100, "ASKED_SCHOOLS": 1}
LONGEST_MS = 50.0
"""*Source*: issue 5: groups of a school at 1,000,000 children under 50 ms."""


def measure(say: Callable[[str], None]) -> list[Figure]:
    with generated(SCHOOLS, CHILDREN, name="groups-1000000") as folder:
        fill(folder, CHILDREN, say)
        schools = _schools_with_checks(folder, say)
        token = tokens_for(folder, "admin")[0]
        with service(folder) as running:
            times: dict[str, list[float]] = {
                "propose": [],
                "read": [],
                "group": [],
                "suggest": [],
                "dose": [],
            }
            for school_id in schools:
                _ask(running, token, school_id, times)
            beside = machine(AttachedServer(folder).conninfo)
    found: list[Figure] = []
    names = {
        "propose": "groups of a school proposed",
        "read": "groups of a school read",
        "group": "one group with its children",
        "suggest": "regroup suggestions of a school",
        "dose": "dose of a school beside movement",
    }
    for key, name in names.items():
        each = sorted(times[key])
        slow = each[int(len(each) * 0.95)]
        say(f"{name}: median {median(each):.1f} ms, 95 of 100 within {slow:.1f} ms")
        is_kept = slow < LONGEST_MS
        found.append(
            Figure(
                f"{name}, 95 of 100",
                slow,
                "ms",
                f"< {LONGEST_MS:.0f} ms",
                is_kept,
                f"median {median(each):.1f} ms, whole request; {beside}",
            )
        )
    return found


def _ask(running: Service, token: str, school_id: int, times: dict[str, list[float]]) -> None:
    """Proposes, accepts and looks, as a leader of one school does; each request is timed whole."""

    def timed(key: str, path: str, body: object = None) -> Any:
        began = time.perf_counter()
        answer = running.post(path, body, token) if body is not None else running.get(path, token)
        times[key].append((time.perf_counter() - began) * 1000)
        return answer

    wish = {"school_id": school_id, "subject": "math", "grade_from": 1, "grade_to": 12}
    made = timed("propose", "/api/v1/groupings", wish)

    running.post(f"/api/v1/groupings/{made['id']}/accept", {"version": made["version"]}, token)
    where = f"school_id={school_id}&subject=math"
    found = timed("read", f"/api/v1/groups?{where}")

    group_id = found["groups"][0]["id"]
    page = timed("group", f"/api/v1/groups/{group_id}")

    children: list[str] = [each["student_id"] for each in page["members"]]
    held_on = time.strftime("%Y-%m-%d", time.gmtime())
    marks = [{"student_id": each, "presence": "present"} for each in children]
    sent = {"id": str(uuid4()), "group_id": group_id, "held_on": held_on, "minutes": 60, "marks": marks}
    running.post("/api/v1/teaching-sessions", sent, token)
    checks = [
        {
            "id": str(uuid4()),
            "student_id": each,
            "subject": "math",
            "level": "number_2digit",
            "checked_on": held_on,
        }
        for each in children[:50]
    ]
    running.post("/api/v1/level-checks", {"writes": checks}, token)
    timed("suggest", f"/api/v1/group-suggestions?{where}")
    timed("dose", f"/api/v1/dose/groups?{where}")


def _schools_with_checks(folder: Path, say: Callable[[str], None]) -> list[int]:
    """Puts quick re-tests in, once, and gives the schools that are asked: the largest, and others across the country."""
    server = PrivateServer(folder, 150_000_000)
    conninfo = server.start()
    try:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            if not (folder / "checked").exists():
                connection.execute(
                    "insert into level_check (id, student_id, school_id, subject, rank, checked_on, person_id, created_at) "
                    "select gen_random_uuid(), id, school_id, 'math', 1 + abs(hashtext(id::text)) %% 5, current_date - 1, "
                    "(select min(id) from person), now() - interval '1 day' from student order by id limit %s "
                    "on conflict do nothing",
                    (CHECKS,),
                )
                connection.execute("delete from attendance")
                connection.execute("vacuum analyze")
                (folder / "checked").touch()
                say(f"{CHECKS:,} quick re-tests")
            connection.execute("delete from attendance")
            connection.execute("delete from teaching_session")
            connection.execute("delete from level_check where checked_on >= current_date")
            rows = connection.execute(
                "with tested as (select school_id, count(*) as results from result where subject = 'math' group by school_id) "
                "(select school_id from tested order by results desc limit 10) "
                "union (select school_id from tested order by school_id limit %s)",
                (ASKED_SCHOOLS,),
            ).fetchall()
            return [int(row[0]) for row in rows]
    finally:
        server.stop()
