"""Children: frozen values, and how names, digits and sex are read."""

from __future__ import annotations

import unicodedata
from datetime import date, datetime
from typing import Any

import msgspec

from rightlevel.programme.codes import ascii_digits, code_form
from rightlevel.programme.errors import Fault
from rightlevel.programme.ids import is_uuid
from rightlevel.programme.names import unseen_faults

LONGEST_NAME = 200
LONGEST_CODE = 40
KEPT_CHANGES = 1_000
"""Changes of one child's record that are kept, the latest: the trigger keep_student_changes takes older ones away."""
YOUNGEST, OLDEST = 3, 25

STATUSES = ("active", "left")
GRADES_THERE = range(1, 13)
"""The grades that a child may be in, whichever of them the programme teaches."""
SEXES = {1: "male", 2: "female", 0: "not known", 9: "not applicable"}
"""*Source*: ISO/IEC 5218."""
_SEX_WORDS = {
    "1": 1,
    "m": 1,
    "male": 1,
    "boy": 1,
    "ប": 1,
    "ប្រុស": 1,
    "2": 2,
    "f": 2,
    "female": 2,
    "girl": 2,
    "ស": 2,
    "ស្រី": 2,
    "0": 0,
    "not known": 0,
    "unknown": 0,
    "9": 9,
    "not applicable": 9,
}


class StudentRow(msgspec.Struct, frozen=True):
    """One child in a list."""

    id: str
    code: str
    name: str
    sex: int
    grade: int
    school_id: int
    class_id: int | None
    status: str
    version: int


class Student(msgspec.Struct, frozen=True):
    """One child, whole."""

    id: str
    school_id: int
    school_year_id: int
    class_id: int | None
    code: str
    name: str
    sex: int
    grade: int
    birth_on: date | None
    age: int | None
    guardian_contact: str | None
    guardian_consent_on: date | None
    status: str
    left_on: date | None
    left_reason: str | None
    version: int
    is_deleted: bool
    guardian_withdrawn_on: date | None = None
    merged_into: str | None = None
    is_erased: bool = False


class NewStudent(msgspec.Struct, frozen=True):
    """What a child needs: code, name, sex and grade; the rest when it is known. `id` may be made on the device."""

    school_id: int
    code: str
    name: str
    sex: int
    grade: int
    class_id: int | None = None
    id: str | None = None
    school_year_id: int | None = None
    birth_on: date | None = None
    age: int | None = None
    guardian_contact: str | None = None
    guardian_consent_on: date | None = None


class StudentChange(msgspec.Struct, frozen=True):
    """What may change about a child; what is not sent stays, and null empties what may be empty."""

    version: int
    school_id: int | msgspec.UnsetType = msgspec.UNSET
    code: str | msgspec.UnsetType = msgspec.UNSET
    name: str | msgspec.UnsetType = msgspec.UNSET
    sex: int | msgspec.UnsetType = msgspec.UNSET
    grade: int | msgspec.UnsetType = msgspec.UNSET
    class_id: int | msgspec.UnsetType | None = msgspec.UNSET
    school_year_id: int | msgspec.UnsetType = msgspec.UNSET
    birth_on: date | msgspec.UnsetType | None = msgspec.UNSET
    age: int | msgspec.UnsetType | None = msgspec.UNSET
    guardian_contact: str | msgspec.UnsetType | None = msgspec.UNSET
    guardian_consent_on: date | msgspec.UnsetType | None = msgspec.UNSET
    reason: str = ""
    """Why; asked for where sex, grade or class are corrected and results of the school year hang on them."""


class Standing(msgspec.Struct, frozen=True):
    """Where a child stands: school, school year, class (where it has one) and grade."""

    school_id: int
    school_year_id: int
    class_id: int | None
    grade: int


class RecordChange(msgspec.Struct, frozen=True):
    """One change of a child's record: who, when, by which deed, why, and the fields it changed with both values.

    Beside the ids of schools, years and classes stand their names (`school`, `school_year`, `section`). `guardian_contact` is only whether there was one.
    """

    id: int
    version: int
    at: datetime
    by: str | None
    deed: str
    reason: str | None
    before: dict[str, Any]
    after: dict[str, Any]


