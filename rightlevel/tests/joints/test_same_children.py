"""The same children in two rounds beside a frozen round, a merged child, a moved school and an undone import: what was counted stays, or follows exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from people import NOW, Cast

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.operations.reconcile import reconcile
from rightlevel.programme.duplicates import Merge, merge_duplicates, undo_merge_of_duplicates
from rightlevel.programme.enrolments import Transfer, transfer_student
from rightlevel.programme.exchange import (
    NewRun,
    Progress,
    import_sheet,
    list_faults,
    open_sheet,
    run_to_undo,
    start_run,
    undo_run,
)
from rightlevel.programme.movement import MovementQuery, movement_apart, read_movement
from rightlevel.programme.results import ResultWrite, enter_results
from rightlevel.programme.rounds import (
    check_snapshot,
    read_round,
    seal_round,
    seal_some_schools,
    set_round_state,
)
from rightlevel.programme.students import mark_left, read_student

pytestmark = pytest.mark.anyio
TODAY = NOW.date()
QUERIES = read_queries(
    """
-- name: endline
-- A round after the cast's.
insert into round (school_year_id, kind, starts_on, ends_on) values (%(year)s, 'endline', '2026-12-01', '2026-12-10') returning id
-- name: move_school
-- Moves a school to another place.
update school set place_id = %(place)s where id = %(school)s
""",
    origin="test_same_children.py",
)


class Scene:
    """Two rounds, and what people do between them, in the test's transaction."""

    def __init__(self, session: Session, cast: Cast, clock: StandingClock, endline: int) -> None:
        self.session, self.cast, self.clock = session, cast, clock
        self.baseline, self.endline = cast.round, endline

    async def enter(self, round_id: int, student: str, level: str, **more: Any) -> str:
        write = ResultWrite(
            str(uuid4()), student, round_id, "language", TODAY, level=level, reason="paper was found", **more
        )
        return (await enter_results(self.session, self.cast.coordinator, [write], self.clock))[0].code

    async def turn(self, state: str) -> None:
        version = (await read_round(self.session, self.cast.admin, self.baseline)).version
        await set_round_state(
            self.session,
            self.cast.admin,
            self.baseline,
            version=version,
            state=state,
            clock=self.clock,
            reason="told",
        )
        if state == "frozen":
            last = 0
            while last := await seal_some_schools(self.session, self.baseline, after_id=last):
                pass
            assert await seal_round(self.session, self.baseline, self.clock)

    def asked(self, **more: Any) -> MovementQuery:
        return MovementQuery(self.baseline, "language", later_round_id=self.endline, **more)

    async def moves(self, **more: Any) -> dict[tuple[int, int], int]:
        """(rank before, rank after) → children; what is kept agrees with the rows."""
        found = await reconcile(self.session)
        assert (found.different, found.differences) == (0, [])
        movement = await read_movement(self.session, self.cast.coordinator, self.asked(**more))
        return {
            (row.rank, rank): count
            for row in movement.rows
            for rank, count in enumerate(row.to or (), start=1)
            if count
        }

    async def by_sex(self) -> dict[str, int | None]:
        apart = await movement_apart(self.session, self.cast.coordinator, self.asked(), by="sexes")
        return {each.key: each.movement.matched for each in apart if each.movement.matched}


@pytest.fixture
async def scene(session: Session, cast: Cast, clock: StandingClock) -> Scene:
    endline = await session.fetch_value(QUERIES["endline"], {"year": cast.school_year})
    return Scene(session, cast, clock, endline)


async def test_a_frozen_rounds_children_are_compared_where_they_sat_in_it(scene: Scene) -> None:
    cast, session = scene.cast, scene.session
    first, second = cast.students_a[:2]
    for student in (first, second):
        assert await scene.enter(scene.baseline, student, "letter") == "saved"
    await scene.turn("closed")
    await scene.turn("frozen")
    child = await read_student(session, cast.coordinator, first)
    to = Transfer(child.version, cast.school_b, 4, TODAY, "moved house")
    await transfer_student(session, cast.coordinator, first, to, scene.clock)
    assert await scene.enter(scene.endline, first, "story") == "saved"
    assert await scene.enter(scene.endline, second, "letter") == "saved"
    left = await read_student(session, cast.coordinator, second)
    await mark_left(
        session,
        cast.coordinator,
        second,
        version=left.version,
        left_on=TODAY,
        reason="gone",
        clock=scene.clock,
    )
    assert await scene.moves(school_id=cast.school_a, grade=3) == {(2, 5): 1, (2, 2): 1}
    assert await scene.moves(school_id=cast.school_b) == {}
    assert (await check_snapshot(session, scene.baseline)).is_rebuilt


