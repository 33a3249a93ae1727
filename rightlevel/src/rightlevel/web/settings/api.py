"""The programme's time zone."""

from __future__ import annotations

import msgspec

from rightlevel.programme.permissions import May
from rightlevel.programme.time_zone import TimeZone, change_time_zone, read_time_zone
from rightlevel.web.call import Ask, actor_of
from rightlevel.web.routes import Routes

routes = Routes("settings")


class ChosenZone(msgspec.Struct, frozen=True):
    """A zone by its IANA name; null for the country's own."""

    time_zone: str | None


@routes.get("/api/v1/settings/time-zone", May("read", "time_zone"))
async def read_programme_time_zone(call: Ask) -> TimeZone:
    """The zone in which the programme's days are, where it comes from, and what day it is there."""
    return await read_time_zone(call.session, actor_of(call), call.app.clock)


@routes.put("/api/v1/settings/time-zone", May("change", "time_zone"))
async def change_programme_time_zone(call: Ask, *, body: ChosenZone) -> TimeZone:
    """Chooses the zone; null goes back to the country's."""
    return await change_time_zone(call.session, actor_of(call), body.time_zone, call.app.clock)
