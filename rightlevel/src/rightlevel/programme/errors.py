"""What the programme says no to, each with a kind, a stable code and a sentence for the person who reads it.

A class's docstring is its sentence, and the catalogue's key for it; `{name}` in it is filled from `values` after translation.
"""

from __future__ import annotations

import inspect
from typing import Any, Literal

import msgspec

Kind = Literal["not_found", "forbidden", "conflict", "invalid", "gone"]


class Fault(msgspec.Struct, frozen=True):
    """One thing wrong with one field: the rule it breaks (a catalogue key) and what was given."""

    field: str
    rule: str
    value: str = ""


LONGEST_REASON = 200
"""What the tables take of a reason."""


def reason_faults(reason: str) -> list[Fault]:
    """What is wrong with a reason that may not be left out."""
    if 1 <= len(reason.strip()) <= LONGEST_REASON:
        return []
    return [Fault("reason", "Between 1 and 200 characters", reason[:60])]


class OwnWords(str):
    """A rule in words that somebody of the programme wrote, in the languages they wrote it in; as text it is the English, or the first."""

    __slots__ = ("texts",)
    texts: dict[str, str]

    def __new__(cls, texts: dict[str, str]) -> OwnWords:
        found = super().__new__(cls, texts.get("en") or next(filter(None, texts.values()), ""))
        found.texts = texts
        return found

    def said(self, language: str) -> str:
        """The words in a language, where they were written in it."""
        return self.texts.get(language) or str(self)


class ProgrammeError(Exception):
    """This can't be done."""

    kind: Kind = "conflict"
    code = "programme_error"
    proposes: frozenset[str] = frozenset()
    """Fields of a form in which something else than what was typed is proposed, where the form is shown again."""

    def __init__(self, text: str | None = None, *, faults: tuple[Fault, ...] = (), **values: Any) -> None:
        self.text = text or inspect.cleandoc(type(self).__doc__ or "").replace("\n", " ")
        self.values = values
        self.faults = faults
        super().__init__(self.text.format(**values) if values else self.text)


class NotFound(ProgrammeError):
    """This is not there, or not yours to see."""

    kind = "not_found"
    code = "not_found"


class Forbidden(ProgrammeError):
    """You may not do this."""

    kind = "forbidden"
    code = "forbidden"


class OutOfScope(Forbidden):
    """This school or subject is not assigned to you."""

    code = "out_of_scope"


class Invalid(ProgrammeError):
    """Some of what was entered can't be right. Please look at the marked fields."""

    kind = "invalid"
    code = "invalid"


class Conflict(ProgrammeError):
    """This collides with something that is already there."""

    kind = "conflict"
    code = "conflict"


class Stale(Conflict):
    """Somebody changed this in the meantime. Look at both and decide."""

    code = "stale"


class AlreadyTaken(Conflict):
    """This code or name is already in use here."""

    code = "already_taken"


class InUse(Conflict):
    """This is still in use, so it can't be removed."""

    code = "in_use"


class RoundSealing(Conflict):
    """This round is being frozen at this moment. Please try again in a minute."""

    code = "round_sealing"