class StudentSearch(msgspec.Struct, frozen=True):
    """Which children are asked for: `search` is the beginning of a name, or a whole code."""

    school_id: int | None = None
    class_id: int | None = None
    grade: int | None = None
    sex: int | None = None
    search: str | None = None
    status: str | None = None
    deleted: bool = False


class YearStanding(msgspec.Struct, frozen=True):
    """How many active children stand in a school year."""

    school_year_id: int
    name: str
    is_current: bool
    children: int


class PastEnrolment(msgspec.Struct, frozen=True):
    """Where a child was, until when and why that ended."""

    id: int
    school_id: int
    school_name: str
    school_year_id: int
    class_id: int | None
    grade: int
    until_on: date
    reason: str
    words: str = ""
    sex: int = 0
    year_name: str = ""


def name_key(name: str) -> str:
    """A name folded for finding and ordering: case, Latin accents, digits and spaces don't matter.

    Only marks on Latin letters are dropped: in Khmer, Devanagari and Arabic a mark is a vowel, and another word.
    """
    if name.isascii():
        return " ".join(name.casefold().split())
    kept: list[str] = []
    is_latin = False
    for each in unicodedata.normalize("NFKD", name):
        if unicodedata.combining(each):
            if is_latin:
                continue
        else:
            is_latin = each.isascii() or "LATIN" in unicodedata.name(each, "")
        kept.append(each)
    return " ".join(ascii_digits(unicodedata.normalize("NFKC", "".join(kept))).casefold().split())


def read_sex(text: str) -> int | None:
    """ISO 5218 from what people write (m, girl, ស្រី, 2), or None for anything else."""
    return _SEX_WORDS.get(ascii_digits(text).strip().casefold())


def student_faults(student: NewStudent, grades: list[int], today: date) -> list[Fault]:
    """Everything wrong with a child's record by itself."""
    faults: list[Fault] = []
    if not 1 <= len(code_form(student.code)) <= LONGEST_CODE:
        faults.append(Fault("code", "Between 1 and 40 characters", student.code[:60]))
    if not 1 <= len(student.name.strip()) <= LONGEST_NAME:
        faults.append(Fault("name", "Between 1 and 200 characters", student.name[:80]))
    faults += unseen_faults(name=student.name)
    if student.sex not in SEXES:
        faults.append(
            Fault("sex", "One of: 1 (male), 2 (female), 0 (not known), 9 (not applicable)", str(student.sex))
        )
    if student.grade not in grades:
        faults.append(Fault("grade", f"One of: {', '.join(map(str, grades))}", str(student.grade)))
    if student.id is not None and not is_uuid(student.id):
        faults.append(Fault("id", "A UUID", student.id[:60]))
    if student.age is not None and not YOUNGEST <= student.age <= OLDEST:
        faults.append(Fault("age", f"Between {YOUNGEST} and {OLDEST}", str(student.age)))
    return faults + _birth_and_contact_faults(student, today)


def _birth_and_contact_faults(student: NewStudent, today: date) -> list[Fault]:
    faults: list[Fault] = []
    born = student.birth_on
    if born is not None and not YOUNGEST <= today.year - born.year <= OLDEST:
        faults.append(
            Fault(
                "birth_on", f"A day that makes the child {YOUNGEST} to {OLDEST} years old", born.isoformat()
            )
        )
    if student.guardian_contact and len(student.guardian_contact) > LONGEST_NAME:
        faults.append(Fault("guardian_contact", "At most 200 characters"))
    if student.guardian_contact and student.guardian_consent_on is None:
        faults.append(
            Fault(
                "guardian_consent_on",
                "A contact is kept only with the guardian's consent: on which day was it given?",
            )
        )
    return faults


def columns_of(new: NewStudent) -> dict[str, Any]:
    """A child's record as it is stored."""
    fields = msgspec.structs.asdict(new)
    name = " ".join(new.name.split())
    return {
        **fields,
        "code": code_form(new.code),
        "name": name,
        "name_key": name_key(name),
        "guardian_contact": new.guardian_contact or None,
    }


def standing_of(student: Student) -> Standing:
    """Where a child stands."""
    return Standing(student.school_id, student.school_year_id, student.class_id, student.grade)


def audited(student: Student) -> dict[str, Any]:
    """What the audit keeps of a child: everything but the name and the contact, which live in one place only."""
    kept = msgspec.to_builtins(student)
    return {name: value for name, value in kept.items() if name not in ("name", "guardian_contact")}
