"""Peers: the list, the write and the country's figures as FastAPI with SQLAlchemy and as Django with REST framework, by turns with ours.

Each is one process and written the way most people would: the ORM, the framework's own validation, a token looked up with its person at each request, an
audit row in the write's transaction, figures counted when they are asked for. Their results are in tables of their own, without our triggers: they
keep no counts, so their write has less to do and their figures more. Each has three connections, as ours.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import msgspec
import psycopg

from benchmarks.load import Load, Request, run_load
from benchmarks.work import ROOT, Figure, free_port, generated, service, tokens_for, wait_for
from benchmarks.write import Children
from rightlevel.database.server import AttachedServer

CLIENTS = 16
ROWS = 50
SECONDS = 2.0
FIGURES_SECONDS = 2.0
WRITES = 40
TURNS = 4
SCHOOLS = 240
CHILDREN = 30_000
TINY = {
    "CLIENTS": 2,
    "SECONDS": 0.2,
    "FIGURES_SECONDS": 0.2,
    "WRITES": 5,
    "TURNS": 1,
    "SCHOOLS": 12,
    "CHILDREN": 1_200,
}
GOALS = {
    ("a list of 50", "FastAPI"): 6,
    ("a list of 50", "Django"): 8,
    ("a result", "FastAPI"): 5,
    ("a result", "Django"): 6,
    ("the country's figures", "FastAPI"): 6,
    ("the country's figures", "Django"): 9,
}
"""How many times as many requests a second ours answers. *Source*: issue 12."""

TABLES = """
drop table if exists peer_result, peer_audit;
create table peer_result (
    id uuid primary key,
    student_id uuid not null references student,
    round_id bigint not null references round,
    school_id bigint not null references school,
    assessor_id bigint not null references person,
    tested_on date not null,
    subject text not null,
    outcome text not null,
    rank smallint,
    version integer not null default 1,
    created_at timestamptz not null default now(),
    changed_at timestamptz not null default now(),
    constraint peer_result_is_unique unique (student_id, round_id, subject)
);
create index peer_result_by_round on peer_result (round_id, subject);
create index peer_result_by_school on peer_result (school_id);
create table peer_audit (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    person_id bigint not null references person,
    action text not null,
    resource_id text not null,
    after jsonb not null
);
insert into peer_result (id, student_id, round_id, school_id, assessor_id, tested_on, subject, outcome, rank)
select id, student_id, round_id, school_id, assessor_id, tested_on, subject, outcome, rank
from result
where deleted_at is null;
analyze peer_result;
"""


def measure(say: Callable[[str], None]) -> list[Figure]:
    with generated(SCHOOLS, CHILDREN, name="peers", results=True) as folder, ExitStack() as stack:
        tokens = tokens_for(folder, "coordinator", CLIENTS)
        ours = stack.enter_context(service(folder))
        conninfo = AttachedServer(folder).conninfo
        with psycopg.connect(conninfo, options="-c default_transaction_read_only=off") as connection:
            connection.execute(TABLES)
        ports = {
            "ours": ours.port,
            "FastAPI": stack.enter_context(fastapi(conninfo)),
            "Django": stack.enter_context(django(conninfo)),
        }
        say(f"by turns: {', '.join(ports)}")
        return _Turns(ports, tokens, Children(folder)).figures(say)


class _Turns:
    """What is asked of each by turns, and how many of it were answered in a second."""

    def __init__(self, ports: dict[str, int], tokens: list[str], children: Children) -> None:
        self._ports = ports
        self._headers = [
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"} for token in tokens
        ]
        self._children = children
        with psycopg.connect(children.conninfo) as connection:
            # a school whose list is full, and as many children as are written about who have nothing in the open round yet
            self._school = connection.execute(
                "select school_id from student where status = 'active' group by 1 order by count(*) desc, 1 limit 1"
            ).fetchone()[0]  # type: ignore[index]
            self._untested = _made_untested(children, len(ports) * TURNS * CLIENTS * WRITES)
        self._taken = 0

    def figures(self, say: Callable[[str], None]) -> list[Figure]:
        asked: dict[str, Callable[[str], float]] = {
            "a list of 50": lambda name: self._read(name, f"students?school_id={self._school}&limit={ROWS}"),
            "a result": self._write,
            "the country's figures": lambda name: self._read(
                name, f"figures?round_id={self._children.round_id}&subject=math", FIGURES_SECONDS
            ),
        }
        found: list[Figure] = []
        for title, ask in asked.items():
            per_s: dict[str, list[float]] = {name: [] for name in self._ports}
            for _ in range(TURNS):
                for name in self._ports:
                    per_s[name].append(ask(name))
            say(f"{title}: " + ", ".join(f"{name} {median(each):,.0f}/s" for name, each in per_s.items()))
            found += [_times(title, peer, per_s["ours"], per_s[peer]) for peer in ("FastAPI", "Django")]
        return found

    def _read(self, name: str, path: str, seconds: float | None = None) -> float:
        clients = [[Request("GET", f"/api/v1/{path}", headers)] for headers in self._headers]
        return self._load(name, clients, seconds or SECONDS, warm_s=0.2, repeat=True, wanted={"200"})

    def _write(self, name: str) -> float:
        """Each child is tested once, whoever writes it down."""
        clients: list[list[Request]] = []
        for headers in self._headers:
            mine = self._untested[self._taken : self._taken + WRITES]
            if len(mine) < WRITES:
                raise RuntimeError("there are not enough children without a result in the open round")
            self._taken += WRITES
            clients.append(
                [
                    Request(
                        "POST",
                        "/api/v1/results",
                        headers,
                        msgspec.json.encode(self._children.write(child, number)).decode(),
                    )
                    for number, child in enumerate(mine)
                ]
            )
        return self._load(name, clients, 120.0, warm_s=0.0, repeat=False, wanted={"201"})

    def _load(
        self,
        name: str,
        clients: list[list[Request]],
        seconds: float,
        *,
        warm_s: float,
        repeat: bool,
        wanted: set[str],
    ) -> float:
        load = Load("127.0.0.1", self._ports[name], clients, seconds, warm_s=warm_s, repeat=repeat)
        outcome = run_load(load)
        if set(outcome.statuses) != wanted:
            raise RuntimeError(f"{name} answered {outcome.statuses}")
        return outcome.per_s


def _made_untested(children: Children, wanted: int) -> list[str]:
    """Children without a result in the open round, from whom it was taken where they had one. *Errors*: RuntimeError where there are too few."""
    with psycopg.connect(children.conninfo, options="-c default_transaction_read_only=off") as connection:
        rows = connection.execute(
            "select s.id from student s where s.status = 'active' and not exists (select 1 from result r join verification v "
            "on v.result_id = r.id where r.student_id = s.id) order by s.id limit %s",
            [wanted],
        ).fetchall()
        found = [row[0] for row in rows]
        if len(found) < wanted:
            raise RuntimeError(f"there are {len(found)} children to write about, and {wanted} are needed")
        for table in ("result", "peer_result"):
            connection.execute(
                f"delete from {table} where round_id = %s and student_id = any(%s)",  # type: ignore[arg-type]
                [children.round_id, found],
            )
    return [str(each) for each in found]


def _times(title: str, peer: str, ours: list[float], theirs: list[float]) -> Figure:
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    goal = GOALS[title, peer]
    beside = (
        f"{min(ratios):.1f} to {max(ratios):.1f}; ours {median(ours):,.0f}/s, {peer} {median(theirs):,.0f}/s"
    )
    return Figure(
        f"{title}: ours beside {peer}", median(ratios), "x", f">= {goal} x", median(ratios) >= goal, beside
    )


@contextmanager
def _process(words: list[str], port: int, conninfo: str) -> Iterator[int]:
    environment = {**os.environ, "PEER_DATABASE": conninfo, "DJANGO_SETTINGS_MODULE": ""}
    process = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_for(port, process=process)
        yield port
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def fastapi(conninfo: str) -> Iterator[int]:
    """The port of the one, served by uvicorn for as long as the block runs."""
    port = free_port()
    words = [sys.executable, "-m", "uvicorn", "benchmarks.peers.fastapi_app:app", "--port", str(port)]
    with _process([*words, "--no-access-log", "--log-level", "warning"], port, conninfo) as at:
        yield at


@contextmanager
def django(conninfo: str) -> Iterator[int]:
    """The port of the other, served by gunicorn with threads."""
    port = free_port()
    gunicorn = str(Path(sys.executable).parent / "gunicorn")
    words = [gunicorn, "benchmarks.peers.django_app:application", "--bind", f"127.0.0.1:{port}"]
    with _process(
        [*words, "--workers", "1", "--threads", "3", "--keep-alive", "30", "--log-level", "warning"],
        port,
        conninfo,
    ) as at:
        yield at
