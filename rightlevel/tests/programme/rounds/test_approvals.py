"""Approving a school's results by steps: who may, in which order, what is locked, what a return undoes, and whom it waits for."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import msgspec
import pytest
from people import NOW, Cast

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import Conflict, Forbidden, Invalid, NotFound, OutOfScope, Stale
from rightlevel.programme.permissions import Actor
from rightlevel.programme.results import ResultWrite, enter_results
from rightlevel.programme.rounds import (
    LADDER,
    Round,
    SchoolApproval,
    Step,
    approve_school,
    list_approvals,
    list_round_schools,
    lock_school,
    read_approval,
    read_round,
    return_school,
    set_approval_steps,
    set_round_state,
    unlock_school,
)
from rightlevel.programme.rounds.actions import ApprovalHolds, RoundFrozen
from rightlevel.programme.rounds.approvals import (
    ApprovalUnderWay,
    ApprovedAlready,
    NoApproval,
    NothingToReturn,
    SamePerson,
)
from rightlevel.programme.today import tasks_of

pytestmark = pytest.mark.anyio
CLOCK = StandingClock(NOW)
ALL = PageRequest(100)
QUERIES = read_queries(
    """
-- name: end
-- Ends what somebody is assigned.
update assignment set ended_at = now() where person_id = %(person)s
-- name: close_school
-- Closes a school, as merging it with another does.
update school set status = 'closed' where id = %(school)s
-- name: audited
-- What was done of approvals.
select string_agg(action || ':' || coalesce(reason, ''), ' ' order by id) from audit_entry where resource = 'approval'
""",
    origin="test_approvals.py",
)


class Ladder:
    """A round that asks for approval, and its cast."""

    def __init__(self, session: Session, cast: Cast) -> None:
        self.session = session
        self.cast = cast
        self.school = cast.school_a

    async def steps(self, *steps: Step, actor: Actor | None = None) -> Round:
        now = await read_round(self.session, self.cast.admin, self.cast.round)
        who = actor or self.cast.coordinator
        return await set_approval_steps(
            self.session, who, self.cast.round, version=now.version, steps=list(steps)
        )

    async def version(self) -> int:
        found = await list_approvals(self.session, self.cast.admin, self.cast.round, ALL)
        return next(each.version for each in found.items if each.school_id == self.school)

    async def approve(self, actor: Actor, version: int | None = None, words: str = "") -> SchoolApproval:
        seen = await self.version() if version is None else version
        return await approve_school(
            self.session, actor, self.cast.round, self.school, version=seen, clock=CLOCK, words=words
        )

    async def back(self, actor: Actor, reason: str = "look again") -> SchoolApproval:
        return await return_school(
            self.session,
            actor,
            self.cast.round,
            self.school,
            version=await self.version(),
            reason=reason,
            clock=CLOCK,
        )

    async def enter(self, actor: Actor, **more: Any) -> str:
        write = ResultWrite(
            str(uuid4()),
            self.cast.students_a[0],
            self.cast.round,
            "language",
            NOW.date(),
            outcome="absent",
            **more,
        )
        [answer] = await enter_results(self.session, actor, [write], CLOCK)
        return answer.code

    async def lock(self) -> str | None:
        found = await list_round_schools(self.session, self.cast.admin, self.cast.round, ALL)
        return next((each.lock_reason for each in found.items if each.school_id == self.school), None)


@pytest.fixture
async def ladder(session: Session, cast: Cast) -> Ladder:
    return Ladder(session, cast)


async def test_without_steps_nobody_approves_and_nothing_is_other_than_before(ladder: Ladder) -> None:
    cast = ladder.cast
    for actor in (cast.teacher, cast.coordinator):
        with pytest.raises(NoApproval):
            await ladder.approve(actor, version=0)
        with pytest.raises(NoApproval):
            await read_approval(ladder.session, actor, cast.round, ladder.school, CLOCK)
    assert (await list_approvals(ladder.session, cast.admin, cast.round, ALL)).items == []
    assert await ladder.enter(cast.teacher) == "saved"


async def test_school_district_and_programme_approve_in_their_order(ladder: Ladder) -> None:
    cast = ladder.cast
    assert (await ladder.steps(*LADDER)).approval_steps == list(LADDER)
    with pytest.raises(Forbidden):
        await ladder.steps(actor=cast.mentor)
    for actor, error in (
        (cast.teacher_elsewhere, OutOfScope),
        (cast.mentor_elsewhere, OutOfScope),
        (cast.stranger, OutOfScope),
        (cast.viewer, Forbidden),
    ):
        with pytest.raises(error):
            await ladder.approve(actor, version=0)
    assert (await ladder.approve(cast.teacher, words="All were there.")).state == "district"
    with pytest.raises(Forbidden):
        await ladder.approve(cast.teacher)
    assert (await ladder.approve(cast.mentor)).state == "programme"
    with pytest.raises(Forbidden):
        await ladder.approve(cast.mentor)
    assert (await ladder.approve(cast.coordinator)).state == "approved"
    with pytest.raises(ApprovedAlready):
        await ladder.approve(cast.admin)
    found = await read_approval(ladder.session, cast.teacher, cast.round, ladder.school, CLOCK)
    told = [(each.step, each.deed, each.person_name, each.words) for each in found.history]
    assert told == [
        ("programme", "approved", "Coordinator", ""),
        ("district", "approved", "Mentor", ""),
        ("school", "approved", "Teacher", "All were there."),
    ]
    assert (
        await ladder.session.fetch_value(QUERIES["audited"], {})
        == "approve:All were there. approve: approve:"
    )


async def test_what_is_approved_is_locked_by_the_lock_that_the_write_guard_knows(ladder: Ladder) -> None:
    cast = ladder.cast
    await ladder.steps("school", "programme")
    await ladder.approve(cast.teacher)
    assert await ladder.enter(cast.teacher) == "school_locked"
    assert await ladder.enter(cast.mentor) == "school_locked"
    with pytest.raises(ApprovalHolds):
        await unlock_school(ladder.session, cast.admin, cast.round, ladder.school, reason="by the back door")
    assert await ladder.enter(cast.coordinator, reason="a slip of the pen") == "saved", (
        "an override is one still"
    )
    returned = await ladder.back(cast.coordinator, "two children are missing")
    assert (returned.state, returned.holds_lock) == ("school", False)
    assert await ladder.lock() is None
    with pytest.raises(NothingToReturn):
        await ladder.back(cast.coordinator)
    assert (await ladder.approve(cast.teacher)).state == "programme"


async def test_a_lock_that_was_set_by_hand_stays_when_results_are_returned(ladder: Ladder) -> None:
    cast = ladder.cast
    await ladder.steps("school")
    await lock_school(
        ladder.session, cast.coordinator, cast.round, ladder.school, reason="before", clock=CLOCK
    )
    await ladder.approve(cast.teacher)
    await ladder.back(cast.coordinator)
    assert await ladder.lock() == "before"
    await unlock_school(ladder.session, cast.coordinator, cast.round, ladder.school, reason="over")
    await ladder.approve(cast.teacher)
    later = StandingClock(NOW)
    later.advance(60)
    await lock_school(
        ladder.session, cast.coordinator, cast.round, ladder.school, reason="since", clock=later
    )
    await ladder.back(cast.coordinator)
    assert await ladder.lock() == "since"


async def test_what_was_begun_at_a_school_that_closed_since_is_ended_or_returned_and_none_is_begun(
    ladder: Ladder,
) -> None:
    cast = ladder.cast
    await ladder.steps(*LADDER)
    await ladder.approve(cast.teacher)
    await ladder.session.execute(QUERIES["close_school"], {"school": ladder.school})
    found = await read_approval(ladder.session, cast.coordinator, cast.round, ladder.school, CLOCK)
    assert (found.may_approve, found.may_return) == (True, True)
    assert (await ladder.approve(cast.coordinator)).state == "programme"
    assert (await ladder.back(cast.admin)).state == "school"
    assert await ladder.lock() is None, "the lock that approving set goes with it, though the school closed"
    await ladder.session.execute(QUERIES["close_school"], {"school": cast.school_b})
    with pytest.raises(NotFound):
        await approve_school(
            ladder.session, cast.admin, cast.round, cast.school_b, version=0, clock=CLOCK, words=""
        )


async def test_nobody_approves_two_steps_after_one_another(ladder: Ladder) -> None:
    cast = ladder.cast
    await ladder.steps(*LADDER)
    await ladder.approve(cast.mentor)
    with pytest.raises(SamePerson):
        await ladder.approve(cast.mentor)
    await ladder.approve(cast.coordinator)
    with pytest.raises(SamePerson):
        await ladder.approve(cast.coordinator)
    assert (await ladder.approve(cast.admin)).state == "approved"


async def test_whose_assignment_ended_does_no_step_and_is_waited_for_no_more(ladder: Ladder) -> None:
    cast = ladder.cast
    await ladder.steps(*LADDER)
    await ladder.approve(cast.teacher)
    found = await read_approval(ladder.session, cast.coordinator, cast.round, ladder.school, CLOCK)
    assert found.waits_for == ["Mentor"]
    await ladder.session.execute(QUERIES["end"], {"person": cast.mentor.person_id})
    after = msgspec.structs.replace(cast.mentor, scope=msgspec.structs.replace(cast.mentor.scope, held=()))
    with pytest.raises(OutOfScope):
        await ladder.approve(after)
    found = await read_approval(ladder.session, cast.coordinator, cast.round, ladder.school, CLOCK)
    assert found.waits_for == []
    assert (await ladder.approve(cast.coordinator)).state == "programme", "who leads stands in"


async def test_whoever_holds_only_a_class_hands_in_no_school(ladder: Ladder) -> None:
    cast = ladder.cast
    await ladder.steps("school")
    held = tuple(msgspec.structs.replace(each, class_id=cast.class_3a) for each in cast.teacher.scope.held)
    of_class = msgspec.structs.replace(
        cast.teacher, scope=msgspec.structs.replace(cast.teacher.scope, held=held)
    )
    with pytest.raises(Forbidden):
        await ladder.approve(of_class)


async def test_a_second_tab_is_told_that_it_is_old(ladder: Ladder) -> None:
    cast = ladder.cast
    await ladder.steps("school", "district")
    seen = await ladder.version()
    assert seen == 0
    await ladder.approve(cast.teacher, seen)
    with pytest.raises(Stale):
        await ladder.approve(cast.mentor, seen)
    await ladder.back(cast.mentor)
    with pytest.raises(Stale):
        await ladder.approve(cast.teacher, seen)


async def test_only_who_may_do_the_step_returns_and_says_why(ladder: Ladder) -> None:
    cast = ladder.cast
    await ladder.steps("school", "district")
    await ladder.approve(cast.teacher)
    with pytest.raises(Forbidden):
        await ladder.back(cast.teacher)
    with pytest.raises(Invalid):
        await ladder.back(cast.mentor, "  ")
    await ladder.approve(cast.mentor)
    with pytest.raises(Forbidden):
        await ladder.back(cast.mentor)
    await ladder.back(cast.coordinator)


async def test_a_planned_round_waits_a_closed_one_goes_on_and_a_frozen_one_stays(ladder: Ladder) -> None:
    cast = ladder.cast
    round_ = await ladder.steps("school", "programme")
    closed = await set_round_state(
        ladder.session, cast.admin, cast.round, version=round_.version, state="closed", clock=CLOCK
    )
    await ladder.approve(cast.teacher)
    await set_round_state(
        ladder.session,
        cast.admin,
        cast.round,
        version=closed.version,
        state="frozen",
        clock=CLOCK,
        reason="printed",
    )
    with pytest.raises(RoundFrozen):
        await ladder.approve(cast.coordinator)
    with pytest.raises(RoundFrozen):
        await ladder.back(cast.coordinator)


async def test_steps_change_only_while_nothing_is_approved_and_turning_them_off_keeps_locks(
    ladder: Ladder,
) -> None:
    cast = ladder.cast
    await ladder.steps("school", "programme")
    await ladder.approve(cast.teacher)
    with pytest.raises(ApprovalUnderWay):
        await ladder.steps("school")
    await ladder.steps()
    assert await ladder.enter(cast.teacher) == "school_locked"
    await unlock_school(ladder.session, cast.admin, cast.round, ladder.school, reason="no approval any more")
    assert await ladder.enter(cast.teacher) == "saved"
    await ladder.steps("district")
    assert await ladder.version() == 0
    with pytest.raises(Invalid):
        await ladder.steps("school", "school")


async def test_homes_show_what_waits_for_whom(ladder: Ladder) -> None:
    cast = ladder.cast

    async def kinds(actor: Actor) -> set[str]:
        found = await tasks_of(ladder.session, actor, CLOCK)
        return {each.kind for each in found.now} & {"hand_in", "approve"}

    await ladder.steps(*LADDER)
    assert await kinds(cast.teacher) == set(), "children are to be tested first"
    for student_id in cast.students_a:
        for subject in ("language", "math"):
            write = ResultWrite(str(uuid4()), student_id, cast.round, subject, NOW.date(), outcome="absent")
            await enter_results(ladder.session, cast.coordinator, [write], CLOCK)
    assert await kinds(cast.teacher) == {"hand_in"}
    await ladder.approve(cast.teacher)
    assert (await kinds(cast.teacher), await kinds(cast.mentor)) == (set(), {"approve"})
    await ladder.approve(cast.mentor)
    assert (await kinds(cast.mentor), await kinds(cast.coordinator)) == (set(), {"approve"})
    await ladder.approve(cast.coordinator)
    assert await kinds(cast.coordinator) == set()


async def test_a_list_holds_the_schools_within_reach_by_what_they_wait_for(ladder: Ladder) -> None:
    cast = ladder.cast
    await ladder.steps("school", "district")
    await ladder.approve(cast.teacher)

    async def listed(actor: Actor, state: str | None = None) -> list[tuple[int, str]]:
        found = await list_approvals(ladder.session, actor, cast.round, ALL, state=state)
        return [(each.school_id, each.state) for each in found.items]

    assert await listed(cast.teacher) == [(cast.school_a, "district")]
    assert (cast.school_b, "school") in await listed(cast.coordinator)
    assert await listed(cast.coordinator, "district") == [(cast.school_a, "district")]
    with pytest.raises(Invalid):
        await listed(cast.coordinator, "approve")
    with pytest.raises(NotFound):
        await list_approvals(ladder.session, cast.coordinator, 10**9, ALL)


def test_every_refusal_is_a_conflict_with_a_code_of_its_own() -> None:
    kinds = (NoApproval, ApprovalUnderWay, ApprovedAlready, NothingToReturn, SamePerson, ApprovalHolds)
    assert len({each.code for each in kinds}) == len(kinds)
    assert all(issubclass(each, Conflict) for each in kinds)
