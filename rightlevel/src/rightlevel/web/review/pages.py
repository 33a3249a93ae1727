"""What a district's meeting has on the table: a page to look at and to print, and the same as PDF."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

from flatwater.contract import Html, Raw
from rightlevel.operations.printing import PRINTER
from rightlevel.programme.errors import Fault, Invalid, NotFound
from rightlevel.programme.permissions import May
from rightlevel.programme.review import OverviewQuery, ReviewQuery, read_review_pack, read_school_overview
from rightlevel.web.figures.pages import FiguresWanted, address_at, round_choices, where_of
from rightlevel.web.movement.pages import MovementWanted, settled
from rightlevel.web.request import READ_S, ById, Request, actor_of
from rightlevel.web.routes import Routes
from rightlevel.web.templating import language_of, part, render

routes = Routes("pages")
MAY: Final = May("read", "review_pack")
FIELD: Final = May("read", "visit")
PDF: Final = "application/pdf"
PDF_S: Final = 58.0
LOWEST: Final = 20
"""Schools or places of a table: who they are is what a meeting talks about, and each is on its own page of figures."""
FREE_LINES: Final = 8
CSS: Final = Path(__file__).with_name("pack.css")


class ReviewWanted(msgspec.Struct, frozen=True):
    """Of which place, and between which rounds."""

    place: int | None = None
    earlier: int | None = None
    later: int | None = None


def address(query: Any, **changes: Any) -> str:
    """The address of another place's pack."""
    wanted = ReviewWanted(query.place, query.earlier, query.later)
    return address_at("/review-pack", wanted, place=changes.get("place", query.place))


@routes.get("/review-pack", MAY, work="snapshot")
async def review_pack_page(request: Request, *, query: ReviewWanted) -> Html:
    """The pack on the screen, as it will be printed."""
    values = await _values(request, query)
    return render(
        request,
        "review/page.html",
        round_choices=await round_choices(request),
        file=address_at("/api/v1/review-pack/file", values["query"]),
        **values,
    )


@routes.get("/api/v1/review-pack/file", MAY, work="none", deadline_s=PDF_S, media=(PDF,), tags=("figures",))
async def review_pack_file(request: Request, *, query: ReviewWanted) -> Raw:
    """The pack of a place as PDF. No connection is held while it is made. *Errors*: Invalid, NotFound where there is no round yet."""
    if query.place is None:
        raise Invalid(faults=(Fault("place", "Is needed"),))
    PRINTER.require_room()
    async with request.database.snapshot(deadline_s=READ_S, route="review_pack_file") as session:
        request.session = session
        try:
            values = await _values(request, query)
        finally:
            request.session = None
    if values["pack"] is None:
        raise NotFound
    text = part(request, "review/document.html", **values)
    made = await PRINTER.print(text, CSS.read_text("utf-8"), request.app.room.beside)
    name = f"review-{values['pack'].as_of}.pdf"
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "private, no-store"}
    return Raw(made, PDF, headers=headers)


async def _values(request: Request, query: ReviewWanted) -> dict[str, Any]:
    actor = actor_of(request)
    wanted = MovementWanted(earlier=query.earlier, later=query.later, place=query.place, subject="language")
    found, pair = await settled(request, wanted)
    where = await where_of(request, found, address)
    pack = None
    if pair and found.place is not None:
        earlier = pair[0].id if len(pair) == 2 else None
        asked = ReviewQuery(found.place, pair[-1].id, earlier)
        pack = await read_review_pack(request.session, actor, asked, request.clock)
    return {
        "query": ReviewWanted(
            found.place, pair[0].id if len(pair) == 2 else None, pair[-1].id if pair else None
        ),
        "pack": pack,
        "pair": pair,
        "round": pair[-1] if pair else None,
        "round_id": pair[-1].id if pair else 0,
        "most": LOWEST,
        "free_lines": FREE_LINES,
        "title": language_of(request).gettext("Review meeting"),
        **where,
    }


class OverviewWanted(msgspec.Struct, frozen=True):
    """Between which rounds."""

    earlier: int | None = None
    later: int | None = None


@routes.get("/schools/{id}/overview", FIELD, work="snapshot")
async def school_overview_page(request: Request, *, path: ById, query: OverviewWanted) -> Html:
    """One school on one page of paper."""
    wanted = MovementWanted(earlier=query.earlier, later=query.later, school=path.id, subject="language")
    _, pair = await settled(request, wanted)
    overview = None
    if pair:
        asked = OverviewQuery(pair[-1].id, pair[0].id if len(pair) == 2 else None)
        overview = await read_school_overview(
            request.session, actor_of(request), path.id, asked, request.clock
        )
    return render(
        request,
        "review/school.html",
        school_id=path.id,
        overview=overview,
        pair=pair,
        round_choices=await round_choices(request),
        round_id=pair[-1].id if pair else 0,
        most=LOWEST,
        **await where_of(request, wanted, school_address),
    )


def school_address(query: Any, **changes: Any) -> str:
    """From a school's page one goes up to the figures of its places."""
    return address_at("/figures", FiguresWanted(place=changes.get("place")))
