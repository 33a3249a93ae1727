"""A form out of an XLSForm workbook: looked at with everything that is wrong or left out, then kept as a draft."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from flatwater.contract import Html, Redirect, Registry, Upload
from rightlevel.programme.errors import Fault, Invalid, NotFound, ProgrammeError
from rightlevel.programme.exchange import SheetFault, open_sheet
from rightlevel.programme.exchange.sheet_limits import SheetLimits
from rightlevel.programme.forms import (
    Converted,
    Sheet,
    asked_of,
    change_draft,
    convert,
    list_forms,
    read_form,
    start_form,
)
from rightlevel.programme.permissions import May
from rightlevel.web.call import READ_S, READS, WRITE_S, WRITES, Ask, actor_of
from rightlevel.web.templating import done, language_of, render, show_again

routes = Registry()

WORKBOOK_BODY = 2 * 1024 * 1024
LIMITS = SheetLimits(file_bytes=WORKBOOK_BODY, rows=5_000)
"""A form of 200 questions with its choices has some hundred rows."""


class SentForm(msgspec.Struct, frozen=True):
    """Into which form, and whether it is kept or only looked at."""

    code: str = ""
    new_code: str = ""
    keep: str = ""


@routes.endpoint(
    "GET", "/forms/import", who=May("change", "form"), rate=READS, deadline_s=READ_S, work="read", tags=("pages",)
)  # fmt: skip
async def form_import_page(call: Ask) -> Html:
    """The form that sends a workbook."""
    return render(call, "form_import/page.html", **await _page(call, SentForm("visit")))


async def _page(call: Ask, form: SentForm, converted: Converted | None = None) -> dict[str, Any]:
    language = language_of(call)
    made = converted.form if converted else None
    return {
        "forms": [(each.code, each.name) for each in await list_forms(call.session, actor_of(call))], "form": form, "converted": converted,
        "sections": asked_of(made, {}, language.code).sections if made else [], "rule": language.rule,
    }  # fmt: skip


@routes.endpoint(
    "POST", "/forms/import", who=May("change", "form"), rate=WRITES, deadline_s=WRITE_S, work="write", body_bytes=WORKBOOK_BODY + 65_536,
    tags=("pages",),
)  # fmt: skip
async def import_form_here(call: Ask, *, form: SentForm, upload: Upload | None) -> Html | Redirect:
    """Shows what a workbook gives, or keeps it as a draft."""
    try:
        converted = await _converted(upload)
        if form.keep != "yes" or converted.form is None:
            return render(call, "form_import/page.html", **await _page(call, form, converted))
        async with call.session.savepoint():
            code = await _keep(call, form, converted)
    except ProgrammeError as error:
        show_again(call, "form_import/page.html", error, **await _page(call, form))
    return done(call, f"/forms/{code}", language_of(call).gettext("Saved as a draft."))


async def _keep(call: Ask, form: SentForm, converted: Converted) -> str:
    actor, now, made = actor_of(call), call.clock.now(), converted.form
    if made is None:
        raise NotFound
    if form.code:
        page = await read_form(call.session, actor, form.code)
        await change_draft(call.session, actor, form.code, made, expected_version=page.form.version, at=now)
        return form.code
    return (await start_form(call.session, actor, form.new_code.strip(), made.name, made, at=now)).code


async def _converted(upload: Upload | None) -> Converted:
    if upload is None or not upload.size_bytes:
        raise Invalid(faults=(Fault("file", "Please fill this in"),))
    try:
        sheets = [
            await asyncio.to_thread(_sheet, upload.path, name) for name in ("survey", "choices", "settings")
        ]
    except SheetFault as fault:
        raise Invalid(faults=(Fault("file", "This is no XLSForm workbook", fault.message[:200]),)) from fault
    return convert(*sheets, name=Path(upload.filename).stem[:100])


def _sheet(path: Path, name: str) -> Sheet:
    """One sheet by its name; only the survey has to be there. *Errors*: SheetFault."""
    try:
        opened = open_sheet(path, sheet=name, limits=LIMITS)
    except SheetFault as fault:
        if name != "survey" and fault.code in ("no_such_sheet", "empty_sheet"):
            return Sheet()
        raise
    with opened as sheet:
        rows = tuple((number, tuple(cells)) for batch in sheet.batches() for number, cells in batch)
        return Sheet(sheet.headers, rows)
