"""The demonstration programme: four provinces with the published levels of four states, three rounds, all from one seed.

Baseline levels are apportioned exactly from the ladders for each province, grade and subject, and moved from round to round
exactly by the transition matrix, so `expected_counts` knows every figure before a child is drawn.
"""

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
    assign,
    child_line,
    copy_results,
    copy_students,
    keep_zone,
    result_line,
    turn_round,
)
from rightlevel.operations.sample_data.drawing import apportion, draw, move, moved_counts
from rightlevel.operations.sample_data.ladders import percent_of, states
from rightlevel.operations.sample_data.names import a_name
from rightlevel.operations.sample_data.visiting import add_visits
from rightlevel.operations.sample_data.working import Cast, add_work
from rightlevel.programme.accounts import NewPerson, create_person
from rightlevel.programme.permissions import SUBJECTS, Actor, Held, Role, Scope, Subject

SEED: Final = 2024
DISTRICTS: Final = 2
SCHOOLS: Final = 3
CHILDREN: Final = 28
ABSENT: Final = 1
"""Of each class one child is absent in every round."""
KINDS: Final = ("baseline", "midline", "endline")
PROVINCES: Final = ("Amara", "Belen", "Chandor", "Dalmat")
"""Made-up provinces; their children have the levels of the four states in ladders.toml, in its order."""
TOWNS: Final = ("Mango Tree", "River Bend", "Old Market", "Hill View", "Lotus Pond", "New Bridge")
COLLEAGUES: Final = 2
"""Further teachers at the school of the demo's teacher."""
PEOPLE: Final[tuple[tuple[str, str, Role], ...]] = (
    ("admin", "Demo admin", "admin"),
    ("coordinator", "Demo coordinator", "coordinator"),
    ("mentor", "Demo mentor", "mentor"),
    ("teacher", "Demo teacher", "teacher"),
    ("viewer", "Demo viewer", "viewer"),
)


ROUNDS = {"baseline": (-180, -160, "closed"), "midline": (-90, -70, "closed"), "endline": (-10, 20, "open")}
"""The first and last day of each round from today, and the state it is in."""


class DemoPerson(msgspec.Struct, frozen=True):
    """Somebody to sign in as; the password is shown once."""

    username: str
    role: Role
    password: str


class Demo(msgspec.Struct, frozen=True):
    """What was made."""

    schools: int
    children: int
    results: int
    people: list[DemoPerson]


class _Group(msgspec.Struct, frozen=True):
    """The children of one province and grade; levels are apportioned among them."""

    state: str
    grade: int
    children: list[Child]


def per_group() -> int:
    """Children assessed in one province and grade in a complete round."""
    return DISTRICTS * SCHOOLS * (CHILDREN - ABSENT)


def expected_counts(kind: str, subject: Subject, state: str | None = None) -> list[int]:
    """Children by level, lowest first, in a complete round of one state's province or of all. *Errors*: LookupError for endline,
    which is still going on."""
    if kind == "endline":
        raise LookupError("the endline is still going on")
    total = [0] * 5
    for each in [state] if state else states():
        for grade in GRADES:
            counts = apportion(percent_of(each, subject, grade), per_group())
            if kind == "midline":
                counts = moved_counts(counts)
            total = [a + b for a, b in zip(total, counts, strict=True)]
    return total


async def build_demo(
    session: Session, hashes: dict[str, tuple[str, str]], clock: Clock, say: Callable[[str], None]
) -> Demo:
    """The demonstration in an empty database, in the session's transaction.

    *Shape*: `hashes` has a password and its hash for each username of PEOPLE. *Cost*: about 14,000 rows, three seconds.
    """
    chance = random.Random(SEED)  # noqa: S311  the same programme for everybody
    clock = await keep_zone(session, clock)
    day = today(clock)
    say("provinces, districts and schools")
    school_ids, practice_id, province_id = await _add_places(session, chance)
    year_id = await add_year(session, _year_name(day), day - timedelta(200), day + timedelta(165))
    rounds = await _add_rounds(session, year_id, day)
    people = await _add_people(session, hashes, school_ids, day, random.Random(SEED + 1))  # noqa: S311  apart from the figures' chance
    say("children")
    groups, lines = await _draw_children(
        session, year_id, school_ids=school_ids, practice_id=practice_id, chance=chance, clock=clock
    )
    children = await copy_students(session, lines)
    for kind, (_, _, state) in ROUNDS.items():
        await turn_round(session, rounds[kind][0], state)
    say("results of three rounds")
    results = await copy_results(
        session,
        _results(
            groups, rounds, assessor_id=people["teacher"], school_ids=school_ids, chance=chance, clock=clock
        ),
    )
    say("groups, sessions and re-tests")
    cast = _cast(people, school_ids, province_id)
    await add_work(session, cast, rounds, chance, clock)
    say("visits")
    visited = school_ids[: DISTRICTS * SCHOOLS]
    visiting = random.Random(SEED + 2)  # noqa: S311  apart from the figures' chance
    await add_visits(
        session,
        cast.mentor,
        school_ids=visited,
        taught=(cast.school_id, people["teacher"]),
        chance=visiting,
        clock=clock,
    )
    shown = [DemoPerson(username, role, hashes[username][0]) for username, _, role in PEOPLE]
    return Demo(len(school_ids) + 1, children, results, shown)


def _year_name(day: date) -> str:
    starts, ends = day - timedelta(200), day + timedelta(165)
    return str(starts.year) if starts.year == ends.year else f"{starts.year}/{ends.year % 100:02}"


