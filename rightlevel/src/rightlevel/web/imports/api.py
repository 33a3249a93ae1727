"""Imports over HTTP: send a file, watch it, read what is wrong with it."""

from __future__ import annotations

import msgspec

from flatwater.contract import Accepted, Upload
from flatwater.paging import PageLimit
from rightlevel.operations.import_runner import ImportRequest
from rightlevel.programme.errors import Fault, Invalid
from rightlevel.programme.exchange import (
    HowToApply,
    ImportRun,
    Kind,
    NewRun,
    What,
    list_faults,
    list_left_rows,
    list_preview,
    list_runs,
    read_run,
    stop_run,
)
from rightlevel.programme.permissions import May
from rightlevel.web.authority import keeping
from rightlevel.web.feature import Deeds
from rightlevel.web.importing import apply_run_of, said_of, undo_run_of
from rightlevel.web.language import N_
from rightlevel.web.request import IMPORTS, ByUuid, Request, actor_of

routes = Deeds("imports", "import", deeds={"read": "run"})

UPLOAD_BYTES = 256 * 1024 * 1024
"""A million children are about 80 MB as CSV."""
SUBMIT_S = 60.0
MANY_FAULTS = PageLimit(100)


class ImportForm(msgspec.Struct, frozen=True):
    """What the sent file holds, how its columns are to be read (TOML; else by their headers), and whether only to try."""

    kind: Kind
    mapping: str = ""
    dry_run: bool = False
    leaves_bad_rows: bool = False
    """Whether rows that are wrong are left out (and kept, to be mended) and all others saved."""
    source: str = ""
    """Whose file this is: the mapping is kept for the source's next file, and used where none is sent."""


@routes.post(
    "/api/v1/imports",
    May("run", "import"),
    rate=IMPORTS,
    work="none",
    deadline_s=SUBMIT_S,
    body_bytes=UPLOAD_BYTES,
    statuses={202: "The file waits for its turn; the run is at the address in `location`."},
    priority="first",
)
async def send_import(request: Request, *, form: ImportForm, upload: Upload | None) -> Accepted[ImportRun]:
    """Takes a CSV or XLSX file and imports it when its turn comes; 202 with the run to watch."""
    if upload is None:
        raise Invalid(faults=(Fault("file", "A file is needed"),))
    source = form.source.strip()
    mapping, said = await said_of(request.database, actor_of(request), form.kind, form.mapping, source)
    new = NewRun(
        form.kind,
        upload.filename[:200],
        form.dry_run,
        upload.size_bytes,
        leaves_bad_rows=form.leaves_bad_rows,
        mapping=said,
        source=source,
    )
    asked = ImportRequest(new, upload.path, mapping, actor_of(request))
    return _accepted(await request.app.imports.submit(asked, keeping(request, _accepted)))


@routes.post(
    "/api/v1/imports/{id}/undo", May("undo", "import"), rate=IMPORTS, work="none", deadline_s=SUBMIT_S
)
async def undo_import(request: Request, *, path: ByUuid) -> Accepted[ImportRun]:
    """Undoes an import when its turn comes: what it added is removed, what it changed is put back; 202 with the run to watch.

    Where later work stands on it nothing is undone, and the run's faults name each child or school, and what stands on it.
    """
    return _accepted(await undo_run_of(request, path.id, _accepted))


@routes.post(
    "/api/v1/imports/{id}/apply", May("run", "import"), rate=IMPORTS, work="none", deadline_s=SUBMIT_S
)
async def apply_import(request: Request, *, path: ByUuid, body: HowToApply) -> Accepted[ImportRun]:
    """Imports the file of a dry run as it was said then, when its turn comes; 202 with the run to watch.

    The file is kept for a day, while it is one of the last eight that were looked at. It is judged anew: what was changed since is told.
    """
    return _accepted(await apply_run_of(request, path.id, body, _accepted))


routes.does(
    stop_run,
    json=("stop_import", "POST /api/v1/imports/{id}/stop"),
    html=("post_stop_import", "/imports/{id}/stop"),
    may=May("run", "import"),
    then="/imports/{path.id}",
    word=N_("The import ends within seconds, unless everything was saved already."),
    says="Stops an import that waits or is at work, on whichever host: nothing of it is saved. One that has saved everything already stays done.",
)


def _accepted(run: ImportRun) -> Accepted[ImportRun]:
    return Accepted(run, f"/api/v1/imports/{run.id}")


class PreviewFilters(msgspec.Struct, frozen=True):
    """Rows of one kind only."""

    what: What | None = None


routes.answers("list_imports", "GET /api/v1/imports", list_runs)
routes.answers(
    "read_import", "GET /api/v1/imports/{id}", read_run, says="One import: how far it is, or how it ended."
)
routes.answers(
    "list_import_faults",
    "GET /api/v1/imports/{id}/faults",
    list_faults,
    page=MANY_FAULTS,
    says="What is wrong in the file, by row and column; the first 100,000 are kept for 30 days.",
)
routes.answers(
    "list_import_left_rows",
    "GET /api/v1/imports/{id}/left-rows",
    list_left_rows,
    page=MANY_FAULTS,
    says="The rows that an import left out because they are wrong, as the file has them; number 0 holds the headers. Kept for 30 days.",
)
routes.answers(
    "list_import_preview",
    "GET /api/v1/imports/{id}/rows",
    list_preview,
    PreviewFilters,
    page=MANY_FAULTS,
    says="What would become of each row of the file of a dry run, field by field: wrong rows first, then possible duplicates, moved, changed, "
    "new and unchanged ones. Kept for a day, of the last eight dry runs.",
)
