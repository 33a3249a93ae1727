"""Changing what a form asks, question by question. Each gives a new form; whether it may be published is `form_faults`' to say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import msgspec

from rightlevel.programme.errors import NotFound
from rightlevel.programme.forms.definition import OF_OPTIONS, Expression, Field, Form, Option, Section

SIMPLE: Final = ("eq", "ne", "has", "answered", "lt", "le", "gt", "ge")
MOST_PARTS: Final = 3
JOINTS: Final = ("and", "or")


class Condition(msgspec.Struct, frozen=True):
    """What is asked of one question above; the kind "always" asks nothing."""

    kind: str = "always"
    key: str = ""
    value: str = ""


class When(msgspec.Struct, frozen=True):
    """A condition that a person can choose: up to three parts, all of which or one of which must hold; none is always.

    `kept` is a condition that is none of these and stays as it is.
    """

    parts: tuple[Condition, ...] = ()
    joint: str = "and"
    kept: Expression = None


def find(form: Form, path: str) -> tuple[Section, Field | None, Field]:
    """The section, the group if any, and the question of a path (`key`, or `group.key`). *Errors*: NotFound."""
    key, _, inner = path.partition(".")
    for section in form.sections:
        for field in section.fields:
            if field.key != key:
                continue
            if not inner:
                return section, None, field
            for each in field.fields:
                if each.key == inner:
                    return section, field, each
    raise NotFound


def with_question(form: Form, section: str, group: str, field: Field) -> Form:
    """With a question more, at the end of a section or group. *Errors*: NotFound."""
    if group:
        return _changed(
            form, group, lambda there: msgspec.structs.replace(there, fields=(*there.fields, field))
        )
    return _in_section(form, section, lambda fields: (*fields, field))


def replaced(form: Form, path: str, field: Field) -> Form:
    """With a question in place of another. *Errors*: NotFound."""
    return _changed(form, path, lambda _: field)


def without(form: Form, path: str) -> Form:
    """Without a question. *Errors*: NotFound."""
    return _among(form, path, lambda fields, at: [*fields[:at], *fields[at + 1 :]])


def moved(form: Form, path: str, by: int) -> Form:
    """With a question one place up (-1) or down (1); at an end it stays. *Errors*: NotFound."""

    def move(fields: Sequence[Field], at: int) -> list[Field]:
        to = min(max(at + by, 0), len(fields) - 1)
        rest = [*fields[:at], *fields[at + 1 :]]
        return [*rest[:to], fields[at], *rest[to:]]

    return _among(form, path, move)


def with_section(form: Form, section: Section) -> Form:
    """With a section put at the end, or in place of the one with its key."""
    keys = [each.key for each in form.sections]
    if section.key not in keys:
        return msgspec.structs.replace(form, sections=(*form.sections, section))
    sections = tuple(section if each.key == section.key else each for each in form.sections)
    return msgspec.structs.replace(form, sections=sections)


def without_section(form: Form, key: str) -> Form:
    """Without a section and all that it asks. *Errors*: NotFound."""
    kept = tuple(each for each in form.sections if each.key != key)
    if len(kept) == len(form.sections):
        raise NotFound
    return msgspec.structs.replace(form, sections=kept)


def _in_section(form: Form, key: str, change: Callable[[tuple[Field, ...]], Sequence[Field]]) -> Form:
    if key not in [each.key for each in form.sections]:
        raise NotFound
    sections = tuple(
        msgspec.structs.replace(each, fields=tuple(change(each.fields))) if each.key == key else each
        for each in form.sections
    )
    return msgspec.structs.replace(form, sections=sections)


def _changed(form: Form, path: str, change: Callable[[Field], Field]) -> Form:
    return _among(form, path, lambda fields, at: [*fields[:at], change(fields[at]), *fields[at + 1 :]])


def _among(form: Form, path: str, change: Callable[[Sequence[Field], int], Sequence[Field]]) -> Form:
    """With the neighbours of a question changed, in its section or in its group."""
    section, group, field = find(form, path)
    if group is None:
        return _in_section(form, section.key, lambda fields: change(fields, fields.index(field)))
    inner = tuple(change(group.fields, group.fields.index(field)))
    return _in_section(
        form,
        section.key,
        lambda fields: [
            msgspec.structs.replace(each, fields=inner) if each.key == group.key else each for each in fields
        ],
    )


def asked_before(form: Form, path: str, section: str) -> list[Field]:
    """The questions that a condition may ask about: those above in order, and in the same group. *Shape*: no groups, no notes."""
    found: list[Field] = []
    key, _, inner = path.partition(".")
    for each in form.sections:
        for field in each.fields:
            if field.key == key:
                own = [one for one in field.fields if inner] if field.type == "group" else []
                stop = next((at for at, one in enumerate(own) if one.key == inner), len(own))
                return _askable([*found, *own[:stop]])
            found.append(field)
        if not path and each.key == section:
            break
    return _askable(found)


def _askable(fields: list[Field]) -> list[Field]:
    return [each for each in fields if each.type not in ("group", "note", "photo", "gps", "signature")]


def when_of(expression: Expression) -> When:
    """A condition as a person chooses it."""
    if expression is None:
        return When()
    single = _part_of(expression)
    if single is not None:
        return When((single,))
    if isinstance(expression, list):
        joint, *rest = cast("list[Any]", expression)
        parts = [part for each in rest if (part := _part_of(each)) is not None]
        if joint in JOINTS and len(parts) == len(rest) <= MOST_PARTS:
            return When(tuple(parts), joint)
    return When(kept=expression)


def _part_of(expression: Expression) -> Condition | None:
    if not isinstance(expression, list):
        return None
    operator, *rest = cast("list[Any]", expression)
    if operator == "answered":
        return Condition("answered", str(rest[0]))
    if operator not in SIMPLE or isinstance(rest[1], list):
        return None
    value = rest[1]
    text = ("yes" if value else "no") if isinstance(value, bool) else f"{value}"
    return Condition(operator, str(rest[0]), text)


def expression_of(when: When, form: Form) -> Expression:
    """The expression of a chosen condition; values become what the questions' answers are."""
    if when.kept is not None:
        return when.kept
    parts = [_expression(each, form) for each in when.parts if each.kind in SIMPLE]
    if len(parts) < 2:
        return parts[0] if parts else None
    return ["or" if when.joint == "or" else "and", *parts]


