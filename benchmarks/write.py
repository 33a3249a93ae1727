"""Write: sixteen devices sending results, one at a time and a class at a time, aggregates and audit included.

The floor is the bare row: the same number of rows into the same table by one INSERT of a class each, from sixteen
connections, with triggers (so aggregates) but without HTTP, identity, judgement, receipts or audit.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from benchmarks.load import Load, Outcome, Request, run_load
from benchmarks.work import Figure, Service, fresh, run, say, service, tokens_for
from rightlevel.database.server import AttachedServer
from rightlevel.programme.ids import time_ordered_id

DEVICES = 16
ONE_PER_S = 1_000.0
ROWS_PER_S = 20_000.0
CLASS = 40
SINGLES = 1_000
CLASSES = 100
SCHOOLS = 900
CHILDREN = 112_500
TINY = {"DEVICES": 2, "SINGLES": 40, "CLASSES": 2, "SCHOOLS": 6, "CHILDREN": 750}
LEVELS = ("beginner", "number_1digit", "number_2digit", "subtraction", "division")


def measure(say: Callable[[str], None]) -> list[Figure]:
    folder = fresh("write")
    say(f"making {SCHOOLS:,} schools and {CHILDREN:,} children")
    run(
        "generate",
        "--schools",
        str(SCHOOLS),
        "--children",
        str(CHILDREN),
        "--seed",
        "2",
        "--data",
        str(folder),
    )
    tokens = tokens_for(folder, "coordinator", DEVICES)
    with service(folder) as running:
        children = Children(folder)
        say(f"{DEVICES} devices, {SINGLES:,} results each, one at a time")
        single = _send_singles(running, tokens, children)
        say(f"{DEVICES} devices, {CLASSES} classes each, {CLASS} results at a time")
        batch = _send_batches(running, tokens, children)
        say("the floor: the same rows without a program around them")
        floor_s = asyncio.run(_floor(children))
    found = run("reconcile", "--json", "--data", str(folder))
    say(f"reconcile: {found.stdout.strip()}")
    rows_per_s = batch.requests * CLASS / batch.seconds
    return [
        Figure(
            "results one at a time",
            single.per_s,
            "results/s",
            f">= {ONE_PER_S:,.0f}/s",
            single.per_s >= ONE_PER_S,
            f"p99 {single.p99_ms:.1f} ms",
        ),
        Figure(
            "results a class at a time",
            rows_per_s,
            "rows/s",
            f">= {ROWS_PER_S:,.0f}/s",
            rows_per_s >= ROWS_PER_S,
            f"bare INSERT with triggers: {floor_s:,.0f} rows/s",
        ),
    ]


class Children:
    """Children by school, each handed out once a subject."""

    def __init__(self, folder: Path) -> None:
        self.conninfo = AttachedServer(folder).conninfo
        with psycopg.connect(self.conninfo) as connection:
            row = connection.execute(
                "select id from round where state = 'open' and deleted_at is null limit 1"
            ).fetchone()
            assert row is not None, "the made-up programme has no open round"
            self.round_id: int = row[0]
            person = connection.execute("select id from person where role = 'coordinator' limit 1").fetchone()
            assert person is not None
            self.person_id: int = person[0]
            self.tested_on = connection.execute(
                "select least(current_date, ends_on)::text from round where id = %s", [self.round_id]
            ).fetchone()[0]  # type: ignore[index]
            classes: dict[int, list[str]] = {}
            for class_id, child in connection.execute(
                "select class_id, id::text from student where status = 'active' order by class_id, id"
            ):
                classes.setdefault(class_id, []).append(child)
        self._classes = [
            (class_id, children[:CLASS]) for class_id, children in classes.items() if len(children) >= CLASS
        ]
        self._next = 0

    def classes(self, count: int) -> Iterator[tuple[int, list[str]]]:
        """So many classes that were not handed out yet."""
        if self._next + count > len(self._classes):
            raise RuntimeError(f"only {len(self._classes)} classes; {self._next + count} asked for")
        yield from self._classes[self._next : self._next + count]
        self._next += count

    def write(self, child: str, number: int) -> dict[str, Any]:
        return {
            "id": time_ordered_id(),
            "student_id": child,
            "round_id": self.round_id,
            "subject": "math",
            "outcome": "assessed",
            "level": LEVELS[number % len(LEVELS)],
            "tested_on": self.tested_on,
            "method": "grid",
        }


def _request(path: str, token: str, body: Any) -> Request:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    return Request("POST", path, headers, msgspec.json.encode(body).decode())


def _send_singles(running: Service, tokens: list[str], children: Children) -> Outcome:
    clients = []
    for token in tokens:
        picked = [child for _, each in children.classes(SINGLES // CLASS) for child in each]
        clients.append(
            [_request("/api/v1/results", token, children.write(child, n)) for n, child in enumerate(picked)]
        )
    return _checked(
        run_load(Load("127.0.0.1", running.port, clients, 120.0, warm_s=0.0, repeat=False)), {"201"}
    )


def _send_batches(running: Service, tokens: list[str], children: Children) -> Outcome:
    clients = [
        [
            _request(
                "/api/v1/results/batch",
                token,
                {"writes": [children.write(child, n) for n, child in enumerate(each)]},
            )
            for _, each in children.classes(CLASSES)
        ]
        for token in tokens
    ]
    return _checked(
        run_load(Load("127.0.0.1", running.port, clients, 120.0, warm_s=0.0, repeat=False)), {"200"}
    )


def _checked(outcome: Outcome, wanted: set[str]) -> Outcome:
    if set(outcome.statuses) != wanted:
        raise RuntimeError(f"not every write was saved: {outcome.statuses}")
    return outcome


async def _floor(children: Children) -> float:
    """Rows a second of the bare INSERT: sixteen connections would starve a small server, so the pool's three are used."""
    text = (
        "insert into result (id, student_id, round_id, school_id, class_id, assessor_id, tested_on, subject, outcome, method, rank, grade, sex) "
        "select gen_random_uuid(), st.id, %s, st.school_id, st.class_id, %s, %s::date, 'language', 'assessed', 'grid', 1 + (random() * 4)::int, st.grade, st.sex "
        "from unnest(%s::uuid[]) as wanted (id) join student st on st.id = wanted.id"
    )
    classes = list(children.classes(min(600, len(children._classes) - children._next)))

    async def one(mine: list[tuple[int, list[str]]]) -> None:
        async with await psycopg.AsyncConnection.connect(children.conninfo, autocommit=True) as connection:
            await connection.execute("set default_transaction_read_only = off")
            for _, picked in mine:
                await connection.execute(
                    text, [children.round_id, children.person_id, children.tested_on, picked]
                )

    began = time.perf_counter()
    await asyncio.gather(*(one(classes[n::3]) for n in range(3)))
    return len(classes) * CLASS / (time.perf_counter() - began)


if __name__ == "__main__":
    print(measure(say))
