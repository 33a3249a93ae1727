"""What was verified is verified at that level only: whoever changes it ends it; and each queue is exactly what its reader may open."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from people import NOW, Cast, actor_now

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import NotFound
from rightlevel.programme.permissions import Actor
from rightlevel.programme.results import (
    ResultAnswer,
    ResultWrite,
    delete_result,
    enter_results,
    read_result,
)
from rightlevel.programme.rounds import (
    RetestsOpen,
    check_snapshot,
    list_amendments,
    read_open_retests,
    seal_round,
    seal_some_schools,
    set_round_state,
)
from rightlevel.programme.verification import (
    NewDraw,
    QueueRow,
    Retest,
    Verification,
    draw_sample,
    list_returned,
    read_agreement,
    read_verification,
    resolve,
    return_to_teacher,
    save_retests,
    verification_queue,
    withdraw,
)
from rightlevel.programme.verification.actions import NoSuchVerificationStep, RoundIsFrozen

pytestmark = pytest.mark.anyio
TODAY = NOW.date()

QUERIES = read_queries(
    """
-- name: of_result
-- The re-tests of a result, the first first.
select coalesce(jsonb_agg(jsonb_build_object('state', v.state, 'from', v.ended_from, 'why', v.ended_why, 'rank', v.rank, 'first', v.first_rank)
    order by v.id), '[]')
