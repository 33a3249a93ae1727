"""The first page after signing in: what to do today."""

from __future__ import annotations

from flatwater.contract import Html, Registry
from rightlevel.programme.permissions import May
from rightlevel.web.call import READ_S, READS, Ask
from rightlevel.web.templating import render

routes = Registry()


@routes.endpoint("GET", "/", who=May("manage", "self"), rate=READS, deadline_s=READ_S, work="read", tags=("pages",))
async def home_page(call: Ask) -> Html:
    """The start page of whoever is signed in."""
    return render(call, "home.html")
