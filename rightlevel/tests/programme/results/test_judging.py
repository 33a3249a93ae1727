"""What would become of results is told without holding anybody up."""

from __future__ import annotations

import pytest
from people import NOW
from serving import Served

from flatwater.clock import StandingClock
from flatwater.queries import read_queries
from rightlevel.programme.results import BY_FILE, ResultWrite, judge_results

pytestmark = pytest.mark.anyio
QUERIES = read_queries(
    """
-- name: hold_at_once
-- Holds a child as whoever enters its result does, or fails at once where somebody holds it.
select id::text as id from student where id = %(id)s::uuid for no key update nowait
-- name: saved
-- How many results a write made.
select count(*) as results from result where id = %(id)s::uuid
""",
    origin="test_judging",
)


async def test_results_are_judged_without_holding_their_children_or_saving_anything(served: Served) -> None:
    cast, clock = served.cast, StandingClock(NOW)
    child = cast.students_a[4]
    asked = {"student_id": child, "round_id": cast.round, "subject": "math", "method": "import"}
    fine = ResultWrite(
        id="01900000-0000-7000-8000-0000000000aa", tested_on=NOW.date(), level="division", **asked
    )
    wrong = ResultWrite(
        id="01900000-0000-7000-8000-0000000000ab", tested_on=NOW.date(), level="story", **asked
    )
    async with served.database.transaction(deadline_s=20) as session:
        for write, code in ((fine, "saved"), (wrong, "invalid")):
            (answer,) = await judge_results(session, cast.coordinator, [write], clock, methods=BY_FILE)
            assert answer.code == code, answer
        (typed,) = await judge_results(session, cast.coordinator, [fine], clock)
        assert [fault.field for fault in typed.faults] == ["method"], (
            "nobody says of what they enter that it came by a file"
        )
        async with served.database.transaction(deadline_s=20) as other:
            assert await other.fetch_value(QUERIES["hold_at_once"], {"id": child}) == child
        assert await session.fetch_value(QUERIES["saved"], {"id": fine.id}) == 0
