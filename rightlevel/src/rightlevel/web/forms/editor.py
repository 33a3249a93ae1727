"""Forms: what visits are asked, changed question by question, tried out, and published as the next version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from flatwater.clock import today
from flatwater.contract import Html, Redirect
from flatwater.paging import PageRequest
from rightlevel.programme.errors import Fault, Invalid
from rightlevel.programme.forms import (
    FIELD_TYPES,
    Field,
    Form,
    FormPage,
    Section,
    asked_of,
    change_draft,
    changes_between,
    editing,
    examine,
    fidelity_of,
    form_faults,
    label,
    list_forms,
    list_versions,
    nested,
    read_answers,
    read_form,
    start_form,
    written_of,
)
from rightlevel.programme.permissions import May
from rightlevel.web.language import N_
from rightlevel.web.request import SMALL_BODY, ByCode, Request, actor_of
from rightlevel.web.routes import Routes
from rightlevel.web.templating import done, language_of, render

routes = Routes("pages")

PREVIEW_BODY = 4 * SMALL_BODY
EMPTY = Field("", "yes_no", {})
CONDITIONS = (
    ("always", N_("Always")),
    ("eq", N_("When the answer is")),
    ("ne", N_("When the answer is not")),
    ("has", N_("When this was chosen")),
    ("answered", N_("When it was answered")),
    ("lt", N_("When it is less than")),
    ("le", N_("When it is at most")),
    ("gt", N_("When it is more than")),
    ("ge", N_("When it is at least")),
)


class Question(msgspec.Struct, frozen=True):
    """Which question: its path, or nothing for a new one in a section or group."""

    at: str = ""
    section: str = ""
    group: str = ""


class BeginForm(msgspec.Struct, frozen=True):
    """A form to begin."""

    code: str = ""
    name: str = ""


class Moving(msgspec.Struct, frozen=True):
    """Which question goes up, down or out."""

    version: int
    at: str
    how: str


class SectionForm(msgspec.Struct, frozen=True):
    """A section as it is typed; its texts come as label_en and so on."""

    version: int
    key: str = ""
    remove: str = ""


class QuestionForm(msgspec.Struct, frozen=True):
    """A question as it is typed; its texts come as label_en, hint_en and so on."""

    version: int
    at: str = ""
    section: str = ""
    group: str = ""
    key: str = ""
    type: str = "yes_no"
    needed: str = "always"
    shown: str = "always"
    shown_key: str = ""
    shown_value: str = ""
    joint: str = "and"
    shown_2: str = "always"
    shown_key_2: str = ""
    shown_value_2: str = ""
    shown_3: str = "always"
    shown_key_3: str = ""
    shown_value_3: str = ""
    options: str = ""
    least: str = ""
    most: str = ""
    digits: int = 0
    repeat: int = 1


@routes.get("/forms", May("read", "form"))
async def forms_page(request: Request) -> Html:
    """The forms there are."""
    return render(
        request,
        "forms/list.html",
        forms=await list_forms(request.session, actor_of(request)),
        form=BeginForm(),
    )


@routes.post("/forms", May("change", "form"))
async def post_begin_form(request: Request, *, form: BeginForm) -> Redirect:
    """Begins a form with nothing in it."""
    empty = Form(
        form.name or form.code, 1, ("en", "km"), (Section("questions", {"en": "Questions", "km": "សំណួរ"}),)
    )
    made = await start_form(
        request.session, actor_of(request), form.code, form.name, empty, at=request.clock.now()
    )
    return done(request, f"/forms/{made.code}")


@routes.get("/forms/{code}", May("read", "form"))
async def form_page(request: Request, *, path: ByCode) -> Html:
    """One form: its questions, as they are being written or as they are asked."""
    return render(request, "forms/one.html", **await _one(request, path.code))


async def kept(request: Request, code: str, changed: Form, version: int) -> Redirect:
    """The form as it is being written, kept as the draft. *Errors*: Stale where another draft was kept meanwhile."""
    at = request.clock.now()
    await change_draft(request.session, actor_of(request), code, changed, expected_version=version, at=at)
    return done(request, f"/forms/{code}", N_("Saved as a draft."))


async def _one(request: Request, code: str) -> dict[str, Any]:
    page = await read_form(request.session, actor_of(request), code)
    shown = written_of(page)
    versions = await list_versions(request.session, actor_of(request), code, PageRequest(20))
    faults = form_faults(shown) if page.draft is not None else ()
    language = language_of(request)

    def labels(texts: Mapping[str, str]) -> str:
        return texts.get(language.code) or texts.get("en", "")

    def words(when: Any) -> str:
        return _in_words(request, shown, when)

    wrong = [(each.field, language.rule(each.rule)) for each in faults]
    before = page.current.definition if page.current else None
    changes = changes_between(before, shown) if page.draft is not None else []
    return {
        "page": page,
        "shown": shown,
        "versions": versions.items,
        "wrong": wrong,
        "labels": labels,
        "words": words,
        "changes": changes,
    }


def _in_words(request: Request, form: Form, when: Any) -> str:
    """A condition as a person reads it."""
    if not isinstance(when, list):
        return "" if when is not False else language_of(request).gettext("Never")
    _, code = language_of(request).gettext, language_of(request).code
    operator, *rest = cast("list[Any]", when)
    if operator in editing.JOINTS:
        parts = [_in_words(request, form, each) for each in rest]
        return f" {_('and') if operator == 'and' else _('or')} ".join(parts)
    if operator == "not":
        return _("Not so: {condition}", condition=_in_words(request, form, rest[0]))
    asked = editing.question_of(form, rest[0])
    question = label(asked.labels, code, asked.key) if asked else str(rest[0])
    return f"{_(dict(CONDITIONS)[operator])}: {question} {_answer_in_words(request, form, asked, rest[1:])}".strip()


def _answer_in_words(request: Request, form: Form, asked: Field | None, value: list[Any]) -> str:
    _, code = language_of(request).gettext, language_of(request).code
    if not value:
        return ""
    if isinstance(value[0], bool):
        return _("Yes") if value[0] else _("No")
    if isinstance(value[0], list):
        other = editing.question_of(form, cast("list[str]", value[0])[1])
        return f"“{label(other.labels, code, other.key)}”" if other else ""
    named = {each.value: label(each.labels, code, each.value) for each in asked.options} if asked else {}
    return named.get(value[0], str(value[0]))


@routes.get("/forms/{code}/question", May("change", "form"))
async def question_page(request: Request, *, path: ByCode, query: Question) -> Html:
    """One question to change, or a new one."""
    page = await read_form(request.session, actor_of(request), path.code)
    return render(request, "forms/question.html", **_question(request, page, query))


def _question(request: Request, page: FormPage, query: Question) -> dict[str, Any]:
    written = written_of(page)
    field = editing.find(written, query.at)[2] if query.at else EMPTY
    when = editing.when_of(field.shown_when)
    nothing = editing.Condition()
    first, second, third = (*when.parts, nothing, nothing, nothing)[:3]
    language = language_of(request)
    asked = editing.asked_before(
        written, query.at or (f"{query.group}." if query.group else ""), query.section
    )
    form = QuestionForm(
        page.form.version,
        query.at,
        query.section,
        query.group,
        key=field.key,
        type=field.type,
        needed="never"
        if field.required_when is None
        else "always"
        if field.required_when is True
        else "kept",
        shown=first.kind if when.kept is None else "kept",
        shown_key=first.key,
        shown_value=first.value,
        joint=when.joint,
        shown_2=second.kind,
        shown_key_2=second.key,
        shown_value_2=second.value,
        shown_3=third.kind,
        shown_key_3=third.key,
        shown_value_3=third.value,
        options=editing.options_text(field, written.languages),
        least=editing.bound_text(field.min),
        most=editing.bound_text(field.max),
        digits=field.digits,
        repeat=field.repeat,
    )
    texts = {
        f"{kind}_{code}": labels.get(code, "")
        for kind, labels in (("label", field.labels), ("hint", field.hints))
        for code in written.languages
    }
    conditions = [(kind, language.gettext(words)) for kind, words in CONDITIONS]
    more = [("always", "–"), *conditions[1:]]
    if when.kept is not None:
        conditions.append(("kept", _in_words(request, written, field.shown_when)))
    return {
        "page": page,
        "form": form,
        "texts": texts,
        "languages_of_form": written.languages,
        "conditions": conditions,
        "more": more,
        "types": [
            each
            for each in FIELD_TYPES
            if (each != "group" or not query.group) and (each != "calculated" or field.type == each)
        ],
        "before": [
            (each.key, each.labels.get(language.code) or each.labels.get("en") or each.key) for each in asked
        ],
    }


def _last(fields: Mapping[str, list[str]], name: str) -> str:
    return fields.get(name, [""])[-1].strip()


@routes.post("/forms/{code}/question", May("change", "form"), body_bytes=PREVIEW_BODY)
async def post_save_question(request: Request, *, path: ByCode, form: QuestionForm) -> Redirect:
    """Keeps a question in the draft."""
    page = await read_form(request.session, actor_of(request), path.code)
    written = written_of(page)
    field = _field(request, written, form)
    changed = (
        editing.replaced(written, form.at, field)
        if form.at
        else editing.with_question(written, form.section, form.group, field)
    )
    _check(
        changed,
        ".".join(each for each in (form.group or form.at.rpartition(".")[0], field.key) if each),
    )
    return await kept(request, path.code, changed, form.version)


def _field(request: Request, written: Form, form: QuestionForm) -> Field:
    before = editing.find(written, form.at)[2] if form.at else EMPTY
    fields = request.sent.fields
    labels = {code: text for code in written.languages if (text := _last(fields, f"label_{code}"))}
    hints = {code: text for code in written.languages if (text := _last(fields, f"hint_{code}"))}
    parts = (
        editing.Condition(form.shown, form.shown_key, form.shown_value),
        editing.Condition(form.shown_2, form.shown_key_2, form.shown_value_2),
        editing.Condition(form.shown_3, form.shown_key_3, form.shown_value_3),
    )
    when = editing.When(parts, form.joint, before.shown_when if form.shown == "kept" else None)
    if form.type not in FIELD_TYPES:
        raise Invalid(faults=(Fault("type", "One of the choices offered", form.type[:40]),))
    needed = {"always": True, "never": None}.get(form.needed, before.required_when)
    if form.type == "calculated":
        needed = None
    changed = msgspec.structs.replace(
        before,
        key=form.key.strip() or before.key,
        type=form.type,
        labels=labels,
        hints=hints,
        required_when=needed,
        shown_when=editing.expression_of(when, written),
        min=editing.bound_of_text(form.least),
        max=editing.bound_of_text(form.most),
        digits=form.digits,
        repeat=form.repeat,
        fields=before.fields if form.type == "group" else (),
        calculation=before.calculation if form.type == "calculated" else None,
    )
    options = (
        editing.options_of(form.options, before, written.languages) if editing.with_choices(changed) else ()
    )
    return msgspec.structs.replace(changed, options=options)


def _check(changed: Form, at: str) -> None:
    """Passes when nothing is wrong with this question; what is wrong elsewhere is for publishing to say."""
    faults = [
        msgspec.structs.replace(each, field="key" if "name" in each.rule else "question")
        for each in form_faults(changed)
        if each.field == at
    ]
    if faults:
        raise Invalid(faults=tuple(faults))


@routes.post("/forms/{code}/move", May("change", "form"))
async def post_move_question(request: Request, *, path: ByCode, form: Moving) -> Redirect:
    """Puts a question up or down, or takes it out of the draft."""
    page = await read_form(request.session, actor_of(request), path.code)
    written = written_of(page)
    changed = (
        editing.without(written, form.at)
        if form.how == "out"
        else editing.moved(written, form.at, -1 if form.how == "up" else 1)
    )
    return await kept(request, path.code, changed, form.version)


@routes.post("/forms/{code}/section", May("change", "form"))
async def post_save_section(request: Request, *, path: ByCode, form: SectionForm) -> Redirect:
    """Adds, names or removes a section of the draft."""
    page = await read_form(request.session, actor_of(request), path.code)
    written = written_of(page)
    if form.remove:
        changed = editing.without_section(written, form.key)
    else:
        labels = {
            code: text for code in written.languages if (text := _last(request.sent.fields, f"label_{code}"))
        }
        there = next((each for each in written.sections if each.key == form.key), Section(form.key, {}))
        changed = editing.with_section(written, msgspec.structs.replace(there, labels=labels))
    return await kept(request, path.code, changed, form.version)


@routes.get("/forms/{code}/preview", May("change", "form"))
async def preview_page(request: Request, *, path: ByCode) -> Html:
    """The form as a mentor will see it, to be tried out."""
    return await _tried(request, path.code, {"subject": ["math"]})


@routes.post("/forms/{code}/preview", May("change", "form"), work="read", body_bytes=PREVIEW_BODY)
async def post_try_form(request: Request, *, path: ByCode, form: Question) -> Html:
    """What the form makes of some answers. Nothing is kept."""
    return await _tried(request, path.code, request.sent.fields)


async def _tried(request: Request, code: str, fields: Mapping[str, list[str]]) -> Html:
    page = await read_form(request.session, actor_of(request), code)
    written = written_of(page)
    language = language_of(request)
    given = {field.key for field in written.fields() if field.is_given}
    answers, unread = read_answers(written, nested(fields, written))
    found = examine(written, answers, today=today(request.clock))
    asked = asked_of(written, answers, language.code, today(request.clock))
    faults = {each.field: language.rule(each.rule) for each in (*unread, *found.faults)}
    score = fidelity_of(written, found.answers)
    told = "hx-request" in request.headers
    return render(
        request,
        "visits/saved.html" if told else "forms/preview.html",
        page=page,
        asked=asked,
        faults=faults,
        found=found,
        score=score,
        subject=_last(fields, "subject"),
        asks_subject="subject" in given,
        version=0,
        is_saved=not faults,
        told="; ".join(faults.values()),
    )
