"""Where compared schools and places are."""

from __future__ import annotations

import pytest
from people import Cast

from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.comparison import ComparisonQuery, Position, compare, positions_of

pytestmark = pytest.mark.anyio
QUERIES = read_queries(
    """
-- name: place_school
-- Says where a school is.
update school set latitude = %(latitude)s, longitude = %(longitude)s where id = %(school)s

-- name: more_schools
-- A closed, a practice and a deleted school far away, and an open one near.
insert into school (place_id, code, name_local, latitude, longitude, status, is_practice, deleted_at)
values (%(place)s, 'X1', 'Closed', 50, 50, 'closed', false, null), (%(place)s, 'X2', 'Practice', 50, 50, 'open', true, null),
    (%(place)s, 'X3', 'Deleted', 50, 50, 'open', false, now()), (%(place)s, 'X4', 'Near', 12, 106, 'open', false, null)
""",
    origin="test_positions.py",
)


def asked(cast: Cast, place_id: int | None) -> ComparisonQuery:
    return ComparisonQuery(round_id=cast.round, subject="language", place_id=place_id, measure="coverage")


async def test_a_school_is_where_it_says_and_a_place_at_the_middle_of_its_open_schools(
    session: Session, cast: Cast
) -> None:
    values = {"school": cast.school_a, "latitude": 11.0, "longitude": 104.0}
    await session.execute(QUERIES["place_school"], values)
    await session.execute(QUERIES["more_schools"], {"place": cast.district_1})
    below = await compare(session, cast.coordinator, asked(cast, cast.province))
    where = await positions_of(session, below.units)
    named = {unit.name_local: at for unit, at in zip(below.units, where, strict=True)}
    assert named == {"North District": Position(11.5, 105.0), "South District": None}
    schools = await compare(session, cast.coordinator, asked(cast, cast.district_1))
    told = dict(
        zip(
            [each.name_local for each in schools.units],
            await positions_of(session, schools.units),
            strict=True,
        )
    )
    assert told["Alpha School"] == Position(11.0, 104.0)
    own = await compare(session, cast.teacher, asked(cast, None))
    assert [each.name_local for each in own.units] == ["Alpha School"]
    assert await positions_of(session, own.units) == [Position(11.0, 104.0)]


async def test_nothing_compared_needs_no_statement(session: Session) -> None:
    assert await positions_of(session, []) == []
