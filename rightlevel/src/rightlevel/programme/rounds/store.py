"""The only file that knows the columns of round, round_school, round_snapshot and amendment."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, cast

import msgspec

from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import NotFound
from rightlevel.programme.rounds.model import Amendment, Round, RoundSchool, Snapshot

_queries = load_queries(__package__ or "")


class OwnDays(msgspec.Struct, frozen=True):
    """A school that there is, with its own days in a round."""

    school_id: int
    starts_on: date | None
    ends_on: date | None


class SealedSome(msgspec.Struct, frozen=True):
    """How far a snapshot's parts were written."""

    last_id: int
    schools: int


class CheckedPart(msgspec.Struct, frozen=True):
    """Whether one school's part is what its hash says, and what the live rows and amendments give."""

    school_id: int
    is_intact: bool
    is_rebuilt: bool


class _Intact(msgspec.Struct, frozen=True):
    is_intact: bool


class _Content(msgspec.Struct, frozen=True):
    content: str


class _RoundId(msgspec.Struct, frozen=True):
    round_id: int


class _Days(msgspec.Struct, frozen=True):
    kind: str
    starts_on: date
    ends_on: date


async def page_of_rounds(
    session: Session, page: PageRequest, *, school_year_id: int | None, state: str | None, deleted: bool
) -> Page[Round]:
    after = page.key(tuple[int])
    values = {
        "deleted": deleted,
        "school_year_id": school_year_id,
        "state": state,
        "after_id": after[0] if after else None,
        "rows": page.rows_to_ask,
    }
    rows = await session.fetch_all(_queries["list_rounds"], values, into=Round)
    return page_of(rows, page, lambda row: (row.id,))


async def find_round(session: Session, round_id: int, *, for_update: bool = False) -> Round:
    """One round, deleted or not. *Errors*: NotFound."""
    query = _queries["read_round"]
    row = await session.fetch_one(
        query.plus("for_update") if for_update else query, {"round_id": round_id}, into=Round
    )
    if row is None:
        raise NotFound
    return row


async def hold_rolls(session: Session) -> None:
    """Before a round's state is changed: the same for whoever changes where children stand."""
    await session.execute(_queries["hold_rolls"], {})
    await hold_results(session)


async def hold_results(session: Session) -> None:
    """Before a round is changed: lets the writes of results under way end, and holds the next ones back."""
    await session.execute(_queries["hold_results"], {})


async def other_rounds(session: Session, school_year_id: int, *, but: int) -> list[tuple[str, date, date]]:
    values = {"school_year_id": school_year_id, "round_id": but}
    return [
        (row.kind, row.starts_on, row.ends_on)
        for row in await session.fetch_all(_queries["other_rounds"], values, into=_Days)
    ]


async def current_round(session: Session, today: date) -> Round | None:
    return await session.fetch_one(_queries["current_round"], {"today": today}, into=Round)


async def insert_round(session: Session, values: dict[str, Any]) -> int:
    return cast("int", await session.fetch_value(_queries["insert_round"], values))


async def change_round_row(session: Session, round_id: int, version: int, fields: dict[str, Any]) -> int:
    values = {"round_id": round_id, "version": version, **fields}
    return await session.execute(_queries["change_round"], values)


async def set_state(
    session: Session, round_id: int, version: int, *, before: str, state: str, now: datetime
) -> int:
    """Changes a round's state; a trigger fixes its roll, or those of earlier rounds, where that is due."""
    values = {"round_id": round_id, "version": version, "before": before, "state": state, "now": now}
    return await session.execute(_queries["set_round_state"], values)


async def loosen_roll(session: Session, round_id: int) -> bool:
    """Lets a round go by who is enrolled now again, unless a later round was ever opened; whether it does."""
    if await session.fetch_value(_queries["later_opened"], {"round_id": round_id}):
        return False
    await session.fetch_value(_queries["loosen_roll"], {"round_id": round_id})
    return True


async def results_outside(
    session: Session,
    round_id: int,
    starts_on: date,
    ends_on: date,
    *,
    of_schools: list[OwnDays] | None = None,
) -> int:
    """How many results lie outside the round's days (and the schools' own), or outside the own days that some schools would have."""
    days = of_schools or []
    values = {
        "round_id": round_id,
        "starts_on": starts_on,
        "ends_on": ends_on,
        "school_ids": [each.school_id for each in days],
        "starts": [each.starts_on for each in days],
        "ends": [each.ends_on for each in days],
    }
    query = _queries["results_outside"].plus("of_round" if of_schools is None else "of_schools")
    return cast("int", await session.fetch_value(query, values))


async def windows_outside(session: Session, round_id: int, starts_on: date, ends_on: date) -> int:
    values = {"round_id": round_id, "starts_on": starts_on, "ends_on": ends_on}
    return cast("int", await session.fetch_value(_queries["windows_outside"], values))


async def has_results(session: Session, round_id: int) -> bool:
    return bool(await session.fetch_value(_queries["count_results"], {"round_id": round_id}))


