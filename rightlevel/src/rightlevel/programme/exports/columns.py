"""The columns of each file, in their order, each with what it means: the codebook, and what files of cells that have a type are made by."""

from __future__ import annotations

from typing import Final

from rightlevel.programme.exports.model import CodebookLine, Column, What


def _text(name: str, meaning: str) -> Column:
    return Column(name, "text", meaning)


def _whole(name: str, meaning: str) -> Column:
    return Column(name, "integer", meaning)


def _day(name: str, meaning: str) -> Column:
    return Column(name, "date", meaning)


SCHOOL_CODE: Final = _text("school_code", "Code of the school, unique in the programme")
SCHOOL_NAME: Final = _text("school_name", "Name of the school as written there")
CHILD_CODE: Final = _text("code", "Code of the child, unique within its school")
CHILD_NAME: Final = _text("name", "Name of the child as written")
CHILD_ID: Final = _text("id", "Id of the child, which stays when it moves")
PSEUDONYM: Final = _text(
    "child", "Code made for files like this one; the same child has the same code in each of them"
)
DISTRICT_CODE: Final = _text(
    "district_code", "Code of the district; blank where fewer than ten children are there"
)
DISTRICT_NAME: Final = _text("district_name", "Name of the district")
SEX: Final = _text("sex", "male, female, not known, not applicable (ISO/IEC 5218: 1, 2, 0, 9)")
GRADE: Final = _whole("grade", "Grade")
SECTION: Final = _text("section", "Section of the class, such as A")
AGE_BAND: Final = _text(
    "age_band", "Age when the school year began, in bands of two years; blank where fewer than ten share it"
)
YEAR: Final = _text("school_year", "School year")
ROUND: Final = _text("round", "baseline, midline or endline")
SUBJECT: Final = _text("subject", "language or math")
USERNAME: Final = _text("username", "Username")
DISPLAY_NAME: Final = _text("display_name", "Name as shown")
LEVELS: Final = {
    "language": "beginner, letter, word, paragraph, story, comprehension1, comprehension2",
    "math": "beginner, number_1digit, number_2digit, subtraction, division, word_problems",
}


def _of_subject(subject: str, *, is_named: bool) -> list[Column]:
    told = "blank where the person who took the file does not work in the subject"
    columns = [
        _text(
            f"{subject}_outcome",
            f"assessed, absent, refused, left, or not_tested where there is no result; {told}",
        ),
        _text(f"{subject}_level", f"Level: {LEVELS[subject]}; blank unless assessed"),
        _whole(f"{subject}_rank", "Rank of the level; 1 is the lowest"),
        _day(f"{subject}_tested_on", "Day of the test"),
        _whole(f"{subject}_tool", "Number of the test tool, 1 to 4"),
        _text(f"{subject}_method", "How it came: guided, direct, grid, import or device"),
        _text(f"{subject}_assessor", "Username of who tested"),
        _text(f"{subject}_verified", "yes where an independent re-test agreed or was settled"),
        _text(f"{subject}_notes", "Notes"),
    ]
    if is_named:
        return columns
    left_out = {f"{subject}_tested_on", f"{subject}_assessor", f"{subject}_notes"}
    return [each for each in columns if each.name not in left_out]


TESTED: Final = _text("tested", "In which subjects the child was assessed: both, language, math or neither")
WITHOUT: Final = _text(
    "without_result", "In which subjects it has no result at all: none, language, math or both"
)

