"""What can be imported: the target fields of each kind, how each cell is read, and the headers it is known under."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, Final, Literal, get_args

import msgspec

from rightlevel.programme.days import FIRST_DAY, LAST_DAY
from rightlevel.programme.exchange.sheets import normalised_header
from rightlevel.programme.exchange.values import (
    NULL,
    Convert,
    Wrong,
    choice_of,
    code_of,
    day_of,
    decimal_of,
    escaped,
    grade_of,
    mark_of,
    text_of,
    tidied,
    uuid_of,
    whole_number_of,
    with_plain_digits,
)
from rightlevel.programme.levels import known_scales
from rightlevel.programme.permissions import Subject
from rightlevel.programme.students.model import LONGEST_CODE, OLDEST, YOUNGEST, name_key

Kind = Literal["places", "schools", "classes", "students", "results", "people", "assignments"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
DEED_KINDS: Final[tuple[Kind, ...]] = ("places", "classes", "people", "assignments")
"""What is imported row by row, each as the deed that it is by hand."""
RIGHTS: Final[dict[Kind, tuple[tuple[str, str], ...]]] = {
    "places": (("create", "place"), ("change", "place")),
    "classes": (("create", "class"), ("change", "class")),
    "people": (("read", "person"), ("create", "person"), ("change", "person")),
    "assignments": (("read", "assignment"), ("create", "assignment"), ("end", "assignment")),
}
"""What somebody may do, by their role and their token, who sends or undoes such a file. Each row is judged once more."""
PERSONAL_KINDS: Final[tuple[Kind, ...]] = (*DEED_KINDS, "results")
"""What somebody answers for by name, so that the command line, which is nobody, imports none."""
EARLIEST_TEST: Final = date(1990, 1, 1)
"""Before anybody taught at the right level."""
PLACE_KINDS: Final = ("country", "province", "district", "commune", "village", "cluster")


Reads = Literal["code", "name", "held"]
"""What counts in a cell whose number format shows something else than it holds: in codes and names what is shown."""


class Terms(msgspec.Struct, frozen=True):
    """What the programme's settings and the day allow, read once for each import."""

    grades: tuple[int, ...]
    school_years: dict[str, int]
    current_school_year_id: int | None
    only_country: tuple[str, str] | None
    """Code and name of the one country there is: files of one country need not name it."""
    today: date


class Field(msgspec.Struct, frozen=True):
    """One target field: its name in mappings, the staging columns it fills, and how a cell becomes their text."""

    name: str
    make: Callable[[Terms], Convert]
    aliases: tuple[str, ...] = ()
    is_needed: bool = False
    is_unique: bool = False
    """Whether nearly every row has its own value, so that remembering conversions is of no use."""
    columns: int = 1
    is_place: bool = False
    reads: Reads = "held"


def _fixed(convert: Convert) -> Callable[[Terms], Convert]:
    return lambda _terms: convert


def _level_in(subject: Subject) -> Callable[[Terms], Convert]:
    """A level by its code or what it is called, on any scale that is known; whether its round is measured by that, the write is judged by."""

    def told(_terms: Terms) -> Convert:
        spellings = {code: list(words) for code, words in _LEVELS[subject].items()}
        for scale in known_scales(subject):
            for level in scale:
                spellings.setdefault(level.code, []).extend(level.labels.values())
        return choice_of(spellings)

    return told


def _name_with_key(_terms: Terms) -> Convert:
    convert_text = text_of(200, blank=None)

    def convert(raw: str) -> str:
        return convert_text(raw) + "\t" + escaped(name_key(tidied(raw)))

    return convert


def _school_year(terms: Terms) -> Convert:
    shown = ", ".join(terms.school_years)
    known = {normalised_header(name): str(year_id) for name, year_id in terms.school_years.items()}

    def convert(raw: str) -> str:
        key = normalised_header(raw)
        if not key:
            if terms.current_school_year_id is None:
                raise Wrong("No school year is current: name one of them here")
            return str(terms.current_school_year_id)
        if key not in known:
            raise Wrong(f"One of the school years {shown}")
        return known[key]

    return convert