async def delete_round_row(session: Session, round_id: int, *, by: int, reason: str, now: datetime) -> int:
    return await session.execute(
        _queries["delete_round"], {"round_id": round_id, "by": by, "reason": reason, "now": now}
    )


async def restore_round_row(session: Session, round_id: int) -> int:
    return await session.execute(_queries["restore_round"], {"round_id": round_id})


async def page_of_round_schools(
    session: Session, round_id: int, page: PageRequest, *, school_id: int | None = None
) -> Page[RoundSchool]:
    after = page.key(tuple[int])
    values = {
        "round_id": round_id,
        "school_id": school_id,
        "after_id": after[0] if after else None,
        "rows": page.rows_to_ask,
    }
    rows = await session.fetch_all(_queries["list_round_schools"], values, into=RoundSchool)
    return page_of(rows, page, lambda row: (row.school_id,))


async def set_school_dates(
    session: Session, round_id: int, school_id: int, starts_on: date | None, ends_on: date | None
) -> None:
    values = {"round_id": round_id, "school_id": school_id, "starts_on": starts_on, "ends_on": ends_on}
    await session.execute(_queries["set_school_dates"], values)


async def lock_school_row(
    session: Session, round_id: int, school_id: int, *, by: int, reason: str, now: datetime
) -> None:
    values = {"round_id": round_id, "school_id": school_id, "by": by, "reason": reason, "now": now}
    await session.execute(_queries["lock_school"], values)


async def unlock_school_row(session: Session, round_id: int, school_id: int) -> int:
    return await session.execute(_queries["unlock_school"], {"round_id": round_id, "school_id": school_id})


async def amend(session: Session, reason: str, person_id: int) -> None:
    await session.execute(_queries["amend"], {"reason": reason[:200], "person_id": person_id})


async def days_of_schools(
    session: Session,
    round_id: int,
    *,
    rows: int,
    school_ids: list[int] | None = None,
    place_id: int | None = None,
) -> list[OwnDays]:
    part = "by_ids" if place_id is None else "by_place"
    values = {"round_id": round_id, "school_ids": school_ids, "place_id": place_id, "rows": rows}
    return await session.fetch_all(_queries["school_dates"].plus(part), values, into=OwnDays)


async def set_many_dates(session: Session, round_id: int, days: list[OwnDays]) -> None:
    values = {
        "round_id": round_id,
        "school_ids": [each.school_id for each in days],
        "starts": [each.starts_on for each in days],
        "ends": [each.ends_on for each in days],
    }
    await session.execute(_queries["set_many_dates"], values)


async def begin_snapshot(session: Session, round_id: int, *, person_id: int, now: datetime) -> None:
    values = {"round_id": round_id, "person_id": person_id, "now": now}
    await session.execute(_queries["begin_snapshot"], values)


async def rounds_to_seal(session: Session) -> list[int]:
    return [row.round_id for row in await session.fetch_all(_queries["rounds_to_seal"], {}, into=_RoundId)]


async def seal_some_schools(session: Session, round_id: int, *, after_id: int, schools: int) -> SealedSome:
    values = {"round_id": round_id, "after_id": after_id, "schools": schools}
    row = await session.fetch_one(_queries["seal_some_schools"], values, into=SealedSome)
    return row or SealedSome(0, 0)


async def seal_round(session: Session, round_id: int, now: datetime) -> int:
    return await session.execute(_queries["seal_round"], {"round_id": round_id, "now": now})


async def find_snapshot(session: Session, round_id: int) -> Snapshot:
    """A frozen round's snapshot. *Errors*: NotFound."""
    row = await session.fetch_one(_queries["read_snapshot"], {"round_id": round_id}, into=Snapshot)
    if row is None:
        raise NotFound
    return row


async def snapshot_part(session: Session, round_id: int, school_id: int) -> str:
    """One school's part of a snapshot. *Errors*: NotFound."""
    found = await session.fetch_one(
        _queries["snapshot_part"], {"round_id": round_id, "school_id": school_id}, into=_Content
    )
    if found is None:
        raise NotFound
    return found.content


async def check_some_parts(
    session: Session, round_id: int, *, after_id: int, schools: int
) -> list[CheckedPart]:
    values = {"round_id": round_id, "after_id": after_id, "schools": schools}
    return await session.fetch_all(_queries["check_some_parts"], values, into=CheckedPart)


async def is_hash_intact(session: Session, round_id: int) -> bool:
    """Whether a sealed snapshot's hash is that of its parts; no for one that is not sealed."""
    found = await session.fetch_one(_queries["snapshot_hash"], {"round_id": round_id}, into=_Intact)
    return found is not None and found.is_intact


async def page_of_amendments(
    session: Session, round_id: int, page: PageRequest, *, school_id: int | None
) -> Page[Amendment]:
    after = page.key(tuple[int])
    values = {
        "round_id": round_id,
        "school_id": school_id,
        "after_id": after[0] if after else None,
        "rows": page.rows_to_ask,
    }
    rows = await session.fetch_all(_queries["list_amendments"], values, into=Amendment)
    return page_of(rows, page, lambda row: (row.id,))
