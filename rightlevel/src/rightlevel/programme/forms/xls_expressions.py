"""The conditions of an XLSForm, as far as they can be said exactly in our own language; anything else is named, never guessed.

*Source*: XLSForm.org, "Relevant", "Constraint", "Required", "Operators and functions".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import msgspec

from rightlevel.programme.forms.calculation import ARITHMETIC, MAX_DEPTH, is_calculation, names_in_calculation
from rightlevel.programme.forms.definition import OF_MANY, Field
from rightlevel.programme.forms.expressions import DAY, ORDERS

TOKEN: Final = re.compile(
    r"\s*(?:(\$\{[^}]+\})|('[^']*'|\"[^\"]*\")|(\d+(?:\.\d+)?)|([-+*])|(<=|>=|!=|=|<|>)|([()])|(,)|(\.)|([A-Za-z][\w-]*))"
)
COMPARED: Final = {"=": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
TURNED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}
CALCULATED_WITH: Final = frozenset({"+", "-", "*", "div"})
CALCULABLE: Final = frozenset(
    {"number", "text", "long_text", "choice", "choices", "date", "time", "yes_no", "calculated"}
)
"""What can stand in a calculation: its answer is the text or number that the form means."""
MAX_CHARS: Final = 2_000
MOST_NESTED: Final = 20
LONGEST_CHAIN: Final = 6


class NotExact(Exception):
    """This can't be said exactly in our language; the part that can't."""

    def __init__(self, part: str) -> None:
        super().__init__(part)
        self.part = part


Values = Mapping[str, Mapping[str, tuple[str, ...]]]
"""Of questions whose choices are called otherwise here: what a choice of the workbook is called; several where it has a name more than once."""


def condition(
    text: str,
    fields: Mapping[str, Field],
    values: Values | None = None,
    own: str = "",
    calculated: Mapping[str, str] | None = None,
    keep: Callable[[Any], str] | None = None,
) -> Any:
    """An expression of ours; `own` is the question that "." is, `calculated` what calculations say by their names.

    `keep` puts a calculation that stands in the condition before the question and gives its name. *Errors*: NotExact.
    """
    reader = _Reader(
        text=text, fields=fields, values=values or {}, own=own, calculated=calculated or {}, keep=keep
    )
    found = reader.either()
    reader.end()
    return found


def calculation(text: str, fields: Mapping[str, Field], values: Values | None = None) -> Any:
    """A calculation of ours out of + - * div, if(), concat(), numbers, texts and answers. *Errors*: NotExact."""
    reader = _Reader(text=text, fields=fields, values=values or {}, own="", calculated={}, keep=None)
    found = reader.sum()
    reader.end()
    if not is_calculation(found):
        raise NotExact(text[:80])
    return found


def bounds(text: str, field: Field, fields: Mapping[str, Field]) -> dict[str, Any]:
    """What a constraint says of its own answer (`.`): `min`, `max` and `max_length`, as far as it is nothing but these. *Errors*: NotExact."""
    found: dict[str, Any] = {}
    for part in re.split(r"\band\b", text):
        said = part.strip().strip("()").strip() if part.count("(") != part.count(")") else part.strip()
        for side, bound in _bound(said, field, fields).items():
            found[side] = _tighter(side, found[side], bound, said) if side in found else bound
    return found


def _tighter(side: str, one: Any, other: Any, part: str) -> Any:
    """The bound that holds where both are said. *Errors*: NotExact: which of two answers is tighter isn't known before they are given."""
    if isinstance(one, list) or isinstance(other, list):
        raise NotExact(part)
    return max(one, other) if side == "min" else min(one, other)


def _bound(part: str, field: Field, fields: Mapping[str, Field]) -> dict[str, Any]:
    length = re.fullmatch(r"string-length\(\s*\.\s*\)\s*(<=|<)\s*(\d+)", part)
    if length and field.type in ("text", "long_text"):
        return {"max_length": int(length[2]) - (length[1] == "<")}
    count = re.fullmatch(r"count-selected\(\s*\.\s*\)\s*(<=|<|>=|>|=)\s*(\d+)", part)
    plain = re.fullmatch(r"\.\s*(<=|<|>=|>)\s*(-?\d+(?:\.\d+)?|\$\{[^}]+\})", part)
    turned = re.fullmatch(r"(-?\d+(?:\.\d+)?|\$\{[^}]+\})\s*(<=|<|>=|>)\s*\.", part)
    if count and field.type in OF_MANY:
        sign, said = count[1], count[2]
    elif plain and field.type == "number":
        sign, said = plain[1], plain[2]
    elif turned and field.type == "number":
        sign, said = TURNED[turned[2]], turned[1]
    else:
        raise NotExact(part)
    if said.startswith("$"):
        if sign not in ("<=", ">="):
            raise NotExact(part)
        key = said[2:-1].strip()
        if key not in fields or fields[key].type != "number":
            raise NotExact(said)
        return {"max" if sign == "<=" else "min": ["answer", key]}
    number = float(said) if "." in said else int(said)
    step = 10**-field.digits if field.digits else 1
    if sign == "=":
        return {"min": number, "max": number}
    if sign in ("<", "<="):
        return {"max": number - step if sign == "<" else number}
    return {"min": number + step if sign == ">" else number}


