"""What coordinators set for the whole programme: its time zone, and the calendar by which days are written."""

from __future__ import annotations

import msgspec

from flatwater.contract import Html
from rightlevel.programme.languages import CALENDARS, ChosenCalendar, choose_calendar
from rightlevel.programme.permissions import May
from rightlevel.programme.time_zone import change_time_zone, read_time_zone
from rightlevel.web.feature import IN_PAGES, Deeds
from rightlevel.web.request import Request, actor_of
from rightlevel.web.templating import render


class ChosenZone(msgspec.Struct, frozen=True):
    """A zone by its IANA name; null for the country's own."""

    name: str | None = msgspec.field(name="time_zone")


routes = Deeds("settings", "time_zone")
routes.answers("read_programme_time_zone", "GET /api/v1/settings/time-zone", read_time_zone)
routes.does(
    change_time_zone,
    ChosenZone,
    json=("change_programme_time_zone", "PUT /api/v1/settings/time-zone"),
    html=("post_change_time_zone", "/settings/time-zone"),
    then="/settings",
)
routes.does(
    choose_calendar,
    ChosenCalendar,
    json=("choose_programme_calendar", "PUT /api/v1/settings/calendar"),
    html=("post_choose_calendar", "/settings/calendar"),
    then="/settings",
    says="By which calendar days are written; what is typed and what programs send stays Gregorian.",
)


@routes.get("/settings", May("change", "time_zone"), **IN_PAGES)
async def settings_page(request: Request) -> Html:
    """The settings of the programme."""
    zone = await read_time_zone(request.session, actor_of(request), request.app.clock)
    calendar = request.app.languages.learned.calendar
    return render(request, "settings/page.html", zone=zone, calendar=calendar, calendars=CALENDARS)