def _cast(people: dict[str, int], school_ids: list[int], province_id: int) -> Cast:
    """Who does the work, within what they are assigned to."""

    known: dict[str, Role] = {username: role for username, _, role in PEOPLE}

    def actor(username: str, scope: Scope) -> Actor:
        role = known.get(username, "teacher")
        return Actor(
            person_id=people[username],
            role=role,
            username=username,
            display_name=username,
            language="en",
            scope=scope,
            address="demonstration",
        )

    def held(at: list[int]) -> Scope:
        return Scope(held=tuple(Held(school_id, subject) for school_id in at for subject in SUBJECTS))

    mentored, taught = held([*school_ids[: DISTRICTS * SCHOOLS], school_ids[-1]]), held(school_ids[-1:])
    teachers = tuple(actor(username, taught) for username in people if username.startswith("teacher"))
    everything = Scope(is_everything=True)
    return Cast(
        actor("coordinator", everything), actor("mentor", mentored), teachers, school_ids[-1], province_id
    )


async def _add_places(session: Session, chance: random.Random) -> tuple[list[int], int, int]:
    """The schools, the practice school, and the first province, where the mentor works."""
    provinces: list[int] = []
    country = await add_place(session, None, "country", "XD", "Demoland")
    plans: list[SchoolPlan] = []
    district = country
    for number, name in enumerate(PROVINCES):
        province = await add_place(session, country, "province", f"{number + 1}", f"{name} Province")
        provinces.append(province)
        for which in range(DISTRICTS):
            district = await add_place(
                session,
                province,
                "district",
                f"{number + 1}{which + 1}",
                f"{('North', 'South')[which]} {name}",
            )
            for at in range(SCHOOLS):
                town = TOWNS[which * SCHOOLS + at]
                plans.append(
                    SchoolPlan(district, f"{name[:2].upper()}{which + 1}{at + 1}", f"{town} School, {name}")
                )
    ids = await add_schools(
        session, [*plans, SchoolPlan(district, "PRACTICE", "Practice School", is_practice=True)], chance
    )
    return ids[:-1], ids[-1], provinces[0]


async def _add_rounds(session: Session, year_id: int, day: date) -> dict[str, tuple[int, date]]:
    """Round ids and the day on which each was tested, by kind."""
    made: dict[str, tuple[int, date]] = {}
    for kind, (first, last, _) in ROUNDS.items():
        round_id = await add_round(
            session,
            year_id,
            kind=kind,
            starts_on=day + timedelta(first),
            ends_on=day + timedelta(last),
            state="planned",
        )
        made[kind] = (round_id, day + timedelta(first + 5))
    return made


async def _add_people(
    session: Session,
    hashes: dict[str, tuple[str, str]],
    school_ids: list[int],
    day: date,
    chance: random.Random,
) -> dict[str, int]:
    """Ids by username: those to sign in as, and the teacher's colleagues, who have no password."""
    ids: dict[str, int] = {}
    for username, name, role in PEOPLE:
        person = await create_person(
            session, None, NewPerson(username, name, role), password_hash=hashes[username][1]
        )
        ids[username] = person.id
    for number in range(COLLEAGUES):
        new = NewPerson(f"teacher.{number + 2}", a_name(chance)[0], "teacher")
        ids[new.username] = (await create_person(session, None, new, password_hash=None)).id
        await assign(session, ids[new.username], school_ids[-1:], day - timedelta(200))
    mentored = [*school_ids[: DISTRICTS * SCHOOLS], school_ids[-1]]
    await assign(session, ids["mentor"], mentored, day - timedelta(200))
    await assign(session, ids["teacher"], school_ids[-1:], day - timedelta(200))
    return ids


async def _draw_children(
    session: Session,
    year_id: int,
    school_ids: list[int],
    practice_id: int,
    chance: random.Random,
    clock: Clock,
) -> tuple[list[_Group], list[str]]:
    all_schools = [*school_ids, practice_id]
    class_ids = iter(await add_classes(session, year_id, all_schools))
    at = int(clock.now().timestamp() * 1000)
    groups = {(state, grade): _Group(state, grade, []) for state in states() for grade in GRADES}
    lines: list[str] = []
    for index, school_id in enumerate(all_schools):
        number = 0
        for grade in GRADES:
            class_id = next(class_ids)
            for place in range(CHILDREN if school_id != practice_id else 6):
                number += 1
                child = Child(a_uuid(at, chance), school_id, class_id, grade, 1 + place % 2)
                lines.append(child_line(child, year_id, number, chance))
                if school_id != practice_id:
                    groups[states()[index // (DISTRICTS * SCHOOLS)], grade].children.append(child)
    return list(groups.values()), lines


def _results(
    groups: list[_Group],
    rounds: dict[str, tuple[int, date]],
    assessor_id: int,
    school_ids: list[int],
    chance: random.Random,
    clock: Clock,
) -> Iterator[str]:
    """Every result of every round. In each class the last child is absent; the endline is done in every other school, and
    never in the last one, where the demo's teacher has it before her."""
    at = int(clock.now().timestamp() * 1000)
    tested_at_end = set(school_ids[:-1:2])
    for group in groups:
        present = [child for place, child in enumerate(group.children, 1) if place % CHILDREN]
        absent = [child for place, child in enumerate(group.children, 1) if place % CHILDREN == 0]
        for subject in SUBJECTS:
            ranks = draw(percent_of(group.state, subject, group.grade), len(present), chance)
            for kind in KINDS:
                round_id, tested_on = rounds[kind]
                for child, rank in [*zip(present, ranks, strict=True), *((child, None) for child in absent)]:
                    if kind != "endline" or child.school_id in tested_at_end:
                        yield result_line(
                            child,
                            a_uuid(at, chance),
                            round_id=round_id,
                            assessor_id=assessor_id,
                            tested_on=tested_on,
                            subject=subject,
                            rank=rank,
                        )
                ranks = move(ranks, chance)
