"""Rounds over HTTP."""

from __future__ import annotations

from datetime import date

import msgspec

from flatwater.contract import Created, Raw
from flatwater.paging import Page, PageRequest
from rightlevel.programme.permissions import May
from rightlevel.programme.rounds import (
    Amendment,
    DatesAnswer,
    NewRound,
    OpenRetests,
    Round,
    RoundChange,
    RoundSchool,
    SchoolDates,
    Snapshot,
    SnapshotCheck,
    change_round,
    check_snapshot_of,
    create_round,
    delete_round,
    list_amendments,
    list_round_schools,
    list_rounds,
    lock_school,
    read_open_retests,
    read_round,
    read_snapshot,
    read_snapshot_part,
    restore_round,
    set_dates_of_place,
    set_dates_of_schools,
    set_round_state,
    set_school_dates,
    unlock_school,
)
from rightlevel.web.call import (
    CLASS_BODY,
    Ask,
    ById,
    Deletion,
    actor_of,
)
from rightlevel.web.routes import Routes

routes = Routes("rounds")

CHECK_S = 120.0
"""A check reads a whole round: a country's takes about a minute."""


class RoundSearch(msgspec.Struct, frozen=True):
    """Which rounds are asked for."""

    school_year_id: int | None = None
    state: str | None = None
    deleted: bool = False


class StateChange(msgspec.Struct, frozen=True):
    """The state that a round goes to; reopening needs a reason. Frozen with re-tests that are not settled only `with_open_retests`."""

    version: int
    state: str
    reason: str = ""
    with_open_retests: bool = False


class RoundAndSchool(msgspec.Struct, frozen=True):
    """A path with a round and a school in it."""

    id: int
    school_id: int


class SchoolDays(msgspec.Struct, frozen=True):
    """A school's own days; null means the round's. `confirm`: though results lie outside them, whose number was told."""

    starts_on: date | None = None
    ends_on: date | None = None
    confirm: bool = False


class ManyDates(msgspec.Struct, frozen=True):
    """Days for up to 1,000 schools: what a row leaves out stays as it is, null is the round's again. Or one pair of days for a place."""

    schools: list[SchoolDates] = []
    place_id: int | None = None
    starts_on: date | None = None
    ends_on: date | None = None
    confirm: bool = False


class DatesAnswers(msgspec.Struct, frozen=True):
    """What became of each school's days."""

    answers: list[DatesAnswer]


class AmendmentSearch(msgspec.Struct, frozen=True):
    """Of which school, if told."""

    school_id: int | None = None


class Reason(msgspec.Struct, frozen=True):
    """Why."""

    reason: str


@routes.get("/api/v1/rounds", May("read", "round"))
async def list_all_rounds(call: Ask, *, query: RoundSearch, page: PageRequest) -> Page[Round]:
    """Rounds, the latest first."""
    return await list_rounds(
        call.session,
        actor_of(call),
        page,
        school_year_id=query.school_year_id,
        state=query.state,
        deleted=query.deleted,
    )


@routes.post("/api/v1/rounds", May("create", "round"))
async def create_one_round(call: Ask, *, body: NewRound) -> Created[Round]:
    """Plans a round."""
    made = await create_round(call.session, actor_of(call), body)
    return Created(made, f"/api/v1/rounds/{made.id}")


@routes.get("/api/v1/rounds/{id}", May("read", "round"))
async def read_one_round(call: Ask, *, path: ById) -> Round:
    """One round."""
    return await read_round(call.session, actor_of(call), path.id)


@routes.patch("/api/v1/rounds/{id}", May("change", "round"))
async def change_one_round(call: Ask, *, path: ById, body: RoundChange) -> Round:
    """Changes a round's days; a stale version gets 409 with both."""
    return await change_round(call.session, actor_of(call), path.id, body)


@routes.post("/api/v1/rounds/{id}/state", May("change", "round"))
async def set_one_round_state(call: Ask, *, path: ById, body: StateChange) -> Round:
    """Opens, closes or reopens a round."""
    return await set_round_state(
        call.session,
        actor_of(call),
        path.id,
        version=body.version,
        state=body.state,
        reason=body.reason,
        clock=call.clock,
        with_open_retests=body.with_open_retests,
    )


@routes.get("/api/v1/rounds/{id}/open-retests", May("freeze", "round"))
async def read_open_retests_of_round(call: Ask, *, path: ById) -> OpenRetests:
    """How many re-tests of a round are not settled: what is told before it is frozen."""
    return await read_open_retests(call.session, actor_of(call), path.id)