def _expression(part: Condition, form: Form) -> Expression:
    if part.kind == "answered":
        return ["answered", part.key]
    return [part.kind, part.key, _value(part, question_of(form, part.key))]


def question_of(form: Form, key: str) -> Field | None:
    """The question of a key, groups looked into too."""
    every = [one for each in form.fields() for one in (each, *each.fields)]
    return next((each for each in every if each.key == key), None)


def _value(condition: Condition, field: Field | None) -> Any:
    text = condition.value.strip()
    if field is not None and field.type in ("yes_no", "yes_no_unknown") and text in ("yes", "no"):
        return text == "yes"
    if field is not None and field.type == "number":
        try:
            return float(text) if "." in text else int(text)
        except ValueError:
            return text
    return text


def options_text(field: Field, languages: Sequence[str]) -> str:
    """The choices of a question, one a line: its code, then its text in each language of the form."""
    return "\n".join(
        " | ".join([each.value, *(each.labels.get(code, "") for code in languages)]) for each in field.options
    )


def options_of(text: str, field: Field, languages: Sequence[str]) -> tuple[Option, ...]:
    """Choices out of lines; a code that was there keeps when it is shown. A line without a text says its code."""
    shown = {each.value: each.shown_when for each in field.options}
    found: list[Option] = []
    for line in text.splitlines():
        if not line.strip():
            continue
        code, *labels = (part.strip() for part in line.split("|"))
        named = {language: label for language, label in zip(languages, labels, strict=False) if label}
        found.append(Option(code, named or dict.fromkeys(languages, code), shown.get(code)))
    return tuple(found)


def bound_of_text(text: str) -> Any:
    """A number, `=key` for another answer, or None. What is none of them is kept for `form_faults` to name."""
    said = text.strip()
    if not said:
        return None
    if said.startswith("="):
        return ["answer", said[1:].strip()]
    try:
        return float(said) if "." in said else int(said)
    except ValueError:
        return ["answer", said]


def bound_text(bound: Any) -> str:
    """A bound as it is typed."""
    return "" if bound is None else f"={bound[1]}" if isinstance(bound, list) else f"{bound:g}"


def with_choices(field: Field) -> bool:
    """Whether a kind of question has choices."""
    return field.type in OF_OPTIONS