def _birth_day(terms: Terms) -> Convert:
    earliest, latest = date(terms.today.year - OLDEST, 1, 1), date(terms.today.year - YOUNGEST, 12, 31)
    return day_of(earliest, latest, f"A day that makes the child {YOUNGEST} to {OLDEST} years old")


_SEXES: Final = {
    "2": ("female", "f", "girl", "woman", "ស្រី", "ស", "महिला", "लड़की", "عورت", "لڑکی"),
    "1": ("male", "m", "boy", "man", "ប្រុស", "ប", "पुरुष", "लड़का", "مرد", "لڑکا"),
    "0": ("not known", "unknown", "មិនដឹង"),
    "9": ("not applicable",),
}
_YES_NO: Final = {"t": ("yes", "true", "y", "1", "បាទ", "ចាស"), "f": ("no", "false", "n", "0", "ទេ")}
_OWNERSHIP: Final = {
    "government": ("government", "govt", "public", "state", "រដ្ឋ", "សាធារណៈ"),
    "private": ("private", "ឯកជន"),
    "other": ("other", "ផ្សេងទៀត"),
}
_AREA: Final = {"rural": ("rural", "ជនបទ"), "urban": ("urban", "ទីក្រុង", "ទីប្រជុំជន")}
_STATUS: Final = {"open": ("open", "active", "បើក"), "closed": ("closed", "inactive", "បិទ")}
_PLACE_ALIASES: Final = {
    "country": ("ប្រទេស",),
    "province": ("region", "state", "ខេត្ត", "រាជធានី ខេត្ត"),
    "district": ("ស្រុក", "ស្រុក ខណ្ឌ", "ក្រុង ស្រុក ខណ្ឌ"),
    "commune": ("ឃុំ", "ឃុំ សង្កាត់", "សង្កាត់"),
    "village": ("ភូមិ",),
    "cluster": ("school cluster", "កម្រងសាលា"),
}


_ROUNDS: Final = {
    "baseline": ("baseline", "base line", "pre-test", "តេស្តដើមគ្រា", "ដើមគ្រា"),
    "midline": ("midline", "mid line", "mid-test", "តេស្តពាក់កណ្តាលគ្រា", "ពាក់កណ្តាលគ្រា"),
    "endline": ("endline", "end line", "post-test", "តេស្តចុងគ្រា", "ចុងគ្រា"),
}
_OUTCOMES: Final = {
    "assessed": ("assessed", "tested", "បានធ្វើតេស្ត"),
    "absent": ("absent", "អវត្តមាន"),
    "refused": ("refused", "មិនព្រម"),
    "left": ("left", "left school", "ឈប់រៀន"),
    "not_tested": ("not_tested", "not tested", "to do", "មិនបានធ្វើតេស្ត"),
}
_LEVELS: Final[dict[Subject, dict[str, tuple[str, ...]]]] = {
    "language": {
        "beginner": ("beginner", "ដំបូង"),
        "letter": ("letter", "letters", "តួអក្សរ"),
        "word": ("word", "words", "ពាក្យ"),
        "paragraph": ("paragraph", "កថាខណ្ឌ"),
        "story": ("story", "រឿង"),
        "comprehension1": ("comprehension1", "comprehension 1", "យល់ន័យ១"),
        "comprehension2": ("comprehension2", "comprehension 2", "យល់ន័យ២"),
    },
    "math": {
        "beginner": ("beginner", "ដំបូង"),
        "number_1digit": ("number_1digit", "1-digit numbers", "1-digit", "លេខ១ខ្ទង"),
        "number_2digit": ("number_2digit", "2-digit numbers", "2-digit", "លេខ២ខ្ទង"),
        "subtraction": ("subtraction", "ប្រមាណវិធីដក"),
        "division": ("division", "ប្រមាណវិធីចែក"),
        "word_problems": ("word_problems", "word problems", "ចំណោទ"),
    },
}
_SUBJECTS: Final[dict[Subject, tuple[str, str]]] = {
    "language": ("reading", "ភាសា"),
    "math": ("mathematics", "គណិតវិទ្យា"),
}
"""How a column is known to be of a subject, in English beside our own word, and in Khmer."""


