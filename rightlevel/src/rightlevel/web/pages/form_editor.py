"""Forms: what visits are asked, changed question by question, tried out, and published as the next version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from flatwater.contract import Html, Redirect, Registry
from flatwater.paging import PageRequest
from rightlevel.programme.errors import Fault, Invalid, ProgrammeError
from rightlevel.programme.forms import (
    FIELD_TYPES,
    Field,
    Form,
    FormPage,
    Section,
    asked_of,
    change_draft,
    changes_between,
    drop_draft,
    editing,
    examine,
    fidelity_of,
    form_faults,
    label,
    list_forms,
    list_versions,
    nested,
    publish_form,
    read_answers,
    read_form,
    start_form,
)
from rightlevel.programme.permissions import May
from rightlevel.web.call import READ_S, READS, SMALL_BODY, WRITE_S, WRITES, Ask, actor_of
from rightlevel.web.language import N_
from rightlevel.web.templating import done, language_of, render, show_again

routes = Registry()

PREVIEW_BODY = 4 * SMALL_BODY
EMPTY = Field("", "yes_no", {})
CONDITIONS = (
    ("always", N_("Always")), ("eq", N_("When the answer is")), ("ne", N_("When the answer is not")),
    ("has", N_("When this was chosen")), ("answered", N_("When it was answered")),
)  # fmt: skip


class OfForm(msgspec.Struct, frozen=True):
    """A form's code."""

    code: str


class Question(msgspec.Struct, frozen=True):
    """Which question: its path, or nothing for a new one in a section or group."""

    at: str = ""
    section: str = ""
    group: str = ""


class BeginForm(msgspec.Struct, frozen=True):
    """A form to begin."""

    code: str = ""
    name: str = ""


class AtVersion(msgspec.Struct, frozen=True):
    """The version of the draft that was read."""

    version: int


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
    options: str = ""
    least: str = ""
    most: str = ""
    digits: int = 0
    repeat: int = 1


@routes.endpoint(
    "GET", "/forms", who=May("read", "form"), rate=READS, deadline_s=READ_S, work="read", tags=("pages",)
)
async def forms_page(call: Ask) -> Html:
    """The forms there are."""
    return render(
        call, "forms/list.html", forms=await list_forms(call.session, actor_of(call)), form=BeginForm()
    )


@routes.endpoint(
    "POST", "/forms", who=May("change", "form"), rate=WRITES, deadline_s=WRITE_S, work="write", body_bytes=SMALL_BODY, tags=("pages",),
)  # fmt: skip
async def begin_form_here(call: Ask, *, form: BeginForm) -> Redirect:
    """Begins a form with nothing in it."""
    empty = Form(
        form.name or form.code, 1, ("en", "km"), (Section("questions", {"en": "Questions", "km": "សំណួរ"}),)
    )
    try:
        async with call.session.savepoint():
            made = await start_form(
                call.session, actor_of(call), form.code, form.name, empty, at=call.clock.now()
            )
    except ProgrammeError as error:
        show_again(
            call, "forms/list.html", error, forms=await list_forms(call.session, actor_of(call)), form=form
        )
    return done(call, f"/forms/{made.code}")


@routes.endpoint(
    "GET", "/forms/{code}", who=May("read", "form"), rate=READS, deadline_s=READ_S, work="read", tags=("pages",)
)  # fmt: skip
async def form_page(call: Ask, *, path: OfForm) -> Html:
    """One form: its questions, as they are being written or as they are asked."""
    return render(call, "forms/one.html", **await _one(call, path.code))


async def _one(call: Ask, code: str) -> dict[str, Any]:
    page = await read_form(call.session, actor_of(call), code)
    shown = _written(page)
    versions = await list_versions(call.session, actor_of(call), code, PageRequest(20))
    faults = form_faults(shown) if page.draft is not None else ()
    language = language_of(call)

    def labels(texts: Mapping[str, str]) -> str:
        return texts.get(language.code) or texts.get("en", "")

    def words(when: Any) -> str:
        return _in_words(call, shown, when)

    wrong = [(each.field, language.rule(each.rule)) for each in faults]
    before = page.current.definition if page.current else None
    changes = changes_between(before, shown) if page.draft is not None else []
    return {
        "page": page, "shown": shown, "versions": versions.items, "wrong": wrong, "labels": labels, "words": words, "changes": changes,
    }  # fmt: skip


def _written(page: FormPage) -> Form:
    """What is being written, or what is asked where nothing is."""
    if page.draft is not None:
        return page.draft
    if page.current is not None:
        return page.current.definition
    return Form(page.form.name, 1, ("en",))


