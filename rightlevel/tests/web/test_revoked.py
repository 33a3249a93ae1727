"""A revoked assignment stops the very next write, in another process whose cache has not heard of it.

Each writing route that field staff may call is asked in a second running platform whose cache still says that the school is
theirs. Reads may lag by what the wire takes; writes never.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psycopg
import pytest
from asking import ask, own
from people import NOW
from serving import OneDatabase, Served, serving

from flatwater.clock import StandingClock
from flatwater.contract import UNSAFE, Endpoint
from rightlevel.assembly import Platform, open_platform
from rightlevel.programme.permissions import Held, May, allowed
from rightlevel.settings import Settings
from rightlevel.web.app import all_routes, build_app

pytestmark = pytest.mark.anyio

ABOUT_NO_CHILD = {"/api/v1/guided-tests/next", "/verification/{id}/answer"}
"""What keeps nothing, and what is about a re-test: there is none to be found by a child's id (the room's own tests revoke it)."""
WRITES = [
    each
    for each in all_routes()
    if each.method in UNSAFE
    and isinstance(each.who, May)
    and each.who.resource in ("student", "result", "class_sheet")
    and allowed("teacher", each.who.action, each.who.resource)
    and each.path not in ABOUT_NO_CHILD
]


class TwoProcesses(msgspec.Struct, frozen=True):
    """The platform twice over one database: each with its own pool, its own cache and its own ear."""

    first: Served
    second: Served
    second_platform: Platform

    async def assign(self) -> None:
        """Gives the teacher school A again, as the cast has it."""
        async with self.first.database.transaction(deadline_s=10) as session:
            await session.command("update assignment set ended_at = null")

    async def revoke(self) -> None:
        """Takes the teacher's schools away by the first process, as a coordinator does."""
        async with self.first.client("coordinator") as client:
            person = self.first.cast.teacher.person_id
            held = await client.get("/api/v1/assignments", params={"person_id": person})
            for each in held.json()["items"]:
                ended = await client.post(f"/api/v1/assignments/{each['id']}/end")
                assert ended.status_code in (200, 204), ended.text

    def remember_what_was(self) -> None:
        """Puts into the second process's cache what it believed before, as if the word had not come yet."""
        cast = self.first.cast
        held = tuple(Held(cast.school_a, subject) for subject in ("language", "math"))
        key = f"{cast.teacher.person_id} {NOW.date()}"
        cache = self.second_platform.scopes.cache
        cache.put(key, held)  # type: ignore[arg-type]
        cache.trust_until(float("inf"))
        assert cache.lookup(key) == held


@pytest.fixture(scope="module")
async def processes(
    new_database: Callable[[], OneDatabase], tmp_path_factory: pytest.TempPathFactory, anyio_backend: object
) -> AsyncIterator[TwoProcesses]:
    database = new_database()
    async with serving(database, tmp_path_factory.mktemp("first")) as first:
        folder = str(tmp_path_factory.mktemp("second"))
        settings = msgspec.convert(
            {"data_folder": folder, "memory_bytes": 4_000_000_000},
            Settings,
            dec_hook=lambda _kind, value: Path(value),
        )
        app = build_app(lambda: open_platform(settings, server=database, clock=StandingClock(NOW)))
        async with app.running() as platform:
            yield TwoProcesses(first, Served(app, first.cast, first.database, database, platform), platform)


def test_there_are_writes_to_ask() -> None:
    assert len(WRITES) >= 10, [each.path for each in WRITES]


