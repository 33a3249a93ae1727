"""Calculations of forms: data of bounded size, parsed once and never run, that give a number, a text, or nothing.

*Shape*: a number or text; ["answer", key]; ["add" | "sub" | "mul" | "div", a, b]; ["if", expression, a, b]; ["concat", a, …].
Arithmetic on what was not answered, on a text that is no number, by zero, or past 10^15 gives nothing; concat takes it as empty.
Numbers have six decimals below 10^9 and none above. `web/static/form_engine.js` calculates the same, case by case.
*Source*: XPath 1.0 as XLSForm uses it, where "nothing" is NaN or "".
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

from rightlevel.programme.forms.expressions import (
    MAX_NODES,
    MAX_VALUE_CHARS,
    is_number,
    is_true,
    is_well_formed,
    names_in,
)

ARITHMETIC: Final[dict[str, Callable[[float, float], float]]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
}
MAX_DEPTH: Final = 30
"""A chain of additions is as deep as it is long."""
MAX_PARTS: Final = 20
MAX_TEXT_RESULT: Final = 500
MOST: Final = 1e15
DECIMALS_BELOW: Final = 1e9
SCALE: Final = 1_000_000
NUMBER: Final = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?")


def value_of_calculation(calculation: Any, known: Mapping[str, Any]) -> Any:
    """What it gives for these answers: a number, a text, True, False, or None for nothing. *Cost*: one pass over it."""
    found = _value(calculation, known)
    return _settled(found) if is_number(found) else found


def _value(calculation: Any, known: Mapping[str, Any]) -> Any:
    if not isinstance(calculation, list):
        return calculation
    operator, *rest = cast("list[Any]", calculation)
    if operator == "answer":
        return known.get(rest[0])
    if operator == "if":
        return _value(rest[1] if is_true(rest[0], known) else rest[2], known)
    values = [_value(each, known) for each in rest]
    if operator == "concat":
        return "".join(map(text_of, values))[:MAX_TEXT_RESULT] or None
    one, other = map(_number_of, values)
    if one is None or other is None or (operator == "div" and other == 0):
        return None
    made = ARITHMETIC[operator](one, other)
    return made if abs(made) < MOST else None


def _number_of(value: Any) -> float | None:
    """A number, or a text that is one; a yes or no is none."""
    if is_number(value):
        return float(value)
    return float(value) if isinstance(value, str) and NUMBER.fullmatch(value) else None


def _settled(number: float) -> float | None:
    """A number as it is kept: whole ones without decimals, so that both engines write it alike."""
    if not math.isfinite(number) or abs(number) >= MOST:
        return None
    scale = SCALE if abs(number) < DECIMALS_BELOW else 1
    found = math.floor(number * scale + 0.5) / scale
    return int(found) if found.is_integer() else found


def text_of(value: Any) -> str:
    """A value as it stands in a text; nothing for no answer, yes or no for a yes or no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if is_number(value):
        settled = _settled(value)
        if settled is None:
            return ""
        return str(settled) if isinstance(settled, int) else f"{settled:.6f}".rstrip("0")
    if isinstance(value, list):
        return " ".join(each for each in cast("list[Any]", value) if isinstance(each, str))
    return value if isinstance(value, str) else ""


def names_in_calculation(calculation: Any) -> Iterator[str]:
    """The questions that a well-formed calculation asks about."""
    if not isinstance(calculation, list):
        return
    operator, *rest = cast("list[Any]", calculation)
    if operator == "answer":
        yield rest[0]
        return
    if operator == "if":
        yield from names_in(rest[0])
        rest = rest[1:]
    for each in rest:
        yield from names_in_calculation(each)


def is_calculation(calculation: Any) -> bool:
    """Whether this is a calculation, of bounded size and depth."""
    return _size(calculation, 0) <= MAX_NODES


_TOO_MUCH: Final = MAX_NODES + 1


def _size(calculation: Any, depth: int) -> int:
    if is_number(calculation):
        return 1 if abs(calculation) < MOST else _TOO_MUCH
    if isinstance(calculation, str):
        return 1 if len(calculation) <= MAX_VALUE_CHARS else _TOO_MUCH
    if depth >= MAX_DEPTH or not isinstance(calculation, list) or not calculation:
        return _TOO_MUCH
    operator, *rest = cast("list[Any]", calculation)
    if operator == "answer":
        return 1 if len(rest) == 1 and isinstance(rest[0], str) else _TOO_MUCH
    if operator == "if":
        if len(rest) != 3 or rest[0] is None or not is_well_formed(rest[0]):
            return _TOO_MUCH
        rest = rest[1:]
    elif not (isinstance(operator, str) and _takes(operator, len(rest))):
        return _TOO_MUCH
    total = 1
    for each in rest:
        total += _size(each, depth + 1)
        if total > MAX_NODES:
            break
    return total


def _takes(operator: str, parts: int) -> bool:
    return parts == 2 if operator in ARITHMETIC else operator == "concat" and 1 <= parts <= MAX_PARTS