def _in_words(call: Ask, form: Form, when: Any) -> str:
    """A condition as a person reads it; one that is put together of several stays as it is written."""
    condition = editing.condition_of(when)
    _ = language_of(call).gettext
    if condition.kind == "always":
        return ""
    if condition.kind == "kept":
        return msgspec.json.encode(when).decode()
    words = _(dict(CONDITIONS)[condition.kind])
    code = language_of(call).code
    asked = editing.question_of(form, condition.key)
    if asked is None:
        return f"{words}: {condition.key} {condition.value}".strip()
    answers = {"yes": _("Yes"), "no": _("No")} | {
        each.value: label(each.labels, code, each.value) for each in asked.options
    }
    answer = answers.get(condition.value, condition.value)
    return f"{words}: {label(asked.labels, code, asked.key)} {answer}".strip()


@routes.endpoint(
    "GET", "/forms/{code}/question", who=May("change", "form"), rate=READS, deadline_s=READ_S, work="read", tags=("pages",)
)  # fmt: skip
async def question_page(call: Ask, *, path: OfForm, query: Question) -> Html:
    """One question to change, or a new one."""
    page = await read_form(call.session, actor_of(call), path.code)
    return render(call, "forms/question.html", **_question(call, page, query))


def _question(
    call: Ask, page: FormPage, query: Question, typed: QuestionForm | None = None
) -> dict[str, Any]:
    written = _written(page)
    field = editing.find(written, query.at)[2] if query.at else EMPTY
    condition = editing.condition_of(field.shown_when)
    language = language_of(call)
    asked = editing.asked_before(
        written, query.at or (f"{query.group}." if query.group else ""), query.section
    )
    form = typed or QuestionForm(
        page.form.version, query.at, query.section, query.group, field.key, field.type,
        "never" if field.required_when is None else "always" if field.required_when is True else "kept",
        condition.kind, condition.key, condition.value, editing.options_text(field, written.languages),
        editing.bound_text(field.min), editing.bound_text(field.max), field.digits, field.repeat,
    )  # fmt: skip
    texts = {
        f"{kind}_{code}": _last(call.sent.fields, f"{kind}_{code}") if typed else labels.get(code, "")
        for kind, labels in (("label", field.labels), ("hint", field.hints))
        for code in written.languages
    }
    conditions = [(kind, language.gettext(words)) for kind, words in CONDITIONS]
    if form.shown == "kept":
        conditions.append(("kept", msgspec.json.encode(field.shown_when).decode()))
    return {
        "page": page, "form": form, "texts": texts, "languages_of_form": written.languages, "conditions": conditions,
        "types": [each for each in FIELD_TYPES if each != "group" or not query.group],
        "before": [(each.key, each.labels.get(language.code) or each.labels.get("en") or each.key) for each in asked],
    }  # fmt: skip


def _last(fields: Mapping[str, list[str]], name: str) -> str:
    return fields.get(name, [""])[-1].strip()


@routes.endpoint(
    "POST", "/forms/{code}/question", who=May("change", "form"), rate=WRITES, deadline_s=WRITE_S, work="write",
    body_bytes=PREVIEW_BODY, tags=("pages",),
)  # fmt: skip
async def save_question_here(call: Ask, *, path: OfForm, form: QuestionForm) -> Redirect:
    """Keeps a question in the draft."""
    page = await read_form(call.session, actor_of(call), path.code)
    query = Question(form.at, form.section, form.group)
    try:
        async with call.session.savepoint():
            written = _written(page)
            field = _field(call, written, form)
            changed = (
                editing.replaced(written, form.at, field)
                if form.at
                else editing.with_question(written, form.section, form.group, field)
            )
            _check(
                changed,
                ".".join(each for each in (form.group or form.at.rpartition(".")[0], field.key) if each),
            )
            await change_draft(
                call.session,
                actor_of(call),
                path.code,
                changed,
                expected_version=form.version,
                at=call.clock.now(),
            )
    except ProgrammeError as error:
        show_again(call, "forms/question.html", error, **_question(call, page, query, form))
    return done(call, f"/forms/{path.code}", language_of(call).gettext("Saved as a draft."))


def _field(call: Ask, written: Form, form: QuestionForm) -> Field:
    before = editing.find(written, form.at)[2] if form.at else EMPTY
    fields = call.sent.fields
    labels = {code: text for code in written.languages if (text := _last(fields, f"label_{code}"))}
    hints = {code: text for code in written.languages if (text := _last(fields, f"hint_{code}"))}
    condition = editing.Condition(form.shown, form.shown_key, form.shown_value, before.shown_when)
    if form.type not in FIELD_TYPES:
        raise Invalid(faults=(Fault("type", "One of the choices offered", form.type[:40]),))
    needed = {"always": True, "never": None}.get(form.needed, before.required_when)
    changed = msgspec.structs.replace(
        before, key=form.key.strip() or before.key, type=form.type, labels=labels, hints=hints, required_when=needed,
        shown_when=editing.expression_of(condition, written), min=editing.bound_of_text(form.least), max=editing.bound_of_text(form.most),
        digits=form.digits, repeat=form.repeat, fields=before.fields if form.type == "group" else (),
    )  # fmt: skip
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