def named(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


def ids_for(processes: TwoProcesses, endpoint: Endpoint) -> dict[str, Any]:
    """The cast's own things, and what a result must have to be judged by its scope."""
    ids = {**own(processes.first.cast), "class_id": processes.first.cast.class_3a}
    if "results" in endpoint.path and "{" not in endpoint.path:
        ids |= {"id": str(uuid.uuid4()), "outcome": "absent"}
    return ids


TYPED = {"code": "R-1", "name": "Rith", "sex": "1", "grade": "3", "left_on": "2026-11-20", "reason": "moved"}
"""What the pages of children are sent, for the right is judged after what was typed can be read."""


def is_refused(answer: httpx.Response) -> bool:
    """Whether the answer says no to who asks: by its status, on a page, or for each row of a batch."""
    if answer.status_code in (403, 404):
        return True
    return any(word in answer.text for word in ('"out_of_scope"', '"not_found"'))


@pytest.mark.parametrize("endpoint", WRITES, ids=named)
async def test_a_revoked_assignment_stops_the_very_next_write_in_another_process(
    processes: TwoProcesses, endpoint: Endpoint
) -> None:
    ids = ids_for(processes, endpoint)
    await processes.assign()
    try:
        await processes.revoke()
        processes.remember_what_was()
        before = rows(processes)
        async with processes.second.client("teacher") as client:
            after = await ask(client, endpoint, ids, TYPED)
        assert is_refused(after), f"{after.status_code}: {after.text[:300]}"
        assert rows(processes) == before, "something was written"
    finally:
        await processes.assign()


async def test_a_read_in_the_other_process_is_stopped_by_what_the_commit_told(
    processes: TwoProcesses,
) -> None:
    await processes.assign()
    processes.second_platform.scopes.cache.drop_all()
    path = "/api/v1/students"
    query = {"school_id": str(processes.first.cast.school_a)}
    async with processes.second.client("teacher") as client:
        assert (await client.get(path, params=query)).status_code == 200
        loads = processes.second_platform.scopes.cache.statistics().loads
        assert (await client.get(path, params=query)).status_code == 200
        assert processes.second_platform.scopes.cache.statistics().loads == loads, (
            "the second read used the cache"
        )
        await processes.revoke()
        for _ in range(100):
            answer = await client.get(path, params=query)
            if answer.status_code in (403, 404):
                break
        assert answer.status_code in (403, 404), answer.text[:200]
    await processes.assign()


async def test_what_changes_at_a_school_is_forgotten_of_it_in_the_other_process_and_of_no_other(
    processes: TwoProcesses,
) -> None:
    await processes.assign()
    cast, scopes = processes.first.cast, processes.second_platform.scopes
    scopes.cache.drop_all()
    for name in ("teacher", "teacher_elsewhere"):
        async with processes.second.client(name) as client:
            assert (await client.get("/api/v1/assigned-schools")).status_code == 200
    of_a, of_b = (f"{who.person_id} {NOW.date()}" for who in (cast.teacher, cast.teacher_elsewhere))
    assert scopes.cache.lookup(of_a)
    assert scopes.cache.lookup(of_b)
    async with processes.first.client("coordinator") as client:
        school = (await client.get(f"/api/v1/schools/{cast.school_a}")).json()
        changed = await client.patch(
            f"/api/v1/schools/{cast.school_a}",
            json={"version": school["version"], "name_latin": "Alpha again"},
        )
        assert changed.status_code == 200, changed.text
    for _ in range(100):
        if not scopes.cache.lookup(of_a):
            break
        await asyncio.sleep(0.05)
    assert not scopes.cache.lookup(of_a), "the school's people were not forgotten"
    assert scopes.cache.lookup(of_b), "another school's people need not be asked for again"


async def test_the_look_up_of_assigned_schools_is_ones_own_or_the_leaders(processes: TwoProcesses) -> None:
    await processes.assign()
    cast = processes.first.cast
    async with processes.first.client("teacher") as client:
        own_schools = await client.get("/api/v1/assigned-schools", params={"subject": "math"})
        assert own_schools.json() == {"school_ids": [cast.school_a]}
        others = {"person_id": cast.teacher_elsewhere.person_id}
        assert (await client.get("/api/v1/assigned-schools", params=others)).status_code == 403
    async with processes.first.client("coordinator") as client:
        assert (await client.get("/api/v1/assigned-schools", params=others)).json() == {
            "school_ids": [cast.school_b]
        }
        past = await client.get("/api/v1/assigned-schools", params={**others, "active_only": "false"})
        assert past.json() == {"school_ids": [cast.school_b]}


def rows(processes: TwoProcesses) -> list[tuple[Any, ...]]:
    """How much there is, and how often it was changed."""
    with psycopg.connect(processes.first.server.conninfo) as connection:
        return connection.execute(
            "select count(*), sum(version), count(deleted_at) from result "
            "union all select count(*), sum(version), count(deleted_at) from student"
        ).fetchall()
