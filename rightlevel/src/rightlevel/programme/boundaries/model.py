"""Places and schools moved, split and merged: what is asked, what it would do, what was done."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final, Literal, get_args

import msgspec

from rightlevel.programme.errors import Fault, reason_faults
from rightlevel.programme.ids import is_uuid
from rightlevel.programme.names import unseen_faults
from rightlevel.programme.places import Place
from rightlevel.programme.places.model import DEPTH

BoundaryKind = Literal["move", "split", "merge"]
KINDS: tuple[BoundaryKind, ...] = get_args(BoundaryKind)
MOST_PLACES: Final = 2_000
MOST_SCHOOLS: Final = 2_000
"""A district of a large country. What is larger is moved district by district; with these a change takes seconds."""
MOST_PARTS: Final = 20
MOST_CHILDREN: Final = 2_000
"""Children that go from one school to another in one deed, about nine statements each."""


class Part(msgspec.Struct, frozen=True):
    """A place that follows: its code and names, and the schools and places directly below the old one that go there.

    `goes_on`: this part is the old place itself, which stays as it is with what isn't given away.
    """

    code: str = ""
    name_local: str = ""
    name_latin: str = ""
    school_ids: list[int] = []
    place_ids: list[int] = []
    goes_on: bool = False


class BoundaryPlan(msgspec.Struct, frozen=True):
    """How places change. `id` is the write's, made by the sender.

    A move names one place and its new parent (and a new code where it needs one); a merge names the places and either the one they go into or
    one new part; a split names one place and its parts, which hold every school and place directly below it.
    """

    id: str
    kind: str
    place_ids: list[int]
    reason: str
    to_parent_id: int | None = None
    into_place_id: int | None = None
    code: str = ""
    parts: list[Part] = []


class Followed(msgspec.Struct, frozen=True):
    """A place and the one that follows it."""

    place_id: int
    place_name: str
    successor_id: int
    successor_name: str


class RoundOfChange(msgspec.Struct, frozen=True):
    """What a round counts in the places that change, and whether that stays there (`stays`) or goes along."""

    round_id: int
    kind: str
    year_name: str
    stays: bool
    results: int


class BoundaryPreview(msgspec.Struct, frozen=True):
    """What a change would do; nothing is written."""

    kind: str
    closes: list[str]
    makes: list[str]
    places: int
    schools: int
    rounds: list[RoundOfChange]


class BoundaryChange(msgspec.Struct, frozen=True):
    """A change that was made. `followed` names at most a hundred places with those that follow them."""

    id: str
    kind: str
    reason: str
    schools: int
    made_at: datetime
    made_by: str
    is_undone: bool
    followed: list[Followed] = []


class SchoolMerge(msgspec.Struct, frozen=True):
    """All children of a school go to another one, and it closes. `id` is the write's, made by the sender."""

    id: str
    into_school_id: int
    moved_on: date
    reason: str


class SchoolSplit(msgspec.Struct, frozen=True):
    """The children of some classes go to a new school, made by this. `id` is the write's, made by the sender."""

    id: str
    class_ids: list[int]
    moved_on: date
    code: str
    name_local: str
    reason: str
    name_latin: str = ""
    place_id: int | None = None


class ClassGoing(msgspec.Struct, frozen=True):
    """A class whose children go, and where; `is_new`: that class is made for them. Without a class they go by their grade."""

    class_id: int | None
    grade: int
    section: str
    children: int
    to_section: str
    is_new: bool


class SchoolPreview(msgspec.Struct, frozen=True):
    """What merging or splitting a school would do; nothing is written. `codes`: children whose code the other school has, who get another.

    `erased` are children whose identity was erased: they stay counted where they were.
    """

    from_school: str
    to_school: str
    children: int
    erased: int
    codes: int
    people: int
    classes: list[ClassGoing]
    rounds: list[RoundOfChange]


class SchoolChanged(msgspec.Struct, frozen=True):
    """A merge or split of schools that was made; `children` is None for those who may not see small cells."""

    id: str
    kind: str
    from_school_id: int
    from_school: str
    to_school_id: int
    to_school: str
    reason: str
    children: int | None
    moved_on: date
    made_at: datetime
    made_by: str
    is_undone: bool


class SchoolUndone(msgspec.Struct, frozen=True):
    """What undoing did: children who went back, and those who had moved on since and stayed where they are."""

    back: int
    left_as_they_are: int


