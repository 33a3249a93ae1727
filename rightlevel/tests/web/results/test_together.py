"""Taps that arrive together share a transaction, and nobody notices: each has the answer, the rights and the audit row that it would have alone."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from asyncio import create_task, gather, sleep
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import psycopg
import pytest
from people import NOW
from serving import DEADLINE_S, NewDatabase, OneDatabase, Served, serving

from flatwater.group_commit import GroupStatistics
from rightlevel.assembly import open_platform
from rightlevel.operations.reconcile import reconcile
from rightlevel.programme.accounts.store import digest
from rightlevel.settings import Settings
from rightlevel.web.app import build_app

pytestmark = pytest.mark.anyio

DEVICES = 24
SPARE = 8
MARKS = ("beginner", "number_1digit", "number_2digit", "subtraction", "division")


class Room(msgspec.Struct):
    """Two dozen teachers of school A, each with a device that was seen before, a child of its own, and some children to spare."""

    served: Served
    clients: list[httpx.AsyncClient]
    people: list[int]
    children: list[str]
    spare: list[str]
    connection: psycopg.Connection[Any]

    def rows(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        return self.connection.execute(text, values).fetchall()  # type: ignore[arg-type]

    def statistics(self) -> GroupStatistics:
        (group,) = self.served.platform.database.groups
        return group.statistics()

    def transactions(self, ids: list[str]) -> int:
        """In how many transactions these results were written."""
        text = "select count(distinct xmin::text) from result where id = any(%s::uuid[])"
        return self.rows(text, ids)[0][0]


@asynccontextmanager
async def a_room(database: OneDatabase, folder: Path) -> AsyncIterator[Room]:
    async with serving(database, folder) as served, AsyncExitStack() as stack:
        connection = stack.enter_context(psycopg.connect(database.conninfo, autocommit=True))
        connection.execute("set default_transaction_read_only = off")
        cast = served.cast
        people = [_teacher(connection, number, cast.school_a) for number in range(DEVICES)]
        children = [
            str(row[0])
            for row in connection.execute(
                "insert into student (school_id, school_year_id, class_id, code, name, name_key, sex, grade) "
                "select %s, %s, %s, 'T' || n, 'Child ' || n, 'child ' || n, 1 + n %% 2, 3 from generate_series(1, %s) n returning id",
                [cast.school_a, cast.school_year, cast.class_3a, DEVICES + SPARE],
            ).fetchall()
        ]
        clients = [await stack.enter_async_context(_client(served.app, n)) for n in range(DEVICES)]
        await gather(*(_seen(each) for each in clients))
        yield Room(served, clients, people, children[:DEVICES], children[DEVICES:], connection)


def _teacher(connection: psycopg.Connection[Any], number: int, school: int) -> int:
    row = connection.execute(
        "insert into person (username, display_name, role) values (%s, %s, 'teacher') returning id",
        [f"teacher.{number}", f"Teacher {number}"],
    ).fetchone()
    assert row is not None
    connection.execute(
        "insert into api_token (person_id, token_hash, expires_at) values (%s, %s, %s::timestamptz + interval '9 days')",
        [row[0], digest(f"device {number}"), NOW],
    )
    connection.execute(
        "insert into assignment (person_id, school_id, subject, from_on) values (%s, %s, 'math', '2026-01-01')",
        [row[0], school],
    )
    return row[0]


def _client(app: Any, number: int) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(f"10.0.0.{number + 1}", 40_000))
    headers = {"authorization": f"Bearer device {number}"}
    return httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers, timeout=DEADLINE_S)


async def _seen(client: httpx.AsyncClient) -> None:
    """Whoever was found to be somebody may share; the first request of a token is looked at alone."""
    assert (await client.get("/api/v1/rounds")).status_code == 200


@pytest.fixture
async def room(new_database: NewDatabase, tmp_path: Path) -> AsyncIterator[Room]:
    async with a_room(new_database(), tmp_path) as opened:
        yield opened


def a_tap(room: Room, child: str, **more: Any) -> dict[str, Any]:
    return {
        "id": str(uuid4()),
        "student_id": child,
        "round_id": room.served.cast.round,
        "subject": "math",
        "level": "subtraction",
        "tested_on": "2026-11-20",
        **more,
    }


async def send(client: httpx.AsyncClient, tap: dict[str, Any]) -> httpx.Response:
    return await client.post("/api/v1/results", json=tap)


async def send_all(room: Room, taps: list[dict[str, Any]]) -> list[httpx.Response]:
    return await gather(*(send(client, tap) for client, tap in zip(room.clients, taps, strict=False)))


async def assert_counts_agree(room: Room) -> None:
    async with room.served.database.transaction(deadline_s=DEADLINE_S) as session:
        assert (await reconcile(session)).different == 0


async def test_taps_that_arrive_together_are_few_transactions_and_each_is_its_own_deed(room: Room) -> None:
    taps = [a_tap(room, child, level=MARKS[n % 5]) for n, child in enumerate(room.children)]
    answers = await send_all(room, taps)
    assert [each.status_code for each in answers] == [201] * DEVICES
    assert [each.json()["id"] for each in answers] == [tap["id"] for tap in taps]
    assert room.transactions([tap["id"] for tap in taps]) <= DEVICES / 4
    assert room.statistics().largest >= DEVICES / 4
    assert room.statistics().alone == 0
    kept = room.rows(
        "select r.id::text, r.assessor_id, a.person_id, a.address, a.role::text, a.after ->> 'count' from result r "
        "join audit_entry a on a.resource_id = r.id::text and a.action = 'enter' where r.id = any(%s::uuid[])",
        [tap["id"] for tap in taps],
    )
    wanted = [
        (tap["id"], person, person, f"10.0.0.{number + 1}", "teacher", "1")
        for number, (tap, person) in enumerate(zip(taps, room.people, strict=True))
    ]
    assert sorted(kept) == sorted(wanted)
    changes = [a_tap(room, child, level="division", version=1) for child in room.children]
    assert [each.json()["version"] for each in await send_all(room, changes)] == [2] * DEVICES
    assert room.rows(
        "select count(*), count(distinct person_id) from result_change where write_id = any(%s::uuid[])",
        [tap["id"] for tap in changes],
    ) == [(DEVICES, DEVICES)]
    await assert_counts_agree(room)


async def test_what_comes_again_gets_the_same_answer_and_is_one_row(room: Room) -> None:
    taps = [a_tap(room, child) for child in room.children]
    first = await send_all(room, taps)
    again = await send_all(room, taps)
    assert [(each.status_code, each.content) for each in again] == [(201, each.content) for each in first]
    assert room.rows(
        "select count(*) from result where id = any(%s::uuid[])", [tap["id"] for tap in taps]
    ) == [(DEVICES,)]


async def test_who_is_refused_is_told_so_and_holds_up_nobody(room: Room) -> None:
    cast = room.served.cast
    gone = room.spare[0]
    async with room.served.client("coordinator") as leader:
        at = f"/api/v1/students/{gone}"
        removed = await leader.request("DELETE", at, params={"reason": "moved abroad"})
        assert removed.status_code in (200, 204), removed.text
    room.connection.execute("update assignment set ended_at = %s where person_id = %s", [NOW, room.people[4]])
    room.connection.execute(
        "update api_token set revoked_at = %s where person_id = %s", [NOW, room.people[5]]
    )
    room.connection.execute("update api_token set may_write = false where person_id = %s", [room.people[6]])
    room.connection.execute("update person set role = 'viewer' where id = %s", [room.people[7]])
    taps = [a_tap(room, child) for child in room.children]
    taps[0]["student_id"] = cast.students_b[0]
    taps[1]["level"] = "story"
    taps[2]["student_id"] = gone
    taps[3]["subject"] = "language"
    taps[3]["level"] = "word"
    taps[8]["tested_on"] = "2026-12-24"
    taps[9]["nonsense"] = 1
    taps[10]["tested_on"] = "2026-10-01"
    answers = await send_all(room, taps)
    told = [(each.status_code, each.json().get("code")) for each in answers]
    assert told[:11] == [
        (404, "not_found"),
        (422, "invalid"),
        (404, "not_found"),
        (403, "out_of_scope"),
        (404, "not_found"),
        (401, "not_signed_in"),
        (403, "token_reads_only"),
        (403, "forbidden"),
        (422, "date_in_future"),
        (422, "unknown_field"),
        (422, "date_outside_round"),
    ]
    assert told[11:] == [(201, "saved")] * (DEVICES - 11)
    denied = room.rows(
        "select person_id, action from audit_entry where outcome = 'denied' and person_id = any(%s) order by person_id",
        room.people,
    )
    assert denied == [
        (room.people[3], "enter"),
        (room.people[6], "enter_one_result"),
        (room.people[7], "enter_one_result"),
    ]
    await assert_counts_agree(room)


async def test_a_frozen_round_and_a_locked_school_refuse_each_of_many(room: Room) -> None:
    cast = room.served.cast
    async with room.served.client("coordinator") as leader:
        at = f"/api/v1/rounds/{cast.round}/schools/{cast.school_a}"
        assert (await leader.post(f"{at}/lock", json={"reason": "the week is over"})).is_success
        taps = [a_tap(room, child) for child in room.children]
        refused = await send_all(room, taps)
        assert {(each.status_code, each.json()["code"]) for each in refused} == {(409, "school_locked")}
        assert (await leader.post(f"{at}/unlock", json={"reason": "one more day"})).is_success
        assert {each.status_code for each in await send_all(room, taps)} == {201}
    room.connection.execute("update round set state = 'closed' where id = %s", [cast.round])
    changes = [a_tap(room, child, level="division", version=1) for child in room.children]
    answers = await send_all(room, changes)
    assert {(each.status_code, each.json()["code"]) for each in answers} == {(409, "round_not_open")}


async def test_of_two_who_tap_the_same_child_one_is_saved_and_the_other_decides(room: Room) -> None:
    taps = [a_tap(room, room.children[0], level=MARKS[n % 5]) for n in range(DEVICES)]
    answers = await send_all(room, taps)
    codes = sorted(each.status_code for each in answers)
    assert codes == [201] + [409] * (DEVICES - 1)
    (saved,) = [each.json() for each in answers if each.status_code == 201]
    for each in answers:
        if each.status_code == 409:
            assert each.json()["code"] == "conflict"
            assert each.json()["current"]["id"] == saved["result_id"]
    assert room.rows("select count(*) from result where student_id = %s::uuid", room.children[0]) == [(1,)]
    await assert_counts_agree(room)


async def test_one_write_that_comes_from_many_at_once_is_one_row_and_one_answer(room: Room) -> None:
    tap = a_tap(room, room.children[0])
    answers = await send_all(room, [tap] * DEVICES)
    assert {(each.status_code, each.json()["result_id"]) for each in answers} == {(201, tap["id"])}
    assert room.rows("select count(*) from audit_entry where resource_id = %s", tap["id"]) == [(1,)]
    other = {**a_tap(room, room.children[1]), "id": tap["id"]}
    refused = await send_all(room, [other] * 3)
    assert {(each.status_code, each.json()["code"]) for each in refused} == {(409, "write_id_reused")}


async def test_who_wants_what_somebody_else_holds_waits_alone(room: Room) -> None:
    taps = [a_tap(room, child) for child in room.children]
    with psycopg.connect(room.served.server.conninfo) as holder:
        holder.execute("set default_transaction_read_only = off")
        holder.rollback()
        holder.execute("begin read write")
        holder.execute("select 1 from student where id = %s::uuid for no key update", [room.children[3]])
        sent = [create_task(send(client, tap)) for client, tap in zip(room.clients, taps, strict=True)]
        began = time.monotonic()
        others = [each for number, each in enumerate(sent) if number != 3]
        assert {each.status_code for each in await gather(*others)} == {201}
        assert time.monotonic() - began < 4.0, "a session's own limit for locks is five seconds"
        assert not sent[3].done()
        holder.rollback()
    assert (await sent[3]).status_code == 201
    assert room.statistics().dissolved >= 1


async def test_a_busy_pool_is_waited_for_and_a_lost_connection_loses_nothing(room: Room) -> None:
    database, taps = room.served.platform.database, [a_tap(room, child) for child in room.children]
    async with AsyncExitStack() as held:
        for _ in range(database.limits.connections):
            await held.enter_async_context(database.read(deadline_s=20))
        sent = create_task(send_all(room, taps))
        await sleep(0.3)
        assert not sent.done()
    assert {each.status_code for each in await sent} == {201}

    changes = [a_tap(room, child, level="division", version=1) for child in room.children]
    with psycopg.connect(room.served.server.conninfo) as holder:
        holder.execute("begin read write")
        holder.execute("select 1 from student where id = %s::uuid for no key update", [room.children[3]])
        sent = create_task(send_all(room, changes))
        ended = 0
        for _ in range(500):
            await sleep(0.01)
            ended = room.rows(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity "
                "where datname = current_database() and wait_event_type = 'Lock' and application_name like '%%/results_together'"
            )[0][0]
            if ended:
                break
        assert ended, "a group waits for the child that is held"
        holder.rollback()
    answers = [(each.status_code, each.json().get("version")) for each in await sent]
    assert answers == [(200, 2)] * DEVICES
    await assert_counts_agree(room)


async def test_a_client_that_leaves_takes_nobody_along(room: Room) -> None:
    taps = [a_tap(room, child) for child in room.children]
    sent = [create_task(send(client, tap)) for client, tap in zip(room.clients, taps, strict=True)]
    await sleep(0.005)
    for each in sent[::4]:
        each.cancel()
    answers = await gather(*sent, return_exceptions=True)
    assert {each.status_code for each in answers if isinstance(each, httpx.Response)} == {201}
    assert len([each for each in answers if isinstance(each, httpx.Response)]) >= DEVICES * 3 // 4
    again = await send_all(room, taps)
    assert {(each.status_code, each.json()["result_id"]) for each in again} == {
        (201, tap["id"]) for tap in taps
    }
    await assert_counts_agree(room)


async def test_rows_of_the_grid_share_with_devices_and_say_what_they_say_alone(room: Room) -> None:
    cast = room.served.cast
    grid = f"/schools/{cast.school_a}/grid/row?round={cast.round}&subject=math&group=class-{cast.class_3a}"

    def mark(child: str, level: str, version: str = "") -> dict[str, str]:
        return {
            "student": child,
            "tested_on": "2026-11-20",
            f"choice.{child}": level,
            f"write.{child}": str(uuid4()),
            f"version.{child}": version,
        }

    async with room.served.client("teacher", by="cookie") as page:
        assert (await page.get("/today")).status_code in (200, 404)
        taps = [a_tap(room, child) for child in room.children]
        row, *answers = await gather(
            page.post(grid, data=mark(room.spare[0], "division")),
            *(send(client, tap) for client, tap in zip(room.clients, taps, strict=True)),
        )
        assert (row.status_code, {each.status_code for each in answers}) == (200, {201})
        assert room.statistics().alone == 0
        stale = await page.post(grid, data=mark(room.spare[0], "subtraction", "7"))
        assert stale.status_code == 409
        del page.headers["x-csrf-token"]
        forged = await page.post(grid, data=mark(room.spare[1], "division"))
        assert forged.status_code == 403
    assert room.rows("select count(*) from result where student_id = %s::uuid", room.spare[1]) == [(0,)]


async def test_two_processes_share_nothing_and_agree(room: Room, tmp_path: Path) -> None:
    settings = Settings(data_folder=tmp_path / "other", memory_bytes=4_000_000_000, cookie_is_secure="false")

    @asynccontextmanager
    async def platform() -> AsyncIterator[Any]:
        async with open_platform(settings, server=room.served.server, clock=room.served.clock) as opened:
            yield opened

    other = build_app(platform)
    async with other.running(), AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(_client(other, n)) for n in range(DEVICES)]
        await gather(*(_seen(each) for each in clients))
        taps = [a_tap(room, child, level=MARKS[n % 5]) for n, child in enumerate(room.children)]
        here, there = await gather(
            send_all(room, taps),
            gather(*(send(client, tap) for client, tap in zip(clients, reversed(taps), strict=True))),
        )
        assert {(each.status_code, each.json()["result_id"]) for each in here + there} == {
            (201, tap["id"]) for tap in taps
        }
    await assert_counts_agree(room)


PROGRAM = """
import asyncio, json, sys
from contextlib import asynccontextmanager
from pathlib import Path

