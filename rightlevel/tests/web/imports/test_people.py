"""Places, classes, people and assignments come by a file as each comes by hand: looked at first, saved as one, told again as they are, and undone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from html import unescape
from typing import Any
from uuid import uuid4

import anyio
import httpx
import pytest
from files_brought_in import ended, faults_of, send, undo
from serving import OneDatabase, Served, serving

from flatwater.rate_limit import MemoryRateLimiter

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def site(
    new_database: Callable[[], OneDatabase], tmp_path_factory: pytest.TempPathFactory, anyio_backend: object
) -> AsyncIterator[Served]:
    """One application for all tests of this file; each has places, people and schools of its own."""
    async with serving(new_database(), tmp_path_factory.mktemp("people")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def later(site: Served) -> None:
    """Each test comes when the files of the one before are forgotten: so many at once are too many."""
    site.platform.vitals.rates.memory = MemoryRateLimiter()


async def rows_of(client: httpx.AsyncClient, run: dict[str, Any]) -> dict[int, dict[str, Any]]:
    found = (await client.get(f"/api/v1/imports/{run['id']}/rows")).json()["items"]
    return {each["row_number"]: each for each in found}


async def taken(client: httpx.AsyncClient, what: str, kind: str = "csv") -> bytes:
    answer = await client.post("/api/v1/exports", json={"what": what, "format": kind})
    assert answer.status_code == 200, answer.text
    return answer.content


def told(run: dict[str, Any]) -> tuple[str, int, int, int]:
    return run["state"], run["added"], run["changed"], run["unchanged"]


async def test_people_are_looked_at_saved_told_again_and_undone(site: Served) -> None:
    async with site.client("coordinator") as client:
        before = await taken(client, "people")
        file = (
            "Username,Full name,ROLE,E-mail,Active\nSok.Dara,Sok Dara,គ្រូបង្រៀន,dara@example.org,yes\nmey,Mey Lin,mentor,,\n"
            "gone,Gone Soon,teacher,,no\n"
        )
        run = await send(client, "people", file, dry=True)
        assert (run["state"], run["preview"]) == ("done", {"new": 3}), await faults_of(client, run)
        assert await taken(client, "people") == before
        shown = await rows_of(client, run)
        assert shown[2]["after"] == {
            "role": "teacher",
            "email": "dara@example.org",
            "language": "en",
            "is_active": True,
        }
        applied = await client.post(f"/api/v1/imports/{run['id']}/apply", json={})
        done = await ended(client, applied.json()["id"])
        assert told(done) == ("done", 3, 0, 0), await faults_of(client, done)
        assert told(await send(client, "people", file)) == ("done", 0, 0, 3)
        held = await taken(client, "people")
        assert b"sok.dara,Sok Dara,teacher,dara@example.org,en,yes" in held
        for kind in ("csv", "xlsx"):
            back = await send(client, "people", await taken(client, "people", kind))
            assert (back["state"], back["added"], back["changed"]) == ("done", 0, 0), await faults_of(
                client, back
            )
        assert await taken(client, "people") == held
        other = "username,display_name,role,email,is_active\nsok.dara,Sok Dara,mentor,,no\n"
        looked = await send(client, "people", other, dry=True)
        row = (await rows_of(client, looked))[2]
        assert (row["what"], row["before"], row["after"]) == (
            "changed",
            {"role": "teacher", "email": "dara@example.org", "is_active": True},
            {"role": "mentor", "email": None, "is_active": False},
        )
        changed = await send(client, "people", other)
        assert told(changed) == ("done", 0, 1, 0)
        refused = await undo(client, done)
        assert refused["state"] == "faulty"
        assert (await client.get(f"/api/v1/imports/{refused['id']}/faults")).json()["items"][0][
            "value"
        ] == "sok.dara"
        back = await undo(client, changed)
        assert back["state"] == "done", await faults_of(client, back)
        assert await taken(client, "people") == held
        # It was changed twice since it was made, though it is as it was: what is there is somebody's.
        assert (await undo(client, done))["state"] == "faulty"


async def test_each_row_of_people_is_judged_by_who_imports(site: Served) -> None:
    rows = (
        "newadmin,New Admin,admin,",
        "newcoord,New Coordinator,coordinator,",
        "admin,The Admin Renamed,admin,",
        "coordinator,Somebody Else,coordinator,",
        "ok.teacher,A Teacher,teacher,",
        "Bad Name,A Teacher,teacher,",
        "twice,A Teacher,teacher,",
        "TWICE,A Teacher,mentor,",
        "mailer,A Teacher,teacher,nobody",
        "headmaster,A Teacher,boss,",
    )
    header = "username,display_name,role,email\n"
    async with site.client("coordinator") as client:
        run = await send(client, "people", header + "\n".join(rows) + "\n", dry=True)
        found = {(row, column): rule for row, column, rule in await faults_of(client, run)}
        assert found == {
            (2, "role"): "Only somebody above this role may do that.",
            (3, "role"): "Only somebody above this role may do that.",
            (4, "role"): "Only somebody above this role may do that.",
            (5, "username"): "Nobody changes their own account by a file",
            (7, "username"): "Small letters, digits and . _ @ + - ; at least two",
            (8, "username"): "The same is also said in row 9",
            (9, "username"): "The same is also said in row 8",
            (10, "email"): "An address like name@example.org",
            (11, "role"): "One of: admin, coordinator, mentor, teacher, viewer",
        }
        assert run["preview"] == {"wrong": 9, "new": 1}
        page = unescape((await client.get(f"/imports/{run['id']}")).text)
        assert "Nobody changes their own account by a file" in page
        assert all(word in page for word in ("Role: Teacher", "In use: Yes", "Apply this without"))
        secret = "username,display_name,role,Password\nok.teacher,A Teacher,teacher,abcdefghijkl\n"
        refused = await send(client, "people", secret, dry=True)
        ((row, column, rule),) = await faults_of(client, refused)
        assert (refused["state"], row, column) == ("faulty", 1, "Password")
        assert rule.startswith("Passwords don't stand in files")
        done = await send(client, "people", header + "\n".join(rows) + "\n", leaves_bad_rows="true")
        assert (done["state"], done["added"], done["skipped"]) == ("done", 1, 9), done
    async with site.client("admin") as admin:
        made = await send(admin, "people", header + "newcoord,New Coordinator,coordinator,\n")
        assert told(made) == ("done", 1, 0, 0)
    async with site.client("coordinator") as client:
        # Whoever may not make such an account may not unmake it either.
        refused = await undo(client, made)
        assert refused["state"] == "faulty"
    async with site.client("admin") as admin:
        assert (await undo(admin, made))["state"] == "done"
        # The same file brings the same account again, as it says now.
        again = await send(admin, "people", header + "newcoord,Newer Coordinator,mentor,new@example.org\n")
        assert told(again) == ("done", 1, 0, 0), await faults_of(admin, again)
        assert b"newcoord,Newer Coordinator,mentor,new@example.org" in await taken(admin, "people")
        assert (await undo(admin, again))["state"] == "done"
    async with site.client("mentor") as mentor:
        answer = await mentor.post(
            "/api/v1/imports", data={"kind": "people"}, files={"file": ("in.csv", b"username\n", "text/csv")}
        )
        assert answer.status_code == 403


async def test_places_come_in_any_order_are_renamed_moved_and_undone(site: Served) -> None:
    async with site.client("coordinator") as client:
        before = await taken(client, "places")
        file = (
            "kind,code,name_local,parent\nvillage,V1,Village,XX/P9/D9/C9\ncommune,C9,Commune,D9\nស្រុក,D9,District,XX/P9\n"
            "province,P9,Ninth,XX\n"
        )
        looked = await send(client, "places", file, dry=True)
        assert (looked["state"], looked["preview"]) == ("done", {"new": 4}), await faults_of(client, looked)
        assert await taken(client, "places") == before
        made = await send(client, "places", file)
        assert told(made) == ("done", 4, 0, 0)
        assert told(await send(client, "places", file)) == ("done", 0, 0, 4)
        held = await taken(client, "places")
        for kind in ("csv", "xlsx"):
            back = await send(client, "places", await taken(client, "places", kind))
            assert (back["state"], back["added"], back["changed"]) == ("done", 0, 0), await faults_of(
                client, back
            )
        assert await taken(client, "places") == held
        ids = {row[1]: row[5] for row in (line.split(",") for line in held.decode().splitlines()[1:])}
        header = "kind,code,name_local,parent,reason,id\n"
        district = f"district,D9,Ninth District,XX/P1,,{ids['D9']}\n"
        refused = await send(client, "places", header + district, dry=True)
        assert await faults_of(client, refused) == [
            (2, "reason", "Why it moves is needed: say it in a column reason")
        ]
        district = district.replace(",,", ",a new border,")
        # The commune has the number from before, and is told below where it will be.
        moving = header + district + f"commune,C9,Commune of Nine,XX/P1/D9,,{ids['C9']}\n"
        looked = await send(client, "places", moving, dry=True)
        assert looked["preview"] == {"moved": 1, "changed": 1}, await faults_of(client, looked)
        assert (await rows_of(client, looked))[2]["before"] == {"name_local": "District", "parent": "XX/P9"}
        moved = await send(client, "places", moving)
        assert told(moved) == ("done", 0, 2, 0), await faults_of(client, moved)
        assert told(await send(client, "places", moving)) == ("done", 0, 0, 2)
        now = (await taken(client, "places")).decode()
        assert 'commune,C9,Commune of Nine,"",XX/P1/D9,' in now
        assert 'village,V1,Village,"",XX/P1/D9/C9,' in now
        changes = (await client.get("/api/v1/boundary-changes")).json()["items"]
        assert (changes[0]["kind"], changes[0]["reason"]) == ("move", "a new border")
        undone = await undo(client, moved)
        assert undone["state"] == "done", await faults_of(client, undone)
        assert await taken(client, "places") == held
        # Something hangs on the province now: the undoing says where, and nothing goes.
        other = await send(client, "places", "kind,code,name_local,parent\ndistrict,DX,Another,XX/P9\n")
        refused = await undo(client, made)
        assert refused["state"] == "faulty"
        named = (await client.get(f"/api/v1/imports/{refused['id']}/faults")).json()["items"]
        assert "Ninth (P9)" in [each["value"] for each in named]
        assert (await undo(client, other))["state"] == "done"
        assert await taken(client, "places") == held


async def test_places_that_can_not_hang_so_are_refused_by_row(site: Served) -> None:
    rows = (
        "district,DQ,Q,XX/NOWHERE,",
        "province,PQ,Q,,",
        "province,PR,Q,XX/P1,",
        "district,DS,Q,DT,",
        "district,DT,Q,DS,",
        "country,XY,Y,XX,",
        "province,D1,North,XX/P1,",
        "district,D1,North,XX/P1,999999",
    )
    async with site.client("coordinator") as client:
        run = await send(
            client, "places", "kind,code,name_local,parent,id\n" + "\n".join(rows) + "\n", dry=True
        )
        found = {(row, column): rule for row, column, rule in await faults_of(client, run)}
        assert found == {
            (2, "parent"): "No place has this code",
            (3, "parent"): "Every place but a country hangs on another place",
            (4, "kind"): "This kind of place does not hang on that one",
            (5, "parent"): "No place has this code",
            (6, "parent"): "No place has this code",
            (7, "parent"): "Every place but a country hangs on another place",
            (8, "kind"): "This place is another kind, which stays: district",
            (9, "id"): "No place has this number",
        }


async def test_classes_and_assignments_begin_end_come_back_and_are_undone(site: Served) -> None:
    people = "username,display_name,role\nas.one,One,teacher\nas.two,Two,mentor\n"
    async with site.client("coordinator") as client:
        assert told(await send(client, "people", people)) == ("done", 2, 0, 0)
        files = {what: await taken(client, what) for what in ("classes", "assignments")}
        classes = await send(client, "classes", "school_code,grade,section\nA,4,ក\nA,5,\n")
        assert told(classes) == ("done", 2, 0, 0), await faults_of(client, classes)
        file = (
            "username,school_code,subject,grade,section,from_on,to_on\nas.one,A,language,4,ក,2026-11-01,\n"
            "as.one,A,math,,,2026-11-01,2026-12-31\nas.two,B,ភាសា,,,,\n"
        )
        made = await send(client, "assignments", file)
        assert told(made) == ("done", 3, 0, 0), await faults_of(client, made)
        assert told(await send(client, "assignments", file)) == ("done", 0, 0, 3)
        held = await taken(client, "assignments")
        for what in ("classes", "assignments"):
            for kind in ("csv", "xlsx"):
                back = await send(client, what, await taken(client, what, kind))
                assert (back["state"], back["added"], back["changed"]) == ("done", 0, 0), await faults_of(
                    client, back
                )
        assert await taken(client, "assignments") == held
        # What stands on the classes is named.
        refused = await undo(client, classes)
        assert refused["state"] == "faulty"
        (named,) = (await client.get(f"/api/v1/imports/{refused['id']}/faults")).json()["items"]
        assert (named["value"], named["rule"]) == (
            "A, 4 ក",
            "Children are or were in this class, or people are assigned to it",
        )
        other = "username,school_code,subject,from_on,to_on,state\nas.one,A,math,2026-11-01,2026-12-15,\nas.two,B,language,,,over\n"
        looked = await send(client, "assignments", other, dry=True)
        rows = await rows_of(client, looked)
        assert (rows[2]["before"], rows[2]["after"]) == ({"to_on": "2026-12-31"}, {"to_on": "2026-12-15"})
        assert (rows[3]["before"], rows[3]["after"]) == ({"state": "in_force"}, {"state": "over"})
        ended_now = await send(client, "assignments", other)
        assert told(ended_now) == ("done", 0, 2, 0), await faults_of(client, ended_now)
        refused = await undo(client, made)
        assert {
            each["rule"]
            for each in (await client.get(f"/api/v1/imports/{refused['id']}/faults")).json()["items"]
        } == {"This assignment was changed since"}
        undone = await undo(client, ended_now)
        assert undone["state"] == "done", await faults_of(client, undone)
        assert await taken(client, "assignments") == held
        undone = await undo(client, made)
        assert undone["state"] == "done", await faults_of(client, undone)
        assert (await undo(client, classes))["state"] == "done"
        for what, before in files.items():
            assert await taken(client, what) == before


async def test_undoing_gives_no_school_back_to_who_can_no_longer_be_assigned(site: Served) -> None:
    person = "username,display_name,role\nun.one,One,"
    row = "username,school_code,subject,state\nun.one,A,math,"
    async with site.client("coordinator") as client:
        assert told(await send(client, "people", person + "teacher\n")) == ("done", 1, 0, 0)
        assert told(await send(client, "assignments", row + "\n")) == ("done", 1, 0, 0)
        over = await send(client, "assignments", row + "over\n")
        assert told(over) == ("done", 0, 1, 0), await faults_of(client, over)
        assert told(await send(client, "people", person + "viewer\n")) == ("done", 0, 1, 0)
        refused = await undo(client, over)
        assert refused["state"] == "faulty"
        assert [each[2] for each in await faults_of(client, refused)] == [
            "Only mentors and teachers are assigned to schools"
        ]
        assert told(await send(client, "people", person + "teacher\n")) == ("done", 0, 1, 0)
        assert (await undo(client, over))["state"] == "done"


async def test_assignments_that_can_not_be_are_refused_by_row(site: Served) -> None:
    people = "username,display_name,role,is_active\nar.off,Off,teacher,no\nar.on,On,teacher,yes\nar.gone,Gone,teacher,yes\n"
    rows = (
        "nobody.here,A,language,,,,",
        "ar.off,A,language,,,,",
        "ar.gone,A,language,,,,",
        "coordinator,A,language,,,,",
        "ar.on,NOWHERE,language,,,,",
        "ar.on,A,language,5,Z,,",
        "ar.on,A,math,,,2026-12-01,2026-11-01",
        "ar.on,B,math,,,2026-11-01,",
        "ar.on,B,math,,,2026-11-15,",
        "ar.on,PRACTICE,math,,,,x",
    )
    header = "username,school_code,subject,grade,section,from_on,to_on\n"
    async with site.client("coordinator") as client:
        await send(client, "people", people)
        gone = (await client.get("/api/v1/people", params={"search": "ar.gone"})).json()["items"][0]["id"]
        assert (
            await client.request("DELETE", f"/api/v1/people/{gone}", params={"reason": "left"})
        ).is_success
        run = await send(client, "assignments", header + "\n".join(rows) + "\n", dry=True)
        found = {(row, column): rule for row, column, rule in await faults_of(client, run)}
        assert found == {
            (2, "username"): "Nobody has this username",
            (3, "username"): "This account is not in use",
            (4, "username"): "This account was deleted: restore it first",
            (5, "username"): "Only mentors and teachers are assigned to schools",
            (6, "school_code"): "No school has this code",
            (7, "grade"): "There is no such class at this school in this year: make it first",
            (8, "to_on"): "Not before the first day",
            (10, "school_code"): "This is assigned to this person already",
            (11, "to_on"): "A day, written as 2016-03-31 or 31/03/2016",
        }
        assert run["preview"] == {"wrong": 9, "new": 1}


async def test_an_undoing_that_is_sent_twice_at_once_is_one_with_one_answer(site: Served) -> None:
    async with site.client("coordinator") as client:
        made = await send(client, "classes", "school_code,grade,section\nB,5,W\n")
        headers = {"idempotency-key": str(uuid4())}
        answers: list[httpx.Response] = []

        async def post() -> None:
            answers.append(await client.post(f"/api/v1/imports/{made['id']}/undo", headers=headers))

        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(post)
        assert [each.status_code for each in answers] == [202] * 4, [each.text for each in answers]
        assert len({each.json()["id"] for each in answers}) == 1
        assert (await ended(client, answers[0].json()["id"]))["state"] == "done"
