"""All parts of pages on one page, as people of any language meet them: to look at after a change, in light and dark, on a phone and on paper."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from flatwater.contract import Html
from rightlevel.programme.levels import SCALES
from rightlevel.programme.permissions import May
from rightlevel.web.request import Request
from rightlevel.web.routes import Routes
from rightlevel.web.templating import render

routes = Routes("pages")

STATIC = Path(__file__).parent.parent / "static"


@routes.get("/design", May("read", "metric"), work="none")
async def design_page(request: Request) -> Html:
    """Every part that pages are made of, in each of its states."""
    return render(request, "design/page.html", scales=SCALES, icons=_icons())


@cache
def _icons() -> list[str]:
    """The names of all icons. *Cost*: reads 4 kB, once."""
    return sorted(re.findall(r'<symbol id="([^"]+)"', (STATIC / "icons.svg").read_text("utf-8")))