from verification v where v.result_id = %(id)s::uuid
-- name: all_of_round
-- Every re-test there is.
select coalesce(string_agg(v.id::text, ' ' order by v.id), '') from verification v
-- name: change_by_hand
-- Changes a level as an import or anything to come would.
update result set rank = 6, version = version + 1 where id = %(id)s::uuid
-- name: transfer
-- Takes a child to another school.
update student set school_id = %(school)s, class_id = null where id = %(id)s::uuid
-- name: to_class
-- Puts a child into a class.
update student set class_id = %(class)s where id = %(id)s::uuid
-- name: class_only
-- Leaves somebody one class of what is assigned to them.
update assignment set class_id = %(class)s where person_id = %(person)s and subject = 'math'
-- name: end_language
-- Leaves somebody mathematics only.
update assignment set ended_at = now() where person_id = %(person)s and subject = 'language'
-- name: give
-- Assigns somebody.
insert into assignment (person_id, school_id, subject, from_on) values (%(person)s, %(school)s, %(subject)s::subject, '2026-01-01')
-- name: remove_child
-- Takes a child out of use.
update student set deleted_at = now() where id = %(id)s::uuid
-- name: restore_child
-- Brings a child back.
update student set deleted_at = null where id = %(id)s::uuid
-- name: remove_result
-- Sets a result aside, as a merge does.
update result set deleted_at = now(), version = version + 1, changed_at = now() where id = %(id)s::uuid
-- name: restore_result
-- Brings a result back, as taking a merge back does.
update result set deleted_at = null, version = version + 1, changed_at = now() where id = %(id)s::uuid
""",
    origin="test_ends.py",
)


async def enter(
    session: Session, actor: Actor, cast: Cast, clock: StandingClock, *, child: int = 0, **more: Any
) -> ResultAnswer:
    values: dict[str, Any] = {
        "subject": "math",
        "level": "subtraction",
        "tested_on": TODAY,
        "tool": 1,
        **more,
    }
    write = ResultWrite(id=str(uuid4()), student_id=cast.students_a[child], round_id=cast.round, **values)
    (answer,) = await enter_results(session, actor, [write], clock)
    return answer


async def retest(session: Session, actor: Actor, clock: StandingClock, result_id: str, level: str) -> str:
    (answer,) = await save_retests(
        session, actor, [Retest(str(uuid4()), result_id, TODAY, level=level, tool=2)], clock
    )
    assert answer.is_saved, answer
    return answer.verification_id or ""


async def retested(
    session: Session, cast: Cast, clock: StandingClock, level: str, child: int = 0
) -> tuple[str, str]:
    """A result and its re-test: agreed where the level is `subtraction`, else in dispute."""
    made = await enter(session, cast.teacher, cast, clock, child=child)
    assert made.result_id is not None
    return made.result_id, await retest(session, cast.mentor, clock, made.result_id, level)


async def of_result(session: Session, result_id: str) -> list[tuple[str, str | None, str | None]]:
    rows = await session.fetch_value(QUERIES["of_result"], {"id": result_id})
    return [(row["state"], row["from"], row["why"]) for row in rows]  # type: ignore[index,union-attr]


async def test_a_disputed_result_that_was_changed_is_not_decided_by_the_old_levels(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    """Seen: the level was changed while two tests differed, then "the first stands" verified the changed one."""
    result_id, disputed = await retested(session, cast, clock, "division")
    changed = await enter(session, cast.teacher, cast, clock, level="beginner", version=1)
    assert changed.code == "changed"
    with pytest.raises(NoSuchVerificationStep):
        await resolve(
            session, cast.coordinator, disputed, version=2, stands="first", reason="seen", clock=clock
        )
    assert not (await read_result(session, cast.coordinator, result_id)).is_verified
    assert await of_result(session, result_id) == [
        ("ended", "disagreed", "changed"),
        ("pending", None, None),
    ]
    old = await read_verification(session, cast.coordinator, disputed, clock)
    assert (old.state, old.first_level, old.level, old.ended_why) == (
        "ended",
        "subtraction",
        "division",
        "changed",
    )


async def test_an_agreed_result_that_a_coordinator_overrides_is_verified_no_more(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    result_id, _ = await retested(session, cast, clock, "subtraction")
    assert (await read_result(session, cast.coordinator, result_id)).is_verified
    changed = await enter(
        session, cast.coordinator, cast, clock, level="beginner", version=2, reason="the paper says so"
    )
    assert changed.code == "changed"
    assert not (await read_result(session, cast.coordinator, result_id)).is_verified
    assert await of_result(session, result_id) == [("ended", "agreed", "changed"), ("pending", None, None)]
    # and follow-up actions then stays in the agreement of the testers
    (all_,) = await read_agreement(session, cast.coordinator, round_id=cast.round, subject="math")
    assert all_.agreement.n == 1
    again = await retest(session, cast.mentor, clock, result_id, "beginner")
    assert (await read_verification(session, cast.mentor, again, clock)).state == "agreed"
    assert (await read_result(session, cast.coordinator, result_id)).is_verified


@pytest.mark.parametrize("way", ["by_hand", "outcome", "tool", "tested_on"])
async def test_whichever_way_it_changes_the_verification_ends(
    session: Session, cast: Cast, clock: StandingClock, way: str
) -> None:
    result_id, _ = await retested(session, cast, clock, "subtraction")
    if way == "by_hand":
        await session.execute(QUERIES["change_by_hand"], {"id": result_id})
    else:
        more: dict[str, Any] = {
            "outcome": {"outcome": "absent", "level": None},
            "tool": {"tool": 3},
            "tested_on": {"tested_on": TODAY - timedelta(days=1)},
        }[way]
        await enter(session, cast.coordinator, cast, clock, version=2, reason="a slip", **more)
    assert not (await read_result(session, cast.coordinator, result_id)).is_verified
    why = "not_assessed" if way == "outcome" else "changed"
    asked = [] if way == "outcome" else [("pending", None, None)]
    assert await of_result(session, result_id) == [("ended", "agreed", why), *asked]


async def test_a_note_or_a_choice_for_the_group_ends_nothing(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    result_id, _ = await retested(session, cast, clock, "subtraction")
    await enter(
        session, cast.coordinator, cast, clock, version=2, reason="a note", notes="calm", is_selected=True
    )
    assert (await read_result(session, cast.coordinator, result_id)).is_verified
    assert await of_result(session, result_id) == [("agreed", None, None)]


async def test_a_decision_for_the_second_level_verifies_it_and_a_later_change_ends_that_too(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    result_id, disputed = await retested(session, cast, clock, "division")
    await resolve(session, cast.coordinator, disputed, version=1, stands="second", reason="seen", clock=clock)
    result = await read_result(session, cast.coordinator, result_id)
    assert (result.level, result.is_verified) == ("division", True)
    assert await of_result(session, result_id) == [("resolved", None, None)]
    await enter(session, cast.coordinator, cast, clock, level="beginner", version=2, reason="x")
    assert not (await read_result(session, cast.coordinator, result_id)).is_verified
    assert (await of_result(session, result_id))[0] == ("ended", "resolved", "changed")


async def test_a_re_test_that_waits_ends_with_the_level_and_is_asked_for_again_with_it(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    made = await enter(session, cast.teacher, cast, clock)
    await draw_sample(
        session, cast.coordinator, NewDraw(cast.round, "math", school_id=cast.school_a, seed=1), clock
    )
    result_id = made.result_id or ""
    await enter(session, cast.teacher, cast, clock, outcome="absent", level=None, tool=None, version=1)
    assert await of_result(session, result_id) == [("ended", "pending", "not_assessed")]
    queue = await verification_queue(session, cast.mentor, PageRequest(), clock, round_id=cast.round)
    assert queue.items == [], "nobody is sent to test a child of whom there is no level"
    await enter(session, cast.teacher, cast, clock, level="division", version=2)
    assert await of_result(session, result_id) == [
        ("ended", "pending", "not_assessed"),
        ("pending", None, None),
    ]
    (again,) = (
        await verification_queue(session, cast.mentor, PageRequest(), clock, round_id=cast.round)
    ).items
    assert again.result_id == result_id
    # somebody takes it back: a later change does not bring it again
    await withdraw(session, cast.coordinator, again.id, version=again.version, reason="enough", clock=clock)
    await enter(session, cast.teacher, cast, clock, level="beginner", version=3)
    assert [state for state, _, _ in await of_result(session, result_id)] == ["ended", "withdrawn"]


async def test_a_removed_result_takes_its_re_tests_along_and_brings_them_back(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    agreed, _ = await retested(session, cast, clock, "subtraction")
    disputed, _ = await retested(session, cast, clock, "division", child=1)
    for result_id, state in ((agreed, "agreed"), (disputed, "disagreed")):
        await session.execute(QUERIES["remove_result"], {"id": result_id})
        assert await of_result(session, result_id) == [("ended", state, "removed")]
        await session.execute(QUERIES["restore_result"], {"id": result_id})
        assert await of_result(session, result_id) == [(state, None, None)]
    assert (await read_result(session, cast.coordinator, agreed)).is_verified
    version = (await read_result(session, cast.coordinator, disputed)).version
    await delete_result(
        session, cast.coordinator, disputed, version=version, reason="wrong child", clock=clock
    )
    assert (await of_result(session, disputed))[-1] == ("ended", "disagreed", "removed")


async def test_the_first_re_test_sent_again_by_a_phone_gets_its_old_answer_after_it_ended(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    made = await enter(session, cast.teacher, cast, clock)
    write = Retest(str(uuid4()), made.result_id or "", TODAY, level="division", tool=2)
    (once,) = await save_retests(session, cast.mentor, [write], clock)
    await return_to_teacher(
        session, cast.mentor, once.verification_id or "", version=1, reason="look", clock=clock
    )
    await enter(session, cast.teacher, cast, clock, level="beginner", version=1)
    (again,) = await save_retests(session, cast.mentor, [write], clock)
    assert (again.code, again.verification_id) == ("disagreed", once.verification_id)
    assert (await of_result(session, made.result_id or ""))[-1] == ("pending", None, None), (
        "it was not taken for the new one"
    )


# Freezing --------------------------------------------------------------------------------------------------------------


async def close(session: Session, cast: Cast, clock: StandingClock) -> None:
    await set_round_state(session, cast.coordinator, cast.round, version=1, state="closed", clock=clock)


async def freeze(session: Session, cast: Cast, clock: StandingClock, **more: Any) -> None:
    await set_round_state(
        session,
        cast.coordinator,
        cast.round,
        version=2,
        state="frozen",
        reason="printed",
        clock=clock,
        **more,
    )


async def seal(session: Session, cast: Cast, clock: StandingClock) -> None:
    last = await seal_some_schools(session, cast.round, after_id=0)
    assert not last or not await seal_some_schools(session, cast.round, after_id=last)
    await seal_round(session, cast.round, clock)


async def one_of_each(session: Session, cast: Cast, clock: StandingClock) -> dict[str, str]:
    """A result that waits, one in dispute, one returned, one agreed."""
    differ, _ = await retested(session, cast, clock, "division", child=1)
    returned, verification_id = await retested(session, cast, clock, "division", child=2)
    await return_to_teacher(
        session, cast.mentor, verification_id, version=1, reason="look again", clock=clock
    )
    agreed, _ = await retested(session, cast, clock, "subtraction", child=3)
    waiting = (await enter(session, cast.teacher, cast, clock)).result_id or ""
    await draw_sample(
        session, cast.coordinator, NewDraw(cast.round, "math", school_id=cast.school_a, seed=1), clock
    )
    return {"waiting": waiting, "differ": differ, "returned": returned, "agreed": agreed}


async def test_freezing_tells_how_many_re_tests_are_open_and_asks(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    results = await one_of_each(session, cast, clock)
    await close(session, cast, clock)
    told = await read_open_retests(session, cast.coordinator, cast.round)
    assert (told.waiting, told.differ, told.returned) == (1, 1, 1)
    with pytest.raises(RetestsOpen) as asked:
        async with session.savepoint():
            await freeze(session, cast, clock)
    assert asked.value.values == {"waiting": 1, "differ": 1, "returned": 1}
    await freeze(session, cast, clock, with_open_retests=True)
    assert await of_result(session, results["waiting"]) == [("ended", "pending", "frozen")]
    assert await of_result(session, results["differ"]) == [("disagreed", None, None)]
    assert await of_result(session, results["returned"]) == [("disagreed", None, None)]
    assert await of_result(session, results["agreed"]) == [("agreed", None, None)]


async def test_freezing_asks_nothing_where_nothing_is_open(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await retested(session, cast, clock, "subtraction")
    await close(session, cast, clock)
    assert not (await read_open_retests(session, cast.coordinator, cast.round)).are_any
    await freeze(session, cast, clock)


@pytest.mark.parametrize("stands", ["first", "second"])
async def test_a_dispute_in_a_frozen_round_is_decided_by_an_amendment(
    session: Session, cast: Cast, clock: StandingClock, stands: str
) -> None:
    result_id, disputed = await retested(session, cast, clock, "division")
    await close(session, cast, clock)
    await freeze(session, cast, clock, with_open_retests=True)
    await seal(session, cast, clock)
    with pytest.raises(RoundIsFrozen):
        await return_to_teacher(session, cast.coordinator, disputed, version=1, reason="x", clock=clock)
    await resolve(
        session, cast.coordinator, disputed, version=1, stands=stands, reason="seen both", clock=clock
    )
    result = await read_result(session, cast.coordinator, result_id)
    assert (result.level, result.is_verified) == (
        "division" if stands == "second" else "subtraction",
        True,
    )
    amended = (await list_amendments(session, cast.coordinator, cast.round, PageRequest())).items
    assert [each.reason for each in amended] == (["seen both"] if stands == "second" else [])
    assert (await check_snapshot(session, cast.round)).is_intact


# Queues -----------------------------------------------------------------------------------------------------------------

STATES = ("waiting", "disputed", "returned", "under_way", "settled", "over")


async def queued(session: Session, actor: Actor, cast: Cast, clock: StandingClock) -> dict[str, QueueRow]:
    """Everything in somebody's queues, by its id."""
    rows: dict[str, QueueRow] = {}
    for state in STATES:
        page = await verification_queue(
            session, actor, PageRequest(1000), clock, round_id=cast.round, state=state
        )
        rows |= {row.id: row for row in page.items}
    return rows


