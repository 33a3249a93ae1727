"""How far a class is."""

from __future__ import annotations

import msgspec

from rightlevel.programme.permissions import Scope, Subject
from rightlevel.programme.results import TestingStatus


class ClassProgress(msgspec.Struct, frozen=True):
    """One class of a school, or a grade's children without one, in one subject: how far testing is."""

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

    @property
    def status(self) -> TestingStatus:
        return TestingStatus(self.tested, self.absent, self.refused, self.left, self.to_do)


def within(rows: list[ClassProgress], scope: Scope) -> list[ClassProgress]:
    """The classes that a scope reaches, in the subjects in which it does."""
    return [row for row in rows if scope.covers(row.school_id, subject=row.subject, class_id=row.class_id)]