sys.path.insert(0, sys.argv[1])
import httpx
from people import NOW
from serving import OneDatabase
from flatwater.clock import StandingClock
from rightlevel.assembly import open_platform
from rightlevel.settings import Settings
from rightlevel.web.app import build_app

class Running:
    service_role = None
    def process_ids(self):
        return []

async def main(conninfo, service, folder, taps):
    server = OneDatabase(conninfo, service, Running())
    settings = Settings(data_folder=Path(folder), memory_bytes=4_000_000_000, cookie_is_secure="false")

    @asynccontextmanager
    async def platform():
        async with open_platform(settings, server=server, clock=StandingClock(NOW)) as opened:
            yield opened

    app = build_app(platform)
    async with app.running():
        async def device(number, mine):
            transport = httpx.ASGITransport(app)
            headers = {"authorization": f"Bearer device {number}"}
            async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
                assert (await client.get("/api/v1/rounds")).status_code == 200
                for tap in mine:
                    answer = await client.post("/api/v1/results", json=tap)
                    print(json.dumps([tap["id"], answer.status_code]), flush=True)
        print("ready", flush=True)
        await asyncio.gather(*(device(number, mine) for number, mine in enumerate(taps)))

asyncio.run(main(*sys.argv[2:5], json.loads(sys.stdin.readline())))
"""


@pytest.mark.parametrize("after", [5, 40, 90])
async def test_a_program_killed_in_the_middle_loses_nothing_it_acknowledged_and_doubles_nothing(
    room: Room, tmp_path: Path, after: int
) -> None:
    server = room.served.server
    taps = [
        [a_tap(room, child, level=random.choice(MARKS)) for child in room.children[number :: DEVICES // 2]]
        for number in range(DEVICES // 2)
    ]
    more = [
        str(row[0])
        for row in room.rows(
            "insert into student (school_id, school_year_id, class_id, code, name, name_key, sex, grade) "
            "select %s, %s, %s, 'K' || n, 'Killed ' || n, 'killed ' || n, 1, 3 from generate_series(1, 240) n returning id",
            room.served.cast.school_a,
            room.served.cast.school_year,
            room.served.cast.class_3a,
        )
    ]
    for number, mine in enumerate(taps):
        mine += [a_tap(room, child) for child in more[number :: len(taps)]]
    words = [sys.executable, "-c", PROGRAM, str(Path(__file__).parents[2])]
    words += [server.conninfo, server.service_conninfo, str(tmp_path / "killed")]
    acknowledged: list[str] = []
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write(json.dumps(taps) + "\n")
        program.stdin.flush()
        assert program.stdout.readline() == "ready\n"
        for line in program.stdout:
            written, status = json.loads(line)
            assert status == 201
            acknowledged.append(written)
            if len(acknowledged) == after:
                os.kill(program.pid, signal.SIGKILL)
    everything = [tap for mine in taps for tap in mine]
    assert after <= len(acknowledged) < len(everything)
    text = "select id::text from result where id = any(%s::uuid[])"
    there = {row[0] for row in room.rows(text, [tap["id"] for tap in everything])}
    assert set(acknowledged) <= there, "what was acknowledged is on the disk"
    for client, mine in zip(room.clients, taps, strict=False):
        for tap in mine:
            answer = await send(client, tap)
            assert (answer.status_code, answer.json()["result_id"]) == (201, tap["id"])
    found = room.rows(
        "select count(*), count(distinct student_id) from result where id = any(%s::uuid[])",
        [tap["id"] for tap in everything],
    )
    assert found == [(len(everything), len(everything))]
    audited = room.rows(
        "select count(*) from audit_entry where action = 'enter' and resource_id = any(%s)",
        [tap["id"] for tap in everything],
    )
    assert audited == [(len(everything),)]
    await assert_counts_agree(room)