async def opened(
    session: Session, actor: Actor, verification_id: str, clock: StandingClock
) -> Verification | None:
    try:
        return await read_verification(session, actor, verification_id, clock)
    except NotFound:
        return None


async def test_every_row_of_every_queue_can_be_opened_and_every_one_that_can_be_opened_is_in_one(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    """Seen: a child that went to another school stayed in the old mentor's queue with name and code, and the new one's lacked it."""
    await session.execute(
        QUERIES["give"],
        {"person": cast.mentor_elsewhere.person_id, "school": cast.school_b, "subject": "math"},
    )
    results = await one_of_each(session, cast, clock)
    later = NewDraw(
        cast.round, "language", school_id=cast.school_a, seed=1, visible_on=TODAY + timedelta(days=1)
    )
    await enter(session, cast.teacher, cast, clock, child=4, subject="language", level="word")
    await draw_sample(session, cast.coordinator, later, clock)
    await session.execute(QUERIES["transfer"], {"school": cast.school_b, "id": cast.students_a[1]})
    await session.execute(QUERIES["remove_child"], {"id": cast.students_a[2]})
    everything = (await session.fetch_value(QUERIES["all_of_round"], {})).split()  # type: ignore[union-attr]
    assert len(everything) == 5
    for narrow in (False, True):
        if narrow:  # a mentor of one class of one subject
            await session.execute(QUERIES["end_language"], {"person": cast.mentor.person_id})
            await session.execute(
                QUERIES["class_only"], {"person": cast.mentor.person_id, "class": cast.class_3a}
            )
        readers = [
            await actor_now(session, name) for name in ("admin", "coordinator", "mentor", "mentor_elsewhere")
        ]
        for reader in readers:
            rows = await queued(session, reader, cast, clock)
            can = {
                each: found
                for each in everything
                if (found := await opened(session, reader, each, clock)) is not None
            }
            assert set(rows) == set(can), reader.username
    mentor = await queued(session, await actor_now(session, "mentor"), cast, clock)
    elsewhere = await queued(session, await actor_now(session, "mentor_elsewhere"), cast, clock)
    assert results["differ"] not in {row.result_id for row in mentor.values()}
    moved = next(row for row in elsewhere.values() if row.result_id == results["differ"])
    assert (moved.school_id, moved.school_name, moved.state) == (
        cast.school_b,
        "Beta School",
        "disagreed",
    ), "where the child is now"
    await session.execute(QUERIES["restore_child"], {"id": cast.students_a[2]})
    back = await queued(session, cast.coordinator, cast, clock)
    assert results["returned"] in {row.result_id for row in back.values()}


async def test_a_returned_result_is_in_its_teachers_list_only_while_the_child_is_theirs(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    _, verification_id = await retested(session, cast, clock, "division")
    await return_to_teacher(
        session, cast.mentor, verification_id, version=1, reason="look again", clock=clock
    )
    assert len((await list_returned(session, cast.teacher, PageRequest(), clock)).items) == 1
    await session.execute(QUERIES["class_only"], {"person": cast.teacher.person_id, "class": cast.class_3a})
    in_class = await actor_now(session, "teacher")
    assert len((await list_returned(session, in_class, PageRequest(), clock)).items) == 1
    await session.execute(QUERIES["to_class"], {"id": cast.students_a[0], "class": None})
    assert (await list_returned(session, in_class, PageRequest(), clock)).items == []
    await session.execute(QUERIES["transfer"], {"school": cast.school_b, "id": cast.students_a[0]})
    assert (
        await list_returned(session, await actor_now(session, "teacher"), PageRequest(), clock)
    ).items == []
    assert len((await list_returned(session, cast.coordinator, PageRequest(), clock)).items) == 1
