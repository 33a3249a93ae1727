"""What people do between the rounds of the demonstration: groups and sessions, re-tests, a programme, a library, who asks to join.

All of it goes through the deeds of its rooms, by those who may, so that nothing is shown that the platform would refuse.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import msgspec

from flatwater.clock import Clock, StandingClock, today
from flatwater.paging import PageRequest
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.operations.sample_data.building import a_uuid
from rightlevel.operations.sample_data.names import a_name
from rightlevel.programme.assignments import NewAssignment, create_assignment
from rightlevel.programme.groups import (
    CheckWrite,
    Member,
    NewGrouping,
    accept_groups,
    enter_checks,
    propose_groups,
    read_group,
    read_groups,
    set_group_teacher,
)
from rightlevel.programme.interventions import (
    EnrolmentWrite,
    InterventionWrite,
    create_intervention,
    enrol_children,
)
from rightlevel.programme.joining import NewJoinRequest, ask_to_join
from rightlevel.programme.levels import SCALES
from rightlevel.programme.permissions import SUBJECTS, Actor, Subject
from rightlevel.programme.resources import NewResource, create_resource
from rightlevel.programme.rounds import set_round_state
from rightlevel.programme.teaching import Mark, SessionWrite, record_session
from rightlevel.programme.verification import (
    NewDraw,
    Retest,
    draw_sample,
    return_to_teacher,
    save_retests,
    verification_queue,
)

_queries = load_queries("rightlevel.operations.sample_data")
WEEKS_TAUGHT: Final = 4
TAUGHT_ON: Final = (0, 2, 4)
"""Mondays, Wednesdays and Fridays."""
PRESENT: Final = 0.86
AGREE: Final = 0.85
RETESTED: Final = 0.7
"""Of a sample, so that there is something left to do."""
LIBRARY: Final[tuple[tuple[str, Subject, str, str, str], ...]] = (
    (
        "Letters on the floor",
        "language",
        "beginner",
        "letter",
        "Write letters in squares on the floor. Call one out; a child jumps to it, says it, and names a word that begins with it.",
    ),
    (
        "Word chain",
        "language",
        "letter",
        "word",
        "The last letter of a word is the first of the next. Write the chain on the board as it grows.",
    ),
    (
        "Reading along",
        "language",
        "word",
        "paragraph",
        "Read a short text aloud, finger under the words. Read it together, then each child alone.",
    ),
    (
        "What happens next?",
        "language",
        "paragraph",
        "story",
        "Stop a story in the middle. Groups of three make up and write the end, and read it to the others.",
    ),
    (
        "Bundles and sticks",
        "math",
        "beginner",
        "number_2digit",
        "Ten sticks are a bundle. Children lay out a number that is called, and say it as tens and ones.",
    ),
    (
        "The shop",
        "math",
        "number_2digit",
        "subtraction",
        "One child sells, others buy with paper money and work out the change.",
    ),
    (
        "Sharing fairly",
        "math",
        "subtraction",
        "division",
        "Share 17 stones among 5 friends. How many each, how many are left? Write it down as a division.",
    ),
)


class _Ranked(msgspec.Struct, frozen=True):
    id: str
    rank: int


class Cast(msgspec.Struct, frozen=True):
    """Who works in the demonstration, and where: the teachers at one school, the mentor in one province."""

    coordinator: Actor
    mentor: Actor
    teachers: tuple[Actor, ...]
    school_id: int
    place_id: int


async def add_work(
    session: Session, cast: Cast, rounds: dict[str, tuple[int, date]], chance: random.Random, clock: Clock
) -> None:
    """Everything that was done, with the days on which it was. *Cost*: about four hundred statements, two seconds."""
    await _fill_library(session, cast.coordinator, clock)
    for subject in SUBJECTS:
        await _teach(session, cast, subject, chance, clock)
    await _enrol(session, cast, chance, clock)
    await _verify(session, cast, rounds["endline"][0], chance, clock)
    await set_round_state(
        session,
        cast.coordinator,
        rounds["baseline"][0],
        version=1,
        state="frozen",
        clock=clock,
        reason="Printed in the yearly report",
    )
    await _ask_to_join(session, chance, clock)


async def _fill_library(session: Session, coordinator: Actor, clock: Clock) -> None:
    for title, subject, first, last, words in LIBRARY:
        await create_resource(
            session,
            coordinator,
            NewResource(
                kind="activity", title=title, words=words, subject=subject, level_from=first, level_to=last
            ),
            clock,
        )


async def _teach(session: Session, cast: Cast, subject: Subject, chance: random.Random, clock: Clock) -> None:
    """Groups at the teacher's school from what the midline said, taught for some weeks, with quick re-tests on the way."""
    day = today(clock)
    began = _at(day - timedelta(weeks=WEEKS_TAUGHT, days=day.weekday()))
    new = NewGrouping(cast.school_id, subject, 3, 5, 25)
    proposed = await propose_groups(session, cast.coordinator, new, began)
    await accept_groups(session, cast.coordinator, proposed.id, proposed.version, began)
    in_use = await read_groups(session, cast.coordinator, cast.school_id, subject, began)
    for number, group in enumerate(in_use.groups):
        teacher = cast.teachers[number % len(cast.teachers)]
        await set_group_teacher(
            session,
            cast.coordinator,
            group.id,
            version=group.version,
            teacher_id=teacher.person_id,
            clock=began,
        )
        page = await read_group(session, teacher, group.id)
        children = [each.student_id for each in page.members]
        for held_on in _days_taught(day):
            marks = [Mark(each, "present" if chance.random() < PRESENT else "absent") for each in children]
            at = _at(held_on)
            write = SessionWrite(
                _uuid(at, chance), group.id, held_on, chance.choice((60, 75, 90)), marks=marks
            )
            await record_session(session, teacher, write, at)
        await _check(
            session,
            teacher,
            subject=subject,
            children=[each for each in page.members if chance.random() < 0.25],
            chance=chance,
            day=day,
        )


