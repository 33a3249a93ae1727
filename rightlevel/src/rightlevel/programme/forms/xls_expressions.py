"""The conditions of an XLSForm, as far as they can be said exactly in our own language; anything else is named, never guessed.

*Source*: XLSForm.org, "Relevant", "Constraint", "Required", "Operators and functions".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from rightlevel.programme.forms.definition import OF_MANY, Field

TOKEN: Final = re.compile(
    r"\s*(?:(\$\{[^}]+\})|('[^']*'|\"[^\"]*\")|(-?\d+(?:\.\d+)?)|(<=|>=|!=|=|<|>)|([()])|(,)|(\.)|([A-Za-z][\w-]*))"
)
COMPARED: Final = {"=": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
TURNED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}
MAX_CHARS: Final = 2_000


class NotExact(Exception):
    """This can't be said exactly in our language; the part that can't."""

    def __init__(self, part: str) -> None:
        super().__init__(part)
        self.part = part


def condition(text: str, fields: Mapping[str, Field]) -> Any:
    """An expression of ours. *Errors*: NotExact."""
    reader = _Reader(text, fields)
    found = reader.either()
    reader.end()
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


class _Reader:
    """Reads one expression from left to right."""

    def __init__(self, text: str, fields: Mapping[str, Field]) -> None:
        if len(text) > MAX_CHARS:
            raise NotExact(text[:40])
        self._fields = fields
        self._tokens: list[str] = []
        at = 0
        while text[at:].strip():
            found = TOKEN.match(text, at)
            if found is None:
                raise NotExact(text[at : at + 40].strip())
            self._tokens.append(found[0].strip())
            at = found.end()
        self._at = 0

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
        if word == "(":
            self._take()
            found = self.either()
            self._take(")")
            return found
        if word in ("not", "selected", "true", "false"):
            return self._function(self._take())
        left = self._operand()
        sign = self._take()
        if sign not in COMPARED:
            raise NotExact(sign)
        right = self._operand()
        if not isinstance(left, _Asked):
            left, right, sign = right, left, TURNED[sign]
        if not isinstance(left, _Asked):
            raise NotExact(f"{left} {sign} {right}")
        return self._compare(left.key, sign, right)

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
            raise NotExact(f"selected({operand}, {value})")
        key = operand.key
        if self._fields[key].type in OF_MANY:
            return ["has", key, str(value)]
        return self._compare(key, "=", value)

    def _operand(self) -> Any:
        """A question, or a value."""
        word = self._take()
        if word.startswith("${"):
            key = word[2:-1].strip()
            if key not in self._fields:
                raise NotExact(word)
            return _Asked(key)
        if word[0] in "'\"":
            return word[1:-1]
        if word[0].isdigit() or word[0] == "-":
            return float(word) if "." in word else int(word)
        raise NotExact(word)

    def _compare(self, key: str, sign: str, right: Any) -> Any:
        field = self._fields[key]
        if right == "":
            return ["not", ["answered", key]] if sign == "=" else ["answered", key]
        if isinstance(right, _Asked):
            # Two questions without an answer are equal in XPath and not in our language.
            if sign in ("=", "!="):
                raise NotExact(f"${{{key}}} {sign} ${{{right.key}}}")
            return [COMPARED[sign], key, ["answer", right.key]]
        if sign not in ("=", "!=") and (field.type != "number" or isinstance(right, str)):
            raise NotExact(f"{key} {sign} {right}")
        if field.type in OF_MANY:
            raise NotExact(f"{key} {sign} {right}")
        value: Any = right
        if field.type in ("yes_no", "yes_no_unknown"):
            if right not in ("yes", "no") and (field.type, right) != ("yes_no_unknown", "unknown"):
                raise NotExact(f"${{{key}}} {sign} {right}")
            value = right if right == "unknown" else right == "yes"
        elif field.type == "number" and isinstance(right, str):
            try:
                value = float(right) if "." in right else int(right)
            except ValueError:
                raise NotExact(right) from None
        elif field.type not in ("number",) and not isinstance(right, str):
            value = str(right)
        return [COMPARED[sign], key, value]
