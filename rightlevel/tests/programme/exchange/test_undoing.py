"""Imports undone: what was added goes, what was changed comes back, and where later work stands on it nothing happens and it is named."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import msgspec
import pytest
from people import Cast

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import CopiedBlock, Session
from rightlevel.operations.reconcile import reconcile
from rightlevel.programme.enrolments import erase_identity
from rightlevel.programme.errors import Conflict, NotFound, ProgrammeError
from rightlevel.programme.exchange import (
    ImportOutcome,
    Kind,
    NewRun,
    Progress,
    import_sheet,
    list_faults,
    open_sheet,
    read_run,
    run_to_undo,
    start_run,
    undo_run,
)
from rightlevel.programme.exports import WRITERS, ExportAsk, Reading, SheetBegun
from rightlevel.programme.webhooks import Named, NewWebhook, create_webhook, list_deliveries

pytestmark = pytest.mark.anyio
HEADER = "school_code,code,name,sex,grade,section\n"
QUERIES = read_queries(
    """
-- name: everything
-- Every child, class, school, place and stint as it is, but for versions and times.
select (select jsonb_agg(to_jsonb(st) - 'version' - 'changed_at' order by st.id) from student st)::text as children,
    (select jsonb_agg(to_jsonb(c) order by c.id) from class c)::text as classes,
    (select jsonb_agg(to_jsonb(s) - 'version' order by s.id) from school s)::text as schools,
    (select jsonb_agg(to_jsonb(p) order by p.id) from place p)::text as places,
    (select jsonb_agg(to_jsonb(p) order by p.id) from past_enrolment p)::text as stints,
    (select jsonb_agg(to_jsonb(n) order by n.place_id, n.schools) from place_schools n where n.schools <> 0)::text as counted
-- name: next_year
-- Another school year.
insert into school_year (name, starts_on, ends_on) values ('2027', '2027-01-01', '2027-12-31') returning id
-- name: child
-- A child by its code.
select id::text as id from student where code = %(code)s and deleted_at is null
-- name: give_result
-- Gives a child a result.
insert into result (id, student_id, round_id, school_id, class_id, assessor_id, tested_on, subject, outcome, method, rank, grade, sex, created_at)
select new_id(), st.id, %(round)s, st.school_id, st.class_id, %(by)s, '2026-11-20', 'math', 'assessed', 'grid', 3, st.grade, st.sex, %(at)s
from student st where st.code = %(code)s
-- name: touch
-- Somebody changes a child.
update student set name = 'Other', version = version + 1 where code = %(code)s
-- name: close_round
-- Closes the round, which fixes its roll.
update round set state = 'closed' where id = %(round)s
""",
    origin="tests/programme/exchange/test_undoing.py",
)


class Everything(msgspec.Struct, frozen=True):
    children: str | None
    classes: str | None
    schools: str | None
    places: str | None
    stints: str | None
    counted: str | None


class Desk(msgspec.Struct, frozen=True):
    """Imports files and undoes them, in the test's transaction."""

    session: Session
    cast: Cast
    clock: StandingClock
    folder: Path

    async def imports(self, kind: Kind, text: str | bytes) -> tuple[str, ImportOutcome]:
        path = self.folder / "in.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        new = NewRun(kind, path.name, is_dry_run=False, bytes_total=path.stat().st_size)
        actor = self.cast.coordinator
        run_id = await start_run(self.session, actor, new, self.clock)
        with open_sheet(path) as sheet:
            outcome = await import_sheet(
                self.session, actor, run_id, new, sheet, None, Progress(), self.clock
            )
        return run_id, outcome

    async def undoes(self, run_id: str) -> tuple[ImportOutcome, list[tuple[str, str, str]]]:
        actor = self.cast.coordinator
        new = await run_to_undo(self.session, actor, run_id, self.clock)
        undo_id = await start_run(self.session, actor, new, self.clock)
        outcome = await undo_run(self.session, actor, undo_id, new, Progress(), self.clock)
        faults = (await list_faults(self.session, actor, undo_id, PageRequest(100))).items
        run = await read_run(self.session, actor, undo_id)
        assert (run.state, run.undoes) == ("faulty" if faults else "done", run_id)
        return outcome, [(each.column_name, each.value, each.rule) for each in faults]

    async def everything(self) -> Everything:
        found = await self.session.fetch_one(QUERIES["everything"], {}, into=Everything)
        assert found
        return found

    async def do(self, name: str, **values: Any) -> None:
        await self.session.execute(QUERIES[name], values)