@routes.delete("/api/v1/rounds/{id}", May("delete", "round"))
async def delete_one_round(call: Ask, *, path: ById, query: Deletion) -> None:
    """Takes a round without results out of use, restorably."""
    await delete_round(call.session, actor_of(call), path.id, reason=query.reason, clock=call.clock)


@routes.post("/api/v1/rounds/{id}/restore", May("restore", "round"))
async def restore_one_round(call: Ask, *, path: ById) -> Round:
    """Brings a round back."""
    return await restore_round(call.session, actor_of(call), path.id)


@routes.get("/api/v1/rounds/{id}/schools", May("lock", "round"))
async def list_schools_of_round(call: Ask, *, path: ById, page: PageRequest) -> Page[RoundSchool]:
    """The schools that have their own days or are locked in a round."""
    return await list_round_schools(call.session, actor_of(call), path.id, page)


@routes.put("/api/v1/rounds/{id}/schools/{school_id}", May("lock", "round"))
async def set_dates_of_school(call: Ask, *, path: RoundAndSchool, body: SchoolDays) -> RoundSchool:
    """Gives a school its own days in a round."""
    return await set_school_dates(
        call.session,
        actor_of(call),
        path.id,
        path.school_id,
        starts_on=body.starts_on,
        ends_on=body.ends_on,
        confirm=body.confirm,
    )


@routes.post("/api/v1/rounds/{id}/schools/{school_id}/lock", May("lock", "round"))
async def lock_one_school(call: Ask, *, path: RoundAndSchool, body: Reason) -> RoundSchool:
    """Locks a school in a round."""
    return await lock_school(
        call.session, actor_of(call), path.id, path.school_id, reason=body.reason, clock=call.clock
    )


@routes.post("/api/v1/rounds/{id}/schools/{school_id}/unlock", May("lock", "round"))
async def unlock_one_school(call: Ask, *, path: RoundAndSchool, body: Reason) -> RoundSchool:
    """Unlocks a school in a round."""
    return await unlock_school(call.session, actor_of(call), path.id, path.school_id, reason=body.reason)


@routes.put("/api/v1/rounds/{id}/schools", May("lock", "round"), body_bytes=CLASS_BODY)
async def set_dates_of_many_schools(call: Ask, *, path: ById, body: ManyDates) -> DatesAnswers:
    """Gives many schools their own days at once, each answered for itself; what is left out stays as it is."""
    if body.place_id is not None:
        return DatesAnswers(
            await set_dates_of_place(
                call.session,
                actor_of(call),
                path.id,
                body.place_id,
                starts_on=body.starts_on,
                ends_on=body.ends_on,
                confirm=body.confirm,
            )
        )
    return DatesAnswers(
        await set_dates_of_schools(call.session, actor_of(call), path.id, body.schools, confirm=body.confirm)
    )


@routes.get("/api/v1/rounds/{id}/snapshot", May("read", "round"))
async def read_one_snapshot(call: Ask, *, path: ById) -> Snapshot:
    """A frozen round's snapshot: when, how many results, their hash."""
    return await read_snapshot(call.session, actor_of(call), path.id)


@routes.get("/api/v1/rounds/{id}/snapshot/check", May("freeze", "round"), deadline_s=CHECK_S)
async def check_one_snapshot(call: Ask, *, path: ById) -> SnapshotCheck:
    """Whether a snapshot is whole, and comes out of the live rows and their amendments bit for bit."""
    return await check_snapshot_of(call.session, actor_of(call), path.id)


@routes.get(
    "/api/v1/rounds/{id}/snapshot/schools/{school_id}",
    May("freeze", "round"),
    media=("text/plain; charset=utf-8",),
)
async def read_one_part(call: Ask, *, path: RoundAndSchool) -> Raw:
    """One school's results as they were frozen, a line each."""
    content = await read_snapshot_part(call.session, actor_of(call), path.id, path.school_id)
    return Raw(content.encode(), "text/plain; charset=utf-8")


@routes.get("/api/v1/rounds/{id}/amendments", May("freeze", "round"))
async def list_all_amendments(
    call: Ask, *, path: ById, query: AmendmentSearch, page: PageRequest
) -> Page[Amendment]:
    """What was changed in a frozen round, the newest first."""
    return await list_amendments(call.session, actor_of(call), path.id, page, school_id=query.school_id)