_KINDS_OF_PLACES: Final = {kind: (kind, *_PLACE_ALIASES[kind]) for kind in PLACE_KINDS}
_ROLES: Final = {
    "admin": ("admin", "administrator", "អ្នកគ្រប់គ្រងប្រព័ន្ធ"),
    "coordinator": ("coordinator", "អ្នកសម្របសម្រួល"),
    "mentor": ("mentor", "គ្រូណែនាំ"),
    "teacher": ("teacher", "គ្រូបង្រៀន", "គ្រូ"),
    "viewer": ("viewer", "អ្នកមើល"),
}
_STATES: Final = {
    "in_force": ("in_force", "in force", "active", "មានសុពលភាព"),
    "to_come": ("to_come", "to come", "មិនទាន់ចាប់ផ្តើម"),
    "over": ("over", "ended", "លែងមានសុពលភាព"),
}
_SUBJECT_WORDS: Final = {
    "language": ("language", "reading", "ភាសា"),
    "math": ("math", "mathematics", "គណិតវិទ្យា"),
}
_HIGHEST_NUMBER: Final = 2**53 - 1
"""The highest number that a spreadsheet's cell holds exactly."""


def _username(_terms: Terms) -> Convert:
    convert_text = text_of(100, blank=None)
    return lambda raw: convert_text(with_plain_digits(raw).casefold())


def _any_day(_terms: Terms) -> Convert:
    """Whether such a day can be is the deed's to judge."""
    return day_of(FIRST_DAY, LAST_DAY, f"A day from {FIRST_DAY} to {LAST_DAY}")


def _year_of_class(terms: Terms) -> Convert:
    """A school year, the current one where none is told and there is one."""
    convert_year = _school_year(terms)
    return lambda raw: convert_year(raw) if raw.strip() or terms.current_school_year_id else NULL


def _test_day(terms: Terms) -> Convert:
    """A day on which somebody may have been tested; whether the round was on then is judged with all rows."""
    return day_of(EARLIEST_TEST, terms.today, "The day of the test is in the future, or far past")


def _result_fields(subject: Subject) -> tuple[Field, ...]:
    english, khmer = _SUBJECTS[subject]
    return (
        Field(
            f"{subject}_level",
            _level_in(subject),
            (f"{subject}_level", f"{subject} level", f"{english} level", english, f"កម្រិត{khmer}", khmer),
        ),
        Field(
            f"{subject}_outcome",
            _fixed(choice_of(_OUTCOMES)),
            (f"{subject}_outcome", f"{subject} outcome", f"{english} outcome", f"លទ្ធផល{khmer}"),
        ),
        Field(
            f"{subject}_tested_on",
            _test_day,
            (f"{subject}_tested_on", f"{subject} date", f"{english} date", f"ថ្ងៃតេស្ត{khmer}"),
        ),
        Field(
            f"{subject}_tool",
            _fixed(whole_number_of(1, 4)),
            (f"{subject}_tool", f"{subject} tool", f"{english} tool", f"ឧបករណ៍តេស្ត{khmer}"),
        ),
        Field(
            f"{subject}_notes",
            _fixed(text_of(500)),
            (f"{subject}_notes", f"{subject} notes", f"{english} notes", f"កំណត់សម្គាល់{khmer}"),
            reads="name",
        ),
    )


