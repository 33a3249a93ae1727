"""Groups as deeds: from the latest valid level, proposed and accepted, moved child by child, in scope, audited."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from people import NOW, Cast

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import Forbidden, Invalid, NotFound, OutOfScope, Stale
from rightlevel.programme.figures import FigureQuery, read_figures
from rightlevel.programme.groups import (
    CheckWrite,
    Grouping,
    NewGrouping,
    accept_groups,
    accept_suggestion,
    change_split,
    drop_proposal,
    enter_checks,
    list_checks,
    list_ungrouped,
    move_child,
    propose_groups,
    read_group,
    read_groups,
    read_split,
    set_group_teacher,
    suggestions,
)
from rightlevel.programme.groups.actions import InAnotherGroup, NotInGroup, NotProposed, OtherGroups
from rightlevel.programme.groups.checks import RecheckFirst
from rightlevel.programme.results import ResultWrite, enter_results

pytestmark = pytest.mark.anyio
TODAY = NOW.date()
LATER = StandingClock(NOW + timedelta(minutes=5))
LEVELS = ("beginner", "letter", "word", "story")

QUERIES = read_queries(
    """
-- name: audit
-- How many audit rows of a deed there are.
select count(*) from audit_entry where action = %(action)s and resource = %(resource)s and outcome = 'done'
-- name: members
-- How many live memberships a child has.
select count(*) from group_member where student_id = %(student)s::uuid and joined_at is not null and left_at is null
-- name: hide
-- Hides a child's results, as its removal does.
update result set is_hidden = true where student_id = %(student)s::uuid
""",
    origin="test_groups.py",
)


async def with_levels(
    session: Session, cast: Cast, levels: dict[int, str], *, on: date = TODAY - timedelta(days=3)
) -> None:
    """The cast's children with these levels in reading at the baseline."""
    writes = [
        ResultWrite(
            str(uuid4()), cast.students_a[at], cast.round, "language", on, outcome="assessed", level=level
        )
        for at, level in levels.items()
    ]
    answers = await enter_results(session, cast.teacher, writes, StandingClock(NOW))
    assert [each.code for each in answers] == ["saved"] * len(writes), answers


def wish(cast: Cast, **more: Any) -> NewGrouping:
    return NewGrouping(cast.school_a, "language", 3, 5, **more)


async def in_use(session: Session, cast: Cast, clock: StandingClock) -> Grouping:
    """Groups in use: Bopha and Chan below, Dara in the middle, Kosal above; the fifth child is not tested."""
    await with_levels(session, cast, dict(enumerate(LEVELS)))
    proposal = await propose_groups(session, cast.teacher, wish(cast), clock)
    return await accept_groups(session, cast.teacher, proposal.id, proposal.version, clock)


async def group_ids(session: Session, cast: Cast, clock: StandingClock) -> dict[int, int]:
    """Band → id of the groups in use."""
    found = await read_groups(session, cast.teacher, cast.school_a, "language", clock)
    return {group.band: group.id for group in found.groups if group.state == "accepted"}


def check(cast: Cast, at: int, level: str, *, days_ago: int = 0, **more: Any) -> CheckWrite:
    return CheckWrite(
        str(uuid4()), cast.students_a[at], "language", level, TODAY - timedelta(days=days_ago), **more
    )