async def _check(
    session: Session,
    teacher: Actor,
    subject: Subject,
    children: list[Member],
    chance: random.Random,
    day: date,
) -> None:
    """Some children were looked at a week ago, and most of them had moved up."""
    codes = list(SCALES[subject].codes)
    at = _at(day - timedelta(7))
    writes = [
        CheckWrite(
            _uuid(at, chance), each.student_id, subject, _moved(codes, each.level, chance), day - timedelta(7)
        )
        for each in children
        if each.level is not None
    ]
    if writes:
        await enter_checks(session, teacher, writes, at)


def _moved(codes: list[str], level: str, chance: random.Random) -> str:
    return codes[min(len(codes) - 1, codes.index(level) + (chance.random() < 0.6))]


async def _enrol(session: Session, cast: Cast, chance: random.Random, clock: Clock) -> None:
    day = today(clock)
    at = _at(day - timedelta(20))
    camp = InterventionWrite(
        "Reading camp",
        day - timedelta(18),
        day + timedelta(10),
        "Two hours every afternoon for four weeks, for those who don't read words yet.",
        "language",
    )
    made = await create_intervention(session, cast.coordinator, camp, at)
    values = {"school_id": cast.school_id, "subject": "language", "rows": 12}
    low = await session.fetch_all(_queries["lowest_children"], values, into=_Ranked)
    writes = [EnrolmentWrite(_uuid(at, chance), each.id, day - timedelta(18)) for each in low]
    await enrol_children(session, cast.coordinator, made.id, writes, at)


async def _verify(session: Session, cast: Cast, round_id: int, chance: random.Random, clock: Clock) -> None:
    """A sample of the endline, most of it tested again by the mentor: agreements, disagreements, one sent back, and some to do."""
    new = NewDraw(round_id, "math", place_id=cast.place_id, margin=0.1, seed=7)
    drawn = await draw_sample(session, cast.coordinator, new, clock)
    queue = await verification_queue(
        session, cast.mentor, PageRequest(200), clock, round_id=round_id, state="waiting", draw_id=drawn.id
    )
    waiting = queue.items
    rows = await session.fetch_all(
        _queries["ranks_of_results"], {"result_ids": [each.result_id for each in waiting]}, into=_Ranked
    )
    ranks = {row.id: row.rank for row in rows}
    codes = SCALES["math"].codes
    writes: list[Retest] = []
    for row in waiting[: int(len(waiting) * RETESTED)]:
        rank = ranks[row.result_id]
        if chance.random() > AGREE:
            rank = rank - 1 if rank > 1 else rank + 1
        writes.append(
            Retest(_uuid(clock, chance), row.result_id, today(clock), level=codes[rank - 1], tool=2)
        )
    await save_retests(session, cast.mentor, writes, clock)
    disputed = await verification_queue(
        session, cast.mentor, PageRequest(200), clock, round_id=round_id, state="disputed"
    )
    # Most schools of the demonstration have no teacher to whom anything could be returned: this one gets the last of those there are.
    for row in disputed.items[:1]:
        teaches = NewAssignment(cast.teachers[-1].person_id, row.school_id, "math")
        await create_assignment(session, cast.coordinator, teaches, clock)
        await return_to_teacher(
            session,
            cast.mentor,
            row.id,
            version=row.version,
            reason="Please look at the paper again",
            clock=clock,
        )


async def _ask_to_join(session: Session, chance: random.Random, clock: Clock) -> None:
    for contact, role, school in (
        ("through the head of the school", "teacher", "River Bend School, Amara"),
        ("through the district office", "mentor", "North Belen"),
    ):
        new = NewJoinRequest(a_name(chance)[0], contact, role, school, "I start next week.")
        await ask_to_join(session, new, language="en", address="demonstration", clock=clock)


def _days_taught(day: date) -> Iterator[date]:
    monday = day - timedelta(weeks=WEEKS_TAUGHT, days=day.weekday())
    for week in range(WEEKS_TAUGHT):
        yield from (monday + timedelta(weeks=week, days=each) for each in TAUGHT_ON)


def _at(day: date) -> StandingClock:
    """The clock as it stood in the afternoon of a day."""
    return StandingClock(datetime.combine(day, time(15), UTC))


def _uuid(clock: Clock, chance: random.Random) -> str:
    return a_uuid(int(clock.now().timestamp() * 1000), chance)
