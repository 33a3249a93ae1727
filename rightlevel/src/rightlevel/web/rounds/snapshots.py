"""What is kept of a frozen round, and what was corrected since."""

from __future__ import annotations

import msgspec

from flatwater.contract import Raw
from flatwater.paging import Page, PageRequest
from rightlevel.programme.permissions import May
from rightlevel.programme.rounds import (
    Amendment,
    Snapshot,
    SnapshotCheck,
    check_snapshot_of,
    list_amendments,
    read_snapshot,
    read_snapshot_part,
)
from rightlevel.web.call import (
    Ask,
    ById,
    actor_of,
)
from rightlevel.web.rounds.schools import RoundAndSchool
from rightlevel.web.routes import Routes

routes = Routes("rounds")


CHECK_S = 120.0
"""A check reads a whole round: a country's takes about a minute."""


class AmendmentSearch(msgspec.Struct, frozen=True):
    """Of which school, if told."""

    school_id: int | None = None


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
