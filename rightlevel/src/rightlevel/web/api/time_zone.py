"""The programme's time zone."""

from __future__ import annotations

import msgspec

from flatwater.contract import Registry
from rightlevel.programme.permissions import May
from rightlevel.programme.time_zone import TimeZone, change_time_zone, read_time_zone
from rightlevel.web.call import READ_S, READS, SMALL_BODY, WRITE_S, WRITES, Ask, actor_of

routes = Registry()


class ChosenZone(msgspec.Struct, frozen=True):
    """A zone by its IANA name; null for the country's own."""

    time_zone: str | None


@routes.endpoint(
    "GET",
    "/api/v1/settings/time-zone",
    who=May("read", "time_zone"),
    rate=READS,
    deadline_s=READ_S,
    work="read",
    tags=("settings",),
)
async def read_programme_time_zone(call: Ask) -> TimeZone:
    """The zone in which the programme's days are, where it comes from, and what day it is there."""
    return await read_time_zone(call.session, actor_of(call), call.app.clock)


@routes.endpoint(
    "PUT",
    "/api/v1/settings/time-zone",
    who=May("change", "time_zone"),
    rate=WRITES,
    deadline_s=WRITE_S,
    work="write",
    body_bytes=SMALL_BODY,
    tags=("settings",),
)
async def change_programme_time_zone(call: Ask, *, body: ChosenZone) -> TimeZone:
    """Chooses the zone; null goes back to the country's."""
    return await change_time_zone(call.session, actor_of(call), body.time_zone, call.app.clock)
