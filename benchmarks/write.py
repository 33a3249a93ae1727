"""Write: devices sending results, one at a time and a class at a time, aggregates and audit included; by turns with bare rows.

The floors are bare rows into the same table, triggers on (so aggregates), without HTTP, identity, judgement or receipts: a result with its audit
row in a transaction each, on as many connections as a process has and on one, and a class each by one INSERT, without audit. Both are measured
by turns, a second or so each, and what is told is the median of the turns' ratios: what else the machine does meets both.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import psycopg

from benchmarks.load import Load, Outcome, Request, run_load
from benchmarks.work import Figure, Service, fresh, machine, run, say, service, tokens_for
from rightlevel.database.server import AttachedServer
from rightlevel.programme.ids import time_ordered_id

ONE_SHARE = 0.70
MANY_SHARE = 2.0
CLASS_SHARE = 0.60
CONNECTIONS = 3
DEVICES = 16
MANY_DEVICES = 64
TOKENS_EACH = 16
CLASS = 40
TURNS = 7
LONE = 160
SINGLES = 60
MANY_SINGLES = 30
CLASSES = 5
FLOOR_ONES = 16
FLOOR_CLASSES = 60
SCHOOLS = 500
CHILDREN = 62_500
TINY = {
    "DEVICES": 2,
    "MANY_DEVICES": 4,
    "TOKENS_EACH": 4,
    "TURNS": 1,
    "LONE": 40,
    "SINGLES": 40,
    "MANY_SINGLES": 20,
    "CLASSES": 1,
    "FLOOR_ONES": 3,
    "FLOOR_CLASSES": 3,
    "SCHOOLS": 10,
    "CHILDREN": 1_250,
}
LEVELS = ("beginner", "number_1digit", "number_2digit", "subtraction", "division")


class Way(msgspec.Struct):
    """One way of writing, turn by turn: rows a second, what the floor wrote then, and the slowest of a hundred answers."""

    per_s: list[float] = []
    floor_per_s: list[float] = []
    p99_ms: list[float] = []

    def note(self, per_s: float, floor_per_s: float, p99_ms: float = 0.0) -> None:
        self.per_s = [*self.per_s, per_s]
        self.floor_per_s = [*self.floor_per_s, floor_per_s]
        self.p99_ms = [*self.p99_ms, p99_ms]

    def figure(self, name: str, unit: str, share: float, floor: str) -> Figure:
        ratios = [mine / bare for mine, bare in zip(self.per_s, self.floor_per_s, strict=True)]
        ratio = median(ratios)
        beside = f"{ratio:.0%} ({min(ratios):.0%} to {max(ratios):.0%}) of {floor}, {median(self.floor_per_s):,.0f}/s; p99 {median(self.p99_ms):.1f} ms"
        return Figure(name, median(self.per_s), unit, f">= {share:.0%} of its floor", ratio >= share, beside)


def measure(say: Callable[[str], None]) -> list[Figure]:
    folder = fresh("write")
    say(f"making {SCHOOLS:,} schools and {CHILDREN:,} children")
    size = ("--schools", str(SCHOOLS), "--children", str(CHILDREN))
    run("generate", *size, "--seed", "2", "--data", str(folder))
    tokens = [
        token
        for _ in range(-(-MANY_DEVICES // TOKENS_EACH))
        for token in tokens_for(folder, "coordinator", TOKENS_EACH)
    ]
    lone, some, many, classes = Way(), Way(), Way(), Way()
    with service(folder) as running:
        ours, bare = Children(folder), Children(folder)
        for turn in range(TURNS + 1):
            one = asyncio.run(_floor_of_ones(bare, 1))
            single = send_singles(running, tokens[:1], ours, LONE)
            each = asyncio.run(_floor_of_ones(bare, CONNECTIONS))
            sixteen = send_singles(running, tokens[:DEVICES], ours, SINGLES)
            crowd = send_singles(running, tokens[:MANY_DEVICES], ours, MANY_SINGLES)
            each = (each + asyncio.run(_floor_of_ones(bare, CONNECTIONS))) / 2
            batch = send_batches(running, tokens[:DEVICES], ours, CLASSES)
            class_floor = asyncio.run(_floor_of_classes(bare))
            if turn or TURNS == 1:  # the first turn warms both
                lone.note(single.per_s, one, single.p99_ms)
                some.note(sixteen.per_s, each, sixteen.p99_ms)
                many.note(crowd.per_s, each, crowd.p99_ms)
                classes.note(batch.requests * CLASS / batch.seconds, class_floor, batch.p99_ms)
        say(machine(ours.conninfo))
    found = run("reconcile", "--json", "--data", str(folder))
    say(f"reconcile: {found.stdout.strip()}")
    with_audit = "a bare INSERT with its audit row"
    return [
        lone.figure(
            "results one at a time, one device", "results/s", ONE_SHARE, f"{with_audit} on one connection"
        ),
        some.figure("results one at a time", "results/s", ONE_SHARE, with_audit),
        many.figure(f"results one at a time, {MANY_DEVICES} devices", "results/s", MANY_SHARE, with_audit),
        classes.figure("results a class at a time", "rows/s", CLASS_SHARE, "a bare INSERT of a class"),
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


def send_singles(running: Service, tokens: list[str], children: Children, each: int) -> Outcome:
    wanted = -(-len(tokens) * each // CLASS)
    picked = [child for _, some in children.classes(wanted) for child in some]
    clients = [
        [
            _request("/api/v1/results", token, children.write(child, n))
            for n, child in enumerate(picked[number * each : (number + 1) * each])
        ]
        for number, token in enumerate(tokens)
    ]
    return _checked(
        run_load(Load("127.0.0.1", running.port, clients, 120.0, warm_s=0.0, repeat=False)), {"201"}
    )


def send_batches(running: Service, tokens: list[str], children: Children, each: int) -> Outcome:
    clients = [
        [
            _request(
                "/api/v1/results/batch",
                token,
                {"writes": [children.write(child, n) for n, child in enumerate(picked)]},
            )
            for _, picked in children.classes(each)
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


async def _floor_of_ones(children: Children, connections: int) -> float:
    """Results a second of the bare INSERT with its audit row, each in a transaction of its own."""
    wanted = FLOOR_ONES if connections > 1 else -(-FLOOR_ONES // CONNECTIONS)
    picked = [[child] for _, each in children.classes(wanted) for child in each]
    return len(picked) / await _insert(children, WITH_AUDIT, picked, connections)


async def _floor_of_classes(children: Children) -> float:
    """Rows a second of the bare INSERT of a class."""
    picked = [each for _, each in children.classes(FLOOR_CLASSES)]
    return len(picked) * CLASS / await _insert(children, FROM_CHILDREN, picked, CONNECTIONS)


async def _insert(children: Children, text: str, writes: list[list[str]], connections: int) -> float:
    """Seconds until all is written: sixteen connections would starve a small server, so as many as a process has are used."""
    values = {"round": children.round_id, "person": children.person_id, "day": children.tested_on}

    async def one(mine: list[list[str]]) -> None:
        async with await psycopg.AsyncConnection.connect(children.conninfo, autocommit=True) as connection:
            await connection.execute("set default_transaction_read_only = off")
            for picked in mine:
                await connection.execute(text, {**values, "children": picked}, prepare=True)

    began = time.perf_counter()
    await asyncio.gather(*(one(writes[n::connections]) for n in range(connections)))
    return time.perf_counter() - began


if __name__ == "__main__":
    print(measure(say))
