"""Search across children, schools and people, from everywhere."""

from __future__ import annotations

import msgspec

from flatwater.contract import Html
from rightlevel.programme.permissions import May
from rightlevel.programme.search import LONGEST_SEARCH, MOST_FOUND, search
from rightlevel.web.feature import Deeds, Filters
from rightlevel.web.request import Request, actor_of
from rightlevel.web.templating import render

routes = Deeds("search", "search")
routes.answers("search_everywhere", "GET /api/v1/search", search, Filters)


class SearchWanted(msgspec.Struct, frozen=True):
    """What is searched for; nothing yet where the page is only opened."""

    search: str = ""


@routes.get("/search", May("read", "search"), tags=("pages",))
async def search_page(request: Request, *, query: SearchWanted) -> Html:
    """Children, schools and people that a text finds."""
    text = query.search.strip()
    found = await search(request.session, actor_of(request), search=text) if text else None
    return render(
        request, "search/page.html", text=text, found=found, most=MOST_FOUND, longest=LONGEST_SEARCH
    )