class _Asked(msgspec.Struct, frozen=True):
    """A question that an expression names."""

    key: str


class _Today(msgspec.Struct, frozen=True):
    """The programme's day; `is_now` is this very moment, which is later than its day's beginning."""

    is_now: bool = False


class _If(msgspec.Struct, frozen=True):
    """What a calculation gives by a condition."""

    when: Any
    then: Any
    otherwise: Any


def _also(one: Any, other: Any) -> Any:
    if one is False or other is False:
        return False
    return one if other is True else other if one is True else ["and", one, other]


def _either(one: Any, other: Any) -> Any:
    if one is True or other is True:
        return True
    return one if other is False else other if one is False else ["or", one, other]


class _Reader:
    """Reads one expression from left to right."""

    def __init__(
        self,
        text: str,
        fields: Mapping[str, Field],
        values: Values,
        own: str,
        calculated: Mapping[str, str],
        keep: Callable[[Any], str] | None = None,
    ) -> None:
        if len(text) > MAX_CHARS:
            raise NotExact(text[:40])
        self._fields = fields
        self._values = values
        self._own = own
        self._calculated = calculated
        self._keep = keep
        self._depth = 0
        self._tokens: list[str] = []
        at = 0
        while text[at:].strip():
            found = TOKEN.match(text, at)
            if found is None:
                raise NotExact(text[at : at + 40].strip())
            self._tokens.append(found[0].strip())
            at = found.end()
        self._at = 0
        depth = 0
        for each in self._tokens:
            depth += (each == "(") - (each == ")")
            if depth > MOST_NESTED:
                raise NotExact(text[:40])

    def _next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self, wanted: str = "") -> str:
        word = self._next()
        if not word or (wanted and word != wanted):
            raise NotExact(word or "…")
        self._at += 1
        return word

    def end(self) -> None:
        """Passes when all was read."""
        if self._next():
            raise NotExact(self._next())

    def either(self) -> Any:
        parts = [self._both()]
        while self._next() == "or":
            self._take()
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else ["or", *parts]

    def _both(self) -> Any:
        parts = [self._one()]
        while self._next() == "and":
            self._take()
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else ["and", *parts]

    def _one(self) -> Any:
        word = self._next()
        if word == "(" and not self._is_operand_closed():
            self._take()
            return self._closed(self.either())
        if word.lower() in ("true", "false") and not self._is_called():
            return self._take().lower() == "true"
        if word in ("not", "selected", "true", "false"):
            found = self._function(self._take())
            return self._is_it(found)
        if word in ("count-selected", "string-length"):
            return self._counted(self._take())
        left = self._side()
        sign = self._take()
        if sign not in COMPARED:
            raise NotExact(sign)
        return self._compared(left, sign, self._side())

    def _is_operand_closed(self) -> bool:
        """Whether what stands in the parentheses here is compared or calculated with, and no condition."""
        depth = 0
        for at in range(self._at, len(self._tokens)):
            depth += (self._tokens[at] == "(") - (self._tokens[at] == ")")
            if depth == 0:
                after = self._tokens[at + 1 : at + 2]
                return bool(after) and (after[0] in COMPARED or after[0] in CALCULATED_WITH)
        return False

    def _side(self) -> Any:
        """One side of a comparison: an operand, or a calculation that is kept as a question of its own."""
        start, stopped = self._at, ""
        try:
            found = self._operand()
            if self._next() not in CALCULATED_WITH:
                return found
            stopped = self._next()
        except NotExact as problem:
            if self._keep is None:
                raise
            stopped = problem.part
        if self._keep is None:
            raise NotExact(stopped)
        self._at = start
        made = self.sum()
        if not isinstance(made, list) or not is_calculation(made):
            raise NotExact(stopped)
        if self._own and self._own in names_in_calculation(made):
            raise NotExact(stopped)  # it is calculated before its own question is asked
        parts = cast("list[Any]", made)
        return _Asked(str(parts[1]) if parts[0] == "answer" else self._keep(parts))

    def sum(self) -> Any:
        """A calculation: terms added and taken away from left to right."""
        found = self._product()
        while self._next() in ("+", "-"):
            sign = "add" if self._take() == "+" else "sub"
            found = [sign, found, self._product()]
        return found

    def _product(self) -> Any:
        found = self._factor()
        while self._next() in ("*", "div"):
            sign = "mul" if self._take() == "*" else "div"
            found = [sign, found, self._factor()]
        return found

    def _factor(self) -> Any:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise NotExact(self._next())
        found = self._part()
        self._depth -= 1
        return found

    def _part(self) -> Any:
        word = self._take()
        if word == "-":
            found = self._factor()
            return -found if isinstance(found, int | float) else ["sub", 0, found]
        if word == "(":
            return self._closed(self.sum())
        if word == "if":
            self._take("(")
            when = self.either()
            self._take(",")
            then = self.sum()
            self._take(",")
            return self._closed(["if", when, then, self.sum()])
        if word == "concat":
            self._take("(")
            parts = [self.sum()]
            while self._next() == ",":
                self._take()
                parts.append(self.sum())
            return self._closed(["concat", *parts])
        if word in ("number", "string") and self._next() == "(":
            self._take("(")
            return self._closed(self.sum())
        if word.startswith("${"):
            return ["answer", self._calculable(word)]
        if word[0] in "'\"":
            return word[1:-1]
        if word[0].isdigit():
            return float(word) if "." in word else int(word)
        raise NotExact(word)

    def _closed(self, found: Any) -> Any:
        self._take(")")
        return found

    def _calculable(self, word: str) -> str:
        """The question that stands in a calculation. *Errors*: NotExact for one whose answer is called otherwise here, or is no value."""
        key = word[2:-1].strip()
        field = self._fields.get(key)
        if field is None or key in self._values or field.type not in CALCULABLE:
            raise NotExact(word)
        return key

    def _compared(self, left: Any, sign: str, right: Any) -> Any:
        """Two operands compared; of one that depends on a condition, both ways."""
        if isinstance(right, _If) or (not isinstance(left, _Asked | _If) and isinstance(right, _Asked)):
            left, right, sign = right, left, TURNED[sign]
        if isinstance(left, _If):
            then, otherwise = (
                self._compared(left.then, sign, right),
                self._compared(left.otherwise, sign, right),
            )
            return _either(_also(left.when, then), _also(["not", left.when], otherwise))
        if not isinstance(left, _Asked):
            return self._of_values(left, sign, right)
        return self._compare(left.key, sign, right)

    def calculation(self) -> Any:
        """What a calculation gives: an answer, a value, or one of two by a condition. *Errors*: NotExact."""
        if self._next() != "if":
            return self._operand()
        self._take()
        self._take("(")
        when = self.either()
        self._take(",")
        then = self.calculation()
        self._take(",")
        otherwise = self.calculation()
        self._take(")")
        return _If(when, then, otherwise)

    def _is_called(self) -> bool:
        return self._tokens[self._at + 1 : self._at + 2] == ["("]

    def _is_it(self, found: Any) -> Any:
        """A function's yes or no compared with another: selected(…) = true()."""
        if self._next() not in ("=", "!="):
            return found
        is_same = self._take() == "="
        if self._next() not in ("true", "false"):
            raise NotExact(self._next())
        is_true = self._function(self._take())
        return found if is_true == is_same else ["not", found]

    def _counted(self, name: str) -> Any:
        """Whether there is an answer: count-selected(${x}) > 0, string-length(${x}) > 0."""
        self._take("(")
        operand = self._operand()
        self._take(")")
        sign, number = self._take(), self._operand()
        part = f"{name}(…) {sign} {number}"
        if not isinstance(operand, _Asked):
            raise NotExact(part)
        answered = ["answered", operand.key]
        if (sign, number) in ((">", 0), (">=", 1), ("!=", 0)):
            return answered
        if (sign, number) in (("=", 0), ("<", 1), ("<=", 0)):
            return ["not", answered]
        raise NotExact(part)

    @staticmethod
    def _of_values(left: Any, sign: str, right: Any) -> bool:
        """Two values compared with each other, as a choice filter's columns give them."""
        if sign in ("=", "!="):
            return (str(left) == str(right)) == (sign == "=")
        try:
            return ORDERS[COMPARED[sign]](float(left), float(right))
        except ValueError:
            raise NotExact(f"{left} {sign} {right}") from None

    def _function(self, name: str) -> Any:
        self._take("(")
        if name in ("true", "false"):
            self._take(")")
            return name == "true"
        if name == "not":
            found = self.either()
            self._take(")")
            return ["not", found]
        operand = self._operand()
        self._take(",")
        value = self._operand()
        self._take(")")
        if not isinstance(operand, _Asked) or isinstance(value, _Asked):
            raise NotExact(f"selected({_said(operand)}, {_said(value)})")
        key = operand.key
        if self._fields[key].type in OF_MANY:
            return _any_of([["has", key, each] for each in self._called(key, value)])
        return self._compare(key, "=", value)

    def _operand(self) -> Any:
        """A question, or a value."""
        word = self._take()
        if word == "(":
            found = self._operand()
            self._take(")")
            return found
        if word == "." and self._own:
            return _Asked(self._own)
        if word == "-" and self._next()[:1].isdigit():
            return -self._operand()
        if word in ("today", "now") and self._next() == "(":
            self._take("(")
            return self._closed(_Today(word == "now"))
        if word == "date" and self._next() == "(":
            self._take("(")
            found = self._closed(self._operand())
            if not isinstance(found, str) or not DAY.fullmatch(found):
                raise NotExact("date")
            return found
        if word in ("number", "string", "int") and self._next() == "(":
            self._take("(")
            found = self._operand()
            self._take(")")
            return found
        if word.startswith("${"):
            key = word[2:-1].strip()
            if key in self._calculated:
                try:
                    return self._inlined(key)
                except NotExact:
                    if key not in self._fields:
                        raise
            if key not in self._fields:
                raise NotExact(word)
            return _Asked(key)
        if word[0] in "'\"":
            return word[1:-1]
        if word[0].isdigit():
            return float(word) if "." in word else int(word)
        raise NotExact(word)

    def _require_same_names(self, one: str, other: str) -> None:
        """Passes when the choices of two questions are called alike here. *Errors*: NotExact."""
        names = self._values.get(one)
        if names != self._values.get(other) or any(len(each) > 1 for each in (names or {}).values()):
            raise NotExact(f"${{{one}}} = ${{{other}}}")

    def _called(self, key: str, value: Any) -> tuple[str, ...]:
        """What a choice of the workbook is called here."""
        return self._values.get(key, {}).get(str(value), (str(value),))

    def _inlined(self, key: str) -> Any:
        """A calculation that is an answer, a value or one of these by a condition: its words stand in the condition. *Errors*: NotExact."""
        # Others that it names are questions of their own by now, so that no chain of them is read again and again.
        reader = _Reader(self._calculated[key], self._fields, self._values, "", {})
        found = reader.calculation()
        reader.end()
        return found

    def _compare(self, key: str, sign: str, right: Any) -> Any:
        field = self._fields[key]
        if isinstance(right, _Today):
            return self._by_today(field, sign, right)
        if field.type == "calculated":
            return self._of_calculated(field, sign, right)
        if field.type == "date" and isinstance(right, str) and DAY.fullmatch(right):
            return [COMPARED[sign], key, right]
        if right == "":
            return ["not", ["answered", key]] if sign == "=" else ["answered", key]
        if isinstance(right, _Asked):
            self._require_same_names(key, right.key)
            if self._fields[right.key].type == "calculated":
                return self._of_calculated(self._fields[right.key], TURNED[sign], _Asked(key))
            if sign not in ("=", "!="):
                if {field.type, self._fields[right.key].type} not in ({"number"}, {"date"}):
                    raise NotExact(f"${{{key}}} {sign} ${{{right.key}}}")
                return [COMPARED[sign], key, ["answer", right.key]]
            # Two questions without an answer are equal in XPath and not in our language.
            blank = ["and", ["not", ["answered", key]], ["not", ["answered", right.key]]]
            same = ["or", ["eq", key, ["answer", right.key]], blank]
            return same if sign == "=" else ["not", same]
        if sign not in ("=", "!=") and key in self._values:
            raise NotExact(f"${{{key}}} {sign} {right}")
        if sign not in ("=", "!=") and field.type == "choice":
            return self._ordered(field, sign, right)
        if sign not in ("=", "!=") and (field.type != "number" or isinstance(right, str)):
            raise NotExact(f"{key} {sign} {right}")
        if field.type in OF_MANY:
            raise NotExact(f"{key} {sign} {right}")
        value: Any = right
        if key in self._values:
            same = _any_of([["eq", key, each] for each in self._called(key, right)])
            # What was not answered is equal to no choice, so that "not equal" holds then too, as in XPath.
            return same if sign == "=" else ["not", same]
        if field.type in ("yes_no", "yes_no_unknown"):
            if right not in ("yes", "no") and (field.type, right) != ("yes_no_unknown", "unknown"):
                raise NotExact(f"${{{key}}} {sign} {right}")
            value = right if right == "unknown" else right == "yes"
        elif field.type == "number" and isinstance(right, str):
            try:
                value = float(right) if "." in right else int(right)
            except ValueError:
                raise NotExact(right) from None
        elif field.type not in ("number",) and not isinstance(value, str):
            value = str(value)
        return [COMPARED[sign], key, value]

    @staticmethod
    def _by_today(field: Field, sign: str, today: _Today) -> Any:
        """A day compared with today: a moment of today is later than its day."""
        if field.type != "date":
            raise NotExact("today()")
        operator = (
            {"lt": "le", "ge": "gt"}.get(COMPARED[sign], COMPARED[sign]) if today.is_now else COMPARED[sign]
        )
        if today.is_now and operator in ("eq", "ne"):
            raise NotExact("now()")
        return [operator, field.key, ["today"]]

    def _of_calculated(self, field: Field, sign: str, right: Any) -> Any:
        """A calculation compared with a number or a text of its own kind. *Errors*: NotExact where XPath would turn one into the other."""
        kind = _kind_of(field.calculation, self._fields)
        part = f"${{{field.key}}} {sign} {_said(right)}"
        if right == "":
            return ["not", ["answered", field.key]] if sign == "=" else ["answered", field.key]
        if isinstance(right, _Asked):
            other = self._fields[right.key]
            of_other = _kind_of(["answer", right.key], self._fields)
            if kind != "number" or of_other != "number" or other.type not in ("number", "calculated"):
                raise NotExact(part)
            return [COMPARED[sign], field.key, ["answer", right.key]]
        if kind == "number" and isinstance(right, str):
            try:
                right = float(right) if "." in right else int(right)
            except ValueError:
                raise NotExact(part) from None
        if kind == "text" and sign in ("=", "!="):
            right = str(right)
        elif kind != "number":
            raise NotExact(part)
        return [COMPARED[sign], field.key, right]

    def _ordered(self, field: Field, sign: str, right: Any) -> Any:
        """A choice compared as a number: one of those choices whose codes are such numbers."""
        try:
            fitting = [
                each.value
                for each in field.options
                if ORDERS[COMPARED[sign]](float(each.value), float(right))
            ]
        except ValueError:
            raise NotExact(f"${{{field.key}}} {sign} {right}") from None
        parts: list[Any] = [["eq", field.key, value] for value in fitting]
        return ["or", *parts] if len(parts) > 1 else parts[0] if parts else False


def _kind_of(calculation: Any, fields: Mapping[str, Field], depth: int = 0) -> str:
    """Whether a calculation gives a number or a text; nothing where that depends on the answers, or on too long a chain."""
    if isinstance(calculation, str):
        return "text"
    if not isinstance(calculation, list):
        return "number"
    operator, *rest = cast("list[Any]", calculation)
    if operator in ARITHMETIC:
        return "number"
    if operator == "concat":
        return "text"
    if operator == "if":
        kinds = {_kind_of(each, fields, depth) for each in rest[1:]}
        return kinds.pop() if len(kinds) == 1 else ""
    field = fields[rest[0]]
    if field.type == "calculated":
        # Each step may name the one before twice: without an end a chain would be read 2^n times.
        return _kind_of(field.calculation, fields, depth + 1) if depth < LONGEST_CHAIN else ""
    return (
        "number"
        if field.type == "number"
        else "text"
        if field.type in ("text", "long_text", "choice")
        else ""
    )


def _any_of(parts: list[Any]) -> Any:
    return parts[0] if len(parts) == 1 else ["or", *parts]


def _said(operand: Any) -> str:
    return f"${{{operand.key}}}" if isinstance(operand, _Asked) else str(operand)
