"""Phones on which somebody keeps work: ended from afar by their owner or somebody above, and by nobody else."""

from __future__ import annotations

from uuid import uuid4

import pytest
from people import Cast, actor_now

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.transaction import Session
from rightlevel.programme.accounts import list_sessions, set_active
from rightlevel.programme.accounts import phones as phones_
from rightlevel.programme.accounts.phones import (
    PhoneEnded,
    end_phone,
    end_phone_of,
    keep_phone,
    list_phones,
    list_phones_of,
    phone_state,
)
from rightlevel.programme.errors import Forbidden, Invalid, NotFound

pytestmark = pytest.mark.anyio


async def test_a_phone_that_is_ended_loses_its_session_and_is_told_so(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    teacher = await actor_now(session, "teacher")
    phone = str(uuid4())
    await keep_phone(session, teacher, phone, label="A phone", clock=clock)
    assert (await phone_state(session, phone)).state == "kept"
    assert [(each.id, each.ended_at) for each in await list_phones(session, teacher)] == [(phone, None)]
    assert [each.id for each in (await list_sessions(session, teacher, PageRequest(5))).items] == [
        teacher.session_id
    ]
    await end_phone(session, teacher, phone, clock)
    assert (await phone_state(session, phone)).state == "ended"
    assert (await list_sessions(session, teacher, PageRequest(5))).items == []
    with pytest.raises(PhoneEnded):
        await keep_phone(session, teacher, phone, label="A phone", clock=clock)
    with pytest.raises(NotFound):
        await end_phone(session, teacher, phone, clock)


async def test_who_is_above_ends_a_phone_and_nobody_else_does(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    phone = str(uuid4())
    owner = cast.mentor.person_id
    await keep_phone(session, cast.mentor, phone, label="A phone", clock=clock)
    for nobody in (cast.teacher, cast.viewer, cast.mentor_elsewhere):
        with pytest.raises(Forbidden):
            await end_phone_of(session, nobody, owner, phone, clock)
        with pytest.raises(Forbidden):
            await list_phones_of(session, nobody, owner)
        with pytest.raises(NotFound):
            await end_phone(session, nobody, phone, clock)
        with pytest.raises(PhoneEnded):  # it does not become another's by being told so
            await keep_phone(session, nobody, phone, label="", clock=clock)
    with pytest.raises(Forbidden):
        await list_phones_of(session, cast.coordinator, cast.admin.person_id)
    with pytest.raises(NotFound):
        await end_phone_of(session, cast.coordinator, cast.teacher.person_id, phone, clock)
    assert [each.id for each in await list_phones_of(session, cast.coordinator, owner)] == [phone]
    await end_phone_of(session, cast.coordinator, owner, phone, clock)
    assert (await phone_state(session, phone)).state == "ended"


async def test_the_phone_of_an_account_that_is_switched_off_keeps_nothing(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    phone = str(uuid4())
    await keep_phone(session, cast.mentor, phone, label="", clock=clock)
    await set_active(session, cast.admin, cast.mentor.person_id, is_active=False, clock=clock)
    assert (await phone_state(session, phone)).state == "ended"
    assert (await phone_state(session, str(uuid4()))).state == "ended"
    with pytest.raises(NotFound):
        await phone_state(session, "no id")
    with pytest.raises(Invalid):
        await keep_phone(session, cast.teacher, "no id", label="", clock=clock)


async def test_a_person_has_so_many_phones_and_the_one_unseen_longest_goes(
    session: Session, cast: Cast, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phones_, "MAX_PHONES", 2)
    kept = [str(uuid4()) for _ in range(3)]
    for each in kept:
        await keep_phone(session, cast.teacher, each, label="", clock=clock)
        clock.advance(60)
    assert [each.id for each in await list_phones(session, cast.teacher)] == [kept[2], kept[1]]
    assert (await phone_state(session, kept[0])).state == "ended"


async def test_two_hundred_phones_of_a_person_are_the_twenty_seen_last(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    others = str(uuid4())
    await keep_phone(session, cast.mentor, others, label="", clock=clock)
    kept = [str(uuid4()) for _ in range(10 * phones_.MAX_PHONES)]
    for each in kept:
        await keep_phone(session, cast.teacher, each, label="x" * 1_000, clock=clock)
        clock.advance(60)
    assert [each.id for each in await list_phones(session, cast.teacher)] == kept[:-21:-1]
    states = [(await phone_state(session, each)).state for each in kept]
    assert (states.count("kept"), states.count("ended")) == (20, 180), "no more rows lie behind the list"
    assert (await phone_state(session, others)).state == "kept", "another's are not touched"
