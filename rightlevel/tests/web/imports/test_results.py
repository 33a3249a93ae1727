"""Results come by a file as they come by a phone: judged by the one judge, looked at first, saved as one, and undone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from html import unescape
from typing import Any

import httpx
import pytest
from files_brought_in import ended, faults_of, undo
from files_brought_in import send as bring_in
from serving import OneDatabase, Served, serving

pytestmark = pytest.mark.anyio
HEADER = "school_code,code,round,language_level,math_level,tested_on\n"


@pytest.fixture(scope="module")
async def site(
    new_database: Callable[[], OneDatabase], tmp_path_factory: pytest.TempPathFactory, anyio_backend: object
) -> AsyncIterator[Served]:
    """One application for all tests of this file; each has children and a code of its own."""
    async with serving(new_database(), tmp_path_factory.mktemp("results")) as opened:
        yield opened


async def send(
    client: httpx.AsyncClient, text: str, *, dry: bool = False, kind: str = "results", **fields: str
) -> dict[str, Any]:
    return await bring_in(client, kind, text, dry=dry, **fields)


async def children(client: httpx.AsyncClient, prefix: str, count: int = 3) -> dict[str, str]:
    """New children of school A, their ids by their codes."""
    rows = "".join(f"A,{prefix}{number},Child {prefix}{number},f,3\n" for number in range(count))
    made = await send(client, f"school_code,code,name,sex,grade\n{rows}", kind="students")
    assert made["added"] == count, made
    found = (await client.get("/api/v1/students", params={"search": f"Child {prefix}", "limit": 100})).json()
    return {each["code"]: each["id"] for each in found["items"]}


async def results(client: httpx.AsyncClient, student_id: str) -> dict[str, tuple[str, str | None, str]]:
    found = (await client.get(f"/api/v1/students/{student_id}/results")).json()["items"]
    return {each["subject"]: (each["outcome"], each["level"], each["method"]) for each in found}


async def figures(client: httpx.AsyncClient, site: Served) -> Any:
    asked = {"round_id": site.cast.round, "subject": "language"}
    answer = await client.get("/api/v1/figures", params=asked)
    return answer.json()


async def taken(client: httpx.AsyncClient, site: Served, kind: str = "csv") -> bytes:
    """All results of school A in the round, as a file."""
    asked = {"what": "results", "format": kind, "school_id": site.cast.school_a, "round_id": site.cast.round}
    answer = await client.post("/api/v1/exports", json=asked)
    assert answer.status_code == 200, answer.text
    return answer.content


async def test_what_is_looked_at_is_what_is_saved_counted_and_undone(site: Served) -> None:
    async with site.client("coordinator") as client:
        ids = await children(client, "W")
        before, counted = await taken(client, site), await figures(client, site)
        file = (
            HEADER
            + "A,W0,baseline,story,division,2026-11-10\nA,W1,ដើមគ្រា,ពាក្យ,,10/11/2026\nA,W2,baseline,,,\n"
        )
        run = await send(client, file, dry=True)
        assert (run["state"], run["preview"]) == ("done", {"new": 2, "unchanged": 1}), run
        assert await results(client, ids["W0"]) == {}
        shown = (await client.get(f"/api/v1/imports/{run['id']}/rows")).json()["items"]
        assert shown[0]["after"]["language_level"] == "story"
        assert (shown[0]["after"]["math_level"], shown[0]["after"]["math_tested_on"]) == (
            "division",
            "2026-11-10",
        )
        applied = await client.post(f"/api/v1/imports/{run['id']}/apply", json={})
        done = await ended(client, applied.json()["id"])
        assert (done["state"], done["added"], done["changed"], done["unchanged"]) == ("done", 2, 0, 1), done
        assert await results(client, ids["W0"]) == {
            "language": ("assessed", "story", "import"),
            "math": ("assessed", "division", "import"),
        }
        assert (await results(client, ids["W1"]))["language"] == ("assessed", "word", "import")
        assert await figures(client, site) != counted
        again = await send(client, file)
        assert (again["state"], again["added"], again["changed"], again["unchanged"]) == ("done", 0, 0, 3)
        # A file that was taken out comes back as nothing changed, whatever columns it has beside ours.
        back = await send(client, (await taken(client, site)).decode("utf-8-sig"), dry=True)
        assert (back["state"], list(back["preview"])) == ("done", ["unchanged"]), await faults_of(
            client, back
        )
        undone = await undo(client, done)
        assert (undone["state"], undone["added"]) == ("done", 3), await faults_of(client, undone)
        assert await results(client, ids["W0"]) == {}
        assert await taken(client, site) == before
        assert await figures(client, site) == counted


async def test_a_change_is_shown_field_by_field_kept_in_the_history_and_put_back(site: Served) -> None:
    async with site.client("coordinator") as client:
        ids = await children(client, "C", 2)
        header = "school_code,code,round,language_level,language_tool,language_notes,tested_on\n"
        await send(
            client, header + "A,C0,baseline,letter,2,shy,2026-11-10\nA,C1,baseline,story,,,2026-11-10\n"
        )
        file = header + "A,C0,baseline,word,,,2026-11-11\nA,C1,baseline,story,,,2026-11-10\n"
        run = await send(client, file, dry=True)
        (changed, _same) = (await client.get(f"/api/v1/imports/{run['id']}/rows")).json()["items"]
        assert changed["before"] == {"language_level": "letter", "language_tested_on": "2026-11-10"}
        assert changed["after"] == {"language_level": "word", "language_tested_on": "2026-11-11"}
        done = await send(client, file)
        assert (done["added"], done["changed"], done["unchanged"]) == (0, 1, 1)
        (kept,) = (await client.get(f"/api/v1/students/{ids['C0']}/results")).json()["items"]
        assert (kept["level"], kept["tool"], kept["notes"]) == ("word", 2, "shy"), "a blank cell says nothing"
        undone = await undo(client, done)
        assert (undone["state"], undone["changed"]) == ("done", 1), await faults_of(client, undone)
        (kept,) = (await client.get(f"/api/v1/students/{ids['C0']}/results")).json()["items"]
        assert (kept["level"], kept["tested_on"], kept["version"]) == ("letter", "2026-11-10", 3)
        told = (await client.get(f"/api/v1/students/{ids['C0']}/history")).json()["items"]
        assert [(each["before"]["level"], each["after"]["level"]) for each in told] == [
            ("word", "letter"),
            ("letter", "word"),
        ], "the newest first"


async def test_each_row_is_judged_and_says_what_is_wrong_where(site: Served) -> None:
    header = "school_code,code,round,language_level,language_outcome,tested_on,reason\n"
    rows = (
        "A,NOBODY,baseline,word,,2026-11-10,",
        "NOWHERE,J0,baseline,word,,2026-11-10,",
        "A,J0,endline,word,,2026-11-10,",
        "A,J1,baseline,word,absent,2026-11-10,",
        "A,J2,baseline,,tested,2026-11-10,",
        "A,J3,baseline,word,,,",
        "A,J4,baseline,word,,2026-10-10,",
        "A,J5,baseline,word,,2026-10-10,found in the register",
        "A,J6,baseline,word,,2026-11-10,",
        "A,J6,baseline,story,,2026-11-11,",
        "A,J7,baseline,fluent,,2026-11-10,",
    )
    async with site.client("coordinator") as client:
        await children(client, "J", 8)
        run = await send(client, header + "\n".join(rows) + "\n", dry=True)
        found = {(row, column): rule for row, column, rule in await faults_of(client, run)}
        assert found.pop((12, "language_level")).startswith("One of: beginner, letter")
        assert found == {
            (2, "code"): "No child of this school has this code",
            (3, "school_code"): "No school has this code",
            (4, "round"): "There is no such round in this school year",
            (5, "language_level"): "Only an assessed child has a level",
            (6, "language_level"): "An assessed child has a level",
            (7, "tested_on"): "The day of the test is needed",
            (
                8,
                "tested_on",
            ): "The day of the test is outside the round's days. Say why in a column reason, to save it all the same.",
            (10, "code"): "The same child is also in row 11",
            (11, "code"): "The same child is also in row 10",
        }
        assert run["preview"] == {"wrong": 10, "new": 1}
        done = await send(client, header + "\n".join(rows) + "\n", leaves_bad_rows="true")
        assert (done["state"], done["added"], done["skipped"]) == ("done", 1, 10), done


async def test_an_undoing_names_what_stands_on_it(site: Served) -> None:
    async with site.client("coordinator") as client:
        ids = await children(client, "U", 3)
        rows = [f"A,U{number},baseline,word,,2026-11-10\n" for number in range(3)]
        done = await send(client, HEADER + "".join(rows))
        (one,) = (await client.get(f"/api/v1/students/{ids['U0']}/results")).json()["items"]
        await client.post("/api/v1/result-locks", json={"result_ids": [one["id"]], "reason": "checked"})
        await send(client, HEADER + "A,U1,baseline,paragraph,,2026-11-10\n")
        async with site.client("admin") as admin:
            erased = {"confirmation": "U2", "reason": "the family asked"}
            assert (await admin.post(f"/api/v1/students/{ids['U2']}/erase", json=erased)).is_success
        undone = await undo(client, done)
        assert undone["state"] == "faulty"
        found = (await client.get(f"/api/v1/imports/{undone['id']}/faults")).json()["items"]
        assert {each["value"]: each["rule"] for each in found if each["value"].startswith("U")} == {
            "U0": "This result is locked",
            "U1": "This result was changed since",
        }
        (anonymous,) = [each["rule"] for each in found if not each["value"].startswith("U")]
        assert anonymous == "This child was erased: its results stay counted"
        assert len(await results(client, ids["U0"])) == 1


# Another person from here on: nobody sends so many files in a minute.
async def test_the_page_takes_results_and_gives_a_workbook_to_fill_in(site: Served) -> None:
    async with site.client("admin", by="cookie") as client:
        await children(client, "G", 1)
        form = unescape((await client.get("/imports")).text)
        assert "/imports/template?kind=results&language=km" in form
        for language in ("en", "km"):
            book = await client.get("/imports/template", params={"kind": "results", "language": language})
            assert (book.status_code, book.content[:2]) == (200, b"PK")
            answer = await client.post(
                "/imports",
                data={"kind": "results"},
                files={"file": ("in.xlsx", book.content, "application/zip")},
            )
            assert answer.status_code == 303, unescape(answer.text)
            run = await ended(client, answer.headers["location"].removeprefix("/imports/"))
            assert run["message"] is None, "every header of a workbook of ours is known"
        answer = await client.post(
            "/imports",
            data={"kind": "results"},
            files={"file": ("in.csv", (HEADER + "A,G0,baseline,story,,2026-11-10\n").encode(), "text/csv")},
        )
        where = answer.headers["location"]
        await ended(client, where.removeprefix("/imports/"))
        page = unescape((await client.get(where)).text)
        assert "Language: level: Story" in page
        assert "Apply this" in page


async def test_a_file_tells_at_most_so_many_results(site: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rightlevel.programme.exchange.result_rows.MOST_RESULTS", 1)
    async with site.client("admin") as client:
        run = await send(client, HEADER + "A,A0,baseline,word,division,2026-11-10\n")
    assert (run["state"], run["added"]) == ("failed", 0)
    assert run["message"].startswith("A file takes at most 100,000 results")


async def test_results_of_a_past_year_come_by_its_roster_its_round_and_then_the_years_after(
    site: Served,
) -> None:
    year = {"name": "2025", "starts_on": "2025-01-01", "ends_on": "2025-12-31"}
    roster = "school_code,code,name,sex,grade,school_year\nA,Y0,Child Y0,f,3,2025\n"
    header = HEADER.replace("round,", "round,school_year,")
    async with site.client("admin") as client:
        past = (await client.post("/api/v1/school-years", json=year)).json()
        days = {"kind": "endline", "starts_on": "2025-11-01", "ends_on": "2025-11-30"}
        held = (await client.post("/api/v1/rounds", json={"school_year_id": past["id"], **days})).json()
        await to_state(client, held["id"], "open")
        assert (await send(client, roster, kind="students"))["added"] == 1
        told = await send(client, header + "A,Y0,endline,2025,word,subtraction,2025-11-20\n")
        assert (told["state"], told["added"]) == ("done", 1), await faults_of(client, told)
        went_on = await send(client, roster.replace("3,2025", "4,2026"), kind="students")
        assert went_on["changed"] == 1, went_on
        told = await send(client, header + "A,Y0,baseline,2026,story,division,2026-11-20\n")
        assert told["added"] == 1, await faults_of(client, told)
        book = {"file": ("taken.xlsx", await taken(client, site, "xlsx"), "application/zip")}
        answer = await client.post("/api/v1/imports", data={"kind": "results", "dry_run": "true"}, files=book)
        back = await ended(client, answer.json()["id"])
        assert (back["state"], list(back["preview"])) == ("done", ["unchanged"]), await faults_of(
            client, back
        )
        found = (await client.get("/api/v1/students", params={"search": "Child Y0"})).json()["items"]
        kept = (await client.get(f"/api/v1/students/{found[0]['id']}/results")).json()["items"]
        assert {(each["year_name"], each["level"]) for each in kept} == {
            ("2025", "word"),
            ("2025", "subtraction"),
            ("2026", "story"),
            ("2026", "division"),
        }


async def test_a_closed_round_takes_results_with_a_reason_and_a_frozen_one_takes_and_gives_back_none(
    site: Served,
) -> None:
    header = "school_code,code,round,math_level,tested_on,reason\n"
    with_reason = header + "A,P0,baseline,division,2026-11-10,came on paper\n"
    async with site.client("admin") as client:
        await children(client, "P", 3)
        await to_state(client, site.cast.round, "closed")
        refused = await send(client, header + "A,P0,baseline,division,2026-11-10,\n")
        assert [rule for _, _, rule in await faults_of(client, refused)] == [
            "This round is not open. Say why in a column reason, to save it all the same."
        ]
        done = await send(client, with_reason + "A,P1,baseline,subtraction,2026-11-10,lost and found\n")
        assert done["added"] == 2
        audit = (await client.get("/api/v1/audit", params={"resource": "result", "limit": 50})).json()[
            "items"
        ]
        told = [(each["reason"], each["after"]["overridden"]) for each in audit if each["action"] == "enter"][
            :2
        ]
        past = ["round_not_open"]
        assert sorted(told) == [("came on paper", past), ("lost and found", past)], "each with its own reason"
        await to_state(client, site.cast.round, "frozen")
        late = await send(client, header + "A,P2,baseline,division,2026-11-10,came on paper\n")
        assert [(column, rule) for _, column, rule in await faults_of(client, late)] == [
            ("round", "This round is frozen: what is wrong in it is amended child by child")
        ]
        again = await send(client, with_reason)
        assert (again["state"], again["unchanged"]) == ("done", 1), "what is there already is no amendment"
        undone = await undo(client, done)
        assert {rule for _, _, rule in await faults_of(client, undone)} == {"The round was frozen since"}


async def to_state(client: httpx.AsyncClient, round_id: int, state: str) -> None:
    where = f"/api/v1/rounds/{round_id}"
    version = (await client.get(where)).json()["version"]
    asked = {"version": version, "state": state, "with_open_retests": True, "reason": "all came"}
    answer = await client.post(f"{where}/state", json=asked)
    assert answer.is_success, answer.text
