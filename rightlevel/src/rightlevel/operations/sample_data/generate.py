"""Any size of programme for measuring: so many schools and children, drawn by a seed, streamed in constant memory."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Final

import msgspec

from flatwater.clock import Clock, today
from flatwater.transaction import Session
from rightlevel.operations.sample_data.building import (
    GRADES,
    Child,
    SchoolPlan,
    a_uuid,
    add_classes,
    add_place,
    add_round,
    add_schools,
    add_year,
    child_line,
    copy_results,
    copy_students,
    keep_zone,
    result_line,
)
from rightlevel.operations.sample_data.ladders import percent_of, states
from rightlevel.programme.accounts import NewPerson, create_person
from rightlevel.programme.errors import Fault, Invalid
from rightlevel.programme.permissions import Subject

PROVINCES: Final = 10
DISTRICTS: Final = 10
MOST_SCHOOLS: Final = 200_000
MOST_CHILDREN: Final = 20_000_000
SCHOOLS_PER_STATEMENT: Final = 5_000
CHILDREN_PER_MS: Final = 30


class Size(msgspec.Struct, frozen=True):
    """How much is made. The same seed makes the same programme, ids included."""

    schools: int
    children: int
    seed: int = 1
    with_results: bool = False


class Generated(msgspec.Struct, frozen=True):
    """What was made."""

    schools: int
    children: int
    results: int


def require_size(size: Size) -> None:
    """Passes for a size that can be made. *Errors*: Invalid."""
    faults: list[Fault] = []
    if not 1 <= size.schools <= MOST_SCHOOLS:
        faults.append(Fault("schools", f"Between 1 and {MOST_SCHOOLS}", str(size.schools)))
    if not 0 <= size.children <= MOST_CHILDREN:
        faults.append(Fault("children", f"Between 0 and {MOST_CHILDREN}", str(size.children)))
    if faults:
        raise Invalid(faults=tuple(faults))


async def generate(session: Session, size: Size, clock: Clock, say: Callable[[str], None]) -> Generated:
    """A programme of this size in an empty database, in the session's transaction. *Cost*: flat memory; COPY's speed."""
    require_size(size)
    chance = random.Random(size.seed)  # noqa: S311  the same programme for the same seed
    clock = await keep_zone(session, clock)
    day = today(clock)
    say(f"{size.schools:,} schools in {PROVINCES * DISTRICTS} districts")
    school_ids = await _add_schools(session, size, chance)
    year_id = await add_year(session, "Generated year", day - timedelta(150), day + timedelta(200))
    round_id = await add_round(
        session,
        year_id,
        kind="baseline",
        starts_on=day - timedelta(10),
        ends_on=day + timedelta(20),
        state="open",
    )
    class_ids: list[int] = []
    for at in range(0, len(school_ids), SCHOOLS_PER_STATEMENT):
        class_ids += await add_classes(session, year_id, school_ids[at : at + SCHOOLS_PER_STATEMENT])
    assessor = await create_person(
        session, None, NewPerson("generated.teacher", "Generated teacher", "teacher"), password_hash=""
    )
    say(f"{size.children:,} children")
    lines = (
        child_line(child, year_id, number, chance)
        for number, child in _children(size, school_ids, class_ids, clock)
    )
    children = await copy_students(session, lines)
    results = 0
    if size.with_results:
        say("a result in both subjects for each")
        results = await copy_results(
            session,
            _results(
                size, school_ids, class_ids=class_ids, round_id=round_id, assessor_id=assessor.id, clock=clock
            ),
        )
    return Generated(len(school_ids), children, results)


async def _add_schools(session: Session, size: Size, chance: random.Random) -> list[int]:
    country = await add_place(session, None, "country", "XG", "Generated country")
    districts: list[int] = []
    for number in range(PROVINCES):
        province = await add_place(session, country, "province", f"{number:02}", f"Province {number + 1}")
        for which in range(DISTRICTS):
            code, name = f"{number:02}{which:02}", f"District {number + 1}.{which + 1}"
            districts.append(await add_place(session, province, "district", code, name))
    ids: list[int] = []
    for at in range(0, size.schools, SCHOOLS_PER_STATEMENT):
        numbers = range(at, min(at + SCHOOLS_PER_STATEMENT, size.schools))
        plans = [
            SchoolPlan(districts[each % len(districts)], f"G{each:06}", f"School {each:06}")
            for each in numbers
        ]
        ids += await add_schools(session, plans, chance)
    return ids


def _since(clock: Clock) -> int:
    """The day's first millisecond: the same for both passes over the children."""
    return (today(clock) - date(1970, 1, 1)).days * 86_400_000


def _children(
    size: Size, school_ids: list[int], class_ids: list[int], clock: Clock
) -> Iterator[tuple[int, Child]]:
    """Every child with its number in its school; the ids come from a chance of their own, so that they can be drawn again."""
    chance = random.Random(size.seed + 1)  # noqa: S311
    at = _since(clock)
    share, rest = divmod(size.children, len(school_ids))
    made = 0
    for index, school_id in enumerate(school_ids):
        for place in range(share + (index < rest)):
            which = place % len(GRADES)
            made += 1
            # As an import makes them: some thirty in a millisecond, so children of a school lie together in every index.
            child_id = a_uuid(at + made // CHILDREN_PER_MS, chance)
            class_id = class_ids[index * len(GRADES) + which]
            yield (
                place + 1,
                Child(child_id, school_id, class_id, GRADES[which], 1 + (place // len(GRADES)) % 2),
            )


def _results(
    size: Size, school_ids: list[int], class_ids: list[int], round_id: int, assessor_id: int, clock: Clock
) -> Iterator[str]:
    chance = random.Random(size.seed + 2)  # noqa: S311
    at, day = _since(clock), today(clock)
    state = states()[0]
    subjects: tuple[Subject, ...] = ("language", "math")
    tables = {
        (subject, grade): [
            rank
            for rank, share in enumerate(percent_of(state, subject, grade), 1)
            for _ in range(round(share * 10))
        ]
        for subject in subjects
        for grade in GRADES
    }
    for _, child in _children(size, school_ids, class_ids, clock):
        for subject in subjects:
            rank = chance.choice(tables[subject, child.grade])
            yield result_line(
                child,
                a_uuid(at, chance),
                round_id=round_id,
                assessor_id=assessor_id,
                tested_on=day,
                subject=subject,
                rank=rank,
            )
