"""Schools, years and classes: frozen values and their rules."""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from rightlevel.programme.codes import code_form
from rightlevel.programme.days import FIRST_DAY, LAST_DAY
from rightlevel.programme.errors import Fault
from rightlevel.programme.names import unseen_faults

OWNERSHIPS = ("government", "private", "other")
AREAS = ("rural", "urban")
STATUSES = ("open", "closed")


class SchoolRow(msgspec.Struct, frozen=True):
    """One school in a list; `children` are those enrolled in the current year (None for a practice school)."""

    id: int
    code: str
    name_local: str
    name_latin: str
    place_id: int
    place_name: str
    status: str
    is_practice: bool
    version: int
    children: int | None


class School(msgspec.Struct, frozen=True):
    """One school, whole."""

    id: int
    place_id: int
    code: str
    name_local: str
    name_latin: str
    ownership: str | None
    area: str | None
    latitude: float | None
    longitude: float | None
    status: str
    is_practice: bool
    version: int
    is_deleted: bool
    merged_into: int | None = None


class NewSchool(msgspec.Struct, frozen=True):
    """What a school needs."""

    place_id: int
    code: str
    name_local: str
    name_latin: str = ""
    ownership: str | None = None
    area: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    status: str = "open"
    is_practice: bool = False


class SchoolChange(msgspec.Struct, frozen=True):
    """What may change about a school; what is None stays. Another place needs a reason."""

    version: int
    place_id: int | None = None
    code: str | None = None
    name_local: str | None = None
    name_latin: str | None = None
    ownership: str | None = None
    area: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    status: str | None = None
    is_practice: bool | None = None
    reason: str = ""


class RoundOfMove(msgspec.Struct, frozen=True):
    """One round, what it counts of a school, and whether that stays where the school stood (`stays`) or goes along."""

    round_id: int
    kind: str
    year_name: str
    stays: bool
    results: int


class MovePreview(msgspec.Struct, frozen=True):
    """What moving a school would do; nothing is written."""

    school_id: int
    from_place_id: int
    to_place_id: int
    from_place: str
    to_place: str
    rounds: list[RoundOfMove]


class Stay(msgspec.Struct, frozen=True):
    """A place in which a school stood: since always where `from_at` is None, still where `until_at` is."""

    place_id: int
    place_name: str
    from_at: datetime | None
    until_at: datetime | None
    reason: str | None
    moved_by: str | None


class SchoolSearch(msgspec.Struct, frozen=True):
    """Which schools are asked for; `place_id` means everywhere below that place, `untested_in` with children but no result in that round."""

    search: str | None = None
    place_id: int | None = None
    status: str | None = None
    is_practice: bool | None = None
    deleted: bool = False
    untested_in: int | None = None


class SchoolYear(msgspec.Struct, frozen=True):
    """One school year."""

    id: int
    name: str
    starts_on: date
    ends_on: date
    is_current: bool
    version: int


class NewYear(msgspec.Struct, frozen=True):
    """What a school year needs."""

    name: str
    starts_on: date
    ends_on: date
    is_current: bool = False


class YearChange(msgspec.Struct, frozen=True):
    """What may change about a school year; what is None stays. A year becomes current, and another stops being it.

    `confirm`: though sessions, visits or moves lie outside the new days, whose number was told.
    """

    version: int
    name: str | None = None
    starts_on: date | None = None
    ends_on: date | None = None
    is_current: bool | None = None
    confirm: bool = False


class YearPast(msgspec.Struct, frozen=True):
    """What lies within a year's days of before and outside its new ones."""

    sessions: int
    visits: int
    moves: int


class RoundDays(msgspec.Struct, frozen=True):
    """A round with its days, the own days of schools taken with them."""

    kind: str
    starts_on: date
    ends_on: date


class ClassRow(msgspec.Struct, frozen=True):
    """One class; `children` are its live active children, None for those who may not see small cells."""

    id: int
    school_id: int
    school_year_id: int
    grade: int
    section: str
    version: int
    children: int | None


class NewClass(msgspec.Struct, frozen=True):
    """What a class needs; without a year it is the current one's."""

    school_id: int
    grade: int
    section: str = ""
    school_year_id: int | None = None


class ClassChange(msgspec.Struct, frozen=True):
    """What may change about a class; what is None stays."""

    version: int
    grade: int | None = None
    section: str | None = None


def school_faults(school: NewSchool) -> list[Fault]:
    """Everything wrong with a school."""
    faults: list[Fault] = []
    if not 1 <= len(code_form(school.code)) <= 100:
        faults.append(Fault("code", "Between 1 and 100 characters", school.code[:80]))
    if not 1 <= len(school.name_local.strip()) <= 200:
        faults.append(Fault("name_local", "Between 1 and 200 characters", school.name_local[:80]))
    if len(school.name_latin) > 200:
        faults.append(Fault("name_latin", "At most 200 characters", school.name_latin[:80]))
    faults += unseen_faults(name_local=school.name_local, name_latin=school.name_latin)
    for field, value, known in (
        ("ownership", school.ownership, OWNERSHIPS),
        ("area", school.area, AREAS),
        ("status", school.status, STATUSES),
    ):
        if value is not None and value not in known:
            faults.append(Fault(field, f"One of: {', '.join(known)}", value))
    return faults + _position_faults(school.latitude, school.longitude)


def _position_faults(latitude: float | None, longitude: float | None) -> list[Fault]:
    faults: list[Fault] = []
    if (latitude is None) != (longitude is None):
        faults.append(
            Fault("latitude" if latitude is None else "longitude", "Latitude and longitude go together")
        )
    if latitude is not None and not -90 <= latitude <= 90:
        faults.append(Fault("latitude", "Between -90 and 90", str(latitude)))
    if longitude is not None and not -180 <= longitude <= 180:
        faults.append(Fault("longitude", "Between -180 and 180", str(longitude)))
    return faults


def year_faults(name: str, starts_on: date, ends_on: date) -> list[Fault]:
    """Everything wrong with a school year."""
    faults: list[Fault] = []
    if not 1 <= len(name.strip()) <= 40:
        faults.append(Fault("name", "Between 1 and 40 characters", name[:60]))
    if starts_on < FIRST_DAY or ends_on > LAST_DAY:
        faults.append(Fault("starts_on", f"Between {FIRST_DAY} and {LAST_DAY}", starts_on.isoformat()))
    elif starts_on >= ends_on:
        faults.append(Fault("ends_on", "After the first day", ends_on.isoformat()))
    elif (ends_on - starts_on).days > 800:
        faults.append(Fault("ends_on", "A school year has at most two years", ends_on.isoformat()))
    return faults


def class_faults(grade: int, section: str, grades: list[int]) -> list[Fault]:
    """Everything wrong with a class."""
    faults: list[Fault] = []
    if grade not in grades:
        faults.append(Fault("grade", f"One of: {', '.join(map(str, grades))}", str(grade)))
    if len(section) > 20:
        faults.append(Fault("section", "At most 20 characters", section[:40]))
    return faults
