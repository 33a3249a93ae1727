"""The only file that knows the columns of round_day."""

from __future__ import annotations

from datetime import date

import msgspec

from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.figures import FigureQuery
from rightlevel.programme.figures import store as figures
from rightlevel.programme.figures.model import Counts
from rightlevel.programme.forecasts.model import MOST_DAYS, Day
from rightlevel.programme.permissions import Scope, Subject

_queries = load_queries(__package__ or "")
EVERYTHING = Scope(is_everything=True)


class _Numbered(msgspec.Struct, frozen=True):
    id: int


async def open_rounds(session: Session) -> list[int]:
    return [row.id for row in await session.fetch_all(_queries["open_rounds"], {}, into=_Numbered)]


async def counts_now(session: Session, round_id: int, subject: Subject) -> Counts:
    """The kept counts of the whole country."""
    return await figures.read_counts(session, FigureQuery(round_id, subject), subject, EVERYTHING)


def with_result(counts: Counts) -> int:
    """Children with a result of whatever outcome."""
    return counts.assessed + counts.absent + counts.refused + counts.went


async def note_day(session: Session, round_id: int, subject: Subject, day: date, counts: Counts) -> None:
    values = {
        "round_id": round_id,
        "subject": subject,
        "day": day,
        "with_result": with_result(counts),
        "enrolled": counts.enrolled,
    }
    await session.execute(_queries["note_day"], values)


async def days_of_round(session: Session, round_id: int, subject: Subject) -> list[Day]:
    values = {"round_id": round_id, "subject": subject, "rows": MOST_DAYS}
    return await session.fetch_all(_queries["days_of_round"], values, into=Day)
