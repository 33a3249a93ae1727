"""One indicator of what hangs on a place, in order, with its interval as a dot on a line."""

from __future__ import annotations

from typing import Any

import msgspec

from flatwater.clock import today
from flatwater.contract import Html, Raw
from rightlevel.programme.audit.export import csv_line, defused
from rightlevel.programme.comparison import (
    MEASURES,
    Compared,
    Comparison,
    ComparisonQuery,
    compare,
    positions_of,
)
from rightlevel.programme.permissions import May, sees_small_cells
from rightlevel.programme.rounds import Round
from rightlevel.web.comparison.drawing import Drawing, draw, features
from rightlevel.web.figures.pages import SEXES, address_at, of_what, round_choices, where_of
from rightlevel.web.movement.pages import CSV, MovementWanted, settled
from rightlevel.web.request import Request, actor_of
from rightlevel.web.routes import Routes
from rightlevel.web.templating import language_of, render
from rightlevel.web.work import grade_choices

routes = Routes("pages")
COLUMNS = ("kind", "code", "name", "measure", "n", "part", "value", "low", "high")
GEO_JSON = "application/geo+json"


class ComparisonWanted(MovementWanted, frozen=True):
    """What is compared, where, and between which rounds."""

    measure: str = ""
    view: str = ""
    """`map`, or the table."""


def address(query: ComparisonWanted, **changes: Any) -> str:
    """The address of another comparison."""
    return address_at("/comparison", query, **({"fate": ""} | changes))


@routes.get("/comparison", May("read", "figure"))
async def comparison_page(request: Request, *, query: ComparisonWanted) -> Html:
    """One indicator of the places and schools here, the highest first."""
    language = language_of(request)
    query, pair, found = await _compared(request, query)
    where = await where_of(request, query, address)
    low, high = _span(found.units if found else [])
    drawing = await _drawn(request, found) if found and query.view == "map" else None
    return render(
        request,
        "comparison/page.html",
        query=query,
        rounds=pair,
        measures=[(each.code, language.gettext(each.name)) for each in MEASURES[query.subject]],  # type: ignore[index]
        grades=await grade_choices(request),
        sexes=[(code, language.gettext(text)) for code, text in SEXES.items()],
        round_choices=await round_choices(request),
        found=found,
        units=[]
        if found is None
        else [(_unit_at(query, each), each, _line(each, low, high)) for each in found.units],
        drawing=drawing,
        points=[] if drawing is None else [(_unit_at(query, each.unit), each) for each in drawing.points],
        file=address_at("/api/v1/comparison/file", query, view=""),
        geojson=address_at("/api/v1/comparison/geojson", query, view=""),
        address=address,
        withholds=not sees_small_cells(actor_of(request)),
        of_what=of_what(request, query, pair, where["where"]),
        printed_on=today(request.clock),
        **where,
    )


@routes.get("/api/v1/comparison/file", May("read", "figure"), media=(CSV,), tags=("figures",))
async def comparison_file(request: Request, *, query: ComparisonWanted) -> Raw:
    """The comparison as CSV, a line for each place and school in the page's order."""
    query, _, found = await _compared(request, query)
    lines = [csv_line(COLUMNS)]
    for each in found.units if found else []:
        told = ["" if number is None else str(number) for number in (each.n, each.part)]
        estimate = each.estimate
        numbers = [] if estimate is None else [estimate.value, estimate.low, estimate.high]
        named = ["school" if each.is_school else "place", defused(each.code), defused(each.name_local)]
        lines.append(csv_line([*named, query.measure, *told, *(f"{number:.4f}" for number in numbers)]))
    headers = {"content-disposition": f'attachment; filename="comparison-{today(request.clock)}.csv"'}
    return Raw(b"\xef\xbb\xbf" + b"".join(lines), CSV, headers=headers)


@routes.get("/api/v1/comparison/geojson", May("read", "figure"), media=(GEO_JSON,), tags=("figures",))
async def comparison_geojson(request: Request, *, query: ComparisonWanted) -> Raw:
    """The comparison as GeoJSON: schools at their positions, places at the middle of their schools, withheld as on the page."""
    query, _, found = await _compared(request, query)
    units = found.units if found else []
    body = features(units, await positions_of(request.session, units), query.measure)
    headers = {"content-disposition": f'attachment; filename="comparison-{today(request.clock)}.geojson"'}
    return Raw(msgspec.json.encode(body), GEO_JSON, headers=headers)


async def _drawn(request: Request, found: Comparison) -> Drawing:
    positions = await positions_of(request.session, found.units)
    return draw(found.units, positions, is_share=found.measure.code != "mean_shift")


async def _compared(
    request: Request, query: ComparisonWanted
) -> tuple[ComparisonWanted, list[Round], Comparison | None]:
    query, pair = await settled(request, msgspec.structs.replace(query, school=None, chosen=""))
    known = MEASURES[query.subject]  # type: ignore[index]
    measure = next((each for each in known if each.code == query.measure), known[0])
    query = msgspec.structs.replace(query, measure=measure.code)
    if not pair or (measure.is_of_two_rounds and len(pair) < 2):
        return query, pair, None
    one = pair[0] if measure.is_of_two_rounds else pair[-1]
    asked = ComparisonQuery(
        one.id,
        query.subject,
        query.place,
        grade=query.grade,
        sex=query.sex,
        boundaries=query.boundaries or "then",
        measure=measure.code,
        later_round_id=pair[-1].id if measure.is_of_two_rounds else None,
    )
    return query, pair, await compare(request.session, actor_of(request), asked)


def _span(units: list[Compared]) -> tuple[float, float]:
    """Between which values the lines are drawn: all there is, and nothing at its place."""
    known = [each.estimate for each in units if each.estimate is not None]
    return min((0.0, *(each.low for each in known))), max((0.01, *(each.high for each in known)))


def _line(unit: Compared, low: float, high: float) -> dict[str, float] | None:
    """Where dot and line stand, in percent of the drawing."""
    if unit.estimate is None:
        return None
    each, width = unit.estimate, high - low
    return {
        name: round(100 * (value - low) / width, 1)
        for name, value in (("dot", each.value), ("start", each.low), ("end", each.high))
    }


def _unit_at(query: ComparisonWanted, unit: Compared) -> str:
    if unit.is_school:
        return address_at("/movement", query, measure="", view="", fate="", school=unit.id, place=None)
    return address(query, place=unit.id)