def _place_fields() -> tuple[Field, ...]:
    fields: list[Field] = []
    for kind in PLACE_KINDS:
        name, code = f"place.{kind}", f"place.{kind}_code"
        fields.append(
            Field(
                name,
                _fixed(text_of(200)),
                (kind, name, f"{kind} name", f"{kind}_name", *_PLACE_ALIASES[kind]),
                is_place=True,
                reads="name",
            )
        )
        fields.append(
            Field(
                code,
                _fixed(code_of(60, blank="\\N")),
                (f"{kind}_code", code, f"{kind} code"),
                is_place=True,
                reads="code",
            )
        )
    return tuple(fields)


_SCHOOL_CODE: Final = (
    "school_code",
    "school code",
    "school id",
    "emis code",
    "emis",
    "school",
    "លេខកូដសាលា",
    "លេខកូដសាលារៀន",
    "កូដសាលា",
)
_CHILD_CODE: Final = (
    "code",
    "student_code",
    "student code",
    "student id",
    "roll number",
    "roll no",
    "admission no",
    "លេខកូដសិស្ស",
    "អត្តលេខសិស្ស",
    "អត្តលេខ",
    "លេខកូដ",
)

_USERNAME: Final = Field(
    "username",
    _username,
    ("username", "user name", "account", "login", "ឈ្មោះគណនី"),
    is_needed=True,
    reads="name",
)
_NUMBER: Final = Field(
    "id", _fixed(whole_number_of(1, _HIGHEST_NUMBER)), ("id", "number", "rightlevel id"), is_unique=True
)
_YEAR_WORDS: Final = ("school_year", "school year", "academic year", "ឆ្នាំសិក្សា")
_GRADE_WORDS: Final = ("grade", "standard", "std", "class", "ថ្នាក់ទី", "ថ្នាក់", "កម្រិតថ្នាក់")
_SECTION: Final = Field(
    "section", _fixed(mark_of(20)), ("section", "class section", "stream", "ក្រុម", "បន្ទប់"), reads="code"
)
_LOCAL_NAME: Final = Field(
    "name_local",
    _fixed(text_of(200, blank=None)),
    ("name_local", "name", "place name", "local name", "ឈ្មោះ", "ឈ្មោះទីតាំង"),
    is_needed=True,
    reads="name",
)

_LATIN_NAME: Final = Field(
    "name_latin",
    _fixed(text_of(200, blank="")),
    ("name_latin", "latin name", "english name", "name in english", "ឈ្មោះឡាតាំង"),
    reads="name",
)

