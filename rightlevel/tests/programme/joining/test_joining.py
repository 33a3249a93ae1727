"""Requests to join: anybody asks, a coordinator decides, and nobody signs up into a role."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import msgspec
import pytest
from people import NOW, Cast, make_cast

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.pool import Database
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.operations.clean_up import CleanUp
from rightlevel.programme.accounts import CodeMade, list_people
from rightlevel.programme.assignments import list_assignments
from rightlevel.programme.errors import AlreadyTaken, Forbidden, Invalid, NotFound
from rightlevel.programme.joining import (
    Approval,
    NewJoinRequest,
    TooManyRequests,
    approve_request,
    ask_to_join,
    count_open,
    decline_request,
    list_requests,
    read_request,
)
from rightlevel.programme.joining.model import MAX_OPEN, NotOpen
from rightlevel.programme.permissions import Actor

pytestmark = pytest.mark.anyio
WISH = NewJoinRequest("Sok Dara", "012 345 678", "teacher", "Alpha School", "I teach grade 3.")

QUERIES = read_queries(
    """
-- name: fill
-- Makes many open requests.
insert into join_request (name, contact, role_wished, address, made_at)
select 'Somebody', '012', 'teacher', 'test', %(at)s from generate_series(1, %(many)s)
-- name: count
-- How many requests there are.
select count(*)::int from join_request
-- name: people
-- How many people there are.
select count(*)::int from person
""",
    origin="test_joining.py",
)


async def ask(session: Session, clock: StandingClock, wish: NewJoinRequest = WISH) -> None:
    await ask_to_join(session, wish, language="km", address="10.0.0.1", clock=clock)


async def asked(session: Session, cast: Cast, clock: StandingClock) -> int:
    await ask(session, clock)
    return (await list_requests(session, cast.coordinator, PageRequest())).items[-1].id


def approval(cast: Cast, **more: object) -> Approval:
    fields = {
        "username": "sok.dara",
        "display_name": "Sok Dara",
        "role": "teacher",
        "school_id": cast.school_a,
        "subjects": ("language", "math"),
        **more,
    }
    return Approval(**fields)  # type: ignore[arg-type]


async def approve(
    session: Session, actor: Actor, request_id: int, wanted: Approval, clock: StandingClock
) -> CodeMade:
    return await approve_request(
        session, actor, request_id, wanted, code="abcd-efgh", code_hash="hash", clock=clock
    )


async def test_approving_makes_the_account_its_code_and_its_assignments(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    request_id = await asked(session, cast, clock)
    made = await approve(session, cast.coordinator, request_id, approval(cast), clock)
    assert (made.person.username, made.person.role, made.person.language) == ("sok.dara", "teacher", "km")
    held = await list_assignments(session, cast.coordinator, PageRequest(), clock, person_id=made.person.id)
    assert {(each.school_id, each.subject) for each in held.items} == {
        (cast.school_a, "language"),
        (cast.school_a, "math"),
    }
    request = await read_request(session, cast.coordinator, request_id)
    assert (request.state, request.person_id) == ("approved", made.person.id)


@pytest.mark.parametrize("role", ["admin", "coordinator", "viewer", "nonsense"])
async def test_no_request_ends_in_a_role_above_the_field(
    session: Session, cast: Cast, clock: StandingClock, role: str
) -> None:
    request_id = await asked(session, cast, clock)
    with pytest.raises(Invalid):
        await approve(session, cast.admin, request_id, approval(cast, role=role), clock)
    with pytest.raises(Invalid):
        await ask(session, clock, NewJoinRequest("A", "012", role))


@pytest.mark.parametrize("name", ["mentor", "teacher", "viewer"])
async def test_only_leaders_read_and_decide(
    session: Session, cast: Cast, clock: StandingClock, name: str
) -> None:
    request_id = await asked(session, cast, clock)
    actor: Actor = getattr(cast, name)
    with pytest.raises(Forbidden):
        await list_requests(session, actor, PageRequest())
    with pytest.raises(Forbidden):
        await approve(session, actor, request_id, approval(cast), clock)
    with pytest.raises(Forbidden):
        await decline_request(session, actor, request_id, reason="no", clock=clock)


async def test_declining_needs_a_reason_and_is_final(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    request_id = await asked(session, cast, clock)
    with pytest.raises(Invalid):
        await decline_request(session, cast.coordinator, request_id, reason="  ", clock=clock)
    await decline_request(session, cast.coordinator, request_id, reason="Not of our schools", clock=clock)
    with pytest.raises(NotOpen):
        await decline_request(session, cast.coordinator, request_id, reason="again", clock=clock)
    with pytest.raises(NotOpen):
        await approve(session, cast.coordinator, request_id, approval(cast), clock)
    with pytest.raises(NotFound):
        await decline_request(session, cast.coordinator, 999_999, reason="nobody", clock=clock)


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"username": "teacher"}, AlreadyTaken),
        ({"school_id": 999_999}, Invalid),
        ({"subjects": ()}, Invalid),
        ({"subjects": ("history",)}, Invalid),
        ({"username": "Not Good"}, Invalid),
    ],
)
async def test_what_can_not_be_approved_leaves_nothing_behind(
    new_database: Callable[[], object], clock: StandingClock, more: dict[str, object], error: type[Exception]
) -> None:
    async with Database(new_database().conninfo) as database:  # type: ignore[attr-defined]
        async with database.transaction(deadline_s=30) as session:
            cast = await make_cast(session)
            request_id = await asked(session, cast, clock)
            before = await session.fetch_value(QUERIES["people"], {})
        with pytest.raises(error):
            await database.run(
                lambda session: approve(session, cast.coordinator, request_id, approval(cast, **more), clock),
                deadline_s=5,
            )
        async with database.read(deadline_s=5) as session:
            assert await session.fetch_value(QUERIES["people"], {}) == before
            assert (await read_request(session, cast.coordinator, request_id)).state == "open"


async def test_two_coordinators_at_once_make_one_account(
    new_database: Callable[[], object], clock: StandingClock
) -> None:
    async with Database(new_database().conninfo) as database:  # type: ignore[attr-defined]
        async with database.transaction(deadline_s=30) as session:
            cast = await make_cast(session)
            request_id = await asked(session, cast, clock)

        async def one(number: int) -> CodeMade:
            wanted = approval(cast, username=f"sok.dara{number}")
            return await database.run(
                lambda session: approve(session, cast.coordinator, request_id, wanted, clock), deadline_s=10
            )

        ends = await asyncio.gather(*(one(number) for number in range(4)), return_exceptions=True)
        assert sum(isinstance(each, CodeMade) for each in ends) == 1
        assert sum(isinstance(each, NotOpen) for each in ends) == 3
        async with database.read(deadline_s=5) as session:
            found = await list_people(session, cast.coordinator, PageRequest(), search="sok.dara")
        assert len(found.items) == 1


async def _ask_as(clock: StandingClock, name: str, session: Session) -> None:
    await ask(session, clock, msgspec.structs.replace(WISH, name=name))


async def test_a_request_sent_twice_is_one_until_it_is_decided(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    for wish in (WISH, WISH, msgspec.structs.replace(WISH, words="I teach grade 4."), WISH):
        await ask(session, clock, wish)
    open_ = (await list_requests(session, cast.coordinator, PageRequest())).items
    assert [each.words for each in open_] == ["I teach grade 3.", "I teach grade 4."]
    await decline_request(session, cast.coordinator, open_[0].id, reason="Not our school", clock=clock)
    await ask(session, clock)
    assert await count_open(session, cast.coordinator) == 2


async def test_more_open_requests_than_anybody_reads_are_refused_also_at_once(
    new_database: Callable[[], object], clock: StandingClock
) -> None:
    async with Database(new_database().conninfo) as database:  # type: ignore[attr-defined]
        async with database.transaction(deadline_s=30) as session:
            cast = await make_cast(session)
            await session.execute(QUERIES["fill"], {"at": NOW, "many": MAX_OPEN - 2})
        ends = await asyncio.gather(
            *(
                database.run(partial(_ask_as, clock, f"Person {number}"), deadline_s=10)
                for number in range(8)
            ),
            return_exceptions=True,
        )
        assert sum(isinstance(each, TooManyRequests) for each in ends) == 6
        async with database.read(deadline_s=5) as session:
            assert await count_open(session, cast.coordinator) == MAX_OPEN


async def test_the_clean_up_takes_out_what_nobody_answered(
    new_database: Callable[[], object], clock: StandingClock
) -> None:
    async with Database(new_database().conninfo, clock=clock) as database:  # type: ignore[attr-defined]
        async with database.transaction(deadline_s=30) as session:
            await session.execute(QUERIES["fill"], {"at": NOW - timedelta(days=61), "many": 3})
            await session.execute(QUERIES["fill"], {"at": NOW - timedelta(days=59), "many": 2})
        await CleanUp(database, clock).run_now()
        async with database.read(deadline_s=5) as session:
            assert await session.fetch_value(QUERIES["count"], {}) == 2


async def test_requests_are_listed_the_longest_waiting_first_page_by_page(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    for number in range(5):
        await ask(session, clock, NewJoinRequest(f"Person {number}", "012 345", "mentor"))
    first = await list_requests(session, cast.coordinator, PageRequest(2))
    second = await list_requests(session, cast.coordinator, PageRequest(2, first.next))
    assert [each.name for each in first.items + second.items] == [f"Person {n}" for n in range(4)]
