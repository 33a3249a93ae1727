"""Results of a later round: what it costs that movement is kept, beside the same rows without its trigger; and what it saves whoever reads it.

Each child has a result of the baseline. Results of the endline come by one statement and by COPY in parts, by turns with the trigger that keeps
movement and without it, in a transaction that is taken back. Then they come for good, and the country's movement is read from what is kept and
computed from the results.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from benchmarks import import_rows
from benchmarks.work import Figure, fresh
from flatwater.pool import Database
from rightlevel.database.server import PrivateServer
from rightlevel.programme.movement import MovementQuery, read_movement
from rightlevel.programme.permissions import Actor, Scope

CHILDREN = 100_000
SCHOOLS = 2_000
FEW = 10_000
PARTS = (5_000, 10_000)
TURNS = 3
READS = 20
MOST_TIMES = 2.0
"""Of the same insert without movement's trigger."""
MOST_READ_MS = 50.0
TINY = {"CHILDREN": 400, "SCHOOLS": 8, "FEW": 100, "PARTS": (100,), "TURNS": 1, "READS": 2}
COLUMNS = (
    "id, student_id, round_id, school_id, assessor_id, tested_on, subject, outcome, method, rank, grade, sex"
)
ROWS = """
select new_id(), st.id, %(round)s::bigint, st.school_id, %(by)s::bigint, current_date, 'language'::subject, 'assessed'::outcome, 'import'::entry_method,
    (1 + abs(hashtext(st.id::text || %(round)s::text)) %% 5)::smallint as rank, st.grade, st.sex
from (select id, school_id, grade, sex from student order by id limit %(rows)s) st"""
TRIGGER = "result_movement_on_insert"


def measure(say: Callable[[str], None]) -> list[Figure]:
    """The figures for `make bench`."""
    import_rows.SCHOOLS = SCHOOLS
    server = PrivateServer(fresh("later-results") / "data", import_rows.MEMORY_BYTES)
    server.start()
    try:
        import_rows._seeded(server.conninfo)
        with psycopg.connect(server.conninfo, autocommit=True) as connection:
            values = _filled(connection)
            found = list(_writing(connection, values, say))
        return [*found, *_reading(server.conninfo, values, say)]
    finally:
        server.stop()


