"""What holds for a whole form: its languages, and which question answers which part of the fidelity score."""

from __future__ import annotations

import msgspec

from flatwater.contract import Html, Redirect
from rightlevel.programme.errors import Invalid
from rightlevel.programme.forms import (
    FIDELITY_PARTS,
    Field,
    Form,
    form_faults,
    label,
    read_form,
    written_of,
)
from rightlevel.programme.permissions import May
from rightlevel.web.forms.editor import kept
from rightlevel.web.request import ByCode, Request, actor_of
from rightlevel.web.routes import Routes
from rightlevel.web.templating import language_of, render

routes = Routes("pages")

TRUTHS = ("yes_no", "yes_no_unknown")


class Settings(msgspec.Struct, frozen=True):
    """What is typed; the parts of the score come beside, as fidelity_ran and so on."""

    version: int
    languages: str = ""


@routes.get("/forms/{code}/about", May("change", "form"))
async def form_settings_page(request: Request, *, path: ByCode) -> Html:
    """The form's languages and score."""
    page = await read_form(request.session, actor_of(request), path.code)
    written, language = written_of(page), language_of(request).code
    parts = [
        (
            part,
            [(each.key, label(each.labels, language, each.key)) for each in _fit(written, part)],
            written.fidelity.get(part, ""),
        )
        for part in FIDELITY_PARTS
    ]
    return render(request, "forms/about.html", page=page, parts=parts, codes=" ".join(written.languages))


def _fit(form: Form, part: str) -> list[Field]:
    """The questions that could answer a part of the score."""
    if part == "activities":
        return [each for each in form.fields() if each.type == "group"]
    if part == "materials":
        return [each for each in form.fields() if each.type == "choices"]
    if part.startswith("activity_"):
        return [inner for each in form.fields() for inner in each.fields if inner.type in TRUTHS]
    return [each for each in form.fields() if each.type in TRUTHS]


def _chosen(request: Request) -> dict[str, str]:
    found = {part: request.sent.fields.get(f"fidelity_{part}", [""])[-1].strip() for part in FIDELITY_PARTS}
    return {part: key for part, key in found.items() if key}


@routes.post("/forms/{code}/about", May("change", "form"))
async def post_save_form_settings(request: Request, *, path: ByCode, form: Settings) -> Redirect:
    """Keeps languages and score in the draft. Texts of a language that is new are still to be written; publishing says which."""
    page = await read_form(request.session, actor_of(request), path.code)
    languages = tuple(form.languages.replace(",", " ").lower().split())
    changed = msgspec.structs.replace(written_of(page), languages=languages, fidelity=_chosen(request))
    faults = [each for each in form_faults(changed) if each.field in ("languages", "fidelity")]
    if faults:
        raise Invalid(faults=tuple(faults))
    return await kept(request, path.code, changed, form.version)
