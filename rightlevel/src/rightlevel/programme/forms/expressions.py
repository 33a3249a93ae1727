"""The closed language in which a form says when something is shown, needed or bounded: data, looked at and never run.

*Shape*: True and False; ["and", …], ["or", …], ["not", e]; ["eq" | "ne", key, value]; ["lt" | "le" | "gt" | "ge", key, value] of numbers;
["has", key, option] of many choices; ["answered", key]. A value is a text, a number, True, False, or ["answer", key].
["today"] is the programme's day, for what bounds an answer only; days (YYYY-MM-DD) are ordered as numbers are.
What was not answered is equal to nothing, less than nothing and more than nothing. `web/static/form_engine.js` evaluates the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeGuard, cast

from rightlevel.programme.forms.definition import Bound, Expression

MAX_NODES: Final = 60
MAX_DEPTH: Final = 8
JOINTS: Final = frozenset({"and", "or"})
ORDERS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}
MAX_VALUE_CHARS: Final = 200
TODAY: Final = "today()"
"""Where the programme's day stands among answers; no question can be called so."""
DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def is_true(expression: Expression, answers: Mapping[str, Any]) -> bool:
    """Whether an expression holds for these answers; None holds always."""
    if expression is None or isinstance(expression, bool):
        return expression is not False
    operator, *rest = cast("list[Any]", expression)
    if operator in JOINTS:
        found = (is_true(each, answers) for each in rest)
        return all(found) if operator == "and" else any(found)
    if operator == "not":
        return not is_true(rest[0], answers)
    answer = answers.get(rest[0])
    if operator == "answered":
        return not is_blank(answer)
    if operator == "has":
        return isinstance(answer, list) and rest[1] in answer
    other = value_of(rest[1], answers)
    if operator in ("eq", "ne"):
        return is_same(answer, other) == (operator == "eq")
    are_ordered = (is_number(answer) and is_number(other)) or (is_day(answer) and is_day(other))
    return are_ordered and ORDERS[operator](answer, other)


def is_needed(expression: Expression, answers: Mapping[str, Any]) -> bool:
    """Whether a question must be answered; None is never."""
    return expression is not None and is_true(expression, answers)


def value_of(operand: Any, answers: Mapping[str, Any]) -> Any:
    """A value as it stands, the answer that ["answer", key] names, or the programme's day."""
    if not isinstance(operand, list):
        return operand
    found = cast("list[str]", operand)
    return answers.get(TODAY if found == ["today"] else found[1])


def bound_of(bound: Bound, answers: Mapping[str, Any]) -> float | None:
    """The number a bound gives, if any: one that rests on what was not answered bounds nothing."""
    found = value_of(bound, answers)
    return found if is_number(found) else None


def is_blank(answer: Any) -> bool:
    """Whether there is no answer. "No" is one."""
    return answer is None or answer in ("", [], {})


def is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_day(value: Any) -> bool:
    """Whether this is a day as answers hold it."""
    return isinstance(value, str) and DAY.fullmatch(value) is not None


def is_same(one: Any, other: Any) -> bool:
    """Equal and of one kind: 1 is not True, and what was not answered is not the same as anything."""
    if one is None or other is None or isinstance(one, bool) != isinstance(other, bool):
        return False
    return bool(one == other)


def names_in(expression: Any) -> Iterator[str]:
    """The questions that a well-formed expression or bound asks about."""
    if not isinstance(expression, list):
        return
    operator, *rest = cast("list[Any]", expression)
    if operator in JOINTS or operator == "not":
        for each in rest:
            yield from names_in(each)
        return
    if operator == "today":
        return
    yield rest[0]
    if len(rest) > 1:
        yield from names_in(rest[1])


def asks_today(expression: Any) -> bool:
    """Whether a well-formed expression rests on the programme's day."""
    if not isinstance(expression, list):
        return False
    found = cast("list[Any]", expression)
    return found == ["today"] or any(map(asks_today, found[1:]))


def is_well_formed(expression: Any) -> bool:
    """Whether this is an expression of the language, of bounded size."""
    return _size(expression, 0) <= MAX_NODES


def is_bound(bound: Any) -> bool:
    """Whether this can bound a number."""
    return bound is None or is_number(bound) or _is_reference(bound)


_TOO_MUCH: Final = MAX_NODES + 1


def _size(expression: Any, depth: int) -> int:
    if expression is None or isinstance(expression, bool):
        return 1
    if depth >= MAX_DEPTH or not isinstance(expression, list) or not expression:
        return _TOO_MUCH
    operator, *rest = cast("list[Any]", expression)
    if not isinstance(operator, str):
        return _TOO_MUCH
    if operator in JOINTS or operator == "not":
        if None in rest or not rest or (operator == "not" and len(rest) != 1):
            return _TOO_MUCH
        total = 1
        for each in rest:
            total += _size(each, depth + 1)
            if total > MAX_NODES:
                break
        return total
    return 1 if _is_comparison(operator, rest) else _TOO_MUCH


def _is_comparison(operator: str, rest: list[Any]) -> bool:
    if not rest or not isinstance(rest[0], str):
        return False
    if operator == "answered":
        return len(rest) == 1
    if len(rest) != 2:
        return False
    value = rest[1]
    if operator == "has":
        return isinstance(value, str)
    if operator in ORDERS:
        return is_number(value) or is_day(value) or _is_operand(value)
    is_short = not isinstance(value, str) or len(value) <= MAX_VALUE_CHARS
    return (
        operator in ("eq", "ne") and (isinstance(value, str | int | float) or _is_operand(value)) and is_short
    )


def _is_operand(value: Any) -> bool:
    return value == ["today"] or _is_reference(value)


def _is_reference(value: Any) -> bool:
    found = cast("list[Any]", value) if isinstance(value, list) else []
    return len(found) == 2 and found[0] == "answer" and isinstance(found[1], str)