def _filled(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    """Children with a baseline each, and an endline that waits. Ids of both rounds and of who enters."""
    connection.execute("set synchronous_commit = off")
    connection.execute(
        "insert into student (school_id, school_year_id, code, name, name_key, sex, grade) "
        "select s.id, y.id, 'C' || n, 'Child ' || n, 'child ' || n, 1 + n %% 2, 3 + n %% 3 "
        "from school_year y, school s, generate_series(1, %s) n order by s.id, n",
        [CHILDREN // SCHOOLS],
    )
    by = connection.execute(
        "insert into person (username, display_name, role) values ('bench', 'Bench', 'coordinator') returning id"
    ).fetchone()
    rounds = [
        connection.execute(
            "insert into round (school_year_id, kind, starts_on, ends_on, state) "
            "select id, %s, starts_on + %s, starts_on + %s + 9, %s from school_year returning id",
            [kind, day, day, state],
        ).fetchone()
        for kind, day, state in (("baseline", 10, "closed"), ("endline", 90, "open"))
    ]
    values = {"baseline": rounds[0][0], "endline": rounds[1][0], "by": by[0]}  # type: ignore[index]
    _insert(connection, values | {"round": values["baseline"], "rows": CHILDREN})
    connection.execute("vacuum (analyze)")
    return values


def _insert(connection: psycopg.Connection[Any], values: dict[str, Any]) -> None:
    connection.execute(f"insert into result ({COLUMNS}) {ROWS}", values)  # type: ignore[arg-type]


def _copy(connection: psycopg.Connection[Any], lines: list[bytes], part: int) -> None:
    for begin in range(0, len(lines), part):
        with connection.cursor() as cursor, cursor.copy(f"copy result ({COLUMNS}) from stdin") as copy:  # type: ignore[arg-type]
            copy.write(b"".join(lines[begin : begin + part]))


def _writing(
    connection: psycopg.Connection[Any], values: dict[str, Any], say: Callable[[str], None]
) -> Iterator[Figure]:
    endline = values | {"round": values["endline"], "rows": CHILDREN}
    with connection.cursor() as cursor, cursor.copy(f"copy ({ROWS}) to stdout", endline) as copy:  # type: ignore[arg-type]
        lines = [line + b"\n" for line in b"".join(bytes(each) for each in copy).splitlines()]
    ways: list[tuple[str, int, Callable[[], None]]] = [
        (f"one statement of {FEW:,}", FEW, lambda: _insert(connection, endline | {"rows": FEW})),
        (f"one statement of {CHILDREN:,}", CHILDREN, lambda: _insert(connection, endline)),
        *(
            (f"COPY in parts of {part:,}", CHILDREN, lambda part=part: _copy(connection, lines, part))
            for part in PARTS
        ),
    ]
    for name, rows, write in ways:
        taken: dict[bool, list[float]] = {True: [], False: []}
        for _ in range(TURNS):
            for is_kept in (True, False):
                with _taken_back(connection, is_kept=is_kept):
                    began = time.monotonic()
                    write()
                    taken[is_kept].append((time.monotonic() - began) / rows * 1e6)
            connection.execute("vacuum result")
        kept, bare = (statistics.median(taken[each]) for each in (True, False))
        say(f"{name}: {kept:.0f} µs a row, without movement {bare:.0f}: {kept / bare:.2f} x")
        yield Figure(
            f"results of a later round, {name}",
            kept,
            "µs a row",
            f"<= {MOST_TIMES} x without movement",
            kept <= MOST_TIMES * bare,
            f"without movement's trigger {bare:.0f} µs: {kept / bare:.2f} x",
        )


@contextmanager
def _taken_back(connection: psycopg.Connection[Any], *, is_kept: bool) -> Iterator[None]:
    with connection.transaction(force_rollback=True):
        if not is_kept:
            connection.execute(f"alter table result disable trigger {TRIGGER}")  # type: ignore[arg-type]
        yield


def _reading(conninfo: str, values: dict[str, Any], say: Callable[[str], None]) -> list[Figure]:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        _insert(connection, values | {"round": values["endline"], "rows": CHILDREN})
        connection.execute("vacuum (analyze)")
        computed: list[float] = []
        for _ in range(TURNS):
            began = time.monotonic()
            connection.execute(
                "select from_rank, sum(rank_1), sum(rank_2), sum(rank_3), sum(rank_4), sum(rank_5) from counted_movement "
                "where round_id = %s and later_round_id = %s group by from_rank",
                [values["baseline"], values["endline"]],
            ).fetchall()
            computed.append((time.monotonic() - began) * 1000)
    kept_ms, computed_ms = asyncio.run(_read(conninfo, values)), statistics.median(computed)
    say(f"the country's movement: kept {kept_ms:.1f} ms, computed {computed_ms:.0f} ms")
    return [
        Figure(
            f"the country's movement of {2 * CHILDREN:,} results",
            kept_ms,
            "ms",
            f"<= {MOST_READ_MS:.0f} ms",
            kept_ms <= MOST_READ_MS,
            f"computed from the results {computed_ms:.0f} ms",
        )
    ]


async def _read(conninfo: str, values: dict[str, Any]) -> float:
    actor = Actor(values["by"], "coordinator", "bench", "Bench", "en", Scope(is_everything=True))
    asked = MovementQuery(values["baseline"], "language", later_round_id=values["endline"])
    taken: list[float] = []
    async with Database(conninfo) as database:
        for _ in range(READS):
            async with database.transaction(deadline_s=10) as session:
                began = time.monotonic()
                found = await read_movement(session, actor, asked)
                taken.append((time.monotonic() - began) * 1000)
                if found.matched != CHILDREN // SCHOOLS * SCHOOLS:
                    raise RuntimeError(f"{found.matched} children instead of {CHILDREN}")
    return statistics.median(taken)
