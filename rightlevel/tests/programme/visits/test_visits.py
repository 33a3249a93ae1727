"""Visits: drafts, sending, correcting, who may, locks, and taking away."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from people import Cast
from visiting import a_visit, sent_visit

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.transaction import Session
from rightlevel.programme.errors import Forbidden, Invalid, NotFound, OutOfScope, Stale
from rightlevel.programme.visits import (
    VisitSearch,
    VisitWrite,
    as_written,
    delete_visit,
    list_visits,
    lock_visits,
    lock_visits_of_school,
    read_visit,
    save_visit,
    visits_per_school_month,
)
from rightlevel.programme.visits.actions import NotEverythingAnswered, NotTheirVisit, VisitLocked

pytestmark = pytest.mark.anyio
PAGE = PageRequest(50)


async def test_a_draft_is_saved_however_unfinished_and_sent_only_when_whole(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    draft = await save_visit(session, cast.mentor, a_visit(cast, answers={}), clock)
    assert (draft.visit.state, draft.visit.version, bool(draft.missing)) == ("draft", 1, True)
    write = as_written(draft.visit, write_id=str(uuid4()))
    with pytest.raises(NotEverythingAnswered) as open_:
        await save_visit(session, cast.mentor, write, clock, is_submitting=True)
    assert {fault.field for fault in open_.value.faults} == set(draft.missing)
    whole = a_visit(cast).answers
    sent = await save_visit(
        session, cast.mentor, msgspec.structs.replace(write, answers=whole), clock, is_submitting=True
    )
    assert (sent.visit.state, sent.visit.version, sent.missing) == ("submitted", 2, [])


async def test_the_same_write_gets_the_same_answer_and_one_row(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    write = a_visit(cast)
    first = await save_visit(session, cast.mentor, write, clock)
    assert await save_visit(session, cast.mentor, write, clock) == first
    later = as_written(first.visit, write_id=str(uuid4()))
    second = await save_visit(session, cast.mentor, later, clock)
    assert await save_visit(session, cast.mentor, later, clock) == second
    assert second.visit.version == 2


async def test_a_stale_write_is_refused_with_what_stands_there(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    first = await save_visit(session, cast.mentor, a_visit(cast), clock)
    await save_visit(session, cast.mentor, as_written(first.visit, write_id=str(uuid4())), clock)
    with pytest.raises(Stale) as stale:
        await save_visit(session, cast.mentor, as_written(first.visit, write_id=str(uuid4())), clock)
    assert stale.value.values["current"]["version"] == 2


async def test_what_got_no_answer_is_gone_on_from_and_nobody_elses_write_is_overwritten(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    first = (await save_visit(session, cast.mentor, a_visit(cast), clock)).visit
    lost = as_written(first, write_id=str(uuid4()))
    await save_visit(session, cast.mentor, lost, clock)
    # A try that never arrived stands before the one that did; both were made on version 1.
    on = as_written(
        first,
        write_id=str(uuid4()),
        after=(str(uuid4()), lost.write_id.upper()),
        visited_on=date(2026, 11, 18),
    )
    gone_on = (await save_visit(session, cast.mentor, on, clock)).visit
    assert (gone_on.version, gone_on.visited_on) == (3, date(2026, 11, 18))
    assert (await save_visit(session, cast.mentor, on, clock)).visit == gone_on
    with pytest.raises(Stale):  # the lost one comes late, by a slow way
        await save_visit(
            session, cast.mentor, as_written(first, write_id=str(uuid4()), after=(lost.write_id,)), clock
        )


async def test_a_visit_that_was_sent_stays_whole_and_keeps_what_it_was(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    sent = await sent_visit(session, cast, clock)
    with pytest.raises(NotEverythingAnswered):
        await save_visit(
            session, cast.mentor, as_written(sent.visit, write_id=str(uuid4()), answers={}), clock
        )
    again = as_written(sent.visit, write_id=str(uuid4()), visited_on=date(2026, 11, 19))
    changed = await save_visit(session, cast.mentor, again, clock)
    assert (changed.visit.state, changed.visit.visited_on) == ("submitted", date(2026, 11, 19))


async def test_mentors_visit_their_schools_and_subjects_leaders_any_teachers_and_viewers_none(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    for actor, school, refusal in (
        (cast.mentor, cast.school_b, OutOfScope),
        (cast.mentor_elsewhere, cast.school_a, OutOfScope),
        (cast.teacher, cast.school_a, Forbidden),
        (cast.viewer, cast.school_a, Forbidden),
    ):
        with pytest.raises(refusal):
            await save_visit(session, actor, a_visit(cast, school_id=school), clock)
    with pytest.raises(OutOfScope):  # holds language only
        await save_visit(session, cast.mentor_elsewhere, a_visit(cast, school_id=cast.school_b), clock)
    for actor in (cast.coordinator, cast.admin):
        assert (
            await save_visit(session, actor, a_visit(cast, school_id=cast.school_b), clock)
        ).visit.version == 1


async def test_a_teacher_reads_the_sent_visits_of_their_own_lessons_and_no_others(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    own = await sent_visit(session, cast, clock, teacher_id=cast.teacher.person_id)
    others = await sent_visit(session, cast, clock)
    draft = await save_visit(session, cast.mentor, a_visit(cast, teacher_id=cast.teacher.person_id), clock)
    assert (await read_visit(session, cast.teacher, own.visit.id)).teacher_id == cast.teacher.person_id
    for hidden in (others, draft):
        with pytest.raises(NotFound):
            await read_visit(session, cast.teacher, hidden.visit.id)
    listed = await list_visits(session, cast.teacher, PAGE, clock, VisitSearch())
    assert [row.id for row in listed.items] == [own.visit.id]
    with pytest.raises(Forbidden):
        await read_visit(session, cast.viewer, own.visit.id)


async def test_a_draft_is_seen_by_its_mentor_and_by_leaders_only(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    draft = await save_visit(session, cast.coordinator, a_visit(cast), clock)
    with pytest.raises(NotFound):
        await read_visit(session, cast.mentor, draft.visit.id)
    assert (await read_visit(session, cast.admin, draft.visit.id)).state == "draft"


async def test_only_who_made_a_visit_changes_it(session: Session, cast: Cast, clock: StandingClock) -> None:
    sent = await sent_visit(session, cast, clock)
    with pytest.raises(NotTheirVisit):
        await save_visit(session, cast.coordinator, as_written(sent.visit, write_id=str(uuid4())), clock)
    with pytest.raises(NotFound):
        await save_visit(session, cast.mentor_elsewhere, as_written(sent.visit, write_id=str(uuid4())), clock)


async def test_a_lock_holds_against_every_write_until_it_is_taken_off_with_a_reason(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    sent = await sent_visit(session, cast, clock)
    with pytest.raises(Forbidden):
        await lock_visits(session, cast.mentor, [sent.visit.id], reason="why", clock=clock)
    with pytest.raises(Invalid):
        await lock_visits(session, cast.coordinator, [sent.visit.id], reason=" ", clock=clock)
    nobody = str(uuid4())
    done = await lock_visits(session, cast.coordinator, [sent.visit.id, nobody], reason="paid", clock=clock)
    assert [each.code for each in done] == ["locked", "not_found"]
    locked = await read_visit(session, cast.mentor, sent.visit.id)
    assert (locked.is_locked, locked.lock_reason) == (True, "paid")
    with pytest.raises(VisitLocked):
        await save_visit(session, cast.mentor, as_written(locked, write_id=str(uuid4())), clock)
    with pytest.raises(VisitLocked):
        await delete_visit(
            session, cast.coordinator, locked.id, version=locked.version, reason="wrong", clock=clock
        )
    off = await lock_visits(
        session, cast.coordinator, [locked.id], reason="correct it", clock=clock, is_lock=False
    )
    assert off[0].code == "unlocked"
    free = await read_visit(session, cast.mentor, locked.id)
    assert (
        await save_visit(session, cast.mentor, as_written(free, write_id=str(uuid4())), clock)
    ).visit.version == 4


async def test_a_school_is_locked_for_a_time_drafts_not(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await sent_visit(session, cast, clock, visited_on=date(2026, 11, 2))
    await sent_visit(session, cast, clock, visited_on=date(2026, 10, 2))
    await save_visit(session, cast.mentor, a_visit(cast), clock)
    days: dict[str, Any] = {"from_on": date(2026, 11, 1), "to_on": date(2026, 11, 30)}
    locked = await lock_visits_of_school(
        session, cast.coordinator, school_id=cast.school_a, reason="month closed", clock=clock, **days
    )
    assert locked == 1


async def test_a_mentor_deletes_own_unsent_drafts_and_leaders_any_with_a_reason(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    draft = (await save_visit(session, cast.mentor, a_visit(cast), clock)).visit
    await delete_visit(session, cast.mentor, draft.id, version=1, reason="", clock=clock)
    with pytest.raises(NotFound):
        await read_visit(session, cast.admin, draft.id)
    sent = (await sent_visit(session, cast, clock)).visit
    with pytest.raises(Forbidden):
        await delete_visit(session, cast.mentor, sent.id, version=1, reason="wrong", clock=clock)
    with pytest.raises(Invalid):
        await delete_visit(session, cast.coordinator, sent.id, version=1, reason="", clock=clock)
    with pytest.raises(Stale):
        await delete_visit(session, cast.coordinator, sent.id, version=7, reason="twice", clock=clock)
    await delete_visit(session, cast.coordinator, sent.id, version=1, reason="twice", clock=clock)
    # The id of a visit that was taken away is not used again.
    with pytest.raises(NotFound):
        await save_visit(session, cast.mentor, a_visit(cast, id=sent.id), clock)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"visited_on": date(2026, 11, 24)}, "visited_on"),
        ({"subject": "music"}, "subject"),
        ({"id": "x"}, "id"),
        ({"answers": {"feedback": "x" * 70_000}}, "answers"),
        ({"after": ("x",)}, "after"),
        ({"after": tuple(str(uuid4()) for _ in range(21))}, "after"),
    ],
)
async def test_what_cannot_be_right_is_refused_by_field(
    session: Session, cast: Cast, clock: StandingClock, more: dict[str, object], field: str
) -> None:
    with pytest.raises(Invalid) as invalid:
        await save_visit(session, cast.mentor, a_visit(cast, **more), clock)
    assert field in {fault.field for fault in invalid.value.faults}


async def test_the_teacher_of_a_visit_works_at_its_school(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    for who in (cast.teacher_elsewhere, cast.mentor, cast.stranger):
        with pytest.raises(Invalid):
            await save_visit(session, cast.mentor, a_visit(cast, teacher_id=who.person_id), clock)


async def test_a_visit_stays_at_its_school(session: Session, cast: Cast, clock: StandingClock) -> None:
    draft = (await save_visit(session, cast.coordinator, a_visit(cast), clock)).visit
    moved: VisitWrite = as_written(draft, write_id=str(uuid4()), school_id=cast.school_b)
    with pytest.raises(Invalid):
        await save_visit(session, cast.coordinator, moved, clock)


async def test_lists_show_what_is_in_scope_and_what_is_incomplete(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await sent_visit(session, cast, clock)
    await sent_visit(session, cast, clock, actor=cast.coordinator, school_id=cast.school_b)
    old = await save_visit(session, cast.mentor, a_visit(cast, visited_on=date(2026, 11, 18)), clock)
    await save_visit(session, cast.mentor, a_visit(cast, visited_on=date(2026, 11, 23)), clock)
    seen = await list_visits(session, cast.mentor, PAGE, clock, VisitSearch())
    assert {row.school_id for row in seen.items} == {cast.school_a}
    late = await list_visits(session, cast.mentor, PAGE, clock, VisitSearch(incomplete=True))
    assert [row.id for row in late.items] == [old.visit.id]
    assert len((await list_visits(session, cast.admin, PAGE, clock, VisitSearch())).items) == 4


async def test_visits_per_school_month_leave_practice_schools_out(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    days: dict[str, Any] = {"from_on": date(2026, 11, 1), "to_on": date(2026, 11, 30)}
    await sent_visit(session, cast, clock)
    before = await visits_per_school_month(session, cast.viewer, **days)
    await sent_visit(session, cast, clock, actor=cast.coordinator, school_id=cast.practice_school)
    await save_visit(session, cast.mentor, a_visit(cast), clock)
    assert await visits_per_school_month(session, cast.viewer, **days) == before
    assert [(each.visits, each.visited, each.schools, each.per_school) for each in before] == [(1, 1, 2, 0.5)]
    with pytest.raises(Invalid):
        await visits_per_school_month(session, cast.viewer, from_on=date(2020, 1, 1), to_on=date(2026, 1, 1))
