"""Reading, learning and changing the programme's time zone."""

from __future__ import annotations

from flatwater.clock import today
from flatwater.transaction import Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Invalid
from rightlevel.programme.permissions import Actor, require
from rightlevel.programme.time_zone import store
from rightlevel.programme.time_zone.model import ProgrammeClock, TimeZone, name_of, zone_faults, zones_of


async def learn_time_zone(session: Session, clock: ProgrammeClock) -> None:
    """Gives the clock the programme's zone as it is now: for work that no signed-in person's request set off. *Cost*: one statement."""
    told = await store.find_time_zone(session)
    clock.is_news(told.chosen, told.country)


async def read_time_zone(session: Session, actor: Actor, clock: ProgrammeClock) -> TimeZone:
    """The zone in which the programme's days are, and where it comes from. *Errors*: Forbidden. *Cost*: one statement."""
    require(actor, "read", "time_zone")
    return await _told(session, clock)


async def change_time_zone(
    session: Session, actor: Actor, name: str | None, clock: ProgrammeClock
) -> TimeZone:
    """Chooses the zone, or with None goes back to the country's. *Errors*: Forbidden, Invalid. *Cost*: four statements.

    Days that were kept stay as they are; what today is follows from the next request on, in every process.
    """
    require(actor, "change", "time_zone")
    faults = zone_faults(name)
    if faults:
        raise Invalid(faults=tuple(faults))
    before = await store.find_time_zone(session)
    await store.save_time_zone(session, name)
    after = await store.find_time_zone(session)
    await write_audit(
        session,
        actor,
        "change",
        "setting",
        "time_zone",
        before={"time_zone": name_of(before.chosen, before.country), "chosen": before.chosen},
        after={"time_zone": name_of(after.chosen, after.country), "chosen": after.chosen},
    )
    return await _told(session, clock)


async def _told(session: Session, clock: ProgrammeClock) -> TimeZone:
    told = await store.find_time_zone(session)
    # Of a copy: a change that is rolled back must not stay in the process's own clock.
    here = ProgrammeClock(clock)
    here.is_news(told.chosen, told.country)
    return TimeZone(
        name_of(told.chosen, told.country), told.chosen, told.country, zones_of(told.country), today(here)
    )
