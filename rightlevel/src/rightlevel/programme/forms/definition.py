"""What a form is: sections of fields, as data that is stored, sent to the page and never run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, TypeAlias, get_args

import msgspec

FieldType = Literal[
    "yes_no",
    "yes_no_unknown",
    "choice",
    "choices",
    "number",
    "text",
    "long_text",
    "date",
    "time",
    "school",
    "person",
    "grades",
    "levels",
    "photo",
    "gps",
    "signature",
    "note",
    "group",
    "calculated",
]
FIELD_TYPES: Final[tuple[FieldType, ...]] = get_args(FieldType)
OF_OPTIONS: Final = frozenset({"choice", "choices", "grades", "levels"})
OF_MANY: Final = frozenset({"choices", "grades", "levels"})
TEXTS: Final = frozenset({"text", "long_text"})
NO_ANSWER: Final = frozenset({"note"})
NOT_ASKED: Final = frozenset({"note", "calculated"})
"""What nobody answers: a text to read, and what is calculated out of other answers."""

Expression: TypeAlias = Any
"""True, False, or a list that begins with its operator; see `expressions`."""
Bound: TypeAlias = int | float | list[Any] | None
"""A number, ["answer", key], or no bound."""

MAX_SECTIONS: Final = 30
MAX_FIELDS: Final = 200
MAX_OPTIONS: Final = 100
"""The first form's longest list has 41: the activities of both subjects."""
MAX_REPEAT: Final = 20
MAX_LABEL: Final = 500
MAX_LANGUAGES: Final = 6
MAX_DEFINITION_BYTES: Final = 200_000
"""The first form in two languages takes about 25,000; the table refuses 262,144."""
MAX_TEXT: Final = 500
MAX_LONG_TEXT: Final = 2_000
MAX_PHOTOS: Final = 5
MAX_PATTERN: Final = 200

Labels: TypeAlias = dict[str, str]
"""Language code → text."""


class Option(msgspec.Struct, frozen=True, omit_defaults=True):
    """One answer that can be chosen."""

    value: str
    labels: Labels
    shown_when: Expression = None


class Field(msgspec.Struct, frozen=True, omit_defaults=True):
    """One question. `is_given` ones are answered by the room that shows the form, and not asked.

    *Shape*: a `group` has `fields` and is answered up to `repeat` times; `min` and `max` bound a number, or how many may be chosen;
    `digits` is how many decimals a number may have; `required_when` None is never, True always. A `calculated` one has a `calculation`
    (see `calculation`); without labels it is used in conditions and kept, but not shown.
    """

    key: str
    type: FieldType
    labels: Labels
    hints: Labels = {}
    options: tuple[Option, ...] = ()
    required_when: Expression = None
    shown_when: Expression = None
    min: Bound = None
    max: Bound = None
    digits: int = 0
    max_length: int | None = None
    repeat: int = 1
    is_given: bool = False
    fields: tuple[Field, ...] = ()
    valid_when: Expression = None
    """What must hold of an answer beside its bounds; it may ask about the question itself."""
    valid_texts: Labels = {}
    """What is said when it does not hold."""
    pattern: str = ""
    """The form that the whole of a text has, as RE2 writes it; empty is any."""
    calculation: Any = None

    @property
    def longest(self) -> int:
        """How many characters a text may have."""
        return self.max_length or (MAX_LONG_TEXT if self.type == "long_text" else MAX_TEXT)


class Section(msgspec.Struct, frozen=True, omit_defaults=True):
    """Questions under one heading."""

    key: str
    labels: Labels
    fields: tuple[Field, ...] = ()
    shown_when: Expression = None


class Form(msgspec.Struct, frozen=True, omit_defaults=True):
    """A whole form. `version` is the number it was published under; `fidelity` says which question answers which part of the score."""

    name: str
    version: int
    languages: tuple[str, ...]
    sections: tuple[Section, ...] = ()
    fidelity: dict[str, str] = {}

    def fields(self) -> Iterator[Field]:
        """Every question in order; a group stands for its own."""
        for section in self.sections:
            yield from section.fields

    def field(self, key: str) -> Field | None:
        """The question of a key, groups' own not looked into."""
        return next((each for each in self.fields() if each.key == key), None)


def label(labels: Mapping[str, str], language: str, otherwise: str = "") -> str:
    """The text in a language, else in English, else in any."""
    return labels.get(language) or labels.get("en") or next(iter(labels.values()), otherwise)


def to_json(form: Form) -> dict[str, Any]:
    """The form as the page's script reads it."""
    return msgspec.to_builtins(form)


def from_json(given: Any) -> Form:
    """A form out of what `to_json` gave. *Errors*: msgspec.ValidationError."""
    return msgspec.convert(given, Form)
