"""Opens everything that a running service offers: each GET route, as each role, in both languages; and sends it the heavy things.

The service is a process of its own, so what it takes is what an operator's would take. A route that is added is opened by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psycopg
from argon2 import PasswordHasher
from asking import path_of, query_of
from fill_school import fill_school, ground
from people import Cast, make_cast, token_of
from psycopg import sql

from flatwater.contract import Endpoint
from flatwater.monitors import memory_of, pss_of
from flatwater.pool import Database
from rightlevel.database.migrations import migrate
from rightlevel.database.server import AttachedServer, PrivateServer
from rightlevel.web.app import all_routes

COMMAND = str(Path(sys.executable).parent / "rightlevel")
PASSWORD = "three words in a row"
LANGUAGES = ("en", "km")
ROLES = ("admin", "coordinator", "mentor", "teacher", "viewer")
START_S = 60.0
STREAMS = "/operations/live"
"""It goes on for a minute; its beginning is enough."""


class Weight(msgspec.Struct, frozen=True):
    """What the system takes. *Units*: bytes of PSS, which counts PostgreSQL's shared buffers once."""

    program: int
    database: int

    @property
    def whole(self) -> int:
        return self.program + self.database

    def __str__(self) -> str:
        return f"program {self.program / 1e6:.1f} MB + PostgreSQL {self.database / 1e6:.1f} MB = {self.whole / 1e6:.1f} MB"


class Running(msgspec.Struct, frozen=True):
    """A service in a process of its own, on a data folder of its own."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    ids: tuple[dict[str, Any], ...]
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def weight(self) -> Weight:
        """What it takes now; the service's own children (a photo being made small, the doctor) count with the program."""
        database = AttachedServer(self.folder).process_ids()
        program = set(_tree(self.process.pid)) - set(database)
        return Weight(pss_of(program) or 0, pss_of(database) or 0)

    def said(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def client(self, name: str | None = None, **more: Any) -> httpx.AsyncClient:
        """A browser in which somebody of the cast is signed in."""
        cookies = {"rl_session": token_of(name)} if name else {}
        return httpx.AsyncClient(
            base_url=self.url, cookies=cookies, timeout=60.0, headers={"x-csrf-token": "csrf"}, **more
        )


def _tree(process_id: int) -> list[int]:
    found = [process_id]
    for at in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{at}/task").iterdir():
                found += [int(each) for each in (task / "children").read_text().split()]
    return found


def prepare(folder: Path) -> tuple[dict[str, Any], ...]:
    """Puts the cast and a school full of everything into the folder's database; the ids to open, a set for each school.

    What was generated there before is opened too, and stays the current year.
    """
    with ThreadPoolExecutor(1) as beside:  # whoever asks may have a loop of their own running
        return beside.submit(asyncio.run, _prepare(folder)).result()


async def _prepare(folder: Path) -> tuple[dict[str, Any], ...]:
    server = PrivateServer(folder, 150_000_000)
    conninfo = server.start()
    try:
        migrate(conninfo)
        with psycopg.connect(conninfo) as connection:
            before = _generated(connection)
            if connection.execute("select 1 from person where username = 'stranger'").fetchone():
                return tuple(each for each in (ids_of(connection, "A"), before) if each)
        async with Database(conninfo) as database, database.transaction(deadline_s=60) as session:
            if before:
                await session.command(
                    "update school_year set is_current = false, starts_on = '2020-01-01', ends_on = '2020-12-31'"
                )
                await session.command("update round set starts_on = '2020-02-01', ends_on = '2020-02-28'")
            cast = await make_cast(session)
            await fill_school(session, cast.school_a, await ground(session, cast))
        with psycopg.connect(conninfo) as connection:
            _let_in(connection, cast)
            if before:
                connection.execute("update school_year set is_current = false")
                connection.execute("update school_year set is_current = true where id = %s", [before["year"]])
            return tuple(each for each in (ids_of(connection, "A"), before) if each)
    finally:
        server.stop()


def _let_in(connection: psycopg.Connection, cast: Cast) -> None:
    """Sessions that hold at the machine's own time, and a password for everybody."""
    for table in ("person_session", "api_token"):
        connection.execute(
            sql.SQL("update {} set expires_at = now() + interval '80 days'").format(sql.Identifier(table))
        )
    connection.execute("update person_session set created_at = now(), last_seen_at = now()")
    hashed = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1).hash(PASSWORD)
    connection.execute("update person set password_hash = %s", [hashed])
    # Histories and points that the filled rows lack: no deed of the platform leaves them empty.
    connection.execute("update visit set fidelity = null")
    connection.execute(
        "update intervention_change set before = before || %s::jsonb, after = after || %s::jsonb",
        [CHANGED, CHANGED],
    )
    connection.execute("update setting set value = 'false' where key = 'admins_need_second_factor'")


