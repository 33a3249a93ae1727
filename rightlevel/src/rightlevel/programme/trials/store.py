"""The only file that knows the columns of trial and trial_school."""

from __future__ import annotations

from datetime import datetime
from typing import cast

import msgspec

from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import NotFound
from rightlevel.programme.trials.drawing import MOST_SCHOOLS, Drawn, Eligible
from rightlevel.programme.trials.model import NewTrial, ReadOutQuery, SchoolRow, Trial, TrialSchool

_queries = load_queries(__package__ or "")


async def place_is_there(session: Session, place_id: int) -> bool:
    return bool(await session.fetch_value(_queries["place_is_there"], {"id": place_id}))


async def eligible_schools(session: Session, new: NewTrial) -> list[Eligible]:
    """The schools that may be drawn; one more than may be where there are more."""
    values = {"place_id": new.place_id, "depth": new.strata_depth, "rows": MOST_SCHOOLS + 1}
    return await session.fetch_all(_queries["eligible_schools"], values, into=Eligible)


async def insert_trial(
    session: Session, new: NewTrial, seed: int, drawn: list[Drawn], *, by: int, now: datetime
) -> int:
    values = msgspec.structs.asdict(new) | {"seed": seed, "by": by, "now": now}
    trial_id = cast("int", await session.fetch_value(_queries["insert_trial"], values))
    await session.execute(
        _queries["insert_schools"],
        {
            "trial_id": trial_id,
            "ids": [each.id for each in drawn],
            "strata": [each.stratum_id for each in drawn],
            "ways": [each.is_b for each in drawn],
        },
    )
    return trial_id


async def find_trial(session: Session, trial_id: int) -> Trial:
    found = await session.fetch_one(_queries["find_trial"], {"id": trial_id}, into=Trial)
    if found is None:
        raise NotFound
    return found


async def page_of_trials(session: Session, page: PageRequest) -> Page[Trial]:
    after = page.key(tuple[int])
    values = {"before_id": after[0] if after else None, "rows": page.rows_to_ask}
    rows = await session.fetch_all(_queries["list_trials"], values, into=Trial)
    return page_of(rows, page, lambda row: (row.id,))


async def page_of_schools(session: Session, trial_id: int, page: PageRequest) -> Page[TrialSchool]:
    after = page.key(tuple[int])
    values = {
        "trial_id": trial_id,
        "after_id": after[0] if after else None,
        "rows": page.rows_to_ask,
    }
    rows = await session.fetch_all(_queries["list_trial_schools"], values, into=TrialSchool)
    return page_of(rows, page, lambda row: (row.school_id,))


async def sums_by_school(session: Session, trial_id: int, asked: ReadOutQuery) -> list[SchoolRow]:
    values = msgspec.structs.asdict(asked) | {"trial_id": trial_id, "rows": MOST_SCHOOLS}
    return await session.fetch_all(_queries["sums_by_school"], values, into=SchoolRow)
