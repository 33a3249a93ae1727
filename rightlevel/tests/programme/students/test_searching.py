"""Names and codes are looked for among all children, each down its own index; who left is found as fast as who is there."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from people import Cast
from serving import OneDatabase

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.students import (
    NewStudent,
    StudentSearch,
    count_students,
    create_student,
    delete_student,
    list_students,
    mark_left,
)

pytestmark = pytest.mark.anyio


async def test_a_search_of_all_schools_finds_beginnings_of_names_and_whole_codes_once_and_in_order(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    leader, a, b = cast.coordinator, cast.school_a, cast.school_b
    for school, code, name in (
        (a, "SOK", "Nary"),  # by its code
        (b, "S1", "Sok"),
        (a, "S2", "Soksan"),
        (b, "S3", "Sokha"),
        (b, "S4", "Tho Sok"),  # not from the beginning
        (a, "S5", "Soa"),
    ):
        await create_student(session, leader, NewStudent(school, code, name, 1, 3), clock)
    asked = StudentSearch(search="sok")
    found: list[str] = []
    page = PageRequest(2)
    while True:
        part = await list_students(session, leader, page, asked)
        found += [row.name for row in part.items]
        if part.next is None:
            break
        page = PageRequest(2, part.next)
    assert found == ["Nary", "Sok", "Sokha", "Soksan"]
    assert await count_students(session, leader, asked) == 4
    both = StudentSearch(search="s1")
    assert [row.code for row in (await list_students(session, leader, PageRequest(), both)).items] == ["S1"]
    assert await count_students(session, leader, StudentSearch(search="sok", grade=4)) == 0


async def test_who_left_is_listed_and_counted(session: Session, cast: Cast, clock: StandingClock) -> None:
    leader, child = cast.coordinator, cast.students_b[1]
    day = clock.now().date()
    await mark_left(session, leader, child, version=1, left_on=day, reason="away", clock=clock)
    asked = StudentSearch(status="left")
    assert [row.id for row in (await list_students(session, leader, PageRequest(), asked)).items] == [child]
    assert await count_students(session, leader, asked) == 1
    assert await count_students(session, leader, StudentSearch(status="active", search=" ")) == 7


async def test_a_choice_of_all_children_is_in_order_and_goes_on_from_page_to_page(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    leader, a, b = cast.coordinator, cast.school_a, cast.school_b
    for number in range(9):
        new = NewStudent(
            (a, b)[number % 2], f"K{number}", f"Kim {9 - number}", 1 + number % 2, 3 + number % 3
        )
        await create_student(session, leader, new, clock)
    for asked, wanted in (
        (StudentSearch(grade=4), ["Kim 2", "Kim 5", "Kim 8"]),
        (StudentSearch(grade=4, sex=1), ["Kim 5"]),
        (StudentSearch(search="kim", status="active"), [f"Kim {each}" for each in range(1, 10)]),
        (StudentSearch(sex=9), []),
        (StudentSearch(grade=12), []),
        (StudentSearch(grade=10**12), []),
        (StudentSearch(grade=4, status="left"), []),
    ):
        found: list[str] = []
        part = await list_students(session, leader, PageRequest(2), asked)
        while True:
            found += [row.name for row in part.items]
            if part.next is None:
                break
            part = await list_students(session, leader, PageRequest(2, part.next), asked)
        assert found == wanted, asked
        assert await count_students(session, leader, asked) == len(wanted), asked


async def test_deleted_children_are_found_among_themselves(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    leader = cast.coordinator
    made = await create_student(session, leader, NewStudent(cast.school_a, "GONE", "Sok Gone", 1, 3), clock)
    await delete_student(session, leader, made.id, reason="twice", clock=clock)
    for asked in (
        StudentSearch(deleted=True),
        StudentSearch(deleted=True, search="sok"),
        StudentSearch(deleted=True, search="gone"),
        StudentSearch(deleted=True, grade=3),
    ):
        assert [row.id for row in (await list_students(session, leader, PageRequest(), asked)).items] == [
            made.id
        ]
        assert await count_students(session, leader, asked) == 1
    for asked in (
        StudentSearch(search="sok"),
        StudentSearch(search="gone"),
        StudentSearch(deleted=True, grade=4),
    ):
        assert (await list_students(session, leader, PageRequest(), asked)).items == []


SEARCH = ("by_search", "live")


@pytest.mark.parametrize(
    ("query", "parts", "indexes"),
    [
        ("find_students", SEARCH, {"student_by_code", "student_by_kind"}),
        ("count_found_students", SEARCH, {"student_by_code", "student_by_kind"}),
        ("find_students", ("live",), {"student_by_kind"}),
        (
            "find_students",
            ("deleted", "by_search"),
            {"student_deleted_by_kind"},
        ),
        ("list_students", ("live", "of_all"), {"student_by_name"}),
    ],
)
def test_each_way_goes_down_its_own_index(
    new_database: Callable[[], OneDatabase], query: str, parts: tuple[str, ...], indexes: set[str]
) -> None:
    text = load_queries("rightlevel.programme.students")[query].plus(*parts).text
    values = {
        "first": "sok",
        "last": "sok\U0010ffff",
        "search": "sok%",
        "code": "sok",
        "rows": 51,
        "bound": 101,
        "grades": [3],
        "sexes": [1, 2],
        "statuses": ["active"],
    }
    with psycopg.connect(new_database().conninfo) as connection:
        connection.execute("set enable_seqscan = off")
        connection.execute("set plan_cache_mode = force_generic_plan")
        rows = connection.execute(b"explain " + text.encode(), values).fetchall()
    plan = "\n".join(row[0] for row in rows)
    assert indexes <= {each for each in indexes if each in plan}, plan
    if "by_search" in parts:
        assert "deleted" in parts or "Index Cond: (lower(code) = 'sok'" in plan, plan
        assert "name_key >= 'sok'" in plan, plan
