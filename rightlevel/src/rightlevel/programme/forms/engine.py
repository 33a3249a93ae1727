"""What a form asks and what its answers lack: one walk that drives the server, the page, print and export."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from datetime import date
from typing import Any, Final, cast

import msgspec

from rightlevel.programme.errors import Fault, OwnWords
from rightlevel.programme.forms.calculation import value_of_calculation
from rightlevel.programme.forms.definition import NO_ANSWER, OF_MANY, Field, Form
from rightlevel.programme.forms.expressions import TODAY, bound_of, is_blank, is_needed, is_true
from rightlevel.programme.forms.patterns import fits

NEEDED: Final = "Please fill this in"
NOT_VALID: Final = "This answer does not fit what the form says of it"


class Examination(msgspec.Struct, frozen=True):
    """What a form makes of answers.

    *Shape*: `answers` are those of what is asked, without the given ones; `shown`, `required` and `missing` name questions by their paths
    (`activities.0.minutes`); `dropped` are answers to what is not asked; `completeness` is the answered share of what must be answered.
    """

    answers: dict[str, Any]
    shown: frozenset[str]
    required: frozenset[str]
    faults: tuple[Fault, ...]
    missing: tuple[str, ...]
    completeness: float
    dropped: tuple[str, ...] = ()


def examine(
    form: Form, answers: Mapping[str, Any], *, today: date | None = None, is_submitting: bool = False
) -> Examination:
    """What is shown, needed, wrong and missing. Only when submitting is what is missing a fault too.

    `answers` are as `read_answers` gives them, those that the room gives among them; what is calculated is calculated here, whatever was
    sent. `today` is the programme's day: without it every bound by today's day is broken. *Cost*: one pass over the form.
    """
    walk = _Walk()
    day = {TODAY: today.isoformat()} if today is not None else {}
    kept: dict[str, Any] = {}
    for section in form.sections:
        is_shown = is_true(section.shown_when, kept)
        if is_shown:
            walk.shown.add(section.key)
        for field in section.fields:
            walk.look(field, answers, kept, ChainMap(kept, day), "", is_shown=is_shown)
    faults = walk.faults
    if is_submitting:
        faults = [*faults, *(Fault(path, NEEDED) for path in walk.missing)]
    given = {field.key for field in form.fields() if field.is_given}
    whole = 1.0 if not walk.required else 1 - len(walk.missing) / len(walk.required)
    own = {key: value for key, value in kept.items() if key not in given}
    return Examination(
        answers=own,
        shown=frozenset(walk.shown),
        required=frozenset(walk.required),
        faults=tuple(faults),
        missing=tuple(walk.missing),
        completeness=whole,
        dropped=tuple(walk.dropped),
    )


def with_calculated(form: Form, answers: dict[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """A draft's answers with what was calculated of them. `found` are the answers that `examine` gave for these."""
    made = dict(answers)
    for field in form.fields():
        if field.type == "calculated" and field.key in found:
            made[field.key] = found[field.key]
        inner = [each.key for each in field.fields if each.type == "calculated"]
        if inner and field.key in found:
            rows = zip(made[field.key], found[field.key], strict=True)
            made[field.key] = [row | {key: own[key] for key in inner if key in own} for row, own in rows]
    return made


class _Walk:
    """What was found so far."""

    def __init__(self) -> None:
        self.shown: set[str] = set()
        self.required: set[str] = set()
        self.faults: list[Fault] = []
        self.missing: list[str] = []
        self.dropped: list[str] = []

    def look(
        self,
        field: Field,
        given: Mapping[str, Any],
        into: dict[str, Any],
        known: ChainMap[str, Any],
        under: str,
        *,
        is_shown: bool,
    ) -> None:
        """Looks at one question: keeps its answer in `into`, which `known` reads."""
        path = f"{under}{field.key}"
        answer = given.get(field.key)
        if not (is_shown and is_true(field.shown_when, known)):
            if not is_blank(answer) and not field.is_given and field.type != "calculated":
                self.dropped.append(path)
            return
        self.shown.add(path)
        if field.type in NO_ANSWER:
            return
        if field.type == "calculated":
            answer = value_of_calculation(field.calculation, known)
        elif field.type == "group":
            answer = self._rows(field, answer or [], known, path)
        if not is_blank(answer):
            into[field.key] = answer
            self.faults += [Fault(path, rule) for rule in broken(field, answer, known)]
        if not field.is_given and is_needed(field.required_when, known):
            self.required.add(path)
            if is_blank(answer):
                self.missing.append(path)

    def _rows(
        self, field: Field, rows: list[dict[str, Any]], known: ChainMap[str, Any], path: str
    ) -> list[dict[str, Any]]:
        kept: list[dict[str, Any]] = []
        for number, row in enumerate(rows):
            own: dict[str, Any] = {}
            for inner in field.fields:
                self.look(inner, row, own, known.new_child(own), f"{path}.{number}.", is_shown=True)
            kept.append(own)
        return kept if any(kept) else []


def broken(field: Field, answer: Any, known: Mapping[str, Any]) -> list[str]:
    """The rules that an answer of the right type breaks, given the other answers."""
    if field.type in OF_MANY or field.type == "choice":
        chosen: list[Any] = cast("list[Any]", answer) if isinstance(answer, list) else [answer]
        hidden = {
            each.value
            for each in field.options
            if each.shown_when is not None and not is_true(each.shown_when, known)
        }
        if hidden.intersection(chosen):
            return ["One of the choices offered"]
    rules: list[str] = []
    if (field.pattern and isinstance(answer, str) and not fits(field.pattern, answer)) or (
        field.valid_when is not None and not is_true(field.valid_when, known)
    ):
        rules.append(OwnWords(field.valid_texts) if any(field.valid_texts.values()) else NOT_VALID)
    size = _size(field, answer)
    if size is None:
        return rules
    low, high = bound_of(field.min, known), bound_of(field.max, known)
    if low is not None and size < low:
        rules.append(_rule("At least", low, field.min, field))
    if high is not None and size > high:
        rules.append(_rule("At most", high, field.max, field))
    return rules


def _size(field: Field, answer: Any) -> float | None:
    """What `min` and `max` bound: the number, or how many are chosen."""
    if field.type in OF_MANY:
        return len(answer)
    return answer if field.type == "number" else None


def _rule(words: str, number: float, bound: Any, field: Field) -> str:
    if field.type in OF_MANY:
        return f"{words} {number:g} of these"
    return f"{words} {number:g}, as answered before" if isinstance(bound, list) else f"{words} {number:.15g}"
