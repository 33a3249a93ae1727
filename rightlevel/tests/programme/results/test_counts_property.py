"""Any sequence of what people do leaves every kept count equal to its rows, and the figures equal to a plain tally."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from people import NOW, Cast

from flatwater.clock import StandingClock
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.operations.reconcile import reconcile
from rightlevel.programme.figures import FigureQuery, read_figures
from rightlevel.programme.levels import SCALES
from rightlevel.programme.permissions import Subject
from rightlevel.programme.results import ResultWrite, delete_result, enter_results
from rightlevel.programme.schools import SchoolChange, SchoolHasPast, change_school
from rightlevel.programme.schools.actions import read_school
from rightlevel.programme.students import delete_student, restore_student

QUERIES = read_queries(
    """
-- name: say
-- Says that what comes next is a move.
select say_stint('transfer', '', '2026-11-23', null)::text
-- name: move
-- Puts a child into another school, whatever kinds of schools they are.
update student set school_id = %(school)s, grade = %(grade)s, class_id = null where id = %(id)s::uuid
""",
    origin="test_counts_property.py",
)
pytestmark = pytest.mark.anyio
SUBJECTS: tuple[Subject, ...] = ("language", "math")


class _Undone(Exception):
    pass


class Tally:
    """What should be counted, kept the plain way: one result a child and subject, with the school it was tested at."""

    def __init__(self, session: Session, cast: Cast, clock: StandingClock) -> None:
        self.session, self.cast, self.clock = session, cast, clock
        # three children, so that a sequence comes back to the same one; the others are never touched
        self.children = [cast.students_a[0], cast.students_a[3], cast.students_b[0]]
        self.schools = [cast.school_a, cast.school_b, cast.practice_school]
        self.places = [cast.district_1, cast.district_2]
        self.at = dict.fromkeys(cast.students_a, cast.school_a) | dict.fromkeys(
            cast.students_b, cast.school_b
        )
        self.practice = {cast.practice_school}
        self.removed: set[str] = set()
        self.results: dict[tuple[str, Subject], tuple[str, int, int, int | None]] = {}

    async def enter(self, number: int, math: bool, rank: int, **_: Any) -> None:
        """Enters a result, or changes the one there; rank 0 is an absent child."""
        child, subject = self.children[number % 3], SUBJECTS[math]
        there = self.results.get((child, subject))
        level = None if rank == 0 else SCALES[subject][min(rank, len(SCALES[subject])) - 1]
        write = ResultWrite(
            str(uuid4()),
            child,
            self.cast.round,
            subject,
            NOW.date(),
            "assessed" if level else "absent",
            level.code if level else None,
            version=there[1] if there else None,
        )
        (answer,) = await enter_results(self.session, self.cast.coordinator, [write], self.clock)
        if child in self.removed:
            assert answer.code == "not_found"
            return
        assert answer.code == ("changed" if there else "saved")
        school = there[2] if there else self.at[child]
        self.results[child, subject] = (
            answer.result_id or "",
            answer.version or 0,
            school,
            level.rank if level else None,
        )

    async def remove_result(self, number: int, math: bool, **_: Any) -> None:
        key = (self.children[number % 3], SUBJECTS[math])
        if key in self.results and key[0] not in self.removed:
            result_id, version, _school, _rank = self.results.pop(key)
            await delete_result(
                self.session, self.cast.coordinator, result_id, version=version, reason="x", clock=self.clock
            )

    async def switch_child(self, number: int, **_: Any) -> None:
        """Removes a child, or brings it back."""
        child = self.children[number % 3]
        if child in self.removed:
            await restore_student(self.session, self.cast.coordinator, child)
            self.removed.discard(child)
        else:
            await delete_student(self.session, self.cast.coordinator, child, reason="x", clock=self.clock)
            self.removed.add(child)

    async def move_child(self, number: int, rank: int, **_: Any) -> None:
        child, school = self.children[number % 3], self.schools[rank % 3]
        if child in self.removed:
            return
        values = {"id": child, "school": school, "grade": 3 + rank % 3}
        await self.session.fetch_value(QUERIES["say"], {})
        await self.session.execute(QUERIES["move"], values)
        self.at[child] = school

    async def change_school(self, number: int, math: bool, rank: int, **_: Any) -> None:
        """Makes a school a practice school or a real one while it has no past, and moves it."""
        school = self.schools[rank % 3]
        found = await read_school(self.session, self.cast.coordinator, school)
        change = SchoolChange(
            found.version, place_id=self.places[number % 2], reason="a new border", is_practice=math
        )
        try:
            await change_school(self.session, self.cast.coordinator, school, change, self.clock)
        except SchoolHasPast:
            only_moved = msgspec.structs.replace(change, is_practice=None)
            await change_school(self.session, self.cast.coordinator, school, only_moved, self.clock)
        else:
            (self.practice.add if math else self.practice.discard)(school)

    async def assert_exact(self) -> None:
        found = await reconcile(self.session)
        assert (found.different, found.differences) == (0, [])
        for subject in SUBJECTS:
            figures = await read_figures(
                self.session, self.cast.coordinator, FigureQuery(self.cast.round, subject)
            )
            counted = Counter(
                rank
                for (child, of), (_, _, school, rank) in self.results.items()
                if of == subject and child not in self.removed and school not in self.practice
            )
            assert figures.absent == counted[None]
            assert [level.count for level in figures.levels] == [
                counted[level.rank] for level in SCALES[subject]
            ]
            # who has a result sits where it was made, everybody else where they are
            seats = [
                self.results[child, subject][2] if (child, subject) in self.results else school
                for child, school in self.at.items()
                if child not in self.removed
            ]
            assert figures.enrolled == sum(school not in self.practice for school in seats)


DEEDS = (
    "enter",
    "enter",
    "enter",
    "remove_result",
    "switch_child",
    "switch_child",
    "move_child",
    "change_school",
)
deeds = st.lists(
    st.tuples(st.sampled_from(DEEDS), st.integers(0, 2), st.booleans(), st.integers(0, 7)),
    min_size=15,
    max_size=30,
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sequence=deeds)
async def test_any_sequence_of_deeds_leaves_exact_counts(
    session: Session, cast: Cast, clock: StandingClock, sequence: list[tuple[str, int, bool, int]]
) -> None:
    try:
        async with session.savepoint():
            tally = Tally(session, cast, clock)
            for deed, number, math, rank in sequence:
                await getattr(tally, deed)(number=number, math=math, rank=rank)
            await tally.assert_exact()
            raise _Undone
    except _Undone:
        pass


async def test_changing_a_level_moves_a_child_from_one_count_to_the_other(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    tally = Tally(session, cast, clock)

    async def counts() -> list[int]:
        figures = await read_figures(session, cast.coordinator, FigureQuery(cast.round, "math"))
        return [level.count for level in figures.levels]

    await tally.enter(0, True, 4)
    assert await counts() == [0, 0, 0, 1, 0, 0]
    await tally.enter(0, True, 5)
    assert await counts() == [0, 0, 0, 0, 1, 0]
    await tally.remove_result(0, True)
    assert await counts() == [0, 0, 0, 0, 0, 0]
    await tally.assert_exact()
