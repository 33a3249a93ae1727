"""The same children: one sentence first, then the matrix, what became of the others, all children beside, and down to the child."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from flatwater.clock import today
from flatwater.contract import Html, Raw
from flatwater.paging import Page, PageLimit, PageRequest
from rightlevel.programme.audit.export import csv_line, defused
from rightlevel.programme.figures.actions import subject_asked
from rightlevel.programme.groups import groups_in_use
from rightlevel.programme.levels import Scale, scale_now, scale_of_round
from rightlevel.programme.movement import (
    FATES,
    MovedChildrenQuery,
    Movement,
    MovementQuery,
    StillQuery,
    dose_of_moved,
    moved_children,
    movement_apart,
    movement_below,
    read_movement,
    still_children,
)
from rightlevel.programme.permissions import SUBJECTS, May, allowed, sees_small_cells
from rightlevel.programme.rounds import Round, list_rounds
from rightlevel.programme.schools import list_classes
from rightlevel.programme.verification.agreement import Interval
from rightlevel.web.figures.pages import (
    SEXES,
    SOME_ROUNDS,
    address_at,
    first_subject,
    of_what,
    only_country,
    round_choices,
    where_of,
)
from rightlevel.web.groups.pages import group_name
from rightlevel.web.request import Request, actor_of
from rightlevel.web.routes import Routes
from rightlevel.web.templating import language_of, render
from rightlevel.web.words import word
from rightlevel.web.work import grade_choices

routes = Routes("pages")

BELOW = PageLimit(50)
MANY = PageRequest(1_000)
CSV = "text/csv; charset=utf-8"
WEEKS = 6
"""So long without a rise is looked at first; the page asks for another number of weeks."""
COLUMNS = (
    "kind",
    "code",
    "name",
    "earlier_round",
    "later_round",
    "subject",
    "grade",
    "sex",
    "assessed",
    "matched",
    "improved",
    "same",
    "declined",
    "absent",
    "refused",
    "left",
    "without_result",
    "assessed_later",
    "improved_share",
    "improved_low",
    "improved_high",
    "declined_share",
    "declined_low",
    "declined_high",
    "mean_shift",
    "mean_shift_low",
    "mean_shift_high",
)


class MovementWanted(msgspec.Struct, frozen=True):
    """Whose movement: between two rounds, of a subject, somewhere, of a grade or sex, a class or group; at a school also those of one fate."""

    earlier: int | None = None
    later: int | None = None
    subject: str = ""
    place: int | None = None
    school: int | None = None
    grade: int | None = None
    sex: int | None = None
    chosen: str = ""
    fate: str = ""
    boundaries: str = "then"

    @property
    def class_id(self) -> int | None:
        return _numbered(self.chosen, "class-")

    @property
    def group_id(self) -> int | None:
        return _numbered(self.chosen, "group-")


WantedT = TypeVar("WantedT", bound=MovementWanted)


class StillWanted(msgspec.Struct, frozen=True):
    """Who stands still: of a school and subject, for how many weeks."""

    school: int
    subject: str = ""
    weeks: int = WEEKS


def _numbered(text: str, start: str) -> int | None:
    number = text.removeprefix(start)
    return int(number) if text.startswith(start) and number.isascii() and number.isdigit() else None


def address(query: MovementWanted, **changes: Any) -> str:
    """The address of other children's movement."""
    return address_at("/movement", query, **({"fate": ""} | changes))


def _scale(pair: list[Round], at: int, subject: str) -> Scale:
    """What one of two rounds is measured by, or what is taught by where there are none."""
    asked = subject_asked(subject)
    return scale_of_round(pair[at].id, asked) if pair else scale_now(asked)


@routes.get("/movement", May("read", "figure"), page=BELOW)
async def movement_page(request: Request, *, query: MovementWanted, page: PageRequest) -> Html:
    """How the same children came from one round to a later one."""
    actor, language = actor_of(request), language_of(request)
    query, pair = await settled(request, query)
    nothing: Page[Any] = Page([])
    values: dict[str, Any] = {
        "query": query,
        "rounds": pair,
        "scale": _scale(pair, 0, query.subject),
        "later_scale": _scale(pair, -1, query.subject),
        "grades": await grade_choices(request),
        "sexes": [(code, language.gettext(text)) for code, text in SEXES.items()],
        "chosen": await _choices(request, query),
        "address": address,
        "file": address_at("/api/v1/movement/file", query),
        "page": nothing,
        "below": [],
        "apart": [],
        "children": None,
        "doses": [],
        "movement": None,
        "fates": [each for each in FATES if each != "tested"],
        "withholds": not sees_small_cells(actor),
        "printed_on": today(request.clock),
        **await where_of(request, query, address),
    }
    values["round_choices"] = await round_choices(request)
    values["of_what"] = of_what(request, query, pair, values["where"])
    if len(pair) < 2:
        return render(request, "movement/page.html", **values)
    asked = _asked(query, pair)
    values["movement"] = await read_movement(request.session, actor, asked)
    is_of_few = query.class_id is not None or query.group_id is not None
    if sees_small_cells(actor) and not is_of_few:
        values["apart"] = [
            *(
                (language.gettext("Grade {number}", number=each.key), each.movement)
                for each in await movement_apart(request.session, actor, asked, by="grades")
            ),
            *(
                (language.gettext(word("sex", each.key)), each.movement)
                for each in await movement_apart(request.session, actor, asked, by="sexes")
            ),
        ]
    if query.school is None:
        found = await movement_below(request.session, actor, asked, page)
        values |= {"page": found, "below": [(_below_at(query, each), each) for each in found.items]}
    elif allowed(actor.role, "read", "student"):
        behind = msgspec.convert(
            msgspec.structs.asdict(asked) | {"fate": query.fate if query.fate in FATES else None},
            MovedChildrenQuery,
        )
        children = await moved_children(request.session, actor, behind, page)
        values |= {"page": children, "children": children.items}
        values["doses"] = await dose_of_moved(request.session, actor, asked)
    return render(request, "movement/page.html", **values)


