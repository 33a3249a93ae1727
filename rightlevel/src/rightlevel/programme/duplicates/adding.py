"""Adding a child by hand: whoever does is told first where the school has one very much like it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import Final

import msgspec

from flatwater.clock import Clock, today
from flatwater.transaction import Session
from rightlevel.programme.duplicates import store
from rightlevel.programme.duplicates.finding import find_pairs
from rightlevel.programme.duplicates.model import MOST_CHILDREN, Record
from rightlevel.programme.duplicates.scoring import THRESHOLD, compared, likeness_of, sounds_like
from rightlevel.programme.errors import Conflict, Fault
from rightlevel.programme.permissions import Actor, require, require_scope
from rightlevel.programme.students import NewStudent, Student, create_student

MOST_TOLD: Final = 3


class LikelyDuplicate(Conflict):
    """This school has a child very much like this one: {names}. If it is another child, say so below and save once more."""

    code = "likely_duplicate"


class StudentToAdd(msgspec.Struct, frozen=True):
    """A child to be added, and whether somebody has looked and says that it is another one than those like it."""

    student: NewStudent
    is_another: bool = False


async def add_student(
    session: Session, actor: Actor, student: NewStudent, clock: Clock, *, is_another: bool = False
) -> Student:
    """A newly enrolled child, as `create_student`; one like a child of its school within the actor's reach only where `is_another` says so.

    *Errors*: those of `create_student`; LikelyDuplicate with names and codes of at most three. *Cost*: one statement more; comparing takes 40 ms
    for a school of 1,200, beside the loop.
    """
    require(actor, "create", "student")
    require_scope(actor, student.school_id, class_id=student.class_id)
    if not is_another and student.name.strip():
        records = await store.children(session, student.school_id)
        alike = await asyncio.to_thread(_alike, student, records, clock)
        told = [each for each in alike if actor.scope.covers(each.school_id, class_id=each.class_id)]
        if told:
            names = ", ".join(f"{each.name} ({each.code})" for each in told[:MOST_TOLD])
            fault = Fault("name", "A child of this school is very much like this one", student.name[:60])
            raise LikelyDuplicate(names=names, faults=(fault,))
    return await create_student(session, actor, student, clock)


def _alike(new: NewStudent, records: list[Record], clock: Clock) -> list[Record]:
    """The children of the school who may be the new one, the likeliest first."""
    own = compared("", new)
    others = [
        compared(each.id, each)
        for each in records
        if each.code.lower() != new.code.strip().lower()  # of that code is told by the code
    ]
    sounds = Counter(sounds_like(each.name) for each in others)
    found: list[tuple[float, str]] = []
    for each in others:
        around = max(sounds[sounds_like(own.name)], sounds[sounds_like(each.name)])
        likeness = likeness_of(
            own, each, namesakes=max(around - 1, 0), today=today(clock), at_least=THRESHOLD
        )
        if likeness is not None and likeness.weight >= THRESHOLD:
            found.append((likeness.weight, each.id))
    by_id = {each.id: each for each in records}
    return [by_id[student_id] for _, student_id in sorted(found, reverse=True)]


async def find_alike(
    session: Session, school_id: int, new: Mapping[str, NewStudent], today: date
) -> list[tuple[str, str]] | None:
    """Which of some new children of a school may be one who is there, or one another: pairs of a new one's key and the other's key or id.

    None where the school has more children than are compared. *Cost*: one statement; a third of a second for 1,200 children, beside the loop.
    """
    records = await store.children(session, school_id)
    if len(records) + len(new) > MOST_CHILDREN:
        return None
    children = [compared(each.id, each) for each in records]
    children += [compared(key, each) for key, each in new.items()]
    found = await asyncio.to_thread(find_pairs, children, today=today, own=frozenset(new))
    pairs = [(pair.first_id, pair.second_id) for pair in found.pairs]
    return [(one, other) for pair in pairs for one, other in (pair, pair[::-1]) if one in new]
