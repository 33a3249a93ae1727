"""Imports: send a file of schools or children, watch it being read, see what is wrong in it by row and column."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from flatwater.contract import Html, Redirect, Streamed, Upload
from flatwater.paging import PageLimit, PageRequest
from flatwater.transaction import Session
from rightlevel.operations.import_runner import ImportRequest
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Fault, Invalid, NotFound
from rightlevel.programme.exchange import (
    FIELDS,
    KINDS,
    WHATS,
    HowToApply,
    ImportRun,
    Kind,
    MappingInvalid,
    NewRun,
    PreviewRow,
    SaidOfFile,
    is_undoable,
    list_faults,
    list_preview,
    list_runs,
    list_sources,
    mapping_of_source,
    read_run,
    said_of_file,
)
from rightlevel.programme.permissions import May, may
from rightlevel.web.authority import keeping
from rightlevel.web.importing import (
    SaidInFields,
    apply_run_of,
    left_rows_csv,
    said_of,
    undo_run_of,
    with_fields,
)
from rightlevel.web.imports.api import PreviewFilters
from rightlevel.web.language import N_
from rightlevel.web.request import IMPORTS, READ_S, ByUuid, Request, actor_of
from rightlevel.web.routes import Routes
from rightlevel.web.sent import NoFields
from rightlevel.web.templating import language_of, render

routes = Routes("pages")

UPLOAD_BYTES = 256 * 1024 * 1024
SUBMIT_S = 60.0
RUNNING = ("waiting", "reading", "saving")
RUNS = PageLimit()
FAULTS = PageLimit(100)
FIRST_ROWS = PageRequest(20)
LONGEST_LINE = 2_000
ENCODINGS = (
    "utf-8",
    "windows-1252",
    "windows-1250",
    "windows-1251",
    "windows-1253",
    "windows-1254",
    "windows-1255",
    "windows-1256",
    "windows-1257",
    "windows-1258",
    "gb18030",
    "big5",
    "shift_jis",
    "euc-jp",
    "euc-kr",
    "cp874",
    "koi8-r",
    "iso-8859-6",
    "iso-8859-7",
    "cp437",
    "cp850",
    "mac-roman",
    "utf-16",
)
"""Some that are met often; any that Python knows can be asked for."""
COLUMNS = {kind: [(field.name, field.is_needed) for field in FIELDS[kind]] for kind in KINDS}


class SentImport(msgspec.Struct, frozen=True):
    """What the form for a file sends beside the file."""

    kind: str = ""
    mapping: str = ""
    source: str = ""
    encoding: str = ""
    sheet: str = ""
    header_row: str = ""
    only_column: str = ""
    only_how: str = ""
    only_values: str = ""
    only_programme_grades: bool = False


class SendAgain(msgspec.Struct, frozen=True):
    """Which import's file is to be sent again, and with which further line of a mapping; or whose next file comes."""

    again: str = ""
    line: str = ""
    source: str = ""
    kind: str = ""


@routes.get("/imports", May("run", "import"), page=RUNS)
async def imports_page(request: Request, *, query: SendAgain, page: PageRequest) -> Html:
    """The form for a file, and earlier imports, newest first."""
    actor = actor_of(request)
    runs = await list_runs(request.session, actor, page)
    form = await _begun(request, query)
    sources = await list_sources(request.session, actor)
    return render(
        request,
        "imports/list.html",
        form=form,
        page=runs,
        columns=COLUMNS,
        sources=sources,
        encodings=ENCODINGS,
    )


async def _begun(request: Request, query: SendAgain) -> SentImport:
    """The form filled in with what was said of an earlier file. *Errors*: NotFound."""
    actor = actor_of(request)
    kind: Kind | None = next((each for each in KINDS if each == query.kind), None)
    if query.again:
        try:
            run_id = str(UUID(query.again))
        except ValueError:
            raise NotFound from None
        said = await said_of_file(request.session, actor, run_id)
        text = said.mapping
        line = query.line.strip()[:LONGEST_LINE]
        if line:
            option = line.partition("=")[0].strip()
            kept = [each for each in text.splitlines() if each.partition("=")[0].strip() != option]
            # Before everything else, where no table has been opened yet.
            text = "\n".join([line, *kept])
        return SentImport(said.kind, text, source=said.source)
    if query.source and kind is not None:
        text = await mapping_of_source(request.session, actor, kind, query.source)
        return SentImport(kind, text, source=query.source)
    return SentImport()


@routes.post(
    "/imports",
    May("run", "import"),
    rate=IMPORTS,
    work="none",
    deadline_s=SUBMIT_S,
    body_bytes=UPLOAD_BYTES,
    priority="first",
)
async def post_import(request: Request, *, form: SentImport, upload: Upload | None) -> Html | Redirect:
    """Takes the file to be looked at: what would become of each row is shown before anything is saved."""
    actor = actor_of(request)
    kind, file = _checked(form, upload)
    fields = msgspec.convert(form, SaidInFields, from_attributes=True)
    source = form.source.strip()
    try:
        mapping, said = await said_of(
            request.database, actor, kind, with_fields(form.mapping, fields), source
        )
    except MappingInvalid as error:
        raise _said_here(error) from error
    new = NewRun(
        kind,
        file.filename[:200],
        is_dry_run=True,
        bytes_total=file.size_bytes,
        mapping=said,
        source=source,
    )
    asked = ImportRequest(new, file.path, mapping, actor)
    return _to(await request.app.imports.submit(asked, keeping(request, _to)))


