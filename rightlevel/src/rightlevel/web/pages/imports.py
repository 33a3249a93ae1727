"""Imports: send a file of schools or children, watch it being read, see what is wrong in it by row and column."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from flatwater.contract import Html, Redirect, Registry, Upload
from flatwater.paging import Page, PageLimit, PageRequest
from rightlevel.operations.import_runner import ImportRequest
from rightlevel.programme.errors import Fault, Invalid, ProgrammeError
from rightlevel.programme.exchange import (
    FIELDS,
    KINDS,
    ColumnMapping,
    ImportRun,
    Kind,
    NewRun,
    list_faults,
    list_runs,
    read_mapping,
    read_run,
)
from rightlevel.programme.permissions import May
from rightlevel.web.call import IMPORTS, READ_S, READS, Ask, ByUuid, actor_of
from rightlevel.web.language import N_
from rightlevel.web.templating import done, language_of, render, show_again

routes = Registry()

UPLOAD_BYTES = 256 * 1024 * 1024
SUBMIT_S = 60.0
RUNNING = ("waiting", "reading", "saving")
RUNS = PageLimit()
FAULTS = PageLimit(100)
COLUMNS = {kind: [field.name for field in FIELDS[kind]] for kind in KINDS}
PLAIN_LINE = re.compile(r"\s*([\w.]+)\s*=\s*([^\s\"'\[{].*?)\s*")
"""`code = SID`, as people write it; anything else is TOML already."""


class SentImport(msgspec.Struct, frozen=True):
    """What the form for a file sends beside the file."""

    kind: str = ""
    mapping: str = ""
    is_dry_run: bool = False


def toml_of(lines: str) -> str:
    """A column mapping as people write it, `ours = yours` on each line, as the TOML that mappings are."""
    found = ((PLAIN_LINE.fullmatch(line), line) for line in lines.splitlines())
    return "\n".join(
        f"{match[1]} = {msgspec.json.encode(match[2]).decode()}" if match else line for match, line in found
    )


@routes.endpoint(
    "GET", "/imports", who=May("run", "import"), rate=READS, deadline_s=READ_S, work="read", page=RUNS, tags=("pages",)
)  # fmt: skip
async def imports_page(call: Ask, *, page: PageRequest) -> Html:
    """The form for a file, and earlier imports, newest first."""
    runs = await list_runs(call.session, actor_of(call), page)
    return render(call, "imports/list.html", form=SentImport(), page=runs, columns=COLUMNS)


@routes.endpoint(
    "POST", "/imports", who=May("run", "import"), rate=IMPORTS, deadline_s=SUBMIT_S, work="none", priority="first",
    body_bytes=UPLOAD_BYTES, tags=("pages",),
)  # fmt: skip
async def import_here(call: Ask, *, form: SentImport, upload: Upload | None) -> Html | Redirect:
    """Takes the file; it is imported when its turn comes."""
    try:
        kind, mapping, file = _checked(form, upload)
        new = NewRun(kind, file.filename[:200], form.is_dry_run, file.size_bytes)
        run = await call.app.imports.submit(ImportRequest(new, file.path, mapping, actor_of(call)))
    except ProgrammeError as error:
        nothing: Page[ImportRun] = Page([])
        show_again(call, "imports/list.html", error, form=form, page=nothing, columns=COLUMNS)
    return done(call, f"/imports/{run.id}")


def _checked(form: SentImport, upload: Upload | None) -> tuple[Kind, ColumnMapping | None, Upload]:
    kind: Kind | None = next((each for each in KINDS if each == form.kind), None)
    faults = [Fault("kind", N_("Please choose one"))] if kind is None else []
    if upload is None or not upload.size_bytes:
        faults.append(Fault("file", N_("Please choose a file")))
    if faults or kind is None or upload is None:
        raise Invalid(faults=tuple(faults))
    return kind, read_mapping(toml_of(form.mapping), kind) if form.mapping.strip() else None, upload


@routes.endpoint(
    "GET", "/imports/{id}", who=May("run", "import"), rate=READS, deadline_s=READ_S, work="read", page=FAULTS,
    tags=("pages",),
)  # fmt: skip
async def import_page(call: Ask, *, path: ByUuid, page: PageRequest) -> Html:
    """One import: how far it is, how it ended, and what is wrong in the file."""
    run = await read_run(call.session, actor_of(call), path.id)
    faults = await list_faults(call.session, actor_of(call), path.id, page)
    return render(call, "imports/one.html", **_run(call, run), page=faults, is_fragment=False)


@routes.endpoint(
    "GET", "/imports/{id}/progress", who=May("run", "import"), rate=READS, deadline_s=READ_S, work="read",
    tags=("pages",),
)  # fmt: skip
async def import_progress(call: Ask, *, path: ByUuid) -> Html:
    """How far an import is: the part of its page that asks for itself every second."""
    run = await read_run(call.session, actor_of(call), path.id)
    answer = render(call, "imports/progress.html", **_run(call, run), is_fragment=True)
    # Once it is over, the whole page is asked for, with its faults.
    return answer if run.state in RUNNING else msgspec.structs.replace(answer, headers={"hx-refresh": "true"})


def _run(call: Ask, run: ImportRun) -> dict[str, Any]:
    return {"run": run, "is_running": run.state in RUNNING, "rule": language_of(call).rule}
