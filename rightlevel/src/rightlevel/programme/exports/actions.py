"""Taking a file out: who may, what may be asked, and the manifest that proves what it holds."""

from __future__ import annotations

from typing import Any, Final

from flatwater.clock import Clock
from flatwater.paging import Page, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Fault, Forbidden, Invalid, OutOfScope
from rightlevel.programme.exports import store
from rightlevel.programme.exports.columns import COLUMNS, DEIDENTIFIED, codebook
from rightlevel.programme.exports.model import CodebookLine, ExportAsk, ExportRun, What
from rightlevel.programme.permissions import Actor, may, require

LONGEST_SEARCH: Final = 100
RESOURCES: Final[dict[What, str]] = {
    "roster": "student",
    "results": "result",
    "verification": "verification",
    "data_quality": "data_quality",
    "attendance": "teaching",
    "visits": "visit",
    "assignments": "assignment",
    "people": "person",
    "classes": "class",
    "places": "place",
    "statistics": "count",
}
FILTERS: Final[dict[What, frozenset[str]]] = {
    "roster": frozenset({"place_id", "school_id", "class_id", "grade", "sex", "status", "search"}),
    "results": frozenset({"round_id", "place_id", "school_id", "class_id", "grade", "sex"}),
    "verification": frozenset({"round_id", "place_id", "school_id", "subject"}),
    "data_quality": frozenset({"place_id", "school_id", "subject", "from_on", "to_on"}),
    "attendance": frozenset({"place_id", "school_id", "subject", "from_on", "to_on"}),
    "visits": frozenset({"school_id", "mentor_id", "subject", "from_on", "to_on"}),
    "assignments": frozenset({"place_id", "school_id", "subject"}),
    "people": frozenset[str](),
    "classes": frozenset({"place_id", "school_id"}),
    "places": frozenset[str](),
    "statistics": frozenset({"round_id", "place_id", "school_id", "subject", "grade", "sex"}),
    "everything": frozenset({"round_id", "place_id", "school_id"}),
}
OF_DEIDENTIFIED: Final = frozenset({"round_id"})
"""What a de-identified file may be narrowed by: anything else would say of its rows what they don't say themselves."""


def sheets_of(actor: Actor, ask: ExportAsk) -> list[What]:
    """Which tables a file holds: its own, or of everything those that its taker may take."""
    if ask.what != "everything":
        return [ask.what]
    if ask.is_deidentified:
        return list(DEIDENTIFIED)
    # What lies in a country is asked for by place; visits and people are not, and would be of everywhere.
    narrowed = ask.place_id is not None
    return [
        what
        for what in COLUMNS
        if may(actor, "export", RESOURCES[what]) and not (narrowed and "place_id" not in FILTERS[what])
    ]


def part_of(ask: ExportAsk, what: What) -> ExportAsk:
    """The same for one of its tables, with the filters that it knows."""
    kept = {name: value for name, value in ask.filters().items() if name in FILTERS[what]}
    return ExportAsk(what, ask.format, ask.is_deidentified, **kept)


async def begin_export(session: Session, actor: Actor, ask: ExportAsk, clock: Clock) -> str:
    """Writes down, and in the audit, that a file is taken; its id. *Errors*: Forbidden, OutOfScope, Invalid."""
    await check_ask(session, actor, ask)
    export_id = await store.start(session, actor.person_id, ask, clock.now())
    asked: dict[str, Any] = {**ask.filters(), "what": ask.what, "format": ask.format}
    # A name that was looked for is a name: the audit holds none.
    asked.pop("search", None)
    asked["is_deidentified"] = ask.is_deidentified
    await write_audit(session, actor, "export", "file", export_id, after=asked)
    return export_id


async def check_ask(session: Session, actor: Actor, ask: ExportAsk) -> None:
    """Passes where the actor may take this file. *Errors*: Forbidden, OutOfScope, Invalid."""
    require(actor, "export", "file")
    if ask.is_deidentified:
        require(actor, "export", "deidentified")
    elif ask.what != "everything":
        require(actor, "export", RESOURCES[ask.what])
    elif not sheets_of(actor, ask):
        raise Forbidden
    faults: list[Fault] = []
    known = OF_DEIDENTIFIED & FILTERS[ask.what] if ask.is_deidentified else FILTERS[ask.what]
    for name, value in ask.filters().items():
        if name not in known:
            faults.append(Fault(name, "This file is not narrowed by this", str(value)[:40]))
    if ask.is_deidentified and ask.what not in (*DEIDENTIFIED, "everything"):
        faults.append(Fault("is_deidentified", "Only a roster and results can be de-identified"))
    if ask.what == "everything" and ask.format != "xlsx":
        faults.append(Fault("format", "Everything is a workbook: choose XLSX", ask.format))
    if len(ask.search or "") > LONGEST_SEARCH:
        faults.append(Fault("search", "At most 100 characters", (ask.search or "")[:60]))
    if not faults and ask.round_id is not None and not await store.rounds_of(session, ask.round_id):
        faults.append(Fault("round_id", "This round is not there", str(ask.round_id)))
    if faults:
        raise Invalid(faults=tuple(faults))
    if ask.school_id is not None and not actor.scope.reaches_school(ask.school_id):
        raise OutOfScope


async def list_exports(session: Session, actor: Actor, page: PageRequest, clock: Clock) -> Page[ExportRun]:
    """Manifests of the files that the actor took, or, for whom reads the audit, of all; the newest first."""
    require(actor, "export", "file")
    return await store.page_of_exports(session, page, person_id=_whose(actor), now=clock.now())


async def read_export(session: Session, actor: Actor, export_id: str, clock: Clock) -> ExportRun:
    """A file's manifest. *Errors*: NotFound, also for somebody else's."""
    require(actor, "export", "file")
    return await store.find_export(session, export_id, person_id=_whose(actor), now=clock.now())


def choices_of(actor: Actor) -> list[What]:
    """The files that the actor may take in some form."""
    coded = list(DEIDENTIFIED) if may(actor, "export", "deidentified") else []
    named = [what for what in COLUMNS if may(actor, "export", RESOURCES[what])]
    found: list[What] = [what for what in COLUMNS if what in named or what in coded]
    if found:
        found.append("everything")
    return found


def read_codebook(actor: Actor) -> list[CodebookLine]:
    """Every column of the files that the actor may take, explained."""
    require(actor, "export", "file")
    return codebook(tuple(choices_of(actor)))


def _whose(actor: Actor) -> int | None:
    return None if may(actor, "read", "audit") else actor.person_id
