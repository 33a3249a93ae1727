"""What coordinators set for the whole programme."""

from __future__ import annotations

import msgspec

from flatwater.contract import Html, Redirect
from rightlevel.programme.permissions import May
from rightlevel.programme.time_zone import TimeZone, change_time_zone, read_time_zone
from rightlevel.web.call import Ask, actor_of
from rightlevel.web.routes import Routes
from rightlevel.web.templating import done, language_of, render

routes = Routes("pages")


class ZoneForm(msgspec.Struct, frozen=True):
    """The zone that was chosen, by its IANA name; empty for the country's own."""

    time_zone: str = ""


@routes.get("/settings", May("change", "time_zone"))
async def settings_page(call: Ask) -> Html:
    """The settings of the programme."""
    zone = await _zone(call)
    return render(call, "settings/page.html", zone=zone, form=ZoneForm(zone.chosen or ""))


@routes.post("/settings/time-zone", May("change", "time_zone"))
async def change_time_zone_here(call: Ask, *, form: ZoneForm) -> Redirect:
    """Chooses the time zone in which the programme's days are."""
    await change_time_zone(call.session, actor_of(call), form.time_zone.strip() or None, call.app.clock)
    return done(call, "/settings", language_of(call).gettext("Saved."))


async def _zone(call: Ask) -> TimeZone:
    return await read_time_zone(call.session, actor_of(call), call.app.clock)
