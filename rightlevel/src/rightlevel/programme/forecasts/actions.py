"""Noting how far open rounds are, and saying how far they will come."""

from __future__ import annotations

from flatwater.clock import Clock, today
from flatwater.transaction import Session
from rightlevel.programme.forecasts import store
from rightlevel.programme.forecasts.model import Forecast, Standing, forecast
from rightlevel.programme.permissions import SUBJECTS, Actor, require
from rightlevel.programme.rounds import read_round


async def note_days(session: Session, clock: Clock) -> int:
    """Notes of each open round how far it is today; how many rounds are open. *Cost*: two statements for each open round and subject.

    Safe in any number of processes: the last look of a day is what stays of it.
    """
    rounds = await store.open_rounds(session)
    for round_id in rounds:
        for subject in SUBJECTS:
            counts = await store.counts_now(session, round_id, subject)
            await store.note_day(session, round_id, subject, today(clock), counts)
    return len(rounds)


async def read_forecast(session: Session, actor: Actor, round_id: int, clock: Clock) -> list[Forecast]:
    """How far a round will have come by its last day, in each subject, or why that can't be told.

    *Errors*: Forbidden, NotFound. *Cost*: five statements, the same for any number of children.
    """
    require(actor, "read", "forecast")
    found = await read_round(session, actor, round_id)
    told: list[Forecast] = []
    for subject in SUBJECTS:
        counts = await store.counts_now(session, round_id, subject)
        now = Standing(
            subject=subject,
            with_result=store.with_result(counts),
            enrolled=counts.enrolled,
            starts_on=found.starts_on,
            ends_on=found.ends_on,
            is_open=found.state == "open" and not found.is_deleted,
        )
        told.append(forecast(await store.days_of_round(session, round_id, subject), now, today(clock)))
    return told
