"""The one seam between visits and forms: a visit's form, what its answers give, and its columns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import msgspec

from flatwater.transaction import Session
from rightlevel.programme.errors import Fault, Invalid, NotFound
from rightlevel.programme.forms import (
    AskedForm,
    FormVersion,
    PrintRow,
    asked_of,
    current_form,
    ensure_first_form,
    examine,
    fidelity_of,
    form_version,
    nested,
    print_rows,
    read_answers,
    with_calculated,
)
from rightlevel.programme.forms import (
    columns as columns_of,
)
from rightlevel.programme.forms import (
    row_of as row_of_form,
)
from rightlevel.programme.visits.store import Judged


class Given(msgspec.Struct, frozen=True):
    """What the visit itself answers, whatever was sent."""

    visited_on: date
    school_id: int
    teacher_id: int | None
    subject: str

    def answers(self) -> dict[str, Any]:
        """By the keys under which forms ask for them; a form that doesn't ask gets none."""
        found = {
            "visit_day": self.visited_on.isoformat(),
            "school": self.school_id,
            "teacher": self.teacher_id,
            "subject": self.subject,
        }
        return {key: value for key, value in found.items() if value is not None}


class Read(msgspec.Struct, frozen=True):
    """What was read of a visit's answers, and what is wrong or missing."""

    judged: Judged
    faults: tuple[Fault, ...] = ()
    missing: tuple[str, ...] = ()


async def form_for_new(session: Session, version_id: int | None) -> FormVersion:
    """The form for a new visit: the present one, or the version that a device had when it was offline. *Errors*: Invalid for none."""
    if version_id is None:
        found = await current_form(session)
        if found.number > 1 or not await ensure_first_form(session):
            return found
        return await current_form(session)
    try:
        return await form_version(session, version_id)
    except NotFound:
        raise Invalid(faults=(Fault("form_version_id", "This form is not there", str(version_id)),)) from None


async def form_of(session: Session, version_id: int) -> FormVersion:
    """The form that a visit was made with. *Cost*: one statement, once for a session."""
    return await session.once(("form_version", version_id), lambda: form_version(session, version_id))


def judge(
    form: FormVersion, raw: Mapping[str, Any], given: Given, today: date, *, is_submitting: bool
) -> Read:
    """What the answers give. A draft keeps what is not asked at the moment too; once it is sent, answers to what was not asked are gone."""
    asked = {field.key for field in form.definition.fields() if field.is_given}
    known = {key: value for key, value in given.answers().items() if key in asked}
    sent = {key: value for key, value in raw.items() if key not in asked}
    answers, unread = read_answers(form.definition, {**sent, **known})
    found = examine(form.definition, answers, today=today)
    score = fidelity_of(form.definition, found.answers)
    kept = (
        found.answers
        if is_submitting
        else with_calculated(
            form.definition,
            {key: value for key, value in answers.items() if key not in asked},
            found.answers,
        )
    )
    # A lesson that did not take place says nothing about how lessons are given: it has no score, and no mean counts it as zero.
    has_score = score.parts["ran"] != 0
    judged = Judged(
        kept,
        "submitted" if is_submitting else "draft",
        found.completeness,
        score.score if has_score else None,
        {"points": score.points, "applicable": score.applicable, "parts": score.parts},
    )
    return Read(judged, (*unread, *found.faults), found.missing)


def sent_by_page(form: FormVersion, fields: Mapping[str, list[str]]) -> dict[str, Any]:
    """A page's fields as the answers they mean."""
    return nested(fields, form.definition)


def readable(form: FormVersion, raw: Mapping[str, Any]) -> dict[str, Any]:
    """What can be read of answers that were typed, in the shape in which answers are kept."""
    return read_answers(form.definition, raw)[0]


def asked(
    form: FormVersion, answers: Mapping[str, Any], given: Given, language: str, today: date
) -> AskedForm:
    """The questions that a page shows for these answers."""
    return asked_of(form.definition, {**answers, **given.answers()}, language, today)


def in_print(form: FormVersion, answers: Mapping[str, Any], given: Given, language: str) -> list[PrintRow]:
    """What was asked, with the answers in words."""
    return print_rows(form.definition, {**answers, **given.answers()}, language)


def standing_otherwise(
    form: FormVersion, there: Mapping[str, Any], raw: Mapping[str, Any], given: Given, language: str
) -> list[tuple[str, str]]:
    """The questions that are answered otherwise on the server than was sent, with what stands there."""
    sent, _ = read_answers(form.definition, raw)
    mine = {line.path: line.answer for line in in_print(form, sent, given, language)}
    theirs = in_print(form, there, given, language)
    lacking = {line.path for line in theirs}
    others = [
        line for line in in_print(form, sent, given, language) if line.path not in lacking and line.answer
    ]
    return [
        *((line.question, line.answer) for line in theirs if mine.get(line.path, "") != line.answer),
        *((line.question, "") for line in others),
    ]


def columns(form: FormVersion) -> list[str]:
    """The names of a form's columns in an export."""
    return columns_of(form.definition)


def row_of(form: FormVersion, answers: Mapping[str, Any]) -> dict[str, Any]:
    """A visit's answers by column."""
    return row_of_form(form.definition, answers)
