"""Next week: the ranking of a mentor's schools at 1,000,000 children and 7,000 schools, in one statement over the aggregates."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import date
from statistics import median

import psycopg

from benchmarks.work import Figure, generated, machine
from flatwater.pool import Database
from rightlevel.database.server import PrivateServer
from rightlevel.programme.visits.next_week import WeekRules
from rightlevel.programme.visits.plan_store import rank_schools

SCHOOLS = 7_000
CHILDREN = 1_000_000
LONGEST_MS = 50.0
TIMES = 60
TINY = {"SCHOOLS": 12, "CHILDREN": 1_200, "TIMES": 2}
MENTORS = (20, 500)
"""Schools of a mentor as mentors are, and of one who has a whole province."""


def measure(say: Callable[[str], None]) -> list[Figure]:
    found: list[Figure] = []
    with generated(SCHOOLS, CHILDREN) as folder:
        server = PrivateServer(folder, 150_000_000)
        conninfo = server.start()
        try:
            mentors = {schools: _prepare(conninfo, schools) for schools in MENTORS}
            for schools, mentor_id in mentors.items():
                taken = asyncio.run(_time(conninfo, mentor_id))
                say(f"{schools} schools: median {median(taken):.1f} ms, longest {max(taken):.1f} ms")
                found.append(
                    Figure(
                        f"next week of {schools} schools, median",
                        median(taken),
                        "ms",
                        f"< {LONGEST_MS:.0f} ms",
                        median(taken) < LONGEST_MS,
                        f"longest of {TIMES}: {max(taken):.1f} ms; {machine(conninfo)}",
                    )
                )
        finally:
            server.stop()
    return found


async def _time(conninfo: str, mentor_id: int) -> list[float]:
    taken: list[float] = []
    async with Database(conninfo) as database:
        for _ in range(TIMES):
            async with database.read(deadline_s=30) as session:
                began = time.perf_counter()
                ranked = await rank_schools(session, mentor_id, WeekRules(), date.today())
                taken.append((time.perf_counter() - began) * 1000)
            if not ranked:
                raise RuntimeError("the mentor has no school to rank")
    return taken


def _prepare(conninfo: str, schools: int) -> int:
    """A mentor of so many schools, and visits of every school: made once a folder."""
    username = f"bench.next-week-{schools}"
    with psycopg.connect(conninfo, autocommit=True) as connection:
        there = connection.execute("select id from person where username = %s", (username,)).fetchone()
        if there is not None:
            return there[0]
        made = connection.execute(
            "insert into person (username, display_name, role) values (%s, %s, 'mentor') returning id",
            (username, username),
        ).fetchone()
        if made is None:
            raise RuntimeError("no mentor was made")
        connection.execute(
            "insert into assignment (person_id, school_id, subject, from_on) select %s, s.id, u.subject::subject, current_date - 30 "
            "from (select id from school where not is_practice order by md5(id::text) limit %s) s, (values ('language'), ('math')) u (subject)",
            (made[0], schools),
        )
        connection.execute(
            "insert into round (school_year_id, kind, starts_on, ends_on, state) "
            "select id, 'baseline', starts_on, starts_on + 20, 'closed' from school_year where is_current on conflict do nothing"
        )
        connection.execute(
            "insert into school_count (round_id, subject, school_id, grade, sex, absent, refused, went, rank_1, rank_2, rank_3, rank_4, "
            "rank_5, rank_6, rank_7, rank_8, rank_9) select r.id, u.subject::subject, e.school_id, e.grade, e.sex, 0, 0, 0, e.children, 0, 0, "
            "0, 0, 0, 0, 0, 0 from school_enrolled e, (select id from round where deleted_at is null) r, "
            "(values ('language'), ('math')) u (subject) on conflict do nothing"
        )
        connection.execute(
            "insert into visit (id, write_id, school_id, subject, mentor_id, visited_on, form_version_id, answers, state, created_at, "
            "changed_at, submitted_at) select new_id(), new_id(), s.id, 'math', %s, current_date - n, 1, '{}', 'submitted', now(), now(), "
            "now() from school s, generate_series(5, 305, 30) n",
            (made[0],),
        )
        connection.execute("analyze")
        return made[0]
