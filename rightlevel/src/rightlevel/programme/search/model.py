"""What is searched for, and what is found."""

from __future__ import annotations

from typing import Final

import msgspec

from flatwater.queries import like_text
from rightlevel.programme.codes import code_form
from rightlevel.programme.errors import Fault
from rightlevel.programme.permissions import Role
from rightlevel.programme.students import name_key

MOST_FOUND: Final = 20
"""Of each kind; where there are more, that is said and a longer text finds fewer."""
LONGEST_SEARCH: Final = 100
MOST_WORDS: Final = 8
SHORTEST_PART: Final = 2
"""Letters of a word that is found wherever it stands. One letter stands in nearly every name: among all it finds what begins with it, and its code."""
GRAM: Final = 3
"""Letters in a row that an index holds (`search_grams` in the schema)."""
_LAST_LETTER: Final = "\U0010ffff"
"""Comes after whatever a name may go on with."""


class FoundStudent(msgspec.Struct, frozen=True):
    """A child that was found."""

    id: str
    code: str
    name: str
    grade: int
    status: str
    school_id: int
    school_name: str


class FoundSchool(msgspec.Struct, frozen=True):
    """A school that was found."""

    id: int
    code: str
    name_local: str
    name_latin: str
    place_name: str
    status: str
    is_practice: bool


class FoundPerson(msgspec.Struct, frozen=True):
    """Somebody with an account who was found."""

    id: int
    username: str
    display_name: str
    role: Role
    is_active: bool


class FoundStudents(msgspec.Struct, frozen=True):
    """Children, at most MOST_FOUND; `is_more`: there are others."""

    items: tuple[FoundStudent, ...]
    is_more: bool


class FoundSchools(msgspec.Struct, frozen=True):
    """Schools, at most MOST_FOUND; `is_more`: there are others."""

    items: tuple[FoundSchool, ...]
    is_more: bool


class FoundPeople(msgspec.Struct, frozen=True):
    """People, at most MOST_FOUND; `is_more`: there are others."""

    items: tuple[FoundPerson, ...]
    is_more: bool


class Named(msgspec.Struct, frozen=True):
    """What something is called; a class and a round also say a number or a code that the reader's language has a word for."""

    kind: str
    id: str
    name: str
    code: str | None = None


class Found(msgspec.Struct, frozen=True):
    """What was found of each kind; null for a kind that the caller may not read."""

    students: FoundStudents | None
    schools: FoundSchools | None
    people: FoundPeople | None


class Words(msgspec.Struct, frozen=True):
    """A text that was typed, as it is looked for: all its words, in any order, each a part of a name or code.

    `folded` are patterns for texts without accents, `plain` for codes as they are kept; `grams` is the query of an index, empty where no
    word is long enough for it. `first` to `last` are the names that begin with the whole text, `code` is the code that it may be.
    """

    code: str
    first: str
    folded: list[str]
    plain: list[str]
    grams: str

    @property
    def last(self) -> str:
        return self.first + _LAST_LETTER


def words_of(text: str) -> Words:
    """How a text is looked for."""
    folded, code = name_key(text), code_form(text).lower()
    spellings = (folded.split()[:MOST_WORDS], code.split()[:MOST_WORDS])
    queries = dict.fromkeys(each for each in (_grams(words) for words in spellings) if each)
    patterns = [[f"%{like_text(word)}%" for word in each] for each in spellings]
    return Words(code, folded, patterns[0], patterns[1], " | ".join(f"({each})" for each in queries))


def _grams(words: list[str]) -> str:
    """The parts of long enough words as a `tsquery`: whoever holds them all may hold the words."""
    parts: list[str] = []
    for word in words:
        if len(word) == SHORTEST_PART:
            parts.append(f"{_quoted(word)}:*")
        parts += [_quoted(word[start : start + GRAM]) for start in range(len(word) - GRAM + 1)]
    return " & ".join(dict.fromkeys(parts))


def _quoted(part: str) -> str:
    text = part.replace("\\", "\\\\").replace("'", "''")
    return f"'{text}'"


def search_faults(text: str) -> list[Fault]:
    """What is wrong with a text to search for."""
    is_empty = not name_key(text).split() or not code_form(text).split()
    if is_empty or len(text.strip()) > LONGEST_SEARCH:
        return [Fault("search", f"Between 1 and {LONGEST_SEARCH} characters", text[:60])]
    return []