FIELDS: Final[dict[Kind, tuple[Field, ...]]] = {
    "places": (
        Field(
            "kind",
            _fixed(choice_of(_KINDS_OF_PLACES, blank=None)),
            ("kind", "kind of place", "level", "ប្រភេទទីតាំង", "ប្រភេទ"),
            is_needed=True,
        ),
        Field(
            "code",
            _fixed(code_of(60)),
            ("code", "place code", "place_code", "លេខកូដ", "លេខកូដទីតាំង"),
            is_needed=True,
            reads="code",
        ),
        _LOCAL_NAME,
        _LATIN_NAME,
        Field(
            "parent",
            _fixed(code_of(400, blank=NULL)),
            ("parent", "parent code", "parent_code", "lies in", "ស្ថិតក្នុង", "លេខកូដទីតាំងខាងលើ"),
            reads="code",
        ),
        Field("reason", _fixed(text_of(200)), ("reason", "reason for moving", "why moved", "មូលហេតុ")),
        _NUMBER,
    ),
    "schools": (
        Field(
            "code",
            _fixed(code_of(100)),
            (
                "code",
                "school_code",
                "school code",
                "school id",
                "emis code",
                "emis",
                "លេខកូដសាលា",
                "លេខកូដសាលារៀន",
                "កូដសាលា",
            ),
            is_needed=True,
            is_unique=True,
            reads="code",
        ),
        Field(
            "name_local",
            _fixed(text_of(200, blank=None)),
            (
                "name_local",
                "name",
                "school_name",
                "school name",
                "school",
                "ឈ្មោះសាលា",
                "ឈ្មោះសាលារៀន",
                "សាលារៀន",
                "ឈ្មោះ",
            ),
            is_needed=True,
            is_unique=True,
            reads="name",
        ),
        _LATIN_NAME,
        Field(
            "ownership",
            _fixed(choice_of(_OWNERSHIP)),
            ("ownership", "school type", "management", "ប្រភេទសាលា"),
        ),
        Field("area", _fixed(choice_of(_AREA)), ("area", "location type", "តំបន់")),
        Field("latitude", _fixed(decimal_of(-90, 90)), ("latitude", "lat", "រយៈទទឹង"), is_unique=True),
        Field(
            "longitude",
            _fixed(decimal_of(-180, 180)),
            ("longitude", "lon", "lng", "long", "រយៈបណ្តោយ"),
            is_unique=True,
        ),
        Field(
            "is_practice",
            _fixed(choice_of(_YES_NO, blank="f")),
            ("is_practice", "practice", "practice school"),
        ),
        Field("status", _fixed(choice_of(_STATUS, blank="open")), ("status", "ស្ថានភាព")),
        Field("reason", _fixed(text_of(200)), ("reason", "reason for moving", "why moved", "មូលហេតុ")),
        *_place_fields(),
    ),
    "classes": (
        Field("school_code", _fixed(code_of(100)), _SCHOOL_CODE, is_needed=True, reads="code"),
        Field("school_year", _school_year, _YEAR_WORDS),
        Field("grade", lambda terms: grade_of(terms.grades), _GRADE_WORDS, is_needed=True),
        _SECTION,
        _NUMBER,
    ),
    "students": (
        Field(
            "school_code",
            _fixed(code_of(100)),
            _SCHOOL_CODE,
            is_needed=True,
            reads="code",
        ),
        Field(
            "code",
            _fixed(code_of(LONGEST_CODE)),
            _CHILD_CODE,
            is_needed=True,
            is_unique=True,
            reads="code",
        ),
        Field(
            "name",
            _name_with_key,
            (
                "name",
                "student_name",
                "student name",
                "full name",
                "child name",
                "ឈ្មោះ",
                "ឈ្មោះសិស្ស",
                "គោត្តនាម និងនាម",
                "គោត្តនាម-នាម",
            ),
            is_needed=True,
            columns=2,
            reads="name",
        ),
        Field("sex", _fixed(choice_of(_SEXES, blank=None)), ("sex", "gender", "ភេទ"), is_needed=True),
        Field(
            "grade",
            lambda terms: grade_of(terms.grades),
            ("grade", "standard", "std", "class", "ថ្នាក់ទី", "ថ្នាក់", "កម្រិតថ្នាក់"),
            is_needed=True,
        ),
        Field(
            "section",
            _fixed(mark_of(20)),
            ("section", "class section", "stream", "ក្រុម", "បន្ទប់"),
            reads="code",
        ),
        Field(
            "birth_on",
            _birth_day,
            ("birth_on", "date of birth", "birth date", "birthdate", "dob", "ថ្ងៃខែឆ្នាំកំណើត", "ថ្ងៃកំណើត"),
        ),
        Field("age", _fixed(whole_number_of(YOUNGEST, OLDEST)), ("age", "អាយុ")),
        Field("school_year", _school_year, ("school_year", "school year", "academic year", "ឆ្នាំសិក្សា")),
        Field("id", _fixed(uuid_of), ("id", "uuid", "student_uuid", "rightlevel id"), is_unique=True),
    ),
    "results": (
        Field("school_code", _fixed(code_of(100)), _SCHOOL_CODE, is_needed=True, reads="code"),
        Field(
            "code", _fixed(code_of(LONGEST_CODE)), _CHILD_CODE, is_needed=True, is_unique=True, reads="code"
        ),
        Field(
            "round",
            _fixed(choice_of(_ROUNDS, blank=None)),
            ("round", "test round", "ជុំតេស្ត", "ជុំ"),
            is_needed=True,
        ),
        Field("school_year", _school_year, ("school_year", "school year", "academic year", "ឆ្នាំសិក្សា")),
        Field("id", _fixed(uuid_of), ("id", "uuid", "student_uuid", "rightlevel id"), is_unique=True),
        Field(
            "tested_on",
            _test_day,
            ("tested_on", "day of the test", "test date", "date", "ថ្ងៃតេស្ត", "កាលបរិច្ឆេទ"),
        ),
        *_result_fields("language"),
        *_result_fields("math"),
        Field("reason", _fixed(text_of(200)), ("reason", "មូលហេតុ")),
    ),
    "people": (
        _USERNAME,
        Field(
            "display_name",
            _fixed(text_of(200, blank=None)),
            ("display_name", "name", "full name", "name as shown", "ឈ្មោះ", "គោត្តនាម និងនាម"),
            is_needed=True,
            reads="name",
        ),
        Field("role", _fixed(choice_of(_ROLES, blank=None)), ("role", "តួនាទី"), is_needed=True),
        Field("email", _fixed(text_of(200)), ("email", "e-mail", "email address", "អ៊ីមែល"), reads="name"),
        Field("language", _fixed(text_of(20)), ("language", "language of the pages", "ភាសា")),
        Field("is_active", _fixed(choice_of(_YES_NO)), ("is_active", "active", "in use", "កំពុងប្រើ")),
    ),
    "assignments": (
        _USERNAME,
        Field("school_code", _fixed(code_of(100)), _SCHOOL_CODE, is_needed=True, reads="code"),
        Field(
            "subject", _fixed(choice_of(_SUBJECT_WORDS, blank=None)), ("subject", "មុខវិជ្ជា"), is_needed=True
        ),
        Field("grade", _fixed(whole_number_of(1, 12)), _GRADE_WORDS),
        _SECTION,
        Field("class_year", _year_of_class, ("class_year", *_YEAR_WORDS)),
        Field("from_on", _any_day, ("from_on", "from", "first day", "ថ្ងៃដំបូង")),
        Field("to_on", _any_day, ("to_on", "to", "until", "last day", "ថ្ងៃចុងក្រោយ")),
        Field("state", _fixed(choice_of(_STATES)), ("state", "ស្ថានភាព")),
        _NUMBER,
    ),
}
"""In the order of the staging tables' columns; a school's place comes last, from all its fields together."""


