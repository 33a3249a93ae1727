"""What an import of schools is refused, and what it keeps: the rules of single deeds, row by row."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from people import NOW, Cast
from places import enter, step

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.operations.reconcile import reconcile
from rightlevel.programme.boundaries import SchoolMerge, merge_school
from rightlevel.programme.exchange import (
    ImportOutcome,
    NewRun,
    Progress,
    import_sheet,
    list_faults,
    open_sheet,
    read_mapping,
    start_run,
)
from rightlevel.programme.schools import list_stays, read_school

pytestmark = pytest.mark.anyio

QUERIES = read_queries(
    """
-- name: audited
-- What was written down of what imports did.
select action, resource, resource_id, person_id, before, after, reason from audit_entry where action = 'import' order by id
""",
    origin="test_school_import_rules.py",
)
HEADER = [
    "code",
    "name_local",
    "country_code",
    "country",
    "province_code",
    "province",
    "district_code",
    "district",
]
NORTH = ["XX", "Exampleland", "P1", "First Province", "D1", "North District"]
SOUTH = ["XX", "Exampleland", "P1", "First Province", "D2", "South District"]
NEW_PLACE = ["XX", "Exampleland", "P1", "First Province", "D3", "Third District"]
MOVE_RULE = "This would move the school from North District to {}: say why in a column reason, or give it the place that it has"


class Audited(msgspec.Struct, frozen=True):
    action: str
    resource: str
    resource_id: str | None
    person_id: int | None
    before: Any
    after: Any
    reason: str | None


class Importing(msgspec.Struct, frozen=True):
    """Imports rows of schools in the test's transaction."""

    session: Session
    cast: Cast
    clock: StandingClock
    folder: Path

    async def __call__(
        self, *rows: list[Any], more: tuple[str, ...] = (), mapping: str | None = None, dry: bool = False
    ) -> tuple[ImportOutcome, list[tuple[int, str, str]]]:
        path = self.folder / "schools.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([[*HEADER, *more], *rows])
        new = NewRun("schools", path.name, dry, path.stat().st_size)
        run_id = await start_run(self.session, self.cast.coordinator, new, self.clock)
        read = read_mapping(mapping, "schools") if mapping else None
        with open_sheet(path) as sheet:
            outcome = await import_sheet(
                self.session, self.cast.coordinator, run_id, new, sheet, read, Progress(), self.clock
            )
        page = await list_faults(self.session, self.cast.coordinator, run_id, PageRequest(1000))
        assert (await reconcile(self.session)).different == 0
        return outcome, [(each.row_number, each.column_name, each.rule) for each in page.items]

    async def audited(self, resource: str) -> list[Audited]:
        rows = await self.session.fetch_all(QUERIES["audited"], {}, into=Audited)
        return [row for row in rows if row.resource == resource]


@pytest.fixture
def importing(session: Session, cast: Cast, clock: StandingClock, tmp_path: Path) -> Importing:
    return Importing(session, cast, clock, tmp_path)


@pytest.mark.parametrize(("place", "name"), [(SOUTH, "South District"), (NEW_PLACE, "Third District")])
async def test_a_file_moves_no_school_without_a_reason(
    importing: Importing, place: list[str], name: str
) -> None:
    cast = importing.cast
    _, faults = await importing(["A", "Alpha School", *place], ["B", "Beta School", *SOUTH])
    assert [(row, rule) for row, _, rule in faults] == [(2, MOVE_RULE.format(name))]
    _, faults = await importing(["A", "Alpha School", *place, ""], more=("reason",))
    assert len(faults) == 1, "a blank one is none"
    assert (await read_school(importing.session, cast.coordinator, cast.school_a)).place_id == cast.district_1
    assert len(await list_stays(importing.session, cast.coordinator, cast.school_a)) == 1


