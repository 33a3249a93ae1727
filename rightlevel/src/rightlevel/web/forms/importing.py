"""A form out of an XLSForm workbook: looked at with everything that is wrong or left out, then kept as a draft."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from flatwater.clock import today
from flatwater.contract import Html, Redirect, Upload
from rightlevel.programme.errors import Fault, Invalid, NotFound
from rightlevel.programme.forms import (
    Converted,
    Said,
    asked_of,
    change_draft,
    convert,
    list_forms,
    read_form,
    read_workbook,
    start_form,
)
from rightlevel.programme.permissions import May
from rightlevel.web.language import N_
from rightlevel.web.request import Request, actor_of
from rightlevel.web.routes import Routes
from rightlevel.web.templating import done, language_of, render

routes = Routes("pages")

WORKBOOK_BODY = 2 * 1024 * 1024
LONGEST_CODES = 500


class SentForm(msgspec.Struct, frozen=True):
    """Into which form, and whether it is kept or only looked at."""

    code: str = ""
    new_code: str = ""
    keep: str = ""
    languages: str = ""


@routes.get("/forms/import", May("change", "form"))
async def form_import_page(request: Request) -> Html:
    """The form that sends a workbook."""
    return render(request, "forms/import.html", **await _page(request, SentForm("visit")))


async def _page(request: Request, form: SentForm, converted: Converted | None = None) -> dict[str, Any]:
    language = language_of(request)
    made = converted.form if converted else None
    return {
        "forms": [(each.code, each.name) for each in await list_forms(request.session, actor_of(request))],
        "form": form,
        "converted": converted,
        "sections": asked_of(made, {}, language.code, today(request.clock)).sections if made else [],
        "rule": language.rule,
    }


@routes.post("/forms/import", May("change", "form"), body_bytes=WORKBOOK_BODY + 65_536)
async def post_import_form(request: Request, *, form: SentForm, upload: Upload | None) -> Html | Redirect:
    """Shows what a workbook gives, or keeps it as a draft."""
    converted = await _converted(form, upload)
    if form.keep != "yes" or converted.form is None:
        return render(request, "forms/import.html", **await _page(request, form, converted))
    code = await _keep(request, form, converted)
    return done(request, f"/forms/{code}", N_("Saved as a draft."))


async def _keep(request: Request, form: SentForm, converted: Converted) -> str:
    actor, now, made = actor_of(request), request.clock.now(), converted.form
    if made is None:
        raise NotFound
    if form.code:
        page = await read_form(request.session, actor, form.code)
        await change_draft(
            request.session, actor, form.code, made, expected_version=page.form.version, at=now
        )
        return form.code
    return (await start_form(request.session, actor, form.new_code.strip(), made.name, made, at=now)).code


async def _converted(form: SentForm, upload: Upload | None) -> Converted:
    if upload is None or not upload.size_bytes:
        raise Invalid(faults=(Fault("file", "Please fill this in"),))
    codes = _codes(form.languages)
    book = await read_workbook(upload.path)
    found = convert(
        book.survey.as_sheet(),
        book.choices.as_sheet(),
        book.settings.as_sheet(),
        external=book.external_choices.as_sheet(),
        name=Path(upload.filename).stem[:100],
        codes=codes,
    )
    if not book.says:
        return found
    said = Said(
        "survey", 1, "type", "KoboToolbox and ODK would not take this workbook as it is", book.says[:200]
    )
    return msgspec.structs.replace(found, notes=(said, *found.notes))


def _codes(text: str) -> dict[str, str]:
    """The codes of languages, as somebody writes them: Tetun = tet. *Errors*: Invalid."""
    codes: dict[str, str] = {}
    for line in re.split(r"[\n,;]", text[:LONGEST_CODES]):
        if not line.strip():
            continue
        name, _, code = line.partition("=")
        if not name.strip() or not re.fullmatch(r"[a-z]{2,3}", code.strip().lower()):
            raise Invalid(faults=(Fault("languages", "One line for each: Tetun = tet", line[:60]),))
        codes[name.strip().lower()] = code.strip().lower()
    return codes