CHANGED = '{"from_on": "2026-06-01", "to_on": null, "outcome": null}'
FIRST_OF = {
    "students": "select id::text from student where school_id = %(school)s and deleted_at is null order by code limit 1",
    "classes": "select id from class where school_id = %(school)s order by id limit 1",
    "results": "select id::text from result where school_id = %(school)s and deleted_at is null limit 1",
    "verification": "select id::text from verification where school_id = %(school)s and state = 'pending' limit 1",
    "verifications": "select id::text from verification where school_id = %(school)s and state = 'agreed' limit 1",
    "groups": "select g.id from teaching_group g join grouping gr on gr.id = g.grouping_id where gr.school_id = %(school)s limit 1",
    "groupings": "select id from grouping where school_id = %(school)s limit 1",
    "enrolments": "select id::text from intervention_enrolment where school_id = %(school)s limit 1",
    "interventions": "select id from intervention limit 1",
    "visits": "select id::text from visit where school_id = %(school)s and deleted_at is null limit 1",
    "teaching-sessions": "select id::text from teaching_session where school_id = %(school)s limit 1",
    "imports": "select id::text from import_run order by started_at desc limit 1",
    "exports": "select id::text from export_run limit 1",
    "webhooks": "select id from webhook limit 1",
    "deliveries": "select id from webhook_delivery limit 1",
    "code": "select code from form limit 1",
    "form-versions": "select id from form_version limit 1",
    "people": "select id from person where role = 'teacher' order by id limit 1",
    "places": "select id from place where parent_id is null order by id limit 1",
    "year": "select school_year_id from class where school_id = %(school)s order by id limit 1",
    "round": "select r.id from round r join class c on c.school_year_id = r.school_year_id where c.school_id = %(school)s limit 1",
}


def ids_of(connection: psycopg.Connection, code: str) -> dict[str, Any]:
    found = connection.execute("select id from school where code = %s", [code]).fetchone()
    if found is None:
        return {}
    school = found[0]
    ids: dict[str, Any] = {"schools": school, "school_id": school, "school": school, "subject": "math"}
    for name, text in FIRST_OF.items():
        row = connection.execute(text, {"school": school}).fetchone()  # type: ignore[call-overload]
        if row is not None:
            ids[name] = row[0]
    return ids | {
        "student_id": ids.get("students"),
        "round_id": ids.get("round"),
        "rounds": ids.get("round"),
        "years": ids.get("year"),
        "school-years": ids.get("year"),
        "class_id": ids.get("classes"),
    }


def _generated(connection: psycopg.Connection) -> dict[str, Any]:
    return ids_of(connection, "G000000")


@contextmanager
def running(
    folder: Path,
    port: int,
    *words: str,
    environment: dict[str, str] | None = None,
    program: tuple[str, ...] = ("-m", "rightlevel"),
    is_prepared: bool = False,
) -> Iterator[Running]:
    """The service on a prepared folder while the block runs. *Errors*: RuntimeError with its log when it does not start."""
    ids = () if is_prepared else prepare(folder)
    log = folder / "said.log"
    given = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MALLOC_", "PG", "DATABASE_URL"))
    }
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, *program, "serve", "--data", str(folder), "--port", str(port), *words],
            stdout=out,
            stderr=out,
            env=given | {"PYTHONPATH": str(Path(__file__).parent)} | (environment or {}),
        )
    try:
        _wait(port, process, log)
        yield Running(folder, port, process, ids, log)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"http://127.0.0.1:{port}/version").status_code == 200:
                return
        time.sleep(0.05)
    raise RuntimeError(f"the service did not start: {log.read_text()[-3000:]}")


async def open_everything(service: Running, *, at_once: int = 3, most: int | None = None) -> Counter[int]:
    """Each GET route (or so many of them) as each role in both languages, and by a stranger; how often each status was answered."""
    statuses: Counter[int] = Counter()
    routes = [each for each in all_routes() if each.method == "GET"][:most]
    for language in LANGUAGES:
        _speak(service, language)
        for name in (*ROLES, None):
            statuses += await _open_as(service, routes, name, language, at_once)
    return statuses