async def test_a_move_by_a_file_is_dated_has_its_reason_and_is_audited(
    importing: Importing, clock: StandingClock
) -> None:
    session, cast = importing.session, importing.cast
    await enter(session, cast, clock)
    await step(session, cast, clock, "closed", 1)
    outcome, faults = await importing(
        ["A", "Alpha School", *SOUTH, "new border"], ["B", "Beta Renamed", *SOUTH, ""], more=("reason",)
    )
    assert (faults, outcome.changed) == ([], 2)
    assert outcome.message is not None
    assert outcome.message.startswith("1 schools stand in another place")
    now, before = await list_stays(session, cast.coordinator, cast.school_a)
    assert (now.place_id, now.reason, now.moved_by) == (
        cast.district_2,
        "new border",
        cast.coordinator.display_name,
    )
    assert now.from_at is not None
    assert before.until_at == now.from_at
    assert now.from_at >= NOW
    rows = {each.resource_id: each for each in await importing.audited("school")}
    moved, renamed = rows[str(cast.school_a)], rows[str(cast.school_b)]
    assert moved.before == {"place_id": cast.district_1}
    assert moved.after["place_id"] == cast.district_2
    assert set(moved.after) == {"place_id", "import_run"}
    assert (moved.reason, moved.person_id) == ("new border", cast.coordinator.person_id)
    assert (renamed.before, renamed.reason) == ({"name_local": "Beta School"}, "schools.csv")
    assert len(await list_stays(session, cast.coordinator, cast.school_b)) == 1


async def test_one_reason_for_a_whole_file_is_a_constant_of_its_mapping(importing: Importing) -> None:
    names = "".join(f'{each} = {{column = "{each}"}}\n' for each in HEADER[:2])
    places = "".join(f'{each} = {{column = "{each}"}}\n' for each in HEADER[2:])
    whole = f'{names}reason = {{constant = "districts were redrawn"}}\n[place]\n{places}'
    outcome, faults = await importing(["A", "Alpha School", *SOUTH], mapping=whole)
    assert (faults, outcome.changed) == ([], 1)
    stays = await list_stays(importing.session, importing.cast.coordinator, importing.cast.school_a)
    assert stays[0].reason == "districts were redrawn"


async def test_what_a_file_adds_is_audited_by_school_and_place(importing: Importing) -> None:
    outcome, _ = await importing(["N", "New School", *NEW_PLACE], ["A", "Alpha School", *NORTH])
    assert (outcome.added, outcome.unchanged) == (1, 1)
    (school,) = await importing.audited("school")
    (place,) = await importing.audited("place")
    assert (school.after["code"], place.after["code"]) == ("N", "D3")
    assert school.after["place_id"] == int(place.resource_id or 0)


async def test_a_dry_run_moves_and_audits_nothing(importing: Importing) -> None:
    outcome, _ = await importing(["A", "Alpha School", *SOUTH, "why"], more=("reason",), dry=True)
    assert outcome.changed == 1
    assert not await importing.audited("school")
    stays = await list_stays(importing.session, importing.cast.coordinator, importing.cast.school_a)
    assert len(stays) == 1


async def test_a_file_closes_no_school_with_children_and_opens_none_that_was_merged(
    importing: Importing, clock: StandingClock
) -> None:
    session, cast = importing.session, importing.cast
    _, faults = await importing(["A", "Alpha School", *NORTH, "closed"], more=("status",))
    rule = "Children are taught at this school: merge it into another, or transfer them, before it closes"
    assert faults == [(2, "status", rule)]
    merge = SchoolMerge(str(uuid4()), cast.school_b, NOW.date(), "too few children")
    await merge_school(session, cast.coordinator, cast.school_a, merge, clock)
    _, faults = await importing(["A", "Alpha School", *NORTH, "open"], more=("status",))
    assert faults == [(2, "status", "This school was merged into another: take that back first")]
    outcome, faults = await importing(["A", "Alpha School", *NORTH, "closed"], more=("status",))
    assert (outcome.unchanged, faults) == (1, [])


async def test_a_file_makes_no_practice_school_of_a_real_one_with_a_past(
    importing: Importing, clock: StandingClock
) -> None:
    await enter(importing.session, importing.cast, clock)
    _, faults = await importing(["A", "Alpha School", *NORTH, "yes"], more=("is_practice",))
    rule = "This school has children or a past that stays counted: it does not become a practice school"
    assert faults == [(2, "is_practice", rule)]