async def test_groups_follow_from_the_latest_valid_level_across_classes(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    grouping = await in_use(session, cast, clock)
    assert grouping.state == "accepted"
    ids = await group_ids(session, cast, clock)
    members = {
        band: [each.student_id for each in (await read_group(session, cast.teacher, ids[band])).members]
        for band in ids
    }
    assert members == {
        1: [cast.students_a[0], cast.students_a[1]],
        2: [cast.students_a[2]],
        3: [cast.students_a[3]],
    }


async def test_untested_children_are_listed_apart_and_never_lost(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    grouping = await in_use(session, cast, clock)
    left = await list_ungrouped(session, cast.teacher, grouping.id, PageRequest(50))
    assert [(each.student_id, each.level) for each in left.items] == [(cast.students_a[4], None)]


async def test_a_newer_quick_retest_counts_and_an_older_one_does_not(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await with_levels(session, cast, {0: "beginner", 1: "beginner"})
    await enter_checks(
        session, cast.teacher, [check(cast, 0, "word", days_ago=1), check(cast, 1, "word", days_ago=9)], clock
    )
    proposal = await propose_groups(session, cast.teacher, wish(cast), clock)
    found = await read_groups(session, cast.teacher, cast.school_a, "language", clock)
    assert {(group.band, group.children) for group in found.groups if group.grouping_id == proposal.id} == {
        (1, 1),
        (2, 1),
    }


async def test_a_hidden_result_gives_no_level(session: Session, cast: Cast, clock: StandingClock) -> None:
    await with_levels(session, cast, {0: "beginner"})
    await session.execute(QUERIES["hide"], {"student": cast.students_a[0]})
    proposal = await propose_groups(session, cast.teacher, wish(cast), clock)
    left = await list_ungrouped(session, cast.teacher, proposal.id, PageRequest(50))
    assert len(left.items) == 5


async def test_a_quick_retest_is_no_result_and_in_no_figure(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    asked = FigureQuery(cast.round, "language")
    before = msgspec.to_builtins(await read_figures(session, cast.coordinator, asked))
    await enter_checks(session, cast.teacher, [check(cast, 0, "story")], clock)
    assert msgspec.to_builtins(await read_figures(session, cast.coordinator, asked)) == before


async def test_a_new_proposal_replaces_the_old_and_accepting_replaces_the_groups_of_those_grades(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    first = await in_use(session, cast, clock)
    one = await propose_groups(session, cast.teacher, wish(cast), clock)
    two = await propose_groups(session, cast.teacher, wish(cast), clock)
    with pytest.raises(NotFound):
        await accept_groups(session, cast.teacher, one.id, one.version, clock)
    with pytest.raises(Stale):
        await accept_groups(session, cast.teacher, two.id, two.version + 1, clock)
    await accept_groups(session, cast.teacher, two.id, two.version, LATER)
    with pytest.raises(NotProposed):
        await accept_groups(session, cast.teacher, two.id, two.version + 1, LATER)
    found = await read_groups(session, cast.teacher, cast.school_a, "language", clock)
    assert [each.id for each in found.accepted] == [two.id] != [first.id]
    assert await session.fetch_value(QUERIES["members"], {"student": cast.students_a[0]}) == 1
    assert await session.fetch_value(QUERIES["audit"], {"action": "accept", "resource": "group"}) == 2


async def test_a_proposal_can_be_dropped(session: Session, cast: Cast, clock: StandingClock) -> None:
    proposal = await propose_groups(session, cast.teacher, wish(cast), clock)
    await drop_proposal(session, cast.teacher, proposal.id)
    assert (await read_groups(session, cast.teacher, cast.school_a, "language", clock)).proposed is None


async def test_only_a_teacher_of_the_whole_school_or_a_leader_makes_groups(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    with pytest.raises(Forbidden):
        await propose_groups(session, cast.mentor, wish(cast), clock)
    with pytest.raises(OutOfScope):
        await propose_groups(session, cast.teacher_elsewhere, wish(cast), clock)
    with pytest.raises(Forbidden):
        await read_groups(session, cast.viewer, cast.school_a, "language", clock)
    with pytest.raises(NotFound):
        await read_groups(session, cast.mentor_elsewhere, cast.school_a, "language", clock)
    assert (await propose_groups(session, cast.coordinator, wish(cast), clock)).state == "proposed"
    assert (await read_groups(session, cast.mentor, cast.school_a, "language", clock)).proposed is not None


async def test_a_group_is_led_by_a_teacher_of_the_school_and_subject(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await in_use(session, cast, clock)
    group_id = (await group_ids(session, cast, clock))[1]
    with pytest.raises(Invalid):
        await set_group_teacher(
            session,
            cast.teacher,
            group_id,
            version=1,
            teacher_id=cast.teacher_elsewhere.person_id,
            clock=clock,
        )
    led = await set_group_teacher(
        session, cast.teacher, group_id, version=1, teacher_id=cast.teacher.person_id, clock=clock
    )
    assert led.teacher_name == "Teacher"
    with pytest.raises(Stale):
        await set_group_teacher(session, cast.teacher, group_id, version=1, teacher_id=None, clock=clock)
    with pytest.raises(Invalid):
        await propose_groups(session, cast.teacher, wish(cast, teacher_ids=[cast.mentor.person_id]), clock)


async def test_a_child_is_moved_once_and_with_an_audit_row(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await in_use(session, cast, clock)
    ids, child = await group_ids(session, cast, clock), cast.students_a[0]
    await move_child(session, cast.teacher, child, from_group=ids[1], to_group=ids[2], clock=LATER)
    with pytest.raises(NotInGroup):
        await move_child(session, cast.teacher, child, from_group=ids[1], to_group=ids[3], clock=LATER)
    with pytest.raises(OtherGroups):
        await move_child(session, cast.teacher, child, from_group=ids[2], to_group=ids[2], clock=LATER)
    await move_child(session, cast.teacher, cast.students_a[4], from_group=None, to_group=ids[1], clock=LATER)
    assert await session.fetch_value(QUERIES["audit"], {"action": "move", "resource": "group"}) == 2
    assert await session.fetch_value(QUERIES["members"], {"student": child}) == 1


async def test_a_move_that_was_made_is_made(session: Session, cast: Cast, clock: StandingClock) -> None:
    """A phone whose answer was lost weeks ago sends it again: its receipt is gone by then."""
    await in_use(session, cast, clock)
    ids, child = await group_ids(session, cast, clock), cast.students_a[0]
    for _ in range(2):
        made = await move_child(session, cast.teacher, child, from_group=ids[1], to_group=ids[2], clock=LATER)
        assert made.id == ids[2]
    assert await session.fetch_value(QUERIES["audit"], {"action": "move", "resource": "group"}) == 1
    assert await session.fetch_value(QUERIES["members"], {"student": child}) == 1


async def test_no_child_is_in_two_groups_of_a_subject(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await in_use(session, cast, clock)
    ids = await group_ids(session, cast, clock)
    with pytest.raises(InAnotherGroup):
        async with session.savepoint():
            await move_child(
                session, cast.teacher, cast.students_a[0], from_group=None, to_group=ids[2], clock=LATER
            )


async def test_names_of_a_group_are_shown_to_those_who_may_see_the_children(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await in_use(session, cast, clock)
    group_id = (await group_ids(session, cast, clock))[3]
    assert (await read_group(session, cast.mentor, group_id)).unseen == 0
    held = msgspec.structs.replace(
        cast.stranger,
        scope=msgspec.structs.replace(
            cast.teacher.scope,
            held=(
                msgspec.structs.replace(
                    cast.teacher.scope.held[0], class_id=cast.class_3a, subject="language"
                ),
            ),
        ),
    )
    seen = await read_group(
        session, held, group_id
    )  # Kosal is in no class, so this teacher of 3A may not see the name
    assert (seen.members, seen.unseen) == ([], 1)
    with pytest.raises(NotFound):
        await read_group(session, cast.teacher_elsewhere, group_id)


async def test_a_quick_retest_repeated_is_saved_once_and_a_stale_correction_shows_both(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    write = check(cast, 0, "word")
    for _ in range(2):
        assert [each.code for each in await enter_checks(session, cast.teacher, [write], clock)] == ["saved"]
    (taken,) = await enter_checks(session, cast.teacher, [check(cast, 0, "letter")], clock)
    assert (taken.code, taken.current and taken.current.level) == ("conflict", "word")
    fix = check(cast, 0, "letter", version=1)
    for _ in range(2):
        assert (await enter_checks(session, cast.teacher, [fix], clock))[0].code == "changed"
    (stale,) = await enter_checks(session, cast.teacher, [check(cast, 0, "story", version=1)], clock)
    assert (stale.code, stale.current and stale.current.level) == ("stale", "letter")
    seen = await list_checks(session, cast.teacher, cast.students_a[0], PageRequest(10))
    assert [each.level for each in seen.items] == ["letter"]


async def test_each_quick_retest_of_a_batch_is_answered_by_itself(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    other = CheckWrite(str(uuid4()), cast.students_b[0], "language", "word", TODAY)
    writes = [check(cast, 0, "word"), check(cast, 1, "nonsense"), check(cast, 2, "word", days_ago=-1), other]
    answers = await enter_checks(session, cast.teacher, writes, clock)
    assert [each.code for each in answers] == ["saved", "invalid", "invalid", "not_found"]
    math = msgspec.structs.replace(other, subject="math", level="beginner")
    assert [each.code for each in await enter_checks(session, cast.teacher_elsewhere, [math], clock)] == [
        "out_of_scope"
    ]


async def test_a_suggestion_is_accepted_child_by_child_and_only_while_it_stands(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await in_use(session, cast, clock)
    ids = await group_ids(session, cast, clock)
    await enter_checks(
        session,
        cast.teacher,
        [check(cast, 0, "word", days_ago=1), check(cast, 3, "beginner", days_ago=1)],
        LATER,
    )
    found = {
        each.student_id: each for each in await suggestions(session, cast.mentor, cast.school_a, "language")
    }
    up, drop = found[cast.students_a[0]], found[cast.students_a[3]]
    assert [(each.kind, each.to_band) for each in (up, drop)] == [("up", 2), ("recheck", 1)]
    with pytest.raises(RecheckFirst):
        await accept_suggestion(
            session,
            cast.teacher,
            ids[3],
            drop.student_id,
            check_id=drop.check_id,
            check_version=drop.check_version,
            clock=LATER,
        )
    with pytest.raises(Forbidden):
        await accept_suggestion(
            session, cast.mentor, ids[1], up.student_id, check_id=up.check_id, check_version=1, clock=LATER
        )
    moved = await accept_suggestion(
        session,
        cast.teacher,
        ids[1],
        up.student_id,
        check_id=up.check_id,
        check_version=1,
        clock=StandingClock(LATER.now() + timedelta(minutes=1)),
    )
    assert moved.band == 2
    with pytest.raises(Stale):
        await accept_suggestion(
            session, cast.teacher, ids[1], up.student_id, check_id=up.check_id, check_version=1, clock=LATER
        )
    assert [
        each.student_id for each in await suggestions(session, cast.teacher, cast.school_a, "language")
    ] == [drop.student_id]


async def test_a_suggestion_after_which_the_child_was_tested_again_is_stale(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await in_use(session, cast, clock)
    ids = await group_ids(session, cast, clock)
    await enter_checks(session, cast.teacher, [check(cast, 0, "word", days_ago=1)], LATER)
    (old,) = await suggestions(session, cast.teacher, cast.school_a, "language")
    await enter_checks(session, cast.teacher, [check(cast, 0, "beginner")], LATER)
    with pytest.raises(Stale):
        await accept_suggestion(
            session, cast.teacher, ids[1], old.student_id, check_id=old.check_id, check_version=1, clock=LATER
        )


async def test_the_split_is_data_and_only_an_admin_changes_it(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    split = await read_split(session, cast.teacher)
    with pytest.raises(Forbidden):
        await change_split(session, cast.coordinator, split, clock)
    with pytest.raises(Invalid):
        await change_split(session, cast.admin, {**split, "math": split["math"][:1]}, clock)
    codes = [code for band in split["language"] for code in band]
    await change_split(session, cast.admin, {**split, "language": [[code] for code in codes]}, clock)
    await with_levels(session, cast, dict(enumerate(LEVELS)))
    proposal = await propose_groups(session, cast.teacher, wish(cast), clock)
    found = await read_groups(session, cast.teacher, cast.school_a, "language", clock)
    assert sorted(group.band for group in found.groups if group.grouping_id == proposal.id) == [1, 2, 3, 5]


async def test_a_child_that_moved_school_is_in_the_old_schools_groups_no_more(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await in_use(session, cast, clock)
    ids = await group_ids(session, cast, clock)
    move = read_queries(
        "-- name: away\n-- Moves a child.\nupdate student set school_id = %(school)s, class_id = null where id = %(student)s::uuid\n",
        origin="test_groups.py",
    )["away"]
    await session.execute(move, {"school": cast.school_b, "student": cast.students_a[3]})
    page = await read_group(session, cast.coordinator, ids[3])
    assert (page.group.children, page.members) == (0, [])
