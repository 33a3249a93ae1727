"""How far classes are, within reach only."""

from __future__ import annotations

from uuid import uuid4

import pytest
from people import NOW, Cast

from flatwater.clock import StandingClock
from flatwater.transaction import Session
from rightlevel.programme.errors import Forbidden, Invalid
from rightlevel.programme.progress import class_progress
from rightlevel.programme.results import ResultWrite, TestingStatus, enter_results, sum_of

pytestmark = pytest.mark.anyio


async def test_children_and_results_are_counted_by_class(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    child, other = cast.students_a[:2]
    tested = ResultWrite(str(uuid4()), child, cast.round, "math", NOW.date(), level="division")
    absent = ResultWrite(str(uuid4()), other, cast.round, "math", NOW.date(), outcome="absent")
    await enter_results(session, cast.teacher, [tested, absent], clock)
    rows = await class_progress(session, cast.mentor, [cast.school_a], cast.round)
    of_class = {row.subject: row.status for row in rows if row.class_id == cast.class_3a}
    assert of_class["math"] == TestingStatus(tested=1, absent=1, to_do=1)
    assert of_class["language"] == TestingStatus(to_do=3)
    assert sum_of(row.status for row in rows if row.subject == "math").enrolled == 5


async def test_a_practice_school_counts_here(session: Session, cast: Cast) -> None:
    rows = await class_progress(session, cast.coordinator, [cast.practice_school], cast.round)
    assert all(row.school_id == cast.practice_school for row in rows)


async def test_nothing_is_told_of_a_school_out_of_reach(session: Session, cast: Cast) -> None:
    assert await class_progress(session, cast.teacher, [cast.school_b], cast.round) == []
    assert await class_progress(session, cast.stranger, [cast.school_a], cast.round) == []


async def test_a_viewer_is_refused_and_so_are_too_many_schools(session: Session, cast: Cast) -> None:
    with pytest.raises(Forbidden):
        await class_progress(session, cast.viewer, [cast.school_a], cast.round)
    with pytest.raises(Invalid):
        await class_progress(session, cast.coordinator, list(range(51)), cast.round)
