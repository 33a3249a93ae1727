"""How far a class is."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from rightlevel.programme.permissions import Scope, Subject


class Tally(msgspec.Struct, frozen=True):
    """Children of a class in one subject: *tested* are those assessed, and nobody else. Together they are `enrolled`, always."""

    tested: int = 0
    absent: int = 0
    refused: int = 0
    left: int = 0
    to_do: int = 0

    @property
    def enrolled(self) -> int:
        return self.tested + self.absent + self.refused + self.left + self.to_do

    @property
    def done(self) -> int:
        """Those of whom it is known what came of them."""
        return self.enrolled - self.to_do


class ClassProgress(msgspec.Struct, frozen=True):
    """One class of a school, or a grade's children without one: who sits there in the round, and what came of them, by subject."""

    school_id: int
    class_id: int | None
    grade: int
    section: str
    language: Tally
    math: Tally

    def of(self, subject: Subject) -> Tally:
        return self.language if subject == "language" else self.math


class ProgressRow(msgspec.Struct, frozen=True):
    """A class in one subject."""

    school_id: int
    class_id: int | None
    grade: int
    section: str
    subject: Subject
    tested: int
    absent: int
    refused: int
    left: int
    to_do: int


def together(tallies: Iterable[Tally]) -> Tally:
    """Several classes as one."""
    known = list(tallies)
    return Tally(
        *(sum(getattr(each, name) for each in known) for name in Tally.__struct_fields__),
    )


def by_class(rows: Iterable[ProgressRow]) -> list[ClassProgress]:
    """Both subjects of each class beside each other, in the order in which the classes come."""
    found: dict[tuple[int, int | None, int, str], dict[Subject, Tally]] = {}
    for row in rows:
        tally = Tally(row.tested, row.absent, row.refused, row.left, row.to_do)
        found.setdefault((row.school_id, row.class_id, row.grade, row.section), {})[row.subject] = tally
    nobody = Tally()
    return [
        ClassProgress(*key, language=each.get("language", nobody), math=each.get("math", nobody))
        for key, each in found.items()
    ]


def within(rows: list[ClassProgress], scope: Scope) -> list[ClassProgress]:
    """The classes that a scope reaches in some subject."""
    return [row for row in rows if scope.covers(row.school_id, class_id=row.class_id)]