@pytest.fixture
def desk(session: Session, cast: Cast, clock: StandingClock, tmp_path: Path) -> Desk:
    return Desk(session, cast, clock, tmp_path)


async def test_an_import_of_children_undone_leaves_nothing_behind(desk: Desk) -> None:
    before = await desk.everything()
    text = HEADER + "A,N1,New,f,4,B\nA,A0,Renamed,f,3,A\nA,A1,Chan,f,3,C\n"
    run_id, outcome = await desk.imports("students", text)
    assert (outcome.added, outcome.changed, outcome.faults) == (1, 2, 0)
    assert await desk.everything() != before
    undone, faults = await desk.undoes(run_id)
    assert (undone.added, undone.changed, faults) == (1, 2, [])
    assert await desk.everything() == before
    assert (await reconcile(desk.session)).different == 0
    run = await read_run(desk.session, desk.cast.coordinator, run_id)
    assert run.undone_at is not None
    with pytest.raises(Conflict) as refused:
        await desk.undoes(run_id)
    assert refused.value.code == "import_undone_before"
    # The same file comes in again as if for the first time.
    _, again = await desk.imports("students", text)
    assert (again.added, again.changed, again.faults) == (1, 2, 0)


async def test_a_move_into_another_year_undone_gives_back_the_stint(desk: Desk) -> None:
    await desk.do("next_year")
    before = await desk.everything()
    run_id, outcome = await desk.imports(
        "students", "school_code,code,name,sex,grade,school_year\nA,A0,Bopha,m,4,2027\nA,A1,Chan,f,4,2027\n"
    )
    assert (outcome.changed, outcome.faults) == (2, 0)
    _, faults = await desk.undoes(run_id)
    assert faults == []
    assert await desk.everything() == before
    assert (await reconcile(desk.session)).different == 0


async def test_an_import_of_schools_undone_leaves_neither_schools_nor_places(desk: Desk) -> None:
    before = await desk.everything()
    text = (
        "code,name_local,country_code,country,province_code,province,district_code,district,reason\n"
        "NEW1,One,XX,Exampleland,P9,Ninth,D9,Far,\n"
        "A,Alpha renamed,XX,Exampleland,P1,First Province,D2,South District,a river moved\n"
    )
    run_id, outcome = await desk.imports("schools", text)
    assert (outcome.added, outcome.changed, outcome.faults) == (1, 1, 0)
    undone, faults = await desk.undoes(run_id)
    assert (undone.added, undone.changed, faults) == (1, 1, [])
    assert await desk.everything() == before
    assert (await reconcile(desk.session)).different == 0


LATER: list[tuple[str, dict[str, Any], str]] = [
    ("give_result", {"code": "N1"}, "This child has a result"),
    ("touch", {"code": "N1"}, "This child was changed since"),
    ("touch", {"code": "A0"}, "This child was changed since"),
    ("give_result", {"code": "A0"}, "This child has a result since it was moved"),
    ("close_round", {}, "A round was closed since"),
]


@pytest.mark.parametrize(("later", "values", "rule"), LATER, ids=[f"{a}-{b}" for a, b, _ in LATER])
async def test_later_work_stops_an_undoing_and_is_named(
    desk: Desk, later: str, values: dict[str, Any], rule: str
) -> None:
    run_id, outcome = await desk.imports("students", HEADER + "A,N1,New,f,3,A\nA,A0,Bopha,f,3,A\n")
    assert (outcome.added, outcome.changed) == (1, 1)
    desk.clock.advance(60)
    more = {"round": desk.cast.round, "by": desk.cast.teacher.person_id, "at": desk.clock.now()}
    await desk.session.execute(QUERIES[later], {**more, **values})
    before = await desk.everything()
    undone, faults = await desk.undoes(run_id)
    assert (undone.added, undone.changed) == (0, 0)
    assert faults
    assert all(school == "A" for school, _, _ in faults)
    code = values.get("code")
    assert any(rule in said and (code is None or code == named) for _, named, said in faults), faults
    assert await desk.everything() == before


async def test_a_school_with_children_is_named(desk: Desk) -> None:
    text = "code,name_local,country_code,country,province_code,province\nNEW1,One,XX,Exampleland,P1,First Province\n"
    run_id, outcome = await desk.imports("schools", text)
    assert outcome.added == 1
    await desk.imports("students", HEADER + "NEW1,N1,New,f,3,\n")
    _, faults = await desk.undoes(run_id)
    assert faults == [("", "NEW1", "This school has children")]


