"""What a phone takes along: its owner's own schools and subjects, as much as there is room for, and no level that must not be known."""

from __future__ import annotations

from uuid import uuid4

import msgspec
import pytest
from people import NOW, Cast

from flatwater.clock import StandingClock
from flatwater.transaction import Session
from rightlevel.programme.errors import Forbidden, Invalid
from rightlevel.programme.exercises import RequirementChange, change_requirement
from rightlevel.programme.groups import NewGrouping, accept_groups, propose_groups
from rightlevel.programme.packs import MOST_SCHOOLS, PackDeeds, actions, read_pack
from rightlevel.programme.permissions import Actor
from rightlevel.programme.results import ResultWrite, enter_results
from rightlevel.programme.verification import NewDraw, draw_sample
from rightlevel.programme.visits import VisitWrite, save_visit

pytestmark = pytest.mark.anyio
TODAY = NOW.date()


async def with_result(session: Session, cast: Cast, who: Actor, child: int, subject: str, level: str) -> None:
    write = ResultWrite(str(uuid4()), cast.students_a[child], cast.round, subject, TODAY, level=level)
    (answer,) = await enter_results(session, who, [write], StandingClock(NOW))
    assert answer.code == "saved"


async def test_a_pack_holds_its_owners_schools_and_subjects_and_nothing_else(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await with_result(session, cast, cast.teacher, 0, "language", "word")
    pack = await read_pack(session, cast.teacher, clock)
    assert [each.id for each in pack.schools] == [cast.school_a]
    assert {each.id for each in pack.children} == set(cast.students_a)
    first = next(each for each in pack.children if each.id == cast.students_a[0])
    assert first.subjects == ["language", "math"]
    assert {subject: (each.level, each.version) for subject, each in first.results.items()} == {
        "language": ("word", 1)
    }
    assert {(each.class_id, each.subject) for each in pack.schools[0].classes} == {
        (class_id, subject) for class_id in (cast.class_3a, None) for subject in ("language", "math")
    }
    elsewhere = await read_pack(session, cast.teacher_elsewhere, clock)
    assert {each.id for each in elsewhere.children} == set(cast.students_b)
    assert {tuple(each.subjects) for each in elsewhere.children} == {("language",)}
    nobodys = await read_pack(session, cast.stranger, clock)
    assert (nobodys.schools, nobodys.children, nobodys.groups) == ([], [], [])
    with pytest.raises(Forbidden):
        await read_pack(session, cast.viewer, clock)


async def test_schools_that_are_not_ones_own_come_along_for_no_asking(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    pack = await read_pack(session, cast.teacher, clock, [cast.school_b])
    assert (pack.schools, pack.children) == ([], [])
    with pytest.raises(Invalid):
        await read_pack(session, cast.teacher, clock, list(range(1, MOST_SCHOOLS + 2)))


async def test_a_level_that_is_to_be_tested_again_is_hidden_in_a_mentors_pack(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await with_result(session, cast, cast.teacher, 0, "math", "division")
    await draw_sample(
        session, cast.coordinator, NewDraw(cast.round, "math", school_id=cast.school_a, seed=1), clock
    )
    for who, level, is_blind in ((cast.mentor, None, True), (cast.teacher, "division", False)):
        pack = await read_pack(session, who, clock)
        result = next(each for each in pack.children if each.id == cast.students_a[0]).results["math"]
        assert (result.level, result.is_blind) == (level, is_blind)


async def test_a_pack_is_bounded_and_says_what_is_left_out(
    session: Session, cast: Cast, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "MOST_CHILDREN", 6)
    pack = await read_pack(session, cast.coordinator, clock)
    assert [each.name for each in pack.schools] == ["Alpha School", "Practice School"]
    assert pack.left_out == ["Beta School"]
    assert len(pack.children) == len(cast.students_a)
    assert pack.is_cut is False
    monkeypatch.setattr(actions, "MOST_CHILDREN", 3)
    pack = await read_pack(session, cast.teacher, clock)
    assert (len(pack.children), pack.is_cut) == (3, True)


async def grouped(session: Session, cast: Cast, clock: StandingClock) -> None:
    """Two children of the teacher's group, of whom one reads words."""
    await with_result(session, cast, cast.teacher, 0, "language", "beginner")
    wish = NewGrouping(cast.school_a, "language", 3, 5, teacher_ids=[cast.teacher.person_id])
    proposal = await propose_groups(session, cast.teacher, wish, clock)
    await accept_groups(session, cast.teacher, proposal.id, proposal.version, clock)


async def test_a_pack_holds_the_groups_of_its_owners_schools(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await grouped(session, cast, clock)
    (group,) = (await read_pack(session, cast.teacher, clock)).groups
    assert [(each.name, each.level) for each in group.members] == [("Bopha", "beginner")]
    assert (group.levels, group.is_led) == (["beginner", "letter"], True)
    (theirs,) = (await read_pack(session, cast.mentor, clock)).groups
    assert ([each.name for each in theirs.members], theirs.is_led) == (["Bopha"], False)
    assert (await read_pack(session, cast.teacher_elsewhere, clock)).groups == []


async def test_what_was_recorded_of_a_drawn_child_lies_nowhere_in_a_mentors_pack(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await grouped(session, cast, clock)
    await draw_sample(
        session, cast.coordinator, NewDraw(cast.round, "language", school_id=cast.school_a, seed=1), clock
    )
    pack = await read_pack(session, cast.mentor, clock)
    (retest,) = pack.retests
    assert (retest.name, retest.school_id, retest.subject) == ("Bopha", cast.school_a, "language")
    (group,) = pack.groups  # a band of levels would say it as well
    assert (group.members, group.unseen) == (
        [],
        0,
    )  # not even how many: of one who was drawn that would say it all
    without_rules = msgspec.structs.replace(pack, tools=[], forms=[])
    told = msgspec.to_builtins(without_rules)
    del told["rules"], told["groups"]
    assert "beginner" not in str(told)
    theirs = await read_pack(session, cast.teacher, clock)
    assert (theirs.retests, [each.name for each in theirs.groups[0].members]) == ([], ["Bopha"])


async def test_a_pack_tells_in_which_subjects_an_exercise_is_to_be_passed_first(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    assert (await read_pack(session, cast.teacher, clock)).exercises_due == []
    for subject in ("language", "math"):
        await change_requirement(session, cast.coordinator, RequirementChange(subject, True), clock)
    assert (await read_pack(session, cast.teacher, clock)).exercises_due == ["language", "math"]
    assert (await read_pack(session, cast.teacher_elsewhere, clock)).exercises_due == ["language"], (
        "not of a subject that is nobody's here"
    )
    assert (await read_pack(session, cast.coordinator, clock)).exercises_due == []


async def test_who_visits_schools_has_the_form_and_their_own_drafts_along(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    write = VisitWrite(str(uuid4()), str(uuid4()), cast.school_a, "language", TODAY)
    saved = await save_visit(session, cast.mentor, write, clock)
    pack = await read_pack(session, cast.mentor, clock)
    assert [(each.id, each.version) for each in pack.visits] == [(saved.visit.id, 1)]
    assert [each.id for each in pack.forms] == [saved.visit.form_version_id]
    assert pack.forms[0].rules["sections"]
    assert [each.name for each in pack.schools[0].teachers] == ["Teacher"]
    assert pack.may == PackDeeds(visit=True, retest=True, group=False, child=True)
    for who in (cast.teacher, cast.mentor_elsewhere):
        pack = await read_pack(session, who, clock)
        assert pack.visits == []
    assert (await read_pack(session, cast.teacher, clock)).forms == []
