"""A form as a page shows it: every question in one language with its answer as its field holds it, and whether it is asked now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any, cast

import msgspec

from rightlevel.programme.forms.calculation import text_of
from rightlevel.programme.forms.definition import OF_MANY, Field, Form, Option, label
from rightlevel.programme.forms.engine import Examination, examine
from rightlevel.programme.forms.expressions import bound_of, is_true, names_in
from rightlevel.programme.forms.page_rules import SHOWN_ELSEWHERE, is_told, rules_of


class Asked(msgspec.Struct, frozen=True):
    """One question. `value` is text, or a list of texts for many choices; a group has `rows` instead; `hidden` are choices not offered now.
    `invalid` is what the page says when the answer doesn't fit, empty for the platform's own words, None where the page can't tell.

    Those not asked now are there, hidden: what was typed into them is not lost when an answer above is changed and changed back.
    """

    path: str
    type: str
    label: str
    is_shown: bool
    hint: str = ""
    value: Any = ""
    strokes: str = ""
    """What was drawn of a signature; `value` is its name."""
    options: tuple[tuple[str, str], ...] = ()
    hidden: tuple[str, ...] = ()
    is_required: bool = False
    least: float | None = None
    most: float | None = None
    digits: int = 0
    longest: int = 0
    invalid: str | None = None
    rows: tuple[AskedRow, ...] = ()


class AskedRow(msgspec.Struct, frozen=True):
    """One time that a group can be answered; shown are those that are, and the next."""

    path: str
    number: int
    is_shown: bool
    fields: tuple[Asked, ...]


class AskedForm(msgspec.Struct, frozen=True):
    """The questions under their headings, and the rules by which the page shows and hides them while they are answered."""

    sections: tuple[AskedSection, ...]
    rules: dict[str, Any]


class AskedSection(msgspec.Struct, frozen=True):
    """Questions under one heading."""

    key: str
    label: str
    is_shown: bool
    fields: tuple[Asked, ...]


def asked_of(form: Form, answers: Mapping[str, Any], language: str, today: date) -> AskedForm:
    """The questions with these answers, those that the room gives among them. *Cost*: one pass over the form."""
    padded = dict(answers)
    for field in form.fields():
        if field.type == "group":
            rows: list[dict[str, Any]] = list(answers.get(field.key) or [])
            padded[field.key] = [*rows, *({} for _ in range(field.repeat - len(rows)))]
    found = examine(form, padded, today=today)
    page = _Page(form, answers, padded, found, language)
    sections = (
        AskedSection(
            section.key, label(section.labels, language, section.key), section.key in found.shown, fields
        )
        for section in form.sections
        if (fields := tuple(page.fields(section.fields)))
    )
    return AskedForm(tuple(sections), rules_of(form, answers, today))


class _Page:
    """What is known while a form is shown once."""

    def __init__(
        self,
        form: Form,
        answers: Mapping[str, Any],
        padded: Mapping[str, Any],
        found: Examination,
        language: str,
    ) -> None:
        self._settled = {field.key for field in form.fields() if field.is_given}
        self._answers = answers
        self._padded = padded
        self._found = found
        self._language = language
        self._choices: dict[int, _Choices] = {}

    def fields(self, fields: Iterable[Field]) -> Iterator[Asked]:
        for field in fields:
            if field.is_given or field.type in SHOWN_ELSEWHERE or not field.labels:
                continue
            asked = self._asked(
                field,
                field.key,
                {**self._padded, **self._found.answers} if field.type == "calculated" else self._padded,
            )
            if field.type == "group":
                rows = tuple(self._rows(field))
                asked = msgspec.structs.replace(asked, rows=rows)
            yield asked

    def _rows(self, group: Field) -> Iterator[AskedRow]:
        there = len(self._answers.get(group.key) or [])
        for number, row in enumerate(cast("list[dict[str, Any]]", self._padded[group.key])):
            path = f"{group.key}.{number}"
            own = {inner.key: row.get(inner.key) for inner in group.fields}
            calculated = cast(
                "list[dict[str, Any]]", self._found.answers.get(group.key) or [{}] * (number + 1)
            )
            own |= {
                inner.key: calculated[number].get(inner.key)
                for inner in group.fields
                if inner.type == "calculated"
            }
            known = {**self._padded, **own}
            fields = tuple(
                self._asked(inner, f"{path}.{inner.key}", known) for inner in group.fields if inner.labels
            )
            yield AskedRow(path, number, number <= there, fields)

    def _asked(self, field: Field, path: str, known: Mapping[str, Any]) -> Asked:
        language, found = self._language, self._found
        choices = self._choices_of(field)
        answer = known.get(field.key)
        value = _typed(field, answer)
        hidden = tuple(
            each.value
            for each in choices.changing
            if each.value not in value and not is_true(each.shown_when, known)
        )
        is_bounded = field.type == "number" or field.type in OF_MANY
        return Asked(
            path=path,
            type=field.type,
            label=label(field.labels, language, field.key),
            is_shown=path in found.shown,
            hint=label(field.hints, language),
            value=value,
            strokes=strokes_of(field, answer),
            options=choices.offered,
            hidden=hidden,
            is_required=field.required_when is not None,
            least=bound_of(field.min, known) if is_bounded else None,
            most=bound_of(field.max, known) if is_bounded else None,
            digits=field.digits,
            longest=field.longest,
            invalid=label(field.valid_texts, language) if is_told(field) else None,
        )

    def _choices_of(self, field: Field) -> _Choices:
        """A question's choices, the same for each row of a group."""
        if not field.options:
            return _NO_CHOICES
        found = self._choices.get(id(field))  # two groups may each have a question of one key
        if found is None:
            found = self._choices[id(field)] = self._read_choices(field.options)
        return found

    def _read_choices(self, options: Iterable[Option]) -> _Choices:
        offered: list[tuple[str, str]] = []
        changing: list[Option] = []
        for each in options:
            if each.shown_when is not None:
                if not self._settled.issuperset(names_in(each.shown_when)):
                    changing.append(each)
                elif not is_true(each.shown_when, self._padded):
                    continue  # it hangs on nothing but what the room answers: not offered now, it never is
            offered.append((each.value, label(each.labels, self._language, each.value)))
        return _Choices(tuple(offered), tuple(changing))


class _Choices(msgspec.Struct, frozen=True):
    """What a question offers, in the reader's words, and those of it that are offered only with some answers."""

    offered: tuple[tuple[str, str], ...]
    changing: tuple[Option, ...]


_NO_CHOICES = _Choices((), ())


def strokes_of(field: Field, answer: Any) -> str:
    """What was drawn of a signature; nothing of anything else."""
    is_signed = field.type == "signature" and isinstance(answer, dict)
    return cast("dict[str, str]", answer).get("strokes", "") if is_signed else ""


def _typed(field: Field, answer: Any) -> Any:
    """An answer as its field on the page holds it."""
    if field.type in OF_MANY:
        return cast("list[str]", answer or [])
    if field.type == "group" or answer is None:
        return ""
    if field.type == "calculated":
        return text_of(answer)
    if isinstance(answer, bool):
        return "yes" if answer else "no"
    if field.type == "gps":
        place = cast("dict[str, float]", answer)
        return f"{place['lat']}, {place['lon']}"
    return cast("dict[str, str]", answer).get("name", "") if field.type == "signature" else str(answer)