async def _open_as(
    service: Running, routes: list[Endpoint], name: str | None, language: str, at_once: int
) -> Counter[int]:
    statuses: Counter[int] = Counter()
    turn = asyncio.Semaphore(at_once)
    async with service.client(name) as client:
        client.cookies.set("rl_language", language)

        async def one(endpoint: Endpoint, ids: dict[str, Any]) -> None:
            async with turn:
                statuses[await _status(client, endpoint, ids)] += 1

        await asyncio.gather(*(one(endpoint, ids) for ids in service.ids for endpoint in routes))
    return statuses


async def _status(client: httpx.AsyncClient, endpoint: Endpoint, ids: dict[str, Any]) -> int:
    path, query = path_of(endpoint, _for(endpoint, ids)), query_of(endpoint, ids)
    if endpoint.path != STREAMS:
        return (await client.get(path, params=query)).status_code
    async with client.stream("GET", path, params=query) as answer:
        if answer.status_code == 200:
            async for _ in answer.aiter_bytes():
                break
        return answer.status_code


def _for(endpoint: Endpoint, ids: dict[str, Any]) -> dict[str, Any]:
    """The ids for one path: `/verification/results/{id}` and `/results/{id}` name results, which `path_of` leaves out."""
    if endpoint.path in (
        "/api/v1/results/{id}",
        "/api/v1/results/{id}/guided-tests",
        "/verification/results/{id}",
    ):
        return ids | {"id": ids.get("results")}
    return ids


def _speak(service: Running, language: str) -> None:
    with psycopg.connect(AttachedServer(service.folder).conninfo, autocommit=True) as connection:
        connection.execute("update person set language = %s", [language])


async def sign_in(service: Running, name: str, password: str = PASSWORD) -> int:
    """The status of signing in with a password."""
    async with service.client() as client:
        answer = await client.post("/sign-in", data={"username": name, "password": password})
    return answer.status_code


def roster(rows: int, prefix: str, schools: Sequence[str] = ("A",)) -> bytes:
    """A file of so many children, school after school as a registry writes it."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["School code", "Student code", "Name", "Sex", "Grade", "Age"])
    first = (
        "Bopha",
        "Chan",
        "Dara",
        "Kosal",
        "Amina",
        "Ravi",
        "Noor",
        "ចាន់ដារ៉ា",
        "សុភា",
        "Inès",
        "आरव",
        "Maly",
    )
    last = ("Sok", "Chea", "Kim", "Heng", "Khan", "Singh", "Touch", "គឹម", "ហេង", "Traoré", "Long")
    writer.writerows(
        (
            schools[n * len(schools) // rows],
            f"{prefix}{n:07d}",
            f"{first[n * 7 % 12]} {last[n * 13 % 11]} {n % 97}",
            "FM"[n % 2],
            3 + n % 3,
            8 + n % 5,
        )
        for n in range(rows)
    )
    return text.getvalue().encode()


async def import_children(service: Running, content: bytes, *, within_s: float = 300.0) -> tuple[str, Weight]:
    """Sends a file of children and waits for its end: how it ended, and the most that the system took meanwhile."""
    async with service.client("admin") as client:
        sent = await client.post(
            "/api/v1/imports",
            data={"kind": "students"},
            files={"file": ("children.csv", content, "text/csv")},
        )
        if sent.status_code != 202:
            return f"{sent.status_code} {sent.text}", service.weight()
        most = service.weight()
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            run = (await client.get(sent.headers["location"])).json()
            most = max(most, service.weight(), key=lambda each: each.whole)
            if run["state"] not in ("waiting", "reading", "saving"):
                return str(run["state"]), most
            await asyncio.sleep(0.25)
    return "not ended", most


@asynccontextmanager
async def half_sent_bodies(service: Running, count: int, size: int = 200_000) -> AsyncIterator[None]:
    """Requests whose bodies stop in the middle, held open while the block runs."""
    writers: list[asyncio.StreamWriter] = []
    try:
        for _ in range(count):
            _, writer = await asyncio.open_connection("127.0.0.1", service.port)
            head = f"POST /api/v1/results/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
            writer.write(head.encode() + b"[" + b" " * (size // 2))
            await writer.drain()
            writers.append(writer)
        yield
    finally:
        for writer in writers:
            writer.close()


def private_of(service: Running) -> int:
    """What is the program's alone. *Units*: bytes."""
    memory = memory_of(service.process.pid)
    return 0 if memory is None else memory.private_bytes
