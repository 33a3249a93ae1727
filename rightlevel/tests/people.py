"""The fixed cast of every test: two schools far apart, a practice school, and somebody in every role."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from flatwater.clock import StandingClock
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.accounts import actor_by_session
from rightlevel.programme.accounts.store import digest
from rightlevel.programme.permissions import Actor
from rightlevel.programme.time_zone import ProgrammeClock

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
PASSWORD_FREE = "nobody signs in with a password here"
NAMES = (
    "admin",
    "coordinator",
    "mentor",
    "teacher",
    "mentor_elsewhere",
    "teacher_elsewhere",
    "viewer",
    "stranger",
)
ROLES = {"mentor_elsewhere": "mentor", "teacher_elsewhere": "teacher", "stranger": "teacher"}


class Cast(msgspec.Struct, frozen=True):
    """Ids of places and schools, and the actors as the database knows them."""

    country: int
    province: int
    district_1: int
    district_2: int
    school_a: int
    school_b: int
    practice_school: int
    school_year: int
    class_3a: int
    round: int
    students_a: list[str]
    students_b: list[str]
    admin: Actor
    coordinator: Actor
    mentor: Actor
    teacher: Actor
    mentor_elsewhere: Actor
    teacher_elsewhere: Actor
    viewer: Actor
    stranger: Actor


QUERIES = read_queries(
    """
-- name: place
-- Makes a place.
insert into place (parent_id, kind, code, name_local, name_latin)
values (%(parent)s, %(kind)s::place_kind, %(code)s, %(name)s, %(name)s) returning id
-- name: school
-- Makes a school.
insert into school (place_id, code, name_local, is_practice) values (%(place)s, %(code)s, %(name)s, %(practice)s) returning id
-- name: year
-- Makes the current year.
insert into school_year (name, starts_on, ends_on, is_current) values ('2026', '2026-01-01', '2026-12-31', true) returning id
-- name: class
-- Makes a class.
insert into class (school_id, school_year_id, grade, section) values (%(school)s, %(year)s, 3, 'A') returning id
-- name: round
-- Makes an open round.
insert into round (school_year_id, kind, starts_on, ends_on, state)
values (%(year)s, 'baseline', '2026-11-01', '2026-11-30', 'open') returning id
-- name: student
-- Enrols a child.
insert into student (school_id, school_year_id, class_id, code, name, name_key, sex, grade)
values (%(school)s, %(year)s, %(class)s, %(code)s, %(name)s, lower(%(name)s), %(sex)s, 3) returning id::text as id
-- name: person
-- Makes an account.
insert into person (username, display_name, role) values (%(username)s, %(name)s, %(role)s::role) returning id
-- name: session
-- Signs somebody in.
insert into person_session (token_hash, person_id, csrf_token, created_at, last_seen_at, expires_at, address)
values (%(hash)s, %(person)s, 'csrf', %(now)s, %(now)s, %(now)s::timestamptz + interval '90 days', 'test')
on conflict (token_hash) do nothing
-- name: token
-- Gives somebody an API token.
insert into api_token (person_id, token_hash, expires_at) values (%(person)s, %(hash)s, %(now)s::timestamptz + interval '90 days')
-- name: assignment
-- Assigns somebody.
insert into assignment (person_id, school_id, subject, from_on) values (%(person)s, %(school)s, %(subject)s::subject, '2026-01-01')
""",
    origin="tests/people.py",
)


def token_of(name: str) -> str:
    """The session (and API) token that somebody of the cast holds."""
    return f"token-of-{name}"


async def make_cast(session: Session) -> Cast:
    """The cast, made in the session's transaction."""

    async def make(query: str, **values: Any) -> Any:
        return await session.fetch_value(QUERIES[query], values)

    country = await make("place", parent=None, kind="country", code="XX", name="Exampleland")
    province = await make("place", parent=country, kind="province", code="P1", name="First Province")
    district_1 = await make("place", parent=province, kind="district", code="D1", name="North District")
    district_2 = await make("place", parent=province, kind="district", code="D2", name="South District")
    school_a = await make("school", place=district_1, code="A", name="Alpha School", practice=False)
    school_b = await make("school", place=district_2, code="B", name="Beta School", practice=False)
    practice = await make("school", place=district_1, code="PRACTICE", name="Practice School", practice=True)
    year = await make("year")
    class_3a = await make("class", school=school_a, year=year)
    opened = await make("round", year=year)
    names_a = ["Bopha", "Chan", "Dara", "Kosal", "ចាន់ដារ៉ា"]
    students_a = [
        await make(
            "student",
            school=school_a,
            year=year,
            code=f"A{i}",
            name=name,
            sex=1 + i % 2,
            **{"class": class_3a if i < 3 else None},
        )
        for i, name in enumerate(names_a)
    ]
    students_b = [
        await make(
            "student",
            school=school_b,
            year=year,
            code=f"B{i}",
            name=f"Beta child {i}",
            sex=1 + i % 2,
            **{"class": None},
        )
        for i in range(3)
    ]
    people = {
        name: await make(
            "person", username=name, name=name.replace("_", " ").title(), role=ROLES.get(name, name)
        )
        for name in NAMES
    }
    for name, school, subjects in (
        ("mentor", school_a, ("language", "math")),
        ("teacher", school_a, ("language", "math")),
        ("mentor_elsewhere", school_b, ("language",)),
        ("teacher_elsewhere", school_b, ("language",)),
    ):
        for subject in subjects:
            await session.execute(
                QUERIES["assignment"], {"person": people[name], "school": school, "subject": subject}
            )
    actors = {name: await _actor(session, name, person) for name, person in people.items()}
    return Cast(
        country,
        province,
        district_1,
        district_2,
        school_a,
        school_b,
        practice,
        year,
        class_3a,
        opened,
        students_a,
        students_b,
        **actors,
    )


async def sign_in_again(session: Session, cast: Cast) -> None:
    """The cast's own sessions, also where a person's many others have ended theirs meanwhile."""
    for name in NAMES:
        person = getattr(cast, name).person_id
        await session.execute(
            QUERIES["session"], {"hash": digest(token_of(name)), "person": person, "now": NOW}
        )


async def _actor(session: Session, name: str, person: int) -> Actor:
    values = {"hash": digest(token_of(name)), "person": person, "now": NOW}
    await session.execute(QUERIES["session"], values)
    await session.execute(QUERIES["token"], values)
    return await actor_now(session, name)


async def actor_now(session: Session, name: str) -> Actor:
    """Somebody of the cast as the database knows them at this moment."""
    actor = await actor_by_session(
        session, token_of(name), ProgrammeClock(StandingClock(NOW)), address="test", idle_s=86_400
    )
    assert actor is not None
    return actor
