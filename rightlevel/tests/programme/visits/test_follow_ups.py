"""Follow-ups: open → done | cancelled, by their owner or above; every other step is refused."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import uuid4

import pytest
from people import Cast
from visiting import sent_visit

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.transaction import Session
from rightlevel.programme.errors import Forbidden, Invalid, NotFound, Stale
from rightlevel.programme.permissions import Actor
from rightlevel.programme.visits import (
    FollowUp,
    NewFollowUp,
    close_follow_up,
    list_follow_ups,
    raise_follow_up,
)
from rightlevel.programme.visits.follow_ups import FollowUpClosed, TooManyFollowUps

pytestmark = pytest.mark.anyio


async def raised(session: Session, cast: Cast, clock: StandingClock, owner: Actor, **more: Any) -> FollowUp:
    visit = await sent_visit(session, cast, clock)
    values: dict[str, Any] = {"due_on": date(2026, 11, 30), "words": "Bring number cards"} | more
    return await raise_follow_up(
        session, cast.mentor, visit.visit.id, NewFollowUp(str(uuid4()), owner.person_id, **values), clock
    )


async def close(
    session: Session,
    actor: Actor,
    each: FollowUp,
    clock: StandingClock,
    state: str = "done",
    version: int = 1,
) -> FollowUp:
    return await close_follow_up(
        session, actor, each.id, state=state, words="They are there", version=version, clock=clock
    )


@pytest.mark.parametrize("state", ["done", "cancelled"])
async def test_its_owner_closes_it_in_words(
    session: Session, cast: Cast, clock: StandingClock, state: str
) -> None:
    made = await raised(session, cast, clock, cast.teacher)
    closed = await close(session, cast.teacher, made, clock, state)
    assert (closed.state, closed.closed_words, closed.version) == (state, "They are there", 2)


@pytest.mark.parametrize("first", ["done", "cancelled"])
@pytest.mark.parametrize("then", ["open", "done", "cancelled"])
async def test_what_is_closed_stays_closed(
    session: Session, cast: Cast, clock: StandingClock, first: str, then: str
) -> None:
    made = await raised(session, cast, clock, cast.teacher)
    await close(session, cast.teacher, made, clock, first)
    with pytest.raises(Invalid if then == "open" else FollowUpClosed):
        await close(session, cast.coordinator, made, clock, then, version=2)


async def test_what_is_open_is_not_opened(session: Session, cast: Cast, clock: StandingClock) -> None:
    made = await raised(session, cast, clock, cast.teacher)
    with pytest.raises(Invalid):
        await close(session, cast.teacher, made, clock, "open")


async def test_whoever_is_above_the_owner_closes_it_and_nobody_else(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    made = await raised(session, cast, clock, cast.mentor)
    with pytest.raises(NotFound):
        await close(session, cast.teacher, made, clock)
    with pytest.raises(NotFound):
        await close(session, cast.mentor_elsewhere, made, clock)
    with pytest.raises(Forbidden):
        await close(session, cast.viewer, made, clock)
    leaders = await raised(session, cast, clock, cast.coordinator)
    with pytest.raises(Forbidden):
        await close(session, cast.mentor, leaders, clock)
    assert (await close(session, cast.coordinator, made, clock)).state == "done"


async def test_closing_needs_words_and_the_version_that_was_read(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    made = await raised(session, cast, clock, cast.teacher)
    with pytest.raises(Invalid):
        await close_follow_up(session, cast.teacher, made.id, state="done", words=" ", version=1, clock=clock)
    with pytest.raises(Stale):
        await close(session, cast.teacher, made, clock, version=3)


async def test_mentors_and_leaders_raise_them_for_people_of_the_school(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    for owner in (cast.stranger, cast.viewer, cast.mentor_elsewhere):
        with pytest.raises(Invalid):
            await raised(session, cast, clock, owner)
    for more in ({"due_on": date(2026, 11, 22)}, {"words": ""}, {"words": "x" * 501}):
        with pytest.raises(Invalid):
            await raised(session, cast, clock, cast.teacher, **more)
    visit = await sent_visit(session, cast, clock)
    new = NewFollowUp(str(uuid4()), cast.teacher.person_id, date(2026, 11, 30), "x")
    with pytest.raises(Forbidden):
        await raise_follow_up(session, cast.teacher, visit.visit.id, new, clock)
    with pytest.raises(NotFound):
        await raise_follow_up(session, cast.mentor_elsewhere, visit.visit.id, new, clock)
    first = await raise_follow_up(session, cast.mentor, visit.visit.id, new, clock)
    assert await raise_follow_up(session, cast.mentor, visit.visit.id, new, clock) == first


async def test_a_visit_has_at_most_twenty(session: Session, cast: Cast, clock: StandingClock) -> None:
    visit = await sent_visit(session, cast, clock)
    for number in range(21):
        new = NewFollowUp(str(uuid4()), cast.teacher.person_id, date(2026, 11, 30), f"{number}")
        if number < 20:
            await raise_follow_up(session, cast.mentor, visit.visit.id, new, clock)
        else:
            with pytest.raises(TooManyFollowUps):
                await raise_follow_up(session, cast.mentor, visit.visit.id, new, clock)


async def test_the_list_shows_what_is_open_overdue_or_closed_the_most_urgent_first(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    later = await raised(session, cast, clock, cast.teacher, due_on=date(2026, 12, 9))
    sooner = await raised(session, cast, clock, cast.mentor, due_on=date(2026, 11, 24))
    clock.advance(3 * 86_400)
    page = PageRequest(20)

    async def ids(actor: Actor, which: str) -> list[str]:
        return [each.id for each in (await list_follow_ups(session, actor, page, clock, which=which)).items]

    assert await ids(cast.mentor, "open") == [sooner.id, later.id]
    assert await ids(cast.mentor, "overdue") == [sooner.id]
    assert await ids(cast.teacher, "open") == [later.id]
    assert await ids(cast.mentor_elsewhere, "open") == []
    await close(session, cast.mentor, sooner, clock)
    assert await ids(cast.coordinator, "closed") == [sooner.id]
