"""Interventions: leaders keep the programmes, leaders and teachers enrol within their scope, history is kept."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from people import NOW, Cast

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.transaction import Session
from rightlevel.programme.errors import Forbidden, Invalid, NotFound, OutOfScope, Stale
from rightlevel.programme.interventions import (
    EnrolmentChange,
    EnrolmentWrite,
    Intervention,
    InterventionWrite,
    change_enrolment,
    change_intervention,
    create_intervention,
    delete_intervention,
    enrol_children,
    list_enrolment_changes,
    list_enrolments,
    list_interventions,
    read_enrolment,
    read_intervention,
    restore_intervention,
)
from rightlevel.programme.interventions.actions import EnrolledAlready, TooManyInterventions

pytestmark = pytest.mark.anyio
TODAY = NOW.date()
CAMP = InterventionWrite(
    "Reading camp", TODAY - timedelta(days=30), TODAY + timedelta(days=30), subject="language"
)


async def camp(session: Session, cast: Cast, clock: StandingClock) -> Intervention:
    return await create_intervention(session, cast.coordinator, CAMP, clock)


def child(student_id: str, days_ago: int = 5) -> EnrolmentWrite:
    return EnrolmentWrite(str(uuid4()), student_id, TODAY - timedelta(days=days_ago))


async def test_only_leaders_keep_programmes(session: Session, cast: Cast, clock: StandingClock) -> None:
    made = await camp(session, cast, clock)
    for actor in (cast.mentor, cast.teacher, cast.viewer):
        with pytest.raises(Forbidden):
            await create_intervention(session, actor, CAMP, clock)
    assert [each.id for each in (await list_interventions(session, cast.teacher, PageRequest(50))).items] == [
        made.id
    ]
    with pytest.raises(Forbidden):
        await list_interventions(session, cast.viewer, PageRequest(50))
    await delete_intervention(session, cast.coordinator, made.id, reason="over", clock=clock)
    with pytest.raises(Forbidden):
        await read_intervention(session, cast.teacher, made.id)
    assert not (await restore_intervention(session, cast.coordinator, made.id)).is_deleted


async def test_a_programme_that_can_not_be_right_is_refused_and_their_number_bounded(
    session: Session, cast: Cast, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for wrong in (
        InterventionWrite("", TODAY),
        InterventionWrite("x", TODAY, TODAY - timedelta(days=1)),
        InterventionWrite("x", TODAY, subject="art"),
    ):
        with pytest.raises(Invalid):
            await create_intervention(session, cast.coordinator, wrong, clock)
    monkeypatch.setattr("rightlevel.programme.interventions.actions.MAX_INTERVENTIONS", 1)
    await camp(session, cast, clock)
    with pytest.raises(TooManyInterventions):
        await camp(session, cast, clock)


async def test_a_stale_change_of_a_programme_shows_both(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    made = await camp(session, cast, clock)
    await change_intervention(
        session, cast.admin, made.id, InterventionWrite("Camp", TODAY, version=1), clock
    )
    with pytest.raises(Stale):
        await change_intervention(
            session, cast.coordinator, made.id, InterventionWrite("Other", TODAY, version=1), clock
        )


async def test_each_enrolment_is_answered_by_itself_and_repeating_gives_one_row(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    made = await camp(session, cast, clock)
    writes = [child(cast.students_a[0]), child(cast.students_a[1], days_ago=90), child(cast.students_b[0])]
    for _ in range(2):
        answers = await enrol_children(session, cast.teacher, made.id, writes, clock)
        assert [each.code for each in answers] == ["saved", "invalid", "not_found"]
    (again,) = await enrol_children(session, cast.teacher, made.id, [child(cast.students_a[0])], clock)
    assert again.code == "enrolled_already"
    assert (
        len((await list_enrolments(session, cast.teacher, PageRequest(50), intervention_id=made.id)).items)
        == 1
    )
    with pytest.raises(Forbidden):
        await enrol_children(session, cast.mentor, made.id, [child(cast.students_a[2])], clock)


async def test_a_child_is_enrolled_only_in_ones_own_subject_and_seen_only_in_ones_own_school(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    math = await create_intervention(
        session,
        cast.coordinator,
        InterventionWrite("Number camp", TODAY - timedelta(days=9), subject="math"),
        clock,
    )
    (answer,) = await enrol_children(
        session, cast.teacher_elsewhere, math.id, [child(cast.students_b[0])], clock
    )
    assert answer.code == "out_of_scope"
    write = child(cast.students_b[0])
    await enrol_children(session, cast.coordinator, math.id, [write], clock)
    for actor in (cast.teacher, cast.mentor, cast.teacher_elsewhere):
        assert not (await list_enrolments(session, actor, PageRequest(50), intervention_id=math.id)).items
        with pytest.raises(NotFound):
            await read_enrolment(session, actor, write.id)
    with pytest.raises(OutOfScope):
        await list_enrolments(session, cast.teacher, PageRequest(50), school_id=cast.school_b)


async def test_an_enrolment_ends_with_a_day_and_an_outcome_and_keeps_its_history(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    made, write = await camp(session, cast, clock), child(cast.students_a[0])
    await enrol_children(session, cast.teacher, made.id, [write], clock)
    for wrong in (
        EnrolmentChange(1, write.from_on, to_on=TODAY),
        EnrolmentChange(1, write.from_on, outcome="completed"),
        EnrolmentChange(1, write.from_on, TODAY, "vanished"),
        EnrolmentChange(1, write.from_on, TODAY + timedelta(days=1), "completed"),
        EnrolmentChange(1, write.from_on, write.from_on - timedelta(days=1), "completed"),
        EnrolmentChange(1, TODAY - timedelta(days=90)),
    ):
        with pytest.raises(Invalid):
            await change_enrolment(session, cast.teacher, write.id, wrong, clock)
    ended = await change_enrolment(
        session, cast.teacher, write.id, EnrolmentChange(1, write.from_on, TODAY, "improved"), clock
    )
    assert (ended.outcome, ended.version) == ("improved", 2)
    with pytest.raises(Stale):
        await change_enrolment(session, cast.teacher, write.id, EnrolmentChange(1, write.from_on), clock)
    (past,) = (await list_enrolment_changes(session, cast.mentor, write.id, PageRequest(50))).items
    assert (past.before["outcome"], past.after["outcome"], past.person_name) == (None, "improved", "Teacher")
    (answer,) = await enrol_children(session, cast.teacher, made.id, [child(cast.students_a[0])], clock)
    assert answer.code == "saved", "an ended enrolment lets a child come back"
    with pytest.raises(EnrolledAlready):
        await change_enrolment(session, cast.teacher, write.id, EnrolmentChange(2, write.from_on), clock)