@routes.endpoint(
    "POST", "/forms/{code}/move", who=May("change", "form"), rate=WRITES, deadline_s=WRITE_S, work="write", body_bytes=SMALL_BODY,
    tags=("pages",),
)  # fmt: skip
async def move_question_here(call: Ask, *, path: OfForm, form: Moving) -> Redirect:
    """Puts a question up or down, or takes it out of the draft."""
    page = await read_form(call.session, actor_of(call), path.code)
    written = _written(page)
    changed = (
        editing.without(written, form.at)
        if form.how == "out"
        else editing.moved(written, form.at, -1 if form.how == "up" else 1)
    )
    await change_draft(
        call.session, actor_of(call), path.code, changed, expected_version=form.version, at=call.clock.now()
    )
    return done(call, f"/forms/{path.code}", language_of(call).gettext("Saved as a draft."))


@routes.endpoint(
    "POST", "/forms/{code}/section", who=May("change", "form"), rate=WRITES, deadline_s=WRITE_S, work="write", body_bytes=SMALL_BODY,
    tags=("pages",),
)  # fmt: skip
async def save_section_here(call: Ask, *, path: OfForm, form: SectionForm) -> Redirect:
    """Adds, names or removes a section of the draft."""
    page = await read_form(call.session, actor_of(call), path.code)
    written = _written(page)
    if form.remove:
        changed = editing.without_section(written, form.key)
    else:
        labels = {
            code: text for code in written.languages if (text := _last(call.sent.fields, f"label_{code}"))
        }
        there = next((each for each in written.sections if each.key == form.key), Section(form.key, {}))
        changed = editing.with_section(written, msgspec.structs.replace(there, labels=labels))
    await change_draft(
        call.session, actor_of(call), path.code, changed, expected_version=form.version, at=call.clock.now()
    )
    return done(call, f"/forms/{path.code}", language_of(call).gettext("Saved as a draft."))


@routes.endpoint(
    "GET", "/forms/{code}/preview", who=May("change", "form"), rate=READS, deadline_s=READ_S, work="read", tags=("pages",)
)  # fmt: skip
async def preview_page(call: Ask, *, path: OfForm) -> Html:
    """The form as a mentor will see it, to be tried out."""
    return await _tried(call, path.code, {"subject": ["math"]})


@routes.endpoint(
    "POST", "/forms/{code}/preview", who=May("change", "form"), rate=READS, deadline_s=READ_S, work="read", body_bytes=PREVIEW_BODY,
    tags=("pages",),
)  # fmt: skip
async def try_form_here(call: Ask, *, path: OfForm, form: Question) -> Html:
    """What the form makes of some answers. Nothing is kept."""
    return await _tried(call, path.code, call.sent.fields)


async def _tried(call: Ask, code: str, fields: Mapping[str, list[str]]) -> Html:
    page = await read_form(call.session, actor_of(call), code)
    written = _written(page)
    language = language_of(call)
    given = {field.key for field in written.fields() if field.is_given}
    answers, unread = read_answers(written, nested(fields, written))
    found = examine(written, answers)
    asked = asked_of(written, answers, language.code)
    faults = {each.field: language.rule(each.rule) for each in (*unread, *found.faults)}
    score = fidelity_of(written, found.answers)
    told = "hx-request" in call.headers
    return render(
        call, "visits/saved.html" if told else "forms/preview.html", page=page, asked=asked, faults=faults, found=found, score=score,
        subject=_last(fields, "subject"), asks_subject="subject" in given, version=0, is_saved=not faults,
        told="; ".join(faults.values()),
    )  # fmt: skip


@routes.endpoint(
    "POST", "/forms/{code}/publish", who=May("publish", "form"), rate=WRITES, deadline_s=WRITE_S, work="write", body_bytes=SMALL_BODY,
    tags=("pages",),
)  # fmt: skip
async def publish_form_here(call: Ask, *, path: OfForm, form: AtVersion) -> Redirect:
    """Publishes the draft as the next version."""
    try:
        async with call.session.savepoint():
            await publish_form(
                call.session, actor_of(call), path.code, expected_version=form.version, at=call.clock.now()
            )
    except ProgrammeError as error:
        show_again(call, "forms/one.html", error, **await _one(call, path.code))
    return done(
        call,
        f"/forms/{path.code}",
        language_of(call).gettext("Published. Visits begun from now on are asked this."),
    )


@routes.endpoint(
    "POST", "/forms/{code}/drop", who=May("change", "form"), rate=WRITES, deadline_s=WRITE_S, work="write", body_bytes=SMALL_BODY,
    tags=("pages",),
)  # fmt: skip
async def drop_draft_here(call: Ask, *, path: OfForm, form: AtVersion) -> Redirect:
    """Throws the draft away."""
    await drop_draft(
        call.session, actor_of(call), path.code, expected_version=form.version, at=call.clock.now()
    )
    return done(call, f"/forms/{path.code}", language_of(call).gettext("Deleted."))
