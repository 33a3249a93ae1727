"""Files to take out: chosen on a page or asked for by a program, made while they are sent, each with a manifest that proves it."""

from __future__ import annotations

from datetime import date
from typing import Any, Final, Literal

import msgspec

from flatwater.contract import Everyone, Html, Streamed
from flatwater.paging import PageLimit, PageRequest
from flatwater.rate_limit import RateClass
from flatwater.transaction import Session
from rightlevel.programme.errors import Fault, Forbidden, Invalid, NotFound
from rightlevel.programme.exports import (
    FORMATS,
    CodebookLine,
    ExportAsk,
    Format,
    What,
    begin_export,
    choices_of,
    list_exports,
    read_codebook,
    read_export,
)
from rightlevel.programme.permissions import Actor, May, may
from rightlevel.programme.rounds import list_rounds
from rightlevel.web.exporting import KINDS, live_holder, stream_export, streamed
from rightlevel.web.exports import odata
from rightlevel.web.feature import IN_PAGES, Deeds
from rightlevel.web.request import READ_S, WRITE_S, ByUuid, Request, actor_of
from rightlevel.web.sent import day_or_none
from rightlevel.web.templating import render

routes = Deeds("exports", "file", deeds={"read": "export"})
routes.include(odata.routes)

TAKES: Final = May("export", "file")
LIVE: Final = RateClass("live_files", per_s=0.2, burst=30)
ROUNDS: Final = PageRequest(100)


class ExportForm(msgspec.Struct, frozen=True):
    """Which file is asked for, as people choose it. What a kind of file is not narrowed by is not asked of it."""

    what: str = ""
    format: str = "xlsx"
    is_deidentified: bool = False
    round_id: str = ""
    school_id: str = ""
    class_id: str = ""
    place_id: str = ""
    grade: str = ""
    sex: str = ""
    status: str = ""
    search: str = ""
    subject: str = ""
    from_on: str = ""
    to_on: str = ""


class SecretAndWhat(msgspec.Struct, frozen=True):
    """A token that only reads, and which file."""

    secret: str
    what: What


class LiveAsk(msgspec.Struct, frozen=True):
    """Which kind of file, and what it is narrowed by."""

    format: Format = "csv"
    is_deidentified: bool = False
    round_id: int | None = None
    place_id: int | None = None
    school_id: int | None = None
    class_id: int | None = None
    grade: int | None = None
    sex: int | None = None
    status: Literal["active", "left"] | None = None
    subject: Literal["language", "math"] | None = None
    mentor_id: int | None = None
    from_on: date | None = None
    to_on: date | None = None


class CodebookPage(msgspec.Struct, frozen=True):
    """Every column of the files that somebody may take."""

    columns: list[CodebookLine]


@routes.post("/api/v1/exports", TAKES, work="none", deadline_s=READ_S, media=KINDS)
async def take_export(request: Request, *, body: ExportAsk) -> Streamed:
    """A file, made while it is sent: CSV, XLSX, JSON lines or Parquet. Its manifest is found where the header `link` says.

    Rows are those that the caller reaches. Every child is in it once, tested or not; formulas are defused in CSV.
    """
    return await stream_export(request, body)


routes.answers("list_exports", "GET /api/v1/exports", list_exports)
routes.answers(
    "read_export",
    "GET /api/v1/exports/{id}",
    read_export,
    says="The manifest of a file that was taken: definition, filters, rows, children without a result, SHA-256, as of when.",
)


@routes.get("/api/v1/export-codebook", TAKES)
async def export_codebook(request: Request) -> CodebookPage:
    """Every column of the files that the caller may take, with what it means."""
    return CodebookPage(read_codebook(actor_of(request)))


@routes.get("/exports", TAKES, page=PageLimit(), **IN_PAGES)
async def exports_page(request: Request, *, query: ExportForm, page: PageRequest) -> Html:
    """The form for a file, and the files taken before, newest first."""
    return await _page(request, query, page)


@routes.post("/exports", TAKES, work="none", deadline_s=READ_S, media=KINDS, **IN_PAGES)
async def post_take_export(request: Request, *, form: ExportForm) -> Streamed:
    """A file, made while it is sent."""
    return await stream_export(request, meant(form))


@routes.get("/exports/{id}", TAKES, **IN_PAGES)
async def export_page(request: Request, *, path: ByUuid) -> Html:
    """The manifest of a file."""
    found = await read_export(request.session, actor_of(request), path.id, request.clock)
    return render(request, "exports/one.html", export=found)


@routes.get(
    "/live/{secret}/{what}",
    Everyone(),
    rate=LIVE,
    work="none",
    deadline_s=READ_S,
    tags=("service",),
    media=KINDS,
)
async def live_file(request: Request, *, path: SecretAndWhat, query: LiveAsk) -> Streamed:
    """A file under an address that a spreadsheet loads again by itself: the secret is an API token that only reads, whose holder's rights and schools
    count as they are now. It ends when the token runs out or is revoked.
    """
    ask = ExportAsk(path.what, **msgspec.structs.asdict(query))

    async def begin(session: Session) -> tuple[Actor, str]:
        actor = await live_holder(request, session, path.secret)
        try:
            return actor, await begin_export(session, actor, ask, request.clock)
        except Forbidden as error:
            raise NotFound from error

    request.app.exports.require_room()
    actor, export_id = await request.database.run(begin, deadline_s=WRITE_S)
    return streamed(request, actor, export_id, ask)


async def _page(request: Request, form: ExportForm, page: PageRequest) -> Html:
    actor = actor_of(request)
    return render(
        request,
        "exports/list.html",
        form=form,
        page=await list_exports(request.session, actor, page, request.clock),
        choices=choices_of(actor),
        formats=FORMATS,
        narrowed=any(
            each
            for name, each in msgspec.structs.asdict(form).items()
            if name not in ("what", "format", "is_deidentified")
        ),
        may_code=may(actor, "export", "deidentified"),
        rounds=(await list_rounds(request.session, actor, ROUNDS)).items,
    )


def meant(form: ExportForm) -> ExportAsk:
    """What a form asks for. *Errors*: Invalid."""
    faults: list[Fault] = []
    values: dict[str, Any] = {
        "what": form.what,
        "format": form.format,
        "is_deidentified": form.is_deidentified,
        "status": form.status or None,
        "search": form.search.strip() or None,
        "subject": form.subject or None,
    }
    for name in ("round_id", "school_id", "class_id", "place_id", "grade", "sex"):
        text = getattr(form, name).strip()
        if text and not (text.isascii() and text.isdigit() and len(text) < 16):
            faults.append(Fault(name, "A whole number", text[:40]))
        elif text:
            values[name] = int(text)
    try:
        values |= day_or_none(from_on=form.from_on, to_on=form.to_on)
    except Invalid as invalid:
        faults += invalid.faults
    if faults:
        raise Invalid(faults=tuple(faults))
    try:
        return msgspec.convert(values, ExportAsk)
    except msgspec.ValidationError as error:
        field = str(error).rpartition("$.")[2].rstrip("`") or "what"
        raise Invalid(faults=(Fault(field, "Please choose one"),)) from error
