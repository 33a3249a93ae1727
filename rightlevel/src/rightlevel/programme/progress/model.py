"""How far a class is."""

from __future__ import annotations

import msgspec

from rightlevel.programme.permissions import Scope, Subject


class ClassProgress(msgspec.Struct, frozen=True):
    """One class of a school, or a grade's children without one: how many there are, and how many have a result."""

    school_id: int
    class_id: int | None
    grade: int
    section: str
    enrolled: int
    language: int
    math: int

    def tested(self, subject: Subject) -> int:
        """How many children have a result in this subject, absences included."""
        return self.language if subject == "language" else self.math


def within(rows: list[ClassProgress], scope: Scope) -> list[ClassProgress]:
    """The classes that a scope reaches in some subject."""
    return [row for row in rows if scope.covers(row.school_id, class_id=row.class_id)]
