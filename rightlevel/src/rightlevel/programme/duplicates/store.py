"""The only file that knows the columns of student_merge and not_duplicates, and of what a merge moves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.duplicates.model import MOST_CHILDREN, HeldResult, Merged, Moved, Record, Rename
from rightlevel.programme.errors import NotFound

_queries = load_queries(__package__ or "")
_encoder = msgspec.json.Encoder()
CARRIED: Final = ("past", "members", "attendance", "checks", "enrolments")
"""What goes along with a child beside its results, each by its own query and its field of `Moved`."""


class _Pair(msgspec.Struct, frozen=True):
    first_id: str
    second_id: str


class _Count(msgspec.Struct, frozen=True):
    id: str
    results: int


class _Id(msgspec.Struct, frozen=True):
    id: Any


class HeldMerge(msgspec.Struct, frozen=True):
    """A merge that stands."""

    id: str
    kept_id: str
    gone_id: str
    moved: Any


async def children(session: Session, school_id: int) -> list[Record]:
    values = {"school_id": school_id, "rows": MOST_CHILDREN + 1}
    return await session.fetch_all(_queries["children"], values, into=Record)


async def said_not(session: Session, school_id: int) -> set[tuple[str, str]]:
    rows = await session.fetch_all(_queries["said_not"], {"school_id": school_id}, into=_Pair)
    return {(row.first_id, row.second_id) for row in rows}


async def count_results(session: Session, ids: Sequence[str]) -> dict[str, int]:
    rows = await session.fetch_all(_queries["count_results"], {"ids": list(ids)}, into=_Count)
    return {row.id: row.results for row in rows}


async def hold_results(session: Session, ids: Sequence[str]) -> list[HeldResult]:
    return await session.fetch_all(_queries["hold_results"], {"ids": list(ids)}, into=HeldResult)


async def move_results(session: Session, result_ids: Sequence[str], to_id: str) -> int:
    return await session.execute(_queries["move_results"], {"result_ids": list(result_ids), "to_id": to_id})


async def swap_results(
    session: Session,
    standing: Sequence[str],
    aside: Sequence[str],
    *,
    kept_id: str,
    gone_id: str,
    now: datetime,
) -> None:
    """Results that stand go to the child that stays, those set aside to the one that goes; never two in one place."""
    await session.execute(_queries["lay_down"], {"result_ids": list(standing), "now": now})
    await session.execute(_queries["move_results"], {"result_ids": list(aside), "to_id": gone_id})
    await session.execute(_queries["take_up"], {"result_ids": list(standing), "to_id": kept_id})


async def carry(
    session: Session,
    what: str,
    from_id: str,
    to_id: str,
    ids: Sequence[Any] | None = None,
    *,
    keeps_aside: bool = True,
) -> list[Any]:
    """Moves what can be moved of one kind; its ids. `keeps_aside`: past enrolments that are set aside stay so."""
    values: dict[str, Any] = {"from_id": from_id, "to_id": to_id, "keeps_aside": keeps_aside}
    values["ids"] = None if ids is None else list(ids)
    return [row.id for row in await session.fetch_all(_queries[f"move_{what}"], values, into=_Id)]


async def aside_past(session: Session, student_id: str) -> list[int]:
    """The past enrolments of a record that an earlier merge set aside."""
    rows = await session.fetch_all(_queries["aside_past"], {"student_id": student_id}, into=_Id)
    return [int(row.id) for row in rows]


async def set_aside_as_before(
    session: Session, student_id: str, ids: Sequence[int], aside: Sequence[int]
) -> None:
    """Sets past enrolments that came back aside exactly as they were before they went."""
    values = {"student_id": student_id, "ids": list(ids), "aside": list(aside)}
    await session.execute(_queries["set_aside_as_before"], values)


async def tell_seats(
    session: Session, gone_id: str, kept_id: str, aside: Sequence[int], now: datetime
) -> list[int]:
    """Tells of the child that stays where the record that goes stands, and stood where it was set aside now, where a fixed roll would lose that
    seat; the ids of those stints.
    """
    values = {"from_id": gone_id, "to_id": kept_id, "aside": list(aside), "now": now}
    ids = [int(row.id) for row in await session.fetch_all(_queries["tell_seats"], values, into=_Id)]
    if ids:
        seated = {"ids": ids, "student_id": kept_id, "is_aside": False}
        await session.execute(_queries["seat_told"], seated)
    return ids


async def withdraw_told(session: Session, kept_id: str, ids: Sequence[int]) -> int:
    """Withdraws what `tell_seats` told; how many stints that were."""
    values = {"ids": list(ids), "student_id": kept_id}
    await session.execute(_queries["seat_told"], {**values, "is_aside": True})
    return await session.execute(_queries["withdraw_told"], values)


async def put_away(
    session: Session, gone_id: str, kept_id: str, *, version: int, person_id: int, now: datetime
) -> bool:
    values = {"gone_id": gone_id, "kept_id": kept_id, "version": version, "person_id": person_id, "now": now}
    return await session.execute(_queries["put_away"], values) == 1


async def bring_back(session: Session, gone_id: str, kept_id: str) -> bool:
    return await session.execute(_queries["bring_back"], {"gone_id": gone_id, "kept_id": kept_id}) == 1


async def insert_merge(
    session: Session, kept_id: str, gone_id: str, moved: Moved, *, reason: str, person_id: int, now: datetime
) -> str:
    values = {
        "kept_id": kept_id,
        "gone_id": gone_id,
        "moved": _encoder.encode(moved).decode(),
        "reason": reason,
        "person_id": person_id,
        "now": now,
    }
    return str(await session.fetch_value(_queries["insert_merge"], values))


async def hold_merge(session: Session, merge_id: str) -> HeldMerge | None:
    return await session.fetch_one(_queries["hold_merge"], {"merge_id": merge_id}, into=HeldMerge)


async def has_later_merge(session: Session, merge_id: str) -> bool:
    """Whether another record was merged into the same child since, and still is."""
    return bool(await session.fetch_value(_queries["has_later_merge"], {"merge_id": merge_id}))


async def is_erased(session: Session, ids: Sequence[str]) -> bool:
    """Whether who one of some children was has been erased."""
    return bool(await session.fetch_value(_queries["is_erased"], {"ids": list(ids)}))


async def end_merge(session: Session, merge_id: str, *, reason: str, person_id: int, now: datetime) -> bool:
    values = {"merge_id": merge_id, "reason": reason, "person_id": person_id, "now": now}
    return await session.execute(_queries["end_merge"], values) == 1


async def page_of_merges(session: Session, school_id: int, page: PageRequest) -> Page[Merged]:
    after = page.key(tuple[datetime, str])
    values = {
        "school_id": school_id,
        "after_at": after[0] if after else None,
        "after_id": after[1] if after else None,
        "rows": page.rows_to_ask,
    }
    rows = await session.fetch_all(_queries["list_merges"], values, into=Merged)
    return page_of(rows, page, lambda row: (row.merged_at, row.id))


async def find_merge(session: Session, merge_id: str) -> Merged:
    """One merge. *Errors*: NotFound."""
    found = await session.fetch_one(_queries["read_merge"], {"merge_id": merge_id}, into=Merged)
    if found is None:
        raise NotFound
    return found


async def say_not(session: Session, one: str, other: str, *, person_id: int, now: datetime) -> bool:
    values = {"one": one, "other": other, "person_id": person_id, "now": now}
    return await session.execute(_queries["say_not"], values) == 1


class NameChange(msgspec.Struct, frozen=True):
    """One change of a child's name with what else it changed."""

    id: int
    student_id: str
    before: dict[str, Any]
    after: dict[str, Any]


async def renames(
    session: Session, *, since: datetime, after: tuple[datetime, int] | None, rows: int, school_id: int | None
) -> list[Rename]:
    values = {
        "since": since,
        "rows": rows,
        "school_id": school_id,
        "after_at": after and after[0],
        "after_id": after and after[1],
    }
    return await session.fetch_all(_queries["renames"], values, into=Rename)


async def name_change(session: Session, change_id: int) -> NameChange | None:
    return await session.fetch_one(_queries["name_change"], {"id": change_id}, into=NameChange)


async def settle_rename(session: Session, change_id: int, *, settled_as: str, by: int, now: datetime) -> int:
    values = {"id": change_id, "settled_as": settled_as, "by": by, "now": now}
    return await session.execute(_queries["settle_rename"], values)
