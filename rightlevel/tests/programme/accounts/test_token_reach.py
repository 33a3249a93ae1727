"""API tokens reach what their holder may, or less: reading only, some resources only, until a day."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from people import NOW, Cast, actor_now
from serving import Served

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.transaction import Session
from rightlevel.programme.accounts import (
    TokenMade,
    actor_by_token,
    create_token,
    end_other_sessions,
    list_tokens,
    list_tokens_of,
    revoke_token_of,
)
from rightlevel.programme.accounts.tokens import RESOURCES
from rightlevel.programme.errors import Forbidden, Invalid, NotFound
from rightlevel.programme.permissions import TABLE, Actor, TokenReach, may
from rightlevel.programme.time_zone import ProgrammeClock

pytestmark = pytest.mark.anyio


async def with_token(session: Session, actor: Actor, clock: StandingClock, reach: TokenReach) -> Actor:
    made = await create_token(session, actor, None, label="test", days=1, clock=clock, reach=reach)
    holder = await actor_by_token(session, made.token, ProgrammeClock(clock), address="test")
    assert holder is not None
    return holder


@pytest.mark.parametrize("name", ["admin", "coordinator", "mentor", "teacher", "viewer"])
async def test_no_token_reaches_further_than_its_holder(
    session: Session, cast: Cast, clock: StandingClock, name: str
) -> None:
    actor: Actor = getattr(cast, name)
    whole = await with_token(session, actor, clock, TokenReach())
    reading = await with_token(session, actor, clock, TokenReach(may_write=False))
    narrow = await with_token(session, actor, clock, TokenReach(resources=("school", "figure")))
    for action, resource in TABLE:
        assert may(whole, action, resource) == may(actor, action, resource)
        if may(reading, action, resource):
            assert may(actor, action, resource)
            assert action in ("read", "export") or resource == "self"
        if may(narrow, action, resource):
            assert may(actor, action, resource)
            assert resource in ("school", "figure")
    assert may(reading, "read", "school")


async def test_a_limited_token_makes_no_others(session: Session, cast: Cast, clock: StandingClock) -> None:
    for reach in (TokenReach(), TokenReach(may_write=False), TokenReach(resources=("self", "school"))):
        holder = await with_token(session, cast.coordinator, clock, reach)
        with pytest.raises(Forbidden):
            await create_token(session, holder, None, label="more", days=1, clock=clock)


async def test_a_token_ends_with_its_last_day(session: Session, cast: Cast) -> None:
    clock = StandingClock(NOW)
    made: TokenMade = await create_token(session, cast.teacher, None, label="x", days=2, clock=clock)
    clock.advance(timedelta(days=2).total_seconds() - 1)
    assert await actor_by_token(session, made.token, ProgrammeClock(clock), address="") is not None
    clock.advance(1)
    assert await actor_by_token(session, made.token, ProgrammeClock(clock), address="") is None


@pytest.mark.parametrize("resources", [(), ("nonsense",), tuple(RESOURCES) * 3])
async def test_a_reach_names_resources_of_the_table(
    session: Session, cast: Cast, clock: StandingClock, resources: tuple[str, ...]
) -> None:
    with pytest.raises(Invalid):
        await create_token(
            session, cast.admin, None, label="x", days=1, clock=clock, reach=TokenReach(resources=resources)
        )


async def test_tokens_of_others_are_an_admins(session: Session, cast: Cast, clock: StandingClock) -> None:
    await create_token(session, cast.teacher, None, label="theirs", days=1, clock=clock)
    theirs = (await list_tokens(session, cast.teacher, PageRequest())).items[0]
    for actor in (cast.coordinator, cast.mentor, cast.viewer):
        with pytest.raises(Forbidden):
            await list_tokens_of(session, actor, cast.teacher.person_id, PageRequest())
        with pytest.raises(Forbidden):
            await revoke_token_of(session, actor, cast.teacher.person_id, theirs.id, clock)
    with pytest.raises(NotFound):
        await revoke_token_of(session, cast.admin, cast.mentor.person_id, theirs.id, clock)
    await revoke_token_of(session, cast.admin, cast.teacher.person_id, theirs.id, clock)
    rows = (await list_tokens_of(session, cast.admin, cast.teacher.person_id, PageRequest())).items
    assert next(each for each in rows if each.id == theirs.id).is_revoked


async def test_signing_out_everywhere_else_leaves_this_session(session: Session, cast: Cast) -> None:
    assert await end_other_sessions(session, cast.teacher) == 0
    assert (await actor_now(session, "teacher")).person_id == cast.teacher.person_id


def bearer(served: Served, token: str) -> httpx.AsyncClient:
    client = served.client()
    client.headers["authorization"] = f"Bearer {token}"
    return client


async def token_over_http(served: Served, **more: object) -> str:
    async with served.client("coordinator", by="cookie") as client:
        made = await client.post("/api/v1/me/tokens", json={"label": "x", "days": 1, **more})
    assert made.status_code == 200, made.text
    return made.json()["token"]


async def test_a_reading_token_reads_and_writes_nothing_over_http(served: Served) -> None:
    async with bearer(served, await token_over_http(served, may_write=False)) as client:
        assert (await client.get("/api/v1/schools")).status_code == 200
        assert (await client.get("/api/v1/me")).status_code == 200
        name = f"nobody.{uuid4().hex[:6]}"
        for answer in (
            await client.post(
                "/api/v1/people", json={"username": name, "display_name": "x", "role": "teacher"}
            ),
            await client.post("/api/v1/me/tokens", json={"label": "x"}),
            await client.post("/api/v1/audit/export", json={}),
            await client.delete(f"/api/v1/people/{served.cast.teacher.person_id}"),
        ):
            assert answer.status_code == 403, answer.text


async def test_a_narrow_token_gets_into_its_resources_only_over_http(served: Served) -> None:
    async with bearer(served, await token_over_http(served, resources=["school"])) as client:
        assert (await client.get("/api/v1/schools")).status_code == 200
        for path in ("/api/v1/people", "/api/v1/audit", "/api/v1/me", "/api/v1/rounds"):
            assert (await client.get(path)).status_code == 403, path


async def test_a_refused_write_of_a_reading_token_is_written_down(served: Served) -> None:
    async with bearer(served, await token_over_http(served, may_write=False)) as client:
        await client.post("/api/v1/audit/export", json={"text": "not allowed"})
    async with served.client("admin") as client:
        rows = (
            await client.get("/api/v1/audit", params={"outcome": "denied", "username": "coordinator"})
        ).json()["items"]
    assert any(each["reason"] == "token_reads_only" for each in rows)
