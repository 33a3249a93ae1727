"""What both made-up programmes write, and how: set-based, streamed, in constant memory."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import cast
from zoneinfo import ZoneInfo

import msgspec

from flatwater.clock import Clock
from flatwater.pool import Database
from flatwater.queries import Query, load_queries
from flatwater.transaction import Session
from rightlevel.operations.sample_data.names import a_name
from rightlevel.programme.time_zone import ProgrammeClock

_queries = load_queries("rightlevel.operations.sample_data")
LINES_PER_PIECE = 2_000
GRADES = (3, 4, 5)
ANALYZE_S = 300.0
ZONE = "Asia/Phnom_Penh"
"""Where the made-up countries lie: seven hours ahead of UTC, so that a day of UTC is seen to be no day of theirs."""


class _Id(msgspec.Struct, frozen=True):
    id: int


class SchoolPlan(msgspec.Struct, frozen=True):
    """One school to be made."""

    place_id: int
    code: str
    name: str
    is_practice: bool = False


class Child(msgspec.Struct, frozen=True):
    """One child that was made."""

    id: str
    school_id: int
    class_id: int
    grade: int
    sex: int


async def is_empty(session: Session) -> bool:
    """Whether nothing was made in this database yet."""
    return cast("bool", await session.fetch_value(_queries["is_empty"], {}))


async def mark_as_demonstration(session: Session) -> None:
    """Notes that this is a demonstration, of which the doctor expects less."""
    await session.execute(_queries["mark_as_demonstration"], {})


async def keep_zone(session: Session, clock: Clock) -> ProgrammeClock:
    """The clock of the made-up country, whose zone is kept as the chosen one: its code is nobody's, so no zone follows from it."""
    await session.execute(_queries["keep_zone"], {"zone": ZONE})
    return ProgrammeClock(clock, ZoneInfo(ZONE))


async def analyze(database: Database) -> None:
    """Has the planner look at what was made, which would otherwise wait for the server's own next turn. *Cost*: a sample of each table."""

    async def look(session: Session) -> None:
        await session.execute(_queries["analyze"], {})

    await database.run(look, deadline_s=ANALYZE_S)


async def add_place(session: Session, parent_id: int | None, kind: str, code: str, name: str) -> int:
    values = {"parent_id": parent_id, "kind": kind, "code": code, "name": name}
    return cast("int", await session.fetch_value(_queries["insert_place"], values))


async def add_schools(session: Session, plans: Sequence[SchoolPlan], chance: random.Random) -> list[int]:
    """The new schools' ids, in order."""
    values = {
        "place_ids": [plan.place_id for plan in plans],
        "codes": [plan.code for plan in plans],
        "names": [plan.name for plan in plans],
        "ownerships": [chance.choice(("government", "government", "private")) for _ in plans],
        "areas": [chance.choice(("rural", "rural", "urban")) for _ in plans],
        "latitudes": [round(chance.uniform(10.2, 14.3), 5) for _ in plans],
        "longitudes": [round(chance.uniform(102.6, 107.4), 5) for _ in plans],
        "practice": [plan.is_practice for plan in plans],
    }
    return [row.id for row in await session.fetch_all(_queries["insert_schools"], values, into=_Id)]


async def add_year(session: Session, name: str, starts_on: date, ends_on: date) -> int:
    values = {"name": name, "starts_on": starts_on, "ends_on": ends_on}
    return cast("int", await session.fetch_value(_queries["insert_year"], values))


async def add_round(
    session: Session, year_id: int, kind: str, starts_on: date, ends_on: date, state: str
) -> int:
    values = {"year_id": year_id, "kind": kind, "starts_on": starts_on, "ends_on": ends_on, "state": state}
    return cast("int", await session.fetch_value(_queries["insert_round"], values))


async def turn_round(session: Session, round_id: int, state: str) -> None:
    """Opens or closes a round: after its children are there, for who is enrolled then is what it is measured by."""
    await session.execute(_queries["turn_round"], {"round_id": round_id, "state": state})


async def add_classes(session: Session, year_id: int, school_ids: Sequence[int]) -> list[int]:
    """One class a grade and school; the ids by school, then by grade."""
    values = {"year_id": year_id, "school_ids": list(school_ids), "grades": list(GRADES)}
    return [row.id for row in await session.fetch_all(_queries["insert_classes"], values, into=_Id)]


async def assign(session: Session, person_id: int, school_ids: Sequence[int], from_on: date) -> None:
    values = {"person_id": person_id, "school_ids": list(school_ids), "from_on": from_on}
    await session.execute(_queries["insert_assignments"], values)


def a_uuid(milliseconds: int, chance: random.Random) -> str:
    """A time-ordered UUID. *Source*: RFC 9562, version 7."""
    bits = chance.getrandbits(74)
    high = f"{milliseconds & 0xFFFFFFFFFFFF:012x}"
    low = f"{(bits & 0x3FFFFFFFFFFFFFFF) | 0x8000000000000000:016x}"
    return f"{high[:8]}-{high[8:]}-7{bits >> 62:03x}-{low[:4]}-{low[4:]}"


def child_line(child: Child, year_id: int, number: int, chance: random.Random) -> str:
    """The child as COPY takes it, under a made-up name."""
    name, key = a_name(chance)
    return f"{child.id}\t{child.school_id}\t{year_id}\t{child.class_id}\tC{number:04}\t{name}\t{key}\t{child.sex}\t{child.grade}\n"


def result_line(
    child: Child,
    result_id: str,
    round_id: int,
    assessor_id: int,
    tested_on: date,
    subject: str,
    rank: int | None,
) -> str:
    """A result as COPY takes it; without a rank the child was absent."""
    outcome, level = ("absent", "\\N") if rank is None else ("assessed", str(rank))
    return (
        f"{result_id}\t{child.id}\t{round_id}\t{child.school_id}\t{child.class_id}\t{assessor_id}\t{tested_on}\t{subject}\t{outcome}\tgrid\t"
        f"{level}\t{child.grade}\t{child.sex}\n"
    )


async def copy_students(session: Session, lines: Iterable[str]) -> int:
    """How many children were enrolled."""
    return await _copy(session, _queries["copy_students"], lines)


async def copy_results(session: Session, lines: Iterable[str]) -> int:
    """How many results were saved."""
    return await _copy(session, _queries["copy_results"], lines)


async def _copy(session: Session, query: Query, lines: Iterable[str]) -> int:
    total = 0
    async with session.copy_in(query) as copy:
        for piece in _pieces(lines):
            total += len(piece)
            await copy.write("".join(piece))
    return total


def _pieces(lines: Iterable[str]) -> Iterator[list[str]]:
    piece: list[str] = []
    for line in lines:
        piece.append(line)
        if len(piece) == LINES_PER_PIECE:
            yield piece
            piece = []
    if piece:
        yield piece
