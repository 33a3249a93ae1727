"""Schools move, rounds close and open again, results come early and late: every place has what a plain tally says, by the districts of then and of today."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from people import NOW, Cast

from flatwater.clock import StandingClock
from flatwater.transaction import Session
from rightlevel.operations.reconcile import reconcile
from rightlevel.programme.figures import FigureQuery, read_figures
from rightlevel.programme.results import ResultWrite, enter_results
from rightlevel.programme.rounds import read_round, set_round_state
from rightlevel.programme.schools import SchoolChange, change_school, read_school

pytestmark = pytest.mark.anyio


class _Undone(Exception):
    pass


class Tally:
    """Where the schools stand, and where they stood when the round's roll was fixed, kept the plain way."""

    def __init__(self, session: Session, cast: Cast, clock: StandingClock) -> None:
        self.session, self.cast, self.clock = session, cast, clock
        self.places = [cast.district_1, cast.district_2, cast.province]
        self.today = {cast.school_a: cast.district_1, cast.school_b: cast.district_2}
        self.fixed: dict[int, int] | None = None
        self.tested: dict[str, int] = {}

    async def enter(self, number: int) -> None:
        children = [*self.cast.students_a, *self.cast.students_b]
        child = children[number % len(children)]
        if child in self.tested:
            return
        write = ResultWrite(
            str(uuid4()),
            child,
            self.cast.round,
            "math",
            NOW.date(),
            level="division",
            reason="it was on paper",
        )
        (answer,) = await enter_results(self.session, self.cast.coordinator, [write], self.clock)
        assert answer.code == "saved"
        self.tested[child] = self.cast.school_a if child in self.cast.students_a else self.cast.school_b

    async def move(self, number: int) -> None:
        school_id, place_id = sorted(self.today)[number % 2], self.places[number % 3]
        found = await read_school(self.session, self.cast.coordinator, school_id)
        change = SchoolChange(found.version, place_id=place_id, reason="a new border")
        await change_school(self.session, self.cast.coordinator, school_id, change, self.clock)
        self.today[school_id] = place_id

    async def step(self, number: int) -> None:
        """Closes the round, or opens it again: its days last, so that it follows the present until it closes."""
        found = await read_round(self.session, self.cast.coordinator, self.cast.round)
        state = "closed" if found.state == "open" else "open"
        await set_round_state(
            self.session,
            self.cast.coordinator,
            found.id,
            version=found.version,
            state=state,
            clock=self.clock,
            reason="it is time",
        )
        self.fixed = dict(self.today) if state == "closed" else None

    def expected(self, place_id: int, where: dict[int, int]) -> int:
        above = {
            self.cast.district_1: (self.cast.district_1, self.cast.province),
            self.cast.district_2: (self.cast.district_2, self.cast.province),
            self.cast.province: (self.cast.province,),
        }
        return sum(place_id in above[where[school]] for school in self.tested.values())

    async def assert_exact(self) -> None:
        found = await reconcile(self.session)
        assert (found.different, found.differences) == (0, [])
        for place_id in self.places:
            for boundaries, where in (("then", self.fixed or self.today), ("today", self.today)):
                asked = FigureQuery(self.cast.round, "math", place_id, boundaries=boundaries)
                figures = await read_figures(self.session, self.cast.coordinator, asked)
                assert figures.assessed == self.expected(place_id, where), (place_id, boundaries)


deeds = st.lists(
    st.tuples(st.sampled_from(("enter", "enter", "move", "step")), st.integers(0, 11)),
    min_size=6,
    max_size=20,
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sequence=deeds)
async def test_every_place_has_what_was_counted_there(
    session: Session, cast: Cast, clock: StandingClock, sequence: list[tuple[str, int]]
) -> None:
    try:
        async with session.savepoint():
            tally = Tally(session, cast, clock)
            for deed, number in sequence:
                step: Any = getattr(tally, deed)
                await step(number)
            await tally.assert_exact()
            raise _Undone
    except _Undone:
        pass
