"""Answers as columns of an export and as lines of a sheet of paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import msgspec

from rightlevel.programme.forms.asking import strokes_of
from rightlevel.programme.forms.calculation import text_of
from rightlevel.programme.forms.definition import NO_ANSWER, OF_OPTIONS, Field, Form, label
from rightlevel.programme.forms.engine import examine

PLACE: Final = ("lat", "lon", "accuracy")
SAID: Final[dict[str, dict[str, str]]] = {
    "en": {"yes": "Yes", "no": "No", "unknown": "Don’t know", "signed": "Signed"},
    "km": {"yes": "បាទ/ចាស", "no": "ទេ", "unknown": "មិនដឹង", "signed": "បានចុះហត្ថលេខា"},
}
"""A form's own languages say these too; a language that is not here says them in English."""


class PrintRow(msgspec.Struct, frozen=True):
    """One question that was asked, and its answer; empty where there was none."""

    section: str
    path: str
    question: str
    answer: str
    strokes: str = ""
    """What was drawn of a signature."""


def said(language: str, code: str) -> str:
    """Yes, no, don't know, in a language."""
    return SAID.get(language, SAID["en"])[code]


def columns(form: Form) -> list[str]:
    """The names of the columns; a group has its own for each time it may be answered, counted from 1."""
    return [name for name, _ in _cells(form, {})]


def row_of(form: Form, answers: Mapping[str, Any]) -> dict[str, Any]:
    """Answers by column: yes, no, unknown and nothing stay four things; many choices stand in one cell, a space between."""
    return dict(_cells(form, answers))


def _cells(form: Form, answers: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for field in form.fields():
        if field.is_given:
            continue
        if field.type != "group":
            yield from _of(field, answers.get(field.key), field.key)
            continue
        rows: list[dict[str, Any]] = answers.get(field.key) or []
        for number in range(field.repeat):
            row = rows[number] if number < len(rows) else {}
            for inner in field.fields:
                yield from _of(inner, row.get(inner.key), f"{field.key}_{number + 1}_{inner.key}")


def _of(field: Field, answer: Any, name: str) -> Iterator[tuple[str, Any]]:
    if field.type in NO_ANSWER:
        return
    if field.type == "gps":
        for part in PLACE:
            yield f"{name}_{part}", (answer or {}).get(part)
    elif isinstance(answer, bool):
        yield name, "yes" if answer else "no"
    elif isinstance(answer, list):
        yield name, " ".join(cast("list[str]", answer))
    elif field.type == "signature":
        yield name, None if not answer else answer.get("name") or "signed"
    else:
        yield name, answer


def print_rows(form: Form, answers: Mapping[str, Any], language: str) -> list[PrintRow]:
    """What was asked, in order, with the answers in words; what was not asked is not there."""
    shown = examine(form, answers).shown
    return list(_lines(form, answers, language, shown))


def _lines(
    form: Form, answers: Mapping[str, Any], language: str, shown: frozenset[str]
) -> Iterator[PrintRow]:
    for section in form.sections:
        heading = label(section.labels, language, section.key)
        for field in section.fields:
            if field.key not in shown or field.is_given or field.type in NO_ANSWER or not field.labels:
                continue
            question = label(field.labels, language, field.key)
            if field.type != "group":
                answer = answers.get(field.key)
                told = in_words(field, answer, language)
                yield PrintRow(heading, field.key, question, told, strokes_of(field, answer))
                continue
            for number, row in enumerate(answers.get(field.key) or []):
                for inner in field.fields:
                    path = f"{field.key}.{number}.{inner.key}"
                    if path in shown and inner.type not in NO_ANSWER and inner.labels:
                        asked = f"{question} {number + 1}: {label(inner.labels, language, inner.key)}"
                        yield PrintRow(heading, path, asked, in_words(inner, row.get(inner.key), language))


def in_words(field: Field, answer: Any, language: str) -> str:
    """One answer as people read it; nothing for none. Schools, people and photos stay their ids: their rooms know their names."""
    if answer is None:
        return ""
    if isinstance(answer, bool):
        return said(language, "yes" if answer else "no")
    if field.type == "calculated":
        return text_of(answer)
    if field.type == "yes_no_unknown":
        return said(language, "unknown")
    if field.type in OF_OPTIONS:
        names = {each.value: label(each.labels, language, each.value) for each in field.options}
        chosen = cast("list[str]", answer if isinstance(answer, list) else [answer])
        return ", ".join(names.get(each, each) for each in chosen)
    if field.type == "gps":
        place = cast("dict[str, float]", answer)
        return f"{place['lat']:.5f}, {place['lon']:.5f}"
    if field.type == "signature":
        return cast("dict[str, str]", answer).get("name") or said(language, "signed")
    return ", ".join(cast("list[str]", answer)) if isinstance(answer, list) else str(answer)
