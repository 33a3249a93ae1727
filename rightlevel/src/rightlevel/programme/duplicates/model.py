"""Duplicates as people see them: two records side by side, what a merge moved, and the pure rule which of two results stands."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

import msgspec

MOST_PAIRS: Final = 100
"""What somebody can look through; the likeliest come first."""
MOST_CHILDREN: Final = 5_000
"""A school of more children is no school: the largest of the registries read has under 4,000."""


class Record(msgspec.Struct, frozen=True):
    """One of two records of perhaps one child."""

    id: str
    code: str
    name: str
    sex: int
    grade: int
    school_id: int
    class_id: int | None
    birth_on: date | None
    age: int | None
    version: int
    results: int


class Duplicates(msgspec.Struct, frozen=True):
    """Two records that may be one child: how alike, and why (codes for people)."""

    first: Record
    second: Record
    weight: float
    reasons: tuple[str, ...]


class DuplicatesOfSchool(msgspec.Struct, frozen=True):
    """The likely duplicates of a school, the likeliest first. `not_examined`: names that too many children share to be compared."""

    pairs: list[Duplicates]
    children: int
    not_examined: int
    is_cut: bool


class Merge(msgspec.Struct, frozen=True):
    """Which record stays, which goes into it, why; both versions as they were read."""

    kept_id: str
    kept_version: int
    gone_id: str
    gone_version: int
    reason: str


class Merged(msgspec.Struct, frozen=True):
    """A merge that was done. `set_aside` are results that another of the same round and subject stands for."""

    id: str
    kept_id: str
    kept_name: str
    kept_code: str
    gone_id: str
    gone_name: str
    gone_code: str
    reason: str
    results: int
    set_aside: int
    merged_at: datetime
    merged_by: str
    undone_at: datetime | None


class Rename(msgspec.Struct, frozen=True):
    """A child whose name became another one: perhaps another child was written over it. `version` is the child's."""

    id: int
    student_id: str
    version: int
    code: str
    school_id: int
    school_name: str
    name_before: str
    name_after: str
    name_now: str
    at: datetime
    by: str | None
    deed: str
    reason: str | None


class HeldResult(msgspec.Struct, frozen=True):
    """A result of one of two records, held, with what decides about it."""

    id: str
    student_id: str
    round_id: int
    subject: str
    outcome: str
    tested_on: date
    changed_at: datetime
    is_verified: bool
    is_locked: bool
    is_frozen: bool
    is_sealing: bool


class Swap(msgspec.Struct, frozen=True):
    """Two results of one round and subject: the one that stands, and the one that is set aside."""

    stands: str
    aside: str


class Moved(msgspec.Struct, frozen=True):
    """What went from one record to the other, by ids, so that it can go back."""

    results: list[str] = []
    swapped: list[Swap] = []
    set_aside: int = 0
    past: list[int] = []
    members: list[int] = []
    attendance: list[str] = []
    checks: list[str] = []
    enrolments: list[str] = []
    told: list[int] = []
    """Former stints that were made for the child that stays, of where the record that went stood to the last."""
    aside: list[int] | None = None
    """Of `past`, what an earlier merge had set aside already; None where a merge of before this was kept does not tell."""


def standing(one: HeldResult, other: HeldResult) -> tuple[HeldResult, HeldResult]:
    """Which of two results of a round and subject stands, and which is set aside: the verified one, else the assessed one, else the later."""

    def weight(result: HeldResult) -> tuple[bool, bool, date, datetime, str]:
        return (
            result.is_verified,
            result.outcome == "assessed",
            result.tested_on,
            result.changed_at,
            result.id,
        )

    return (one, other) if weight(one) >= weight(other) else (other, one)
