"""What is wrong with a form itself, before anybody is asked anything."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from rightlevel.programme.errors import Fault
from rightlevel.programme.forms.calculation import is_calculation, names_in_calculation
from rightlevel.programme.forms.definition import (
    MAX_DEFINITION_BYTES,
    MAX_FIELDS,
    MAX_LABEL,
    MAX_LANGUAGES,
    MAX_LONG_TEXT,
    MAX_OPTIONS,
    MAX_PATTERN,
    MAX_REPEAT,
    MAX_SECTIONS,
    NOT_ASKED,
    OF_OPTIONS,
    TEXTS,
    Field,
    Form,
    Labels,
)
from rightlevel.programme.forms.expressions import asks_today, is_bound, is_number, is_well_formed, names_in
from rightlevel.programme.forms.fidelity import PARTS
from rightlevel.programme.forms.patterns import is_pattern

KEY: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
VALUE: Final = re.compile(r"[A-Za-z0-9_-]{1,60}")
LANGUAGE: Final = re.compile(r"[a-z]{2,3}")
RESERVED: Final = frozenset(
    {"version", "write_id", "csrf_token", "after", "submit", "visited_on", "teacher_id"}
)
"""What pages send beside the answers."""


def form_faults(form: Form) -> tuple[Fault, ...]:
    """Everything wrong with a form, by the path of its section or question; a form without any may be published."""
    return tuple(_of_form(form))


def size_faults(form: Form) -> tuple[Fault, ...]:
    """What makes a form too big to keep even as a draft."""
    fields = sum(1 + len(field.fields) for field in form.fields())
    if len(form.sections) > MAX_SECTIONS:
        return (Fault("sections", f"At most {MAX_SECTIONS} of these"),)
    if fields > MAX_FIELDS:
        return (Fault("fields", f"At most {MAX_FIELDS} of these"),)
    try:
        size_bytes = len(msgspec.json.encode(form))
    except RecursionError:
        return (Fault("definition", "This condition can’t be read"),)
    if size_bytes > MAX_DEFINITION_BYTES:
        return (Fault("definition", f"At most {MAX_DEFINITION_BYTES} characters"),)
    return ()


def _of_form(form: Form) -> Iterator[Fault]:
    too_big = size_faults(form)
    if too_big:  # nothing below may walk through what is too big
        yield from too_big
        return
    if not form.name.strip() or len(form.name) > 100:
        yield Fault("name", "Between 1 and 100 characters")
    codes = form.languages
    if (
        not 1 <= len(codes) <= MAX_LANGUAGES
        or len(set(codes)) != len(codes)
        or not all(map(LANGUAGE.fullmatch, codes))
    ):
        yield Fault("languages", "Between 1 and 6 languages like en, km")
    if not any(field.type not in NOT_ASKED and not field.is_given for field in form.fields()):
        yield Fault("sections", "At least one question")
    known: dict[str, Field] = {}
    keys: set[str] = set()
    for section in form.sections:
        yield from _of_key(section.key, section.key, keys)
        yield from _of_labels(section.key, section.labels, codes)
        yield from _of_expression(section.key, section.shown_when, known)
        for field in section.fields:
            yield from _of_key(field.key, field.key, keys)
            yield from _of_field(field, field.key, codes, known)
            known[field.key] = field
    yield from _of_fidelity(form)


def _of_key(path: str, key: str, keys: set[str]) -> Iterator[Fault]:
    if not KEY.fullmatch(key) or key in RESERVED:
        yield Fault(path, "A short name of small letters, digits and _", key[:60])
    if key in keys:
        yield Fault(path, "This name is used twice", key)
    keys.add(key)


def _of_labels(path: str, labels: Labels, languages: tuple[str, ...]) -> Iterator[Fault]:
    if any(not labels.get(code, "").strip() for code in languages):
        yield Fault(path, "A text in every language of the form")
    if any(len(text) > MAX_LABEL for text in labels.values()):
        yield Fault(path, f"At most {MAX_LABEL} characters")


def _of_expression(
    path: str, expression: Any, known: Mapping[str, Field], *, may_ask_today: bool = False
) -> Iterator[Fault]:
    if not is_well_formed(expression):
        yield Fault(path, "This condition can’t be read", str(expression)[:80])
        return
    # What is asked must not change from one day to the next: an answer once given would be dropped.
    if not may_ask_today and asks_today(expression):
        yield Fault(path, "Only the bound of an answer can ask for today’s day")
    yield from _of_names(path, names_in(expression), known)


def _of_calculation(field: Field, path: str, known: Mapping[str, Field]) -> Iterator[Fault]:
    if field.type != "calculated":
        if field.calculation is not None:
            yield Fault(path, "Only a calculated question has a calculation")
        return
    if not is_calculation(field.calculation) or asks_today(field.calculation):
        yield Fault(path, "This calculation can’t be read", str(field.calculation)[:80])
        return
    if field.required_when is not None:
        yield Fault(path, "What is calculated is answered by nobody: it can’t be required")
    yield from _of_names(path, names_in_calculation(field.calculation), known)


def _of_names(path: str, names: Iterable[str], known: Mapping[str, Field]) -> Iterator[Fault]:
    for name in names:
        if name not in known:
            yield Fault(path, "A condition asks only about what was asked before", name[:60])
        elif known[name].type == "group":
            yield Fault(path, "A condition can’t ask about a group", name)


def _of_field(
    field: Field, path: str, languages: tuple[str, ...], known: Mapping[str, Field]
) -> Iterator[Fault]:
    if field.type != "calculated" or field.labels:
        yield from _of_labels(path, field.labels, languages)
    yield from _of_calculation(field, path, known)
    if any(len(text) > MAX_LABEL for text in field.hints.values()):
        yield Fault(path, f"At most {MAX_LABEL} characters")
    yield from _of_expression(path, field.shown_when, known)
    yield from _of_expression(path, field.required_when, known)
    yield from _of_expression(path, field.valid_when, {**known, field.key: field}, may_ask_today=True)
    if any(len(text) > MAX_LABEL for text in field.valid_texts.values()):
        yield Fault(path, f"At most {MAX_LABEL} characters")
    if field.pattern and (
        field.type not in TEXTS or len(field.pattern) > MAX_PATTERN or not is_pattern(field.pattern)
    ):
        yield Fault(path, "This regular expression can’t be read", field.pattern[:60])
    yield from _of_options(field, path, languages, known)
    for bound in (field.min, field.max):
        if not is_bound(bound):
            yield Fault(path, "A number, or another answer")
        elif isinstance(bound, list):
            yield from _of_bound(path, bound[1], known)
    if is_number(field.min) and is_number(field.max) and field.min > field.max:  # type: ignore[operator]
        yield Fault(path, "The least is more than the most")
    if field.max_length is not None and not (field.type in TEXTS and 1 <= field.max_length <= MAX_LONG_TEXT):
        yield Fault(path, f"Between 1 and {MAX_LONG_TEXT} characters")
    if not 0 <= field.digits <= 6:
        yield Fault(path, "Between 0 and 6 decimals")
    yield from _of_group(field, path, languages, known)


def _of_bound(path: str, name: str, known: Mapping[str, Field]) -> Iterator[Fault]:
    if name not in known:
        yield Fault(path, "A condition asks only about what was asked before", name[:60])
    elif known[name].type not in ("number", "calculated"):
        yield Fault(path, "A number, or another answer")


def _of_options(
    field: Field, path: str, languages: tuple[str, ...], known: Mapping[str, Field]
) -> Iterator[Fault]:
    if field.type not in OF_OPTIONS:
        if field.options:
            yield Fault(path, "This kind of question has no choices")
        return
    values = [each.value for each in field.options]
    if not 1 <= len(values) <= MAX_OPTIONS:
        yield Fault(path, f"Between 1 and {MAX_OPTIONS} choices")
    if len(set(values)) != len(values) or not all(map(VALUE.fullmatch, values)):
        yield Fault(path, "Each choice needs its own short code of letters and digits")
    for option in field.options:
        yield from _of_labels(path, option.labels, languages)
        yield from _of_expression(path, option.shown_when, known)


def _of_group(
    field: Field, path: str, languages: tuple[str, ...], known: Mapping[str, Field]
) -> Iterator[Fault]:
    if field.type != "group":
        if field.fields:
            yield Fault(path, "Only a group has questions of its own")
        return
    if not 1 <= field.repeat <= MAX_REPEAT:
        yield Fault(path, f"Between 1 and {MAX_REPEAT} times")
    if not field.fields:
        yield Fault(path, "At least one question")
    inner_known, keys = dict(known), set[str]()
    for inner in field.fields:
        inner_path = f"{path}.{inner.key}"
        yield from _of_key(inner_path, inner.key, keys)
        if inner.key in known:
            yield Fault(inner_path, "This name is used twice", inner.key)
        if inner.type in ("group", "signature", "photo") or inner.is_given:
            yield Fault(inner_path, "This kind of question can’t stand in a group")
            continue
        yield from _of_field(inner, inner_path, languages, inner_known)
        inner_known[inner.key] = inner


def _of_fidelity(form: Form) -> Iterator[Fault]:
    group = form.field(form.fidelity.get("activities", ""))
    inner = {each.key for each in group.fields} if group else set[str]()
    for part, key in form.fidelity.items():
        is_there = key in inner if part.startswith("activity_") else form.field(key) is not None
        if part not in PARTS or not is_there:
            yield Fault(
                "fidelity", "A part of the score and the question that answers it", f"{part}: {key}"[:80]
            )
