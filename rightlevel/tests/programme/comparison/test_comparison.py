"""One indicator of many places: the values of the figures, the highest first, and nothing where it can't be told."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import msgspec
import pytest
from people import NOW, Cast

from flatwater.clock import StandingClock
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.comparison import MEASURES, ComparisonQuery, compare
from rightlevel.programme.errors import Invalid, NotFound
from rightlevel.programme.results import ResultWrite, enter_results
from rightlevel.programme.verification.agreement import share

pytestmark = pytest.mark.anyio
QUERIES = read_queries(
    """
-- name: more
-- More children of a school.
insert into student (school_id, school_year_id, code, name, name_key, sex, grade)
select %(school)s, %(year)s, 'M' || n, 'Child ' || n, 'child ' || n, 1, 3 from generate_series(1, %(children)s) n returning id::text as id
""",
    origin="test_comparison.py",
)


class Made(msgspec.Struct, frozen=True):
    id: str


async def enter(session: Session, cast: Cast, clock: StandingClock, students: list[str], level: str) -> None:
    writes = [
        ResultWrite(str(uuid4()), each, cast.round, "language", NOW.date(), "assessed", level)
        for each in students
    ]
    assert {each.code for each in await enter_results(session, cast.coordinator, writes, clock)} == {"saved"}


async def children(session: Session, cast: Cast, school: int, number: int) -> list[str]:
    values = {"school": school, "year": cast.school_year, "children": number}
    return [row.id for row in await session.fetch_all(QUERIES["more"], values, into=Made)]


def asked(cast: Cast, **more: Any) -> ComparisonQuery:
    return ComparisonQuery(
        **{
            "round_id": cast.round,
            "subject": "language",
            "place_id": cast.province,
            "measure": "reads_story",
            **more,
        }
    )


async def test_the_highest_comes_first_with_its_interval_and_few_come_last(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    more = await children(session, cast, cast.school_b, 12)
    await enter(session, cast, clock, more[:9], "story")
    await enter(session, cast, clock, more[9:], "word")
    await enter(session, cast, clock, cast.students_a[:2], "story")
    found = await compare(session, cast.coordinator, asked(cast))
    assert [(each.name_local, each.part, each.n) for each in found.units] == [
        ("South District", 9, 12),
        ("North District", 2, 2),
    ]
    assert found.units[0].estimate == share(9, 12)
    assert found.units[1].estimate is None
    coverage = await compare(session, cast.coordinator, asked(cast, measure="coverage"))
    assert [(each.name_local, each.part, each.n) for each in coverage.units] == [
        ("South District", 12, 15),
        ("North District", 2, 5),
    ]
    schools = await compare(session, cast.teacher, asked(cast, place_id=None, measure="coverage"))
    assert [each.name_local for each in schools.units] == ["Alpha School"]
    told = await compare(session, cast.viewer, asked(cast))
    assert {each.estimate for each in told.units} == {None}


async def test_what_needs_two_rounds_says_so(session: Session, cast: Cast) -> None:
    for measure in ("improved", "nonsense", "does_division"):
        with pytest.raises(Invalid):
            await compare(session, cast.coordinator, asked(cast, measure=measure))
    with pytest.raises(NotFound):
        await compare(session, cast.coordinator, asked(cast, measure="improved", later_round_id=10**9))
    assert {each.code for each in MEASURES["math"]} >= {"does_division", "improved", "mean_shift", "coverage"}
