"""The only file that knows the columns of school_approval and approval_step."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import cast

import msgspec

from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.rounds.model import ApprovalCount, ApprovalStep, SchoolApproval, Step

_queries = load_queries(__package__ or "", "approvals.sql")


class Held(msgspec.Struct, frozen=True):
    """An approval that is held. `last_by` is who approved last, none where nothing is approved."""

    waits_for: Step | None
    last_by: int | None
    locked_at: datetime | None
    version: int


class _Name(msgspec.Struct, frozen=True):
    name: str


class SchoolInRound(msgspec.Struct, frozen=True):
    """A school in a round, and now."""

    round_id: int
    school_id: int
    now: datetime

    def values(self, **more: object) -> dict[str, object]:
        return {**msgspec.structs.asdict(self), **more}


async def set_steps(session: Session, round_id: int, version: int, steps: Sequence[Step]) -> int:
    values = {"round_id": round_id, "version": version, "steps": list(steps)}
    return await session.execute(_queries["set_steps"], values)


async def are_any_approved(session: Session, round_id: int) -> bool:
    return bool(await session.fetch_value(_queries["count_approved"], {"round_id": round_id}))


async def forget_approvals(session: Session, round_id: int) -> int:
    return await session.execute(_queries["forget_approvals"], {"round_id": round_id})


async def hold_approval(session: Session, of: SchoolInRound, first: Step) -> Held:
    found = await session.fetch_one(_queries["hold_approval"], of.values(first=first), into=Held)
    if found is None:
        raise AssertionError("what was just made is there")
    return found


async def move_approval(
    session: Session,
    of: SchoolInRound,
    version: int,
    *,
    waits_for: Step | None,
    last_by: int | None,
    locked_at: datetime | None,
) -> int:
    values = of.values(version=version, waits_for=waits_for, last_by=last_by, locked_at=locked_at)
    return await session.execute(_queries["move_approval"], values)


async def keep_step(
    session: Session, of: SchoolInRound, step: Step, *, deed: str, person_id: int, words: str
) -> None:
    await session.execute(
        _queries["keep_step"], of.values(step=step, deed=deed, person_id=person_id, words=words)
    )


async def count_steps(session: Session, of: SchoolInRound, most: int) -> int:
    values = {"round_id": of.round_id, "school_id": of.school_id, "most": most}
    return cast("int", await session.fetch_value(_queries["count_steps"], values))


async def list_steps(session: Session, round_id: int, school_id: int, rows: int) -> list[ApprovalStep]:
    values = {"round_id": round_id, "school_id": school_id, "rows": rows}
    return await session.fetch_all(_queries["list_steps"], values, into=ApprovalStep)


async def lock_where_unlocked(session: Session, of: SchoolInRound, *, by: int, reason: str) -> bool:
    return bool(await session.execute(_queries["lock_where_unlocked"], of.values(by=by, reason=reason)))


async def unlock_own(session: Session, of: SchoolInRound, locked_at: datetime) -> int:
    values = {"round_id": of.round_id, "school_id": of.school_id, "locked_at": locked_at}
    return await session.execute(_queries["unlock_own"], values)


async def is_approved(session: Session, round_id: int, school_id: int) -> bool:
    values = {"round_id": round_id, "school_id": school_id}
    return bool(await session.fetch_value(_queries["is_approved"], values))


async def page_of_approvals(
    session: Session, round_id: int, page: PageRequest, *, school_ids: list[int] | None, state: str | None
) -> Page[SchoolApproval]:
    after = page.key(tuple[int])
    values = {
        "round_id": round_id,
        "school_ids": school_ids,
        "state": state,
        "after_id": after[0] if after else None,
        "rows": page.rows_to_ask,
    }
    rows = await session.fetch_all(_queries["list_approvals"], values, into=SchoolApproval)
    return page_of(rows, page, lambda row: (row.school_id,))


async def count_approvals(session: Session, round_id: int) -> list[ApprovalCount]:
    return await session.fetch_all(_queries["count_approvals"], {"round_id": round_id}, into=ApprovalCount)


async def count_waiting(
    session: Session, round_id: int, step: Step, *, school_ids: list[int] | None, most: int
) -> int:
    values = {"round_id": round_id, "step": step, "school_ids": school_ids, "rows": most}
    return cast("int", await session.fetch_value(_queries["count_waiting"], values))


async def who_may(session: Session, school_id: int, roles: Sequence[str], today: date) -> list[str]:
    values = {"school_id": school_id, "roles": list(roles), "today": today}
    return [each.name for each in await session.fetch_all(_queries["who_may"], values, into=_Name)]