async def test_an_amendment_of_a_frozen_round_is_counted(scene: Scene) -> None:
    student = scene.cast.students_a[0]
    await scene.enter(scene.baseline, student, "letter")
    await scene.enter(scene.endline, student, "word")
    await scene.turn("closed")
    await scene.turn("frozen")
    assert await scene.moves() == {(2, 3): 1}
    assert await scene.enter(scene.baseline, student, "story", version=1) == "changed"
    assert await scene.moves() == {(5, 3): 1}
    assert (await check_snapshot(scene.session, scene.baseline)).is_rebuilt


async def test_a_merged_childs_two_rounds_become_one_childs_and_part_again(scene: Scene) -> None:
    cast, session = scene.cast, scene.session
    kept_id, gone_id = cast.students_a[:2]
    await scene.enter(scene.baseline, kept_id, "letter")
    await scene.enter(scene.endline, gone_id, "story")
    assert await scene.moves() == {}
    kept = await read_student(session, cast.coordinator, kept_id)
    gone = await read_student(session, cast.coordinator, gone_id)
    made = await merge_duplicates(
        session,
        cast.coordinator,
        Merge(kept.id, kept.version, gone.id, gone.version, "the same child"),
        scene.clock,
    )
    assert await scene.moves() == {(2, 5): 1}
    await undo_merge_of_duplicates(session, cast.coordinator, made.id, reason="two", clock=scene.clock)
    assert await scene.moves() == {}


async def test_of_a_merged_child_with_two_results_in_a_round_one_is_counted(scene: Scene) -> None:
    cast, session = scene.cast, scene.session
    kept_id, gone_id = cast.students_a[:2]
    for student, before, after in ((kept_id, "letter", "story"), (gone_id, "word", "word")):
        await scene.enter(scene.baseline, student, before)
        await scene.enter(scene.endline, student, after)
    both = await scene.moves()
    assert both == {(2, 5): 1, (3, 3): 1}
    kept = await read_student(session, cast.coordinator, kept_id)
    gone = await read_student(session, cast.coordinator, gone_id)
    made = await merge_duplicates(
        session,
        cast.coordinator,
        Merge(kept.id, kept.version, gone.id, gone.version, "the same child"),
        scene.clock,
    )
    assert sum((await scene.moves()).values()) == 1
    await undo_merge_of_duplicates(session, cast.coordinator, made.id, reason="two", clock=scene.clock)
    assert await scene.moves() == both


async def test_what_comes_after_a_school_moved_counts_where_it_stood_in_the_first_round(scene: Scene) -> None:
    cast = scene.cast
    for student in cast.students_a[:2]:
        await scene.enter(scene.baseline, student, "letter")
    await scene.turn("closed")
    await scene.session.execute(QUERIES["move_school"], {"school": cast.school_a, "place": cast.district_2})
    for student in cast.students_a[:2]:
        assert await scene.enter(scene.endline, student, "word") == "saved"
    assert await scene.moves(place_id=cast.district_1) == {(2, 3): 2}
    assert await scene.moves(place_id=cast.district_2) == {}
    assert await scene.moves(place_id=cast.district_1, boundaries="today") == {}
    assert await scene.moves(place_id=cast.district_2, boundaries="today") == {(2, 3): 2}
    assert await scene.moves(place_id=cast.province) == {(2, 3): 2}


async def test_an_undone_import_gives_back_where_children_were_compared(scene: Scene, tmp_path: Path) -> None:
    cast, session = scene.cast, scene.session
    student = cast.students_a[0]
    await scene.enter(scene.baseline, student, "letter")
    await scene.enter(scene.endline, student, "word")
    before = await scene.by_sex()
    path = tmp_path / "in.csv"
    path.write_text("school_code,code,name,sex,grade,section\nA,A0,Bopha,f,3,A\n")
    new = NewRun("students", path.name, is_dry_run=False, bytes_total=path.stat().st_size)
    run_id = await start_run(session, cast.coordinator, new, scene.clock)
    with open_sheet(path) as sheet:
        outcome = await import_sheet(
            session, cast.coordinator, run_id, new, sheet, None, Progress(), scene.clock
        )
    assert (outcome.changed, outcome.faults) == (1, 0)
    assert await scene.by_sex() != before
    assert await scene.moves() == {(2, 3): 1}
    undoing = await run_to_undo(session, cast.coordinator, run_id, scene.clock)
    undo_id = await start_run(session, cast.coordinator, undoing, scene.clock)
    await undo_run(session, cast.coordinator, undo_id, undoing, Progress(), scene.clock)
    assert (await list_faults(session, cast.coordinator, undo_id, PageRequest())).items == []
    assert await scene.by_sex() == before
    assert await scene.moves() == {(2, 3): 1}