class Standing(msgspec.Struct, frozen=True):
    """A school and the place it stands in."""

    id: int
    place_id: int


class Below(msgspec.Struct, frozen=True):
    """A place that hangs on another."""

    id: int
    parent_id: int


class Successor(msgspec.Struct, frozen=True):
    """A place that follows: one that is there (`place_id`), or one to be made; and what goes to it."""

    place_id: int | None
    parent_id: int
    kind: str
    code: str
    name_local: str
    name_latin: str
    of: tuple[int, ...]
    school_ids: frozenset[int] | None = None
    place_ids: frozenset[int] | None = None

    def takes_school(self, school: Standing) -> bool:
        return school.place_id in self.of and (self.school_ids is None or school.id in self.school_ids)

    def takes_place(self, place: Below) -> bool:
        return place.parent_id in self.of and (self.place_ids is None or place.id in self.place_ids)


def deed_faults(write_id: str, reason: str) -> list[Fault]:
    """What is wrong with a deed's id and reason."""
    faults = [] if is_uuid(write_id) else [Fault("id", "A UUID", write_id[:60])]
    return faults + reason_faults(reason)


def plan_faults(plan: BoundaryPlan) -> list[Fault]:
    """What is wrong with a plan by itself."""
    faults = deed_faults(plan.id, plan.reason)
    if plan.kind not in KINDS:
        faults.append(Fault("kind", "One of: move, split, merge", plan.kind[:60]))
    count = len(set(plan.place_ids))
    if count != len(plan.place_ids) or not 1 <= count <= MOST_PARTS or (plan.kind != "merge" and count != 1):
        faults.append(Fault("place_ids", "One place, or for a merge up to 20 different ones", str(count)))
    return faults


def move_faults(place: Place, parent: Place) -> list[Fault]:
    """What is wrong with a place's new parent."""
    if place.id in [each.id for each in parent.lineage]:
        return [Fault("to_parent_id", "A place doesn't go below itself", str(parent.id))]
    if parent.id == place.parent_id:
        return [Fault("to_parent_id", "It hangs there already", str(parent.id))]
    if DEPTH[place.kind] <= DEPTH[parent.kind]:
        return [Fault("to_parent_id", "This kind of place does not hang on that one", place.kind)]
    return []


def new_place_faults(code: str, name_local: str, name_latin: str, at: str = "") -> list[Fault]:
    """What is wrong with the code and names of a place that follows; `at` names the part."""
    faults: list[Fault] = []
    if not 1 <= len(code.strip()) <= 60:
        faults.append(Fault(f"{at}code", "Between 1 and 60 characters", code[:80]))
    if not 1 <= len(name_local.strip()) <= 200:
        faults.append(Fault(f"{at}name_local", "Between 1 and 200 characters", name_local[:80]))
    if len(name_latin) > 200:
        faults.append(Fault(f"{at}name_latin", "At most 200 characters", name_latin[:80]))
    faults += unseen_faults(**{f"{at}name_local": name_local, f"{at}name_latin": name_latin})
    return faults


def split_faults(plan: BoundaryPlan, schools: list[Standing], places: list[Below]) -> list[Fault]:
    """What is wrong with a split's parts: each school and place directly below the old one goes to exactly one."""
    faults: list[Fault] = []
    if not 2 <= len(plan.parts) <= MOST_PARTS:
        faults.append(Fault("parts", "Between 2 and 20 parts", str(len(plan.parts))))
    if sum(part.goes_on for part in plan.parts) > 1:
        faults.append(Fault("parts", "Only one part can be the old place"))
    for at, part in enumerate(plan.parts):
        if not part.goes_on:
            faults += new_place_faults(part.code, part.name_local, part.name_latin, f"parts.{at}.")
    for field, there, given in (
        (
            "school_ids",
            {each.id for each in schools},
            [one for part in plan.parts for one in part.school_ids],
        ),
        ("place_ids", {each.id for each in places}, [one for part in plan.parts for one in part.place_ids]),
    ):
        if len(given) != len(set(given)) or not set(given) <= there:
            faults.append(Fault(field, "Each only once, and only what hangs directly on this place"))
        missing = there - set(given)
        if missing and not any(part.goes_on for part in plan.parts):
            faults.append(
                Fault(
                    field,
                    "Everything goes to one of the parts: # are left over".replace("#", str(len(missing))),
                )
            )
    return faults