COLUMNS: Final[dict[What, tuple[Column, ...]]] = {
    "roster": (
        SCHOOL_CODE,
        CHILD_CODE,
        CHILD_NAME,
        SEX,
        GRADE,
        SECTION,
        _day("birth_on", "Date of birth"),
        _whole("age", "Age in years, where no date of birth is known"),
        YEAR,
        CHILD_ID,
        _text("standing", "active or left"),
        _day("left_on", "Day on which the child left"),
        _text("left_reason", "Why it left"),
        SCHOOL_NAME,
        DISTRICT_NAME,
    ),
    "results": (
        SCHOOL_CODE,
        CHILD_CODE,
        CHILD_NAME,
        SEX,
        GRADE,
        SECTION,
        YEAR,
        ROUND,
        SCHOOL_NAME,
        DISTRICT_NAME,
        CHILD_ID,
        *_of_subject("language", is_named=True),
        *_of_subject("math", is_named=True),
        _text(
            "math_school_code", "School at which the result in mathematics counts, where that is another one"
        ),
        TESTED,
        WITHOUT,
    ),
    "verification": (
        SCHOOL_CODE,
        CHILD_CODE,
        CHILD_NAME,
        GRADE,
        YEAR,
        ROUND,
        SUBJECT,
        _text("state", "pending, agreed, disagreed, resolved, returned, withdrawn or ended"),
        _text("first_level", "Level of the first test; blank until the re-test is saved"),
        _whole("first_rank", "Rank of that level"),
        _whole("first_tool", "Tool of the first test"),
        _text("first_assessor", "Username of who tested first"),
        _text("second_level", "Level of the re-test"),
        _whole("second_rank", "Rank of that level"),
        _whole("second_tool", "Tool of the re-test"),
        _text("second_assessor", "Username of who tested again"),
        _day("tested_on", "Day of the re-test"),
        _text("stands", "Which test stands where they differed: first or second"),
        _text("reason", "Why"),
        _whole("missed", "How often the child was not there"),
        _text("result_id", "Id of the result"),
        _text("id", "Id of the re-test"),
    ),
    "data_quality": (
        _day("tested_on", "Day of the tests"),
        SCHOOL_CODE,
        SCHOOL_NAME,
        USERNAME,
        DISPLAY_NAME,
        SUBJECT,
        _whole("tests", "Results of that day that one person made there in the subject"),
        _whole("assessed", "Children assessed"),
        _whole("absent", "Children absent"),
        _whole("refused", "Children who refused"),
        _whole("went", "Children who had left"),
        _text("most_at", "Level at which most were"),
        _whole("most_at_n", "Children at it"),
        _whole("timed", "Guided tests whose time is known"),
        _whole("too_fast", "Of these, under 20 seconds"),
        _whole("in_one_minute", "Most levels entered without the guided test that came in one minute"),
        _whole("without_baseline", "Children of a later round without a baseline in the year"),
        _whole("drops", "Children two levels or more below the round before"),
        _whole("possible_duplicates", "Children who share name, grade and sex with another of the school"),
        _whole("retested", "Re-tests of the same rounds so far"),
        _whole("agreed", "Of these, at the same level; blank where fewer than ten"),
    ),
    "attendance": (
        SCHOOL_CODE,
        SUBJECT,
        _whole("band", "Level band of the group; 1 is the lowest"),
        _whole("group_number", "Number of the group in its band"),
        _day("held_on", "Day of the session"),
        _whole("minutes", "How long it was"),
        _text("activity", "What was done"),
        CHILD_CODE,
        CHILD_NAME,
        _text("presence", "present, late or absent"),
        _text("session_id", "Id of the session"),
        _text("student_id", "Id of the child"),
    ),
    "visits": (
        _text("visit_id", "Id of the visit"),
        SCHOOL_CODE,
        _text("school", "Name of the school"),
        SUBJECT,
        _text("mentor", "Username of the mentor"),
        _text("teacher", "Username of the teacher"),
        _day("visited_on", "Day of the visit"),
        Column("fidelity", "number", "Points over what applied, 0 to 1"),
        _text("submitted_at", "When it was sent, in UTC"),
        _text("locked", "yes or no"),
        _whole("form_version", "Version of the form; a column for each question of every version follows"),
    ),
    "assignments": (
        SCHOOL_CODE,
        SCHOOL_NAME,
        USERNAME,
        DISPLAY_NAME,
        _text("role", "admin, coordinator, mentor, teacher or viewer"),
        SUBJECT,
        GRADE,
        SECTION,
        _text("school_year", "School year of the class, where the assignment is to one"),
        _day("from_on", "First day"),
        _day("to_on", "Last day, where there is one"),
        _text("state", "in_force, to_come or over"),
        _whole("id", "Number of the assignment"),
    ),
    "people": (
        USERNAME,
        DISPLAY_NAME,
        _text("role", "admin, coordinator, mentor, teacher or viewer"),
        _text("email", "E-mail address"),
        _text("language", "Language of the pages: en or km"),
        _text("is_active", "yes or no"),
    ),
    "classes": (
        SCHOOL_CODE,
        SCHOOL_NAME,
        YEAR,
        GRADE,
        SECTION,
        _whole("id", "Number of the class"),
    ),
    "places": (
        _text("kind", "country, province, district, commune, cluster or village"),
        _text("code", "Code of the place, unique below the place in which it lies"),
        _text("name_local", "Name of the place as written there"),
        _text("name_latin", "Name in Latin letters"),
        _text("parent", "Codes of the places in which it lies, from the country on, with / between them"),
        _whole("id", "Number of the place; a place that was moved has a new one"),
    ),
    "statistics": (
        SCHOOL_CODE,
        SCHOOL_NAME,
        _text("district_code", "Code of the district in which the school stood in the round"),
        DISTRICT_NAME,
        YEAR,
        ROUND,
        SUBJECT,
        GRADE,
        SEX,
        _whole("enrolled", "Children on the round's roll"),
        _whole("assessed", "Children assessed"),
        _whole("absent", "Children absent"),
        _whole("refused", "Children who refused"),
        _whole("went", "Children who had left"),
        *(_whole(f"rank_{rank}", f"Children at rank {rank}") for rank in range(1, 8)),
    ),
}
DEIDENTIFIED: Final[dict[What, tuple[Column, ...]]] = {
    "roster": (PSEUDONYM, DISTRICT_CODE, GRADE, SEX, AGE_BAND, YEAR, COLUMNS["roster"][10]),
    "results": (
        PSEUDONYM,
        DISTRICT_CODE,
        SEX,
        GRADE,
        AGE_BAND,
        YEAR,
        ROUND,
        *_of_subject("language", is_named=False),
        *_of_subject("math", is_named=False),
        TESTED,
        WITHOUT,
    ),
}
DEFINITIONS: Final[dict[What, str]] = {
    "roster": "Children who are not removed, each once, at schools that are no practice schools; those who left are among them.",
    "results": "Every child that sits in the round (docs/rules/enrolment.md), once, tested or not, at schools that are no practice schools.",
    "verification": "Re-tests of results that stand, as they were drawn.",
    "data_quality": "What to look at about tests, a row for each day, school, person who tested and subject.",
    "attendance": "A row for each child marked in each session that was held.",
    "visits": "Visits that were sent, the latest first, at schools that are no practice schools.",
    "assignments": "Assignments, those that are over too.",
    "people": "Accounts that are not removed.",
    "classes": "Classes of every school year that are not removed, at schools that are no practice schools.",
    "places": "Places that are neither closed nor removed, each after the one in which it lies.",
    "statistics": "Counts by school, round, subject, grade and sex, as the figures have them.",
    "everything": "Every file that its taker may take, a sheet each.",
}


def columns_of(what: What, *, is_deidentified: bool = False) -> tuple[Column, ...]:
    """The columns of a file, in their order."""
    return (DEIDENTIFIED if is_deidentified else COLUMNS)[what]


def codebook(whats: tuple[What, ...] | None = None) -> list[CodebookLine]:
    """Every column of these files, or of all, explained."""
    lines: list[CodebookLine] = []
    for what in COLUMNS:
        if whats is not None and what not in whats:
            continue
        named, coded = COLUMNS[what], DEIDENTIFIED.get(what, ())
        known = {each.name for each in named}
        coded_names = {each.name for each in coded}
        every = (*named, *(other for other in coded if other.name not in known))
        lines += [
            CodebookLine(
                what=what,
                column=each.name,
                kind=each.kind,
                meaning=each.meaning,
                is_in_named=each.name in known,
                is_in_deidentified=each.name in coded_names,
            )
            for each in every
        ]
    return lines
