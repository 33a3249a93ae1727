"""Write: sixteen devices sending results, one at a time and a class at a time, aggregates and audit included.

The floors are bare rows into the same table on the three connections that a process has, triggers on (so aggregates), without HTTP,
identity, judgement or receipts: a result with its audit row in a transaction each, and a class each by one INSERT, without audit.
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
from benchmarks.work import Figure, Service, fresh, machine, run, say, service, tokens_for
from rightlevel.database.server import AttachedServer
from rightlevel.programme.ids import time_ordered_id

DEVICES = 16
ONE_SHARE = 0.70
CLASS_SHARE = 0.60
CONNECTIONS = 3
CLASS = 40
SINGLES = 1_000
CLASSES = 100
SCHOOLS = 900
CHILDREN = 112_500
TINY = {"DEVICES": 2, "SINGLES": 40, "CLASSES": 2, "SCHOOLS": 10, "CHILDREN": 1_250}
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
        one_floor = asyncio.run(_floor_of_ones(children))
        class_floor = asyncio.run(_floor_of_classes(children))
        beside = machine(children.conninfo)
    found = run("reconcile", "--json", "--data", str(folder))
    say(f"reconcile: {found.stdout.strip()}")
    rows_per_s = batch.requests * CLASS / batch.seconds
    return [
        Figure(
            "results one at a time",
            single.per_s,
            "results/s",
            f">= {ONE_SHARE:.0%} of its floor",
            single.per_s / one_floor >= ONE_SHARE,
            f"{single.per_s / one_floor:.0%} of a bare INSERT with its audit row, {one_floor:,.0f}/s; p99 {single.p99_ms:.1f} ms; {beside}",
        ),
        Figure(
            "results a class at a time",
            rows_per_s,
            "rows/s",
            f">= {CLASS_SHARE:.0%} of its floor",
            rows_per_s / class_floor >= CLASS_SHARE,
            f"{rows_per_s / class_floor:.0%} of a bare INSERT of a class, {class_floor:,.0f} rows/s",
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


FROM_CHILDREN = (
    "insert into result (id, student_id, round_id, school_id, class_id, assessor_id, tested_on, subject, outcome, method, rank, grade, sex) "
    "select gen_random_uuid(), st.id, %(round)s, st.school_id, st.class_id, %(person)s, %(day)s::date, 'language', 'assessed', 'grid', "
    "1 + (random() * 4)::int, st.grade, st.sex from student st where st.id = any(%(children)s::uuid[])"
)
WITH_AUDIT = (
    f"with added as ({FROM_CHILDREN} returning id) "
    "insert into audit_entry (person_id, role, action, resource, resource_id, outcome, after) "
    "select %(person)s, 'coordinator', 'enter', 'result', id::text, 'done', jsonb_build_object('count', 1, 'results', jsonb_build_array(id)) from added"
)


async def _floor_of_ones(children: Children) -> float:
    """Results a second of the bare INSERT with its audit row, each in a transaction of its own."""
    picked = [
        child
        for _, each in children.classes(max(CONNECTIONS, DEVICES * SINGLES // CLASS // 8))
        for child in each
    ]
    return len(picked) / await _insert(children, WITH_AUDIT, [[each] for each in picked])


async def _floor_of_classes(children: Children) -> float:
    """Rows a second of the bare INSERT of a class."""
    left = len(children._classes) - children._next
    picked = [each for _, each in children.classes(min(600, left))]
    return len(picked) * CLASS / await _insert(children, FROM_CHILDREN, picked)


async def _insert(children: Children, text: str, writes: list[list[str]]) -> float:
    """Seconds until all is written: sixteen connections would starve a small server, so as many as a process has are used."""
    values = {"round": children.round_id, "person": children.person_id, "day": children.tested_on}

    async def one(mine: list[list[str]]) -> None:
        async with await psycopg.AsyncConnection.connect(children.conninfo, autocommit=True) as connection:
            await connection.execute("set default_transaction_read_only = off")
            for picked in mine:
                await connection.execute(text, {**values, "children": picked}, prepare=True)

    began = time.perf_counter()
    await asyncio.gather(*(one(writes[n::CONNECTIONS]) for n in range(CONNECTIONS)))
    return time.perf_counter() - began


if __name__ == "__main__":
    print(measure(say))