async def test_what_can_not_be_undone_says_why(desk: Desk) -> None:
    unchanged, _ = await desk.imports("students", HEADER + "A,A0,Bopha,m,3,A\n")
    added, _ = await desk.imports("students", HEADER + "A,N1,New,f,3,A\n")

    async def refusal(run_id: str) -> str:
        with pytest.raises(ProgrammeError) as refused:
            await run_to_undo(desk.session, desk.cast.coordinator, run_id, desk.clock)
        return refused.value.code

    assert await refusal(unchanged) == "import_not_undoable"
    assert await refusal("nonsense") == NotFound.code
    desk.clock.advance(31 * 86_400)
    assert await refusal(added) == "import_too_old"


async def test_an_erased_child_is_in_nothing_that_is_kept(desk: Desk) -> None:
    run_id, _ = await desk.imports("students", HEADER + "A,A0,Renamed,m,3,A\n")
    child = await desk.session.fetch_value(QUERIES["child"], {"code": "A0"})
    await erase(desk, child)
    with pytest.raises(Conflict) as refused:
        await run_to_undo(desk.session, desk.cast.coordinator, run_id, desk.clock)
    assert refused.value.code == "import_too_old"


async def erase(desk: Desk, child: str) -> None:
    await erase_identity(
        desk.session, desk.cast.admin, child, confirmation="A0", reason="asked for", clock=desk.clock
    )


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
async def test_an_exported_roster_comes_back_as_nothing_changed_and_is_the_same_again(
    desk: Desk, kind: Any, tmp_path: Path
) -> None:
    await desk.imports(
        "students", HEADER + 'A,N1,\'=SUM(1),f,3,A\nA,N2,"Comma, Quote ""x""",m,4,\nB,007,-Dash,f,5,B\n'
    )

    async def export() -> bytes:
        reading = Reading(
            desk.session,
            desk.cast.coordinator,
            ExportAsk("roster", kind),
            key=b"k" * 32,
            today=desk.clock.now().date(),
        )
        file, content = WRITERS[kind](), []
        async for part in reading.parts():
            if isinstance(part, SheetBegun):
                content.append(file.sheet(part.name, part.columns))
            elif isinstance(part, CopiedBlock):
                content.append(file.block(part.content))
            else:
                content.append(file.rows(part.cells))
        return b"".join([*content, file.end()])

    first = await export()
    if kind == "csv":
        rows = list(csv.DictReader(io.StringIO(first.decode("utf-8-sig"))))
        assert {"'=SUM(1)", "'-Dash"} <= {row["name"] for row in rows}
    path = tmp_path / f"back.{kind}"
    path.write_bytes(first)
    new = NewRun("students", path.name, is_dry_run=False, bytes_total=len(first))
    run_id = await start_run(desk.session, desk.cast.coordinator, new, desk.clock)
    mapping = None
    with open_sheet(path) as sheet:
        outcome = await import_sheet(
            desk.session, desk.cast.coordinator, run_id, new, sheet, mapping, Progress(), desk.clock
        )
    assert (outcome.added, outcome.changed, outcome.unchanged, outcome.faults) == (0, 0, 11, 0)
    assert await export() == first


async def test_an_import_and_its_undoing_are_told_to_whoever_asked_for_it_by_counts_alone(desk: Desk) -> None:
    actor = desk.cast.coordinator
    hook = NewWebhook("Ministry", "https://example.org/hook", ["import.done", "import.undone"])
    made = await create_webhook(desk.session, actor, hook, desk.clock, Named())
    run_id, _ = await desk.imports("students", HEADER + "A,N1,Zqxwvu,1,3,A\n")
    await desk.imports("students", HEADER + "A,N2,Nobody,7,3,A\n")  # faulty: nothing was done
    await desk.undoes(run_id)
    told = (await list_deliveries(desk.session, actor, made.webhook.id, PageRequest(10))).items
    assert [each.event for each in told] == ["import.undone", "import.done"]
    assert all("Zqxwvu" not in each.body for each in told)
    counts = msgspec.json.decode(told[1].body)["data"]["import"]
    assert (counts["id"], counts["kind"], counts["added"], counts["faults"]) == (run_id, "students", 1, 0)
    assert msgspec.json.decode(told[0].body)["data"]["import"]["id"] == run_id