@routes.get("/api/v1/movement/file", May("read", "figure"), media=(CSV,), tags=("figures",))
async def movement_file(request: Request, *, query: MovementWanted) -> Raw:
    """The movement of the choice and of each place and school below it, a line each, with n and 95 % intervals."""
    actor = actor_of(request)
    query, pair = await settled(request, query)
    lines = [csv_line(COLUMNS)]
    if len(pair) == 2:
        asked = _asked(query, pair)
        where = (await where_of(request, query, address))["where"]
        own = ["school" if query.school else "place", "", where]
        lines.append(_csv(own, await read_movement(request.session, actor, asked), query, pair))
        if query.school is None:
            for each in (await movement_below(request.session, actor, asked, MANY)).items:
                named = ["school" if each.is_school else "place", each.code, each.name_local]
                lines.append(_csv(named, each.movement, query, pair))
    headers = {"content-disposition": f'attachment; filename="same-children-{today(request.clock)}.csv"'}
    return Raw(b"\xef\xbb\xbf" + b"".join(lines), CSV, headers=headers)


@routes.get("/standing-still", May("read", "student"), page=BELOW)
async def still_page(request: Request, *, query: StillWanted, page: PageRequest) -> Html:
    """The children of a school who have not risen for so many weeks."""
    actor = actor_of(request)
    subject = query.subject if query.subject in SUBJECTS else await first_subject(request, query.school)
    found = await still_children(request.session, actor, StillQuery(query.school, subject, query.weeks), page)
    where = await where_of(request, MovementWanted(school=query.school, subject=subject), address)
    return render(
        request,
        "movement/still.html",
        query=query,
        subject=subject,
        page=found,
        children=found.items,
        ranks=scale_now(subject_asked(subject)).ranks,
        scale=scale_now(subject_asked(subject)),
        printed_on=today(request.clock),
        **where,
    )


async def settled(request: Request, query: WantedT) -> tuple[WantedT, list[Round]]:
    """The query with a subject, a place and two rounds in order: those asked for, else the newest year's first and
    newest, else the two that began last."""
    actor = actor_of(request)
    subject = query.subject if query.subject in SUBJECTS else await first_subject(request, query.school)
    known = (await list_rounds(request.session, actor, SOME_ROUNDS)).items
    begun = [each for each in known if each.state != "planned"]
    wanted = [each for each in known if each.id in (query.earlier, query.later)]
    of_year = [each for each in begun if each.school_year_id == begun[0].school_year_id]
    usual = [of_year[0], of_year[-1]] if len(of_year) > 1 else begun[:2]
    pair = sorted(wanted if len(wanted) == 2 else usual, key=lambda each: each.starts_on)
    boundaries = query.boundaries if sees_small_cells(actor) else "then"
    settled = msgspec.structs.replace(
        query,
        subject=subject,
        place=await only_country(request, query),
        boundaries=boundaries,
        earlier=pair[0].id if len(pair) == 2 else None,
        later=pair[1].id if len(pair) == 2 else None,
    )
    return settled, pair


def _asked(query: MovementWanted, pair: list[Round]) -> MovementQuery:
    return MovementQuery(
        pair[0].id,
        query.subject,
        query.place,
        query.school,
        grade=query.grade,
        sex=query.sex,
        boundaries=query.boundaries or "then",
        later_round_id=pair[1].id,
        class_id=query.class_id,
        group_id=query.group_id,
    )


async def _choices(request: Request, query: MovementWanted) -> list[tuple[str, str]]:
    """The classes and groups of a school, for whoever may see its children."""
    actor, language = actor_of(request), language_of(request)
    if query.school is None or not allowed(actor.role, "read", "student"):
        return []
    classes = await list_classes(request.session, actor, MANY, school_id=query.school)
    groups = await groups_in_use(request.session, actor, [query.school])
    return [
        *(
            (f"class-{each.id}", f"{language.gettext('Grade {number}', number=each.grade)} {each.section}")
            for each in classes.items
        ),
        *(
            (f"group-{each.id}", group_name(language, each))
            for each in groups
            if each.subject == query.subject
        ),
    ]


def _below_at(query: MovementWanted, unit: Any) -> str:
    return address(query, **({"school": unit.id, "place": None} if unit.is_school else {"place": unit.id}))


def _csv(named: list[str], movement: Movement, query: MovementWanted, pair: list[Round]) -> bytes:
    counts = (
        movement.assessed,
        movement.matched,
        movement.improved,
        movement.same,
        movement.declined,
        movement.absent,
        movement.refused,
        movement.left,
        movement.without_result,
        movement.later.assessed,
    )
    estimates = (movement.improved_share, movement.declined_share, movement.mean_shift)
    cells = [
        *(defused(each) for each in named),
        *(f"{each.kind} {each.year_name}" for each in pair),
        query.subject,
        str(query.grade or ""),
        str(query.sex or ""),
        *("" if each is None else str(each) for each in counts),
        *(number for each in estimates for number in _estimate(each)),
    ]
    return csv_line(cells)


def _estimate(each: Interval | None) -> list[str]:
    if each is None:
        return ["", "", ""]
    return [f"{number:.4f}" for number in (each.value, each.low, each.high)]