VALUES: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "kind": _KINDS_OF_PLACES,
    "role": _ROLES,
    "is_active": _YES_NO,
    "subject": _SUBJECT_WORDS,
    "state": _STATES,
    "sex": _SEXES,
    "ownership": _OWNERSHIP,
    "area": _AREA,
    "is_practice": _YES_NO,
    "status": _STATUS,
    "round": _ROUNDS,
    "language_level": _LEVELS["language"],
    "language_outcome": _OUTCOMES,
    "math_level": _LEVELS["math"],
    "math_outcome": _OUTCOMES,
}
"""The values of each field that has a few only, with the words that each is known by: English ones first."""
CHOICES: Final = {
    "kind": "district",
    "role": "teacher",
    "is_active": "yes",
    "subject": "language",
    "state": "over",
    "sex": "female",
    "grade": "3",
    "ownership": "government",
    "area": "rural",
    "is_practice": "no",
    "status": "open",
    "school_year": "",
    "round": "baseline",
    "language_level": "word",
    "language_outcome": "assessed",
    "math_level": "subtraction",
    "math_outcome": "assessed",
}
"""One value of each field that has a few only: what a line for a mapping is shown with."""


def field_named(kind: Kind, name: str) -> Field | None:
    """The field with this name in mappings, if there is one."""
    return next((field for field in FIELDS[kind] if field.name == name), None)


def needed_fields(kind: Kind) -> list[str]:
    """What every file of this kind must bring."""
    return [field.name for field in FIELDS[kind] if field.is_needed]


def plain(value: Any) -> str:
    """A constant from a mapping as the cell it stands for."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