def _to(run: ImportRun) -> Redirect:
    return Redirect(f"/imports/{run.id}")


def _checked(form: SentImport, upload: Upload | None) -> tuple[Kind, Upload]:
    kind: Kind | None = next((each for each in KINDS if each == form.kind), None)
    faults = [Fault("kind", N_("Please choose one"))] if kind is None else []
    if upload is None or not upload.size_bytes:
        faults.append(Fault("file", N_("Please choose a file")))
    if faults or kind is None or upload is None:
        raise Invalid(faults=tuple(faults))
    return kind, upload


@routes.get("/imports/{id}", May("run", "import"), page=FAULTS)
async def import_page(request: Request, *, path: ByUuid, page: PageRequest) -> Html:
    """One import: how far it is, how it ended, and what is wrong in the file."""
    run = await read_run(request.session, actor_of(request), path.id)
    faults = await list_faults(request.session, actor_of(request), path.id, page)
    may_undo = may(actor_of(request), "undo", "import") and await is_undoable(
        request.session, path.id, request.clock
    )
    rows: tuple[PreviewRow, ...] = ()
    if run.preview:
        rows = tuple((await list_preview(request.session, actor_of(request), path.id, FIRST_ROWS)).items)
    return render(
        request,
        "imports/one.html",
        **_run(request, run),
        page=faults,
        rows=rows,
        what=None,
        is_fragment=False,
        may_undo=may_undo,
    )


@routes.get("/imports/{id}/rows", May("run", "import"), page=RUNS)
async def import_rows_page(
    request: Request, *, path: ByUuid, query: PreviewFilters, page: PageRequest
) -> Html:
    """What would become of each row of a file that was looked at, field by field."""
    run = await read_run(request.session, actor_of(request), path.id)
    found = await list_preview(request.session, actor_of(request), path.id, page, what=query.what)
    return render(request, "imports/rows.html", **_run(request, run), page=found, what=query.what)


@routes.post("/imports/{id}/apply", May("run", "import"), rate=IMPORTS, work="none", deadline_s=SUBMIT_S)
async def post_apply_import(request: Request, *, path: ByUuid, form: HowToApply) -> Redirect:
    """Imports the file that was looked at when its turn comes."""
    return _to(await apply_run_of(request, path.id, form, _to))


@routes.post("/imports/{id}/undo", May("undo", "import"), rate=IMPORTS, work="none", deadline_s=SUBMIT_S)
async def post_undo_import(request: Request, *, path: ByUuid, form: NoFields) -> Redirect:
    """Undoes an import when its turn comes."""
    return _to(await undo_run_of(request, path.id, _to))


@routes.get("/imports/{id}/progress", May("run", "import"))
async def import_progress(request: Request, *, path: ByUuid) -> Html:
    """How far an import is: the part of its page that asks for itself every second."""
    run = await read_run(request.session, actor_of(request), path.id)
    answer = render(request, "imports/progress.html", **_run(request, run), is_fragment=True)
    # Once it is over, the whole page is asked for, with its faults.
    return answer if run.state in RUNNING else msgspec.structs.replace(answer, headers={"hx-refresh": "true"})


def _run(request: Request, run: ImportRun) -> dict[str, Any]:
    return {"run": run, "is_running": run.state in RUNNING, "rule": language_of(request).rule, "whats": WHATS}


@routes.post(
    "/imports/{id}/left-rows",
    May("run", "import"),
    rate=IMPORTS,
    work="none",
    deadline_s=READ_S,
    media=("text/csv; charset=utf-8",),
)
async def take_left_rows(request: Request, *, path: ByUuid, form: NoFields) -> Streamed:
    """The rows that an import left out, as a file to mend and send again."""
    actor = actor_of(request)

    async def note(session: Session) -> SaidOfFile:
        said = await said_of_file(session, actor, path.id)
        await write_audit(session, actor, "export", "import", path.id)
        return said

    said = await request.database.run(note, deadline_s=READ_S)
    headers = {"content-disposition": f'attachment; filename="to-mend-{path.id[:8]}.csv"'}
    rows = left_rows_csv(request.database, actor, path.id, keeps_place="header_row" in said.mapping)
    return Streamed(rows, "text/csv; charset=utf-8", headers)


def _said_here(error: MappingInvalid) -> MappingInvalid:
    """The same error with what is wrong in the mapping said at its one field."""
    own = ("kind", "file", "source", "encoding", "sheet", "header_row")
    faults = tuple(
        fault
        if fault.field in own
        else Fault(
            "mapping", f"{fault.field}: {fault.rule}" if fault.field != "mapping" else fault.rule, fault.value
        )
        for fault in error.faults
    )
    return MappingInvalid(faults=faults)
