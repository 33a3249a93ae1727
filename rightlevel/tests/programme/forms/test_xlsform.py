"""XLSForms become forms as far as they can be said exactly; everything else is named by sheet, row and column."""

import time
from datetime import date
from typing import Any

import pytest

from rightlevel.programme.forms import Converted, Sheet, convert, examine, form_faults, read_answers

SURVEY = (
    "type",
    "name",
    "label::English (en)",
    "label::Khmer (km)",
    "hint::English (en)",
    "required",
    "relevant",
    "constraint",
    "choice_filter",
    "appearance",
    "repeat_count",
    "default",
)
CHOICES = ("list_name", "name", "label::English (en)", "label::Khmer (km)", "subject")


def sheet(headers: tuple[str, ...], *rows: dict[str, str]) -> Sheet:
    return Sheet(
        headers,
        tuple(
            (
                number,
                tuple(
                    row.get(
                        each.split("::")[0] if "::" in each and each not in row else each, row.get(each, "")
                    )
                    if "Khmer" not in each
                    else row.get(each, row.get("label", ""))
                    for each in headers
                ),
            )
            for number, row in enumerate(rows, 2)
        ),
    )


def q(kind: str, name: str, **more: str) -> dict[str, str]:
    return {"type": kind, "name": name, "label": name.title(), **more}


def choice(listed: str, name: str, **more: str) -> dict[str, str]:
    return {"list_name": listed, "name": name, "label": name.title(), **more}


SETTINGS = Sheet(("form_title", "form_id"), ((2, ("Lesson", "lesson")),))
LISTS = sheet(
    CHOICES,
    choice("yn", "yes"),
    choice("yn", "no"),
    choice("ynu", "yes"),
    choice("ynu", "no"),
    choice("ynu", "unknown"),
    choice("subject", "language"),
    choice("subject", "math"),
    choice("material", "cards", subject="language"),
    choice("material", "sticks", subject="math"),
)


def made(*rows: dict[str, str], lists: Sheet = LISTS) -> Converted:
    return convert(sheet(SURVEY, *rows), lists, SETTINGS)


REALISTIC = (
    q("start", "start"),
    q("select_one subject", "subject", required="yes"),
    q("begin group", "lesson"),
    q("select_one yn", "ran", required="true()"),
    q("text", "why", required="yes", relevant="${ran} = 'no'"),
    q("integer", "enrolled", required="yes", relevant="${ran} = 'yes'", constraint=". >= 0 and . <= 200"),
    q("integer", "present", relevant="${ran} = 'yes' and ${enrolled} > 0", constraint=". <= ${enrolled}"),
    q("select_one ynu", "on_time", relevant="not(${ran} = 'no')"),
    q(
        "select_multiple material",
        "materials",
        choice_filter="subject = ${subject}",
        constraint="count-selected(.) <= 1",
    ),
    q("decimal", "rate", relevant="selected(${materials}, 'cards') or ${present} >= 10"),
    q("end group", ""),
    q("begin repeat", "activities", repeat_count="3"),
    q("text", "name", constraint="string-length(.) < 50"),
    q("integer", "minutes", constraint=". > 0"),
    q("end repeat", ""),
    q("text", "words", appearance="multiline"),
    q("geopoint", "place"),
    q("image", "signed", appearance="signature"),
    q("note", "thanks"),
)


def test_a_realistic_form_is_taken_whole_and_could_be_published() -> None:
    found = made(*REALISTIC)
    assert found.faults == ()
    assert found.form is not None
    assert form_faults(found.form) == ()
    kinds = {field.key: field.type for field in found.form.fields()}
    assert kinds == {
        "subject": "choice",
        "ran": "yes_no",
        "why": "text",
        "enrolled": "number",
        "present": "number",
        "on_time": "yes_no_unknown",
        "materials": "choices",
        "rate": "number",
        "activities": "group",
        "words": "long_text",
        "place": "gps",
        "signed": "signature",
        "thanks": "note",
    }
    assert (found.form.name, found.form.languages) == ("Lesson", ("en", "km"))
    assert [(note.row, note.column, note.value) for note in found.notes] == [
        (2, "type", "start"),
        (11, "type", "decimal"),
    ]


def test_what_it_asks_is_judged_as_the_xlsform_means_it() -> None:
    form = made(*REALISTIC).form
    assert form is not None

    def look(**raw: Any) -> tuple[set[str], set[str], list[str]]:
        answers, unread = read_answers(form, raw)
        found = examine(form, answers)
        return set(found.shown), set(found.missing), [each.field for each in (*unread, *found.faults)]

    shown, missing, _ = look(subject="math", ran="no")
    assert ("why" in shown, "enrolled" in shown, "on_time" in shown, "why" in missing) == (
        True,
        False,
        False,
        True,
    )
    shown, missing, faults = look(
        subject="math", ran="yes", enrolled="30", present="31", materials=["sticks"]
    )
    assert ("present" in shown, "rate" in shown, faults) == (True, True, ["present"])
    assert look(subject="math", ran="yes", materials=["cards"])[2] == ["materials"]
    assert look(subject="math", ran="yes", enrolled="201")[2] == ["enrolled"]
    assert look(subject="math", activities=[{"name": "x" * 50, "minutes": "0"}])[2] == [
        "activities.0.name",
        "activities.0.minutes",
    ]


@pytest.mark.parametrize(
    ("rows", "column", "value"),
    [
        ((q("select_one nothing", "one"),), "type", "nothing"),
        ((q("text", "one", relevant="${two} = 'x'"), q("text", "two")), "relevant", "${two}"),
        ((q("integer", "one"), q("text", "two", relevant="${one} mod 2 = 1")), "relevant", "mod"),
        ((q("text", "one", relevant="pulldata('x', 'y') = 1"),), "relevant", "pulldata"),
        ((q("select_one subject", "one", choice_filter="contains(name, 'x')"),), "choice_filter", "contains"),
        ((q("begin repeat", "r"), q("begin repeat", "s"), q("text", "t"), q("end repeat", "")), "type", "s"),
        ((q("audio", "a"),), "type", "audio"),
        ((q("text", "one", constraint="regex(., '(?=x)y')"),), "constraint", "(?=x)y"),
        ((q("begin repeat", "r"), q("text", "t")), "type", ""),
        ((q("begin group", "g"), q("text", "t")), "type", ""),
        ((q("text", "t"), q("end group", "")), "type", ""),
        ((q("begin repeat", "r"), q("text", "t"), q("end group", ""), q("end repeat", "")), "type", ""),
        ((q("integer", "one", constraint="string-length(.) < 5"),), "constraint", "string-length(…) < 5"),
        ((q("acknowledge", "one"), q("text", "t", relevant="${one} = 'OK'")), "relevant", "${one} = OK"),
    ],
)
def test_what_can_not_be_said_exactly_stops_the_import_by_row_and_column(
    rows: tuple[dict[str, str], ...], column: str, value: str
) -> None:
    found = made(*rows)
    assert found.form is None
    assert (column, value) in [(fault.column, fault.value) for fault in found.faults]
    assert all(fault.row >= 1 for fault in found.faults)


def test_what_is_left_out_is_told() -> None:
    found = made(
        q("calculate", "c", calculation="once(random())"),
        q("select_one subject or_other", "one", default="math"),
        q("begin repeat", "r"),
        q("text", "t"),
        q("end repeat", ""),
    )
    assert [(note.row, note.column) for note in found.notes] == [
        (2, "type"),
        (3, "default"),
        (4, "repeat_count"),
        (9, "subject"),
    ]
    assert (
        [each.key for each in found.form.fields()] == ["one", "one_other", "r"]
        if found.form
        else found.faults
    )


def test_no_cell_is_passed_over_in_silence() -> None:
    headers = (*SURVEY, "label::French (fr)", "hint::French (fr)", "media::image", "read_only")
    rows = (
        q("begin group", "g", appearance="field-list", required="yes"),
        q("text", "t", **{"media::image": "a.png", "read_only": "yes", "hint::French (fr)": "Un nom"}),
        q("note", "n", required="yes"),
        q("end group", ""),
    )
    settings = Sheet(("form_title", "form_id", "style"), ((2, ("Lesson", "lesson", "pages")),))
    found = convert(sheet(headers[:-4], *rows), LISTS, settings)
    assert [(note.sheet, note.row, note.column) for note in found.notes] == [
        ("settings", 2, "style"),
        ("survey", 2, "required"),
        ("survey", 4, "required"),
        ("choices", 9, "subject"),
    ]
    wide = tuple(each for each in headers if each != "label::French (fr)")
    cells = {note.column for note in convert(sheet(wide, *rows), LISTS, SETTINGS).notes if note.row == 3}
    assert cells == {"hint::french (fr)", "media::image", "read_only"}


def test_what_is_left_out_of_choices_is_told_once_a_column_and_filters_are_read() -> None:
    headers = (*CHOICES, "image", "label::French (fr)")
    lists = Sheet(
        headers,
        (
            (2, ("material", "cards", "Cards", "កាត", "language", "a.png", "")),
            (3, ("material", "sticks", "Sticks", "ឈើ", "math", "b.png", "bâtons")),
            (4, ("part", "present", "Present", "មាន", "", "", "")),
        ),
    )
    asked = sheet(
        SURVEY, q("text", "about"), q("select_multiple material", "m", choice_filter="subject = ${about}")
    )
    found = convert(asked, lists, SETTINGS)
    told = [(note.sheet, note.row, note.column) for note in found.notes if note.sheet == "choices"]
    assert told == [("choices", 2, "image"), ("choices", 3, "label::french (fr)")]
    unfiltered = convert(sheet(SURVEY, q("select_multiple material", "m")), lists, SETTINGS)
    assert ("choices", 2, "subject") in [(note.sheet, note.row, note.column) for note in unfiltered.notes]


def test_yes_and_no_in_other_words_are_asked_in_those_words() -> None:
    words = Sheet(
        CHOICES, ((2, ("here", "yes", "Present", "មាន", "")), (3, ("here", "no", "Absent", "គ្មាន", "")))
    )
    form = convert(sheet(SURVEY, q("select_one here", "there")), words, SETTINGS).form
    assert form is not None
    field = next(iter(form.fields()))
    assert (field.type, [each.labels["en"] for each in field.options]) == ("choice", ["Present", "Absent"])


def test_of_two_bounds_on_one_side_the_tighter_holds() -> None:
    form = made(q("integer", "one", constraint=". >= 0 and . >= 5 and . <= 20 and . < 9")).form
    assert form is not None
    field = next(iter(form.fields()))
    assert (field.min, field.max) == (5, 8)


def test_a_workbook_of_another_kind_is_no_form() -> None:
    assert convert(Sheet(("a", "b"), ((2, ("1", "2")),)), Sheet(), Sheet()).form is None
    assert convert(Sheet(), Sheet(), Sheet()).form is None
    many = tuple(q("text", f"q{number}") for number in range(1_200))
    assert any(fault.rule.startswith("At most") for fault in made(*many).faults)


def field_of(found: Converted, key: str) -> Any:
    assert found.form is not None, found.faults
    return next(each for each in found.form.fields() if each.key == key)


def test_older_words_are_todays() -> None:
    headers = ("command", "tag", "caption:English", "relevance", "bind:constraint")
    rows = (
        (2, ("select one from subject", "s", "Subject", "", "")),
        (3, ("string", "t", "Why", "${s} = 'math'", "")),
        (4, ("gps", "g", "Where", "", "")),
        (5, ("add integer prompt", "n", "How many", "", ". > 0")),
        (6, ("select all that apply from material or specify other", "m", "With", "", "")),
    )
    form = convert(Sheet(headers, rows), LISTS, SETTINGS).form
    assert form is not None
    assert [(each.key, each.type) for each in form.fields()] == [
        ("s", "choice"),
        ("t", "text"),
        ("g", "gps"),
        ("n", "number"),
        ("m", "choices"),
        ("m_other", "text"),
    ]
    assert field_of(convert(Sheet(headers, rows), LISTS, SETTINGS), "n").min == 1


def test_names_of_another_kind_are_told_and_conditions_follow() -> None:
    found = made(q("integer", "No-Of Boys"), q("text", "t", relevant="${No-Of Boys} > 3"), q("text", "t"))
    assert found.form is not None
    assert [each.key for each in found.form.fields()] == ["no_of_boys", "t", "t_2"]
    assert field_of(found, "t").shown_when == ["gt", "no_of_boys", 3]
    assert [(note.row, note.value) for note in found.notes if note.rule.startswith("Called")] == [
        (2, "No-Of Boys"),
        (4, "t"),
    ]


def test_groups_within_groups_are_one_list_with_their_titles_and_conditions() -> None:
    found = made(
        q("select_one yn", "ran"),
        q("begin group", "a"),
        q("begin group", "b", relevant="${ran} = 'yes'"),
        q("text", "t"),
        q("end group", ""),
        q("end group", ""),
    )
    assert found.form is not None
    assert [(each.key, each.type) for each in found.form.sections[-1].fields] == [
        ("b", "note"),
        ("t", "text"),
    ]
    assert field_of(found, "t").shown_when == ["eq", "ran", True]


def test_the_number_of_repeats_by_an_answer_is_up_to() -> None:
    found = made(
        q("integer", "n"), q("begin repeat", "r", repeat_count="${n}"), q("text", "t"), q("end repeat", "")
    )
    assert field_of(found, "r").repeat == 20
    assert "Asked up to 20 times" in [note.rule for note in found.notes]


def test_a_pattern_is_checked_in_linear_time() -> None:
    form = made(q("text", "phone", constraint="regex(., '^(0+)+[0-9]{8}$')")).form
    assert form is not None
    for given, wrong in (("012345678", []), ("0" * 400 + "x", ["phone"])):
        answers, _ = read_answers(form, {"phone": given})
        assert [each.field for each in examine(form, answers).faults] == wrong


def test_a_condition_of_its_own_answer_is_checked() -> None:
    form = made(q("integer", "age", constraint="(. > 5 and . < 20) or . = 99")).form
    assert form is not None
    for given, wrong in (("10", []), ("99", []), ("50", ["age"])):
        answers, _ = read_answers(form, {"age": given})
        assert [each.field for each in examine(form, answers).faults] == wrong


def test_a_calculation_by_a_condition_stands_where_it_is_asked_about() -> None:
    found = made(
        q("integer", "age"),
        q("calculate", "who", calculation="if(${age} > 10, 'big', if(${age} > 5, 'mid', 'small'))"),
        q("text", "t", relevant="${who} = 'mid'"),
    )
    # The sheet of these tests has no column for calculations: without its words the condition can't be said.
    assert found.form is None
    headers = ("type", "name", "label", "relevant", "calculation")
    rows = (
        (2, ("integer", "age", "Age", "", "")),
        (3, ("calculate", "who", "", "", "if(${age} > 10, 'big', if(${age} > 5, 'mid', 'small'))")),
        (4, ("text", "t", "Why", "${who} = ‘mid’", "")),
    )
    form = convert(Sheet(headers, rows), Sheet(), SETTINGS).form
    assert form is not None
    for given, is_shown in (("4", False), ("7", True), ("11", False)):
        answers, _ = read_answers(form, {"age": given})
        assert ("t" in examine(form, answers).shown) == is_shown


CALCULATED = ("type", "name", "label", "relevant", "constraint", "calculation")


def calculated(*rows: tuple[str, ...]) -> Converted:
    return convert(Sheet(CALCULATED, tuple(enumerate(rows, 2))), Sheet(), SETTINGS)


def test_calculations_are_taken_and_kept_where_they_stand() -> None:
    found = calculated(
        ("integer", "boys", "Boys", "", "", ""),
        ("integer", "girls", "Girls", "", "", ""),
        ("calculate", "total", "", "", "", "${boys}+${girls}"),
        ("calculate", "share", "Share of girls", "", "", "(${girls} * 100) div ${total}"),
        (
            "calculate",
            "words",
            "",
            "",
            "",
            "concat('of ', ${total}, ': ', if(${share} >= 50, 'more girls', 'more boys'))",
        ),
        ("calculate", "minus", "", "", "", "-2 - -${boys}"),
        ("text", "why", "Why?", "${share} < 50 and ${words} != ''", "", ""),
    )
    assert found.notes == ()
    assert field_of(found, "total").labels == {}
    assert field_of(found, "share").labels == {"en": "Share of girls"}
    assert found.form is not None
    answers, _ = read_answers(found.form, {"boys": "6", "girls": "2"})
    examined = examine(found.form, answers)
    assert {key: examined.answers[key] for key in ("total", "share", "words", "minus")} == {
        "total": 8,
        "share": 25,
        "words": "of 8: more boys",
        "minus": 4,
    }
    assert "why" in examined.shown
    assert "why" not in examine(found.form, {"boys": 1, "girls": 2}).shown
    assert "why" not in examine(found.form, {"boys": 1}).shown


def test_what_is_calculated_within_a_condition_is_as_if_it_had_a_name() -> None:
    found = calculated(
        ("integer", "a", "A", "", "", ""),
        ("integer", "b", "B", "", "", ""),
        ("text", "t", "T", "(${a} + ${b}) * 2 > 10 or 3 < ${a} - 1", "", ""),
        ("text", "u", "U", "${a} + ${b} = ${b} + ${a}", "", ""),
        ("text", "v", "V", "(${a} + ${b}) * 2 > 10", "", ""),
    )
    assert found.form is not None, found.faults
    assert [each.key for each in found.form.fields() if each.type != "calculated"] == [
        "a",
        "b",
        "t",
        "u",
        "v",
    ]
    assert len([each for each in found.form.fields() if each.type == "calculated"]) == 4, "each once"
    for a, b, is_shown in ((3, 2, False), (3, 3, True), (4, 0, False), (5, 0, True)):
        shown = examine(found.form, {"a": a, "b": b}).shown
        assert ("t" in shown) == is_shown, (a, b)
        assert "u" in shown


def test_a_calculation_within_a_repeat_is_of_its_time() -> None:
    found = calculated(
        ("begin repeat", "r", "R", "", "", ""),
        ("integer", "n", "N", "", "", ""),
        ("calculate", "twice", "", "", "", "${n} * 2"),
        ("text", "t", "T", "${twice} > 5", "", ""),
        ("end repeat", "", "", "", "", ""),
    )
    assert found.form is not None, found.faults
    examined = examine(found.form, {"r": [{"n": 2}, {"n": 3}]})
    assert examined.answers["r"] == [{"n": 2, "twice": 4}, {"n": 3, "twice": 6}]
    assert {"r.1.t"} == {path for path in examined.shown if path.endswith(".t")}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("pulldata('a', 'b')", "pulldata"),
        ("${a} + today()", "today"),
        ("${later} + 1", "${later}"),
        ("${a} +", "…"),
        ("(" * 30 + "1" + ")" * 30, "(" * 30 + "1" + ")" * 9),
        ("+".join(["${a}"] * 40), ("${a}+" * 16)),
        ("-" * 40 + "1", "-"),
        ("${a} 1", "1"),
    ],
)
def test_a_calculation_that_can_not_be_said_is_left_out_and_told_and_stops_who_asks_for_it(
    text: str, part: str
) -> None:
    rows = [("integer", "a", "A", "", "", ""), ("calculate", "c", "", "", "", text)]
    found = calculated(*rows)
    assert [(note.row, note.column, note.value) for note in found.notes] == [(3, "calculation", part)]
    assert found.form is not None
    assert calculated(*rows, ("text", "t", "T", "${c} > 1", "", "")).form is None


def test_chains_of_calculations_cost_one_reading_each() -> None:
    rows = [("integer", "c0", "A", "", "", "")]
    rows += [
        (
            "calculate",
            f"c{number}",
            "",
            "",
            "",
            f"if(${{c{number - 1}}} > 0, ${{c{number - 1}}}, ${{c{number - 1}}})",
        )
        for number in range(1, 60)
    ]
    began = time.monotonic()
    found = calculated(*rows, ("text", "t", "T", "${c59} > 3", "", ""))
    assert [fault.row for fault in found.faults] == [62], "too long a chain to say what it gives"
    form = calculated(*rows[:6], ("text", "t", "T", "${c5} > 3", "", "")).form
    assert form is not None
    assert "t" in examine(form, {"c0": 4}).shown
    assert "t" not in examine(form, {"c0": 3}).shown
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("constraint", "fitting", "wrong"),
    [
        (". <= today()", "2026-03-02", "2026-03-03"),
        ("today() > .", "2026-03-01", "2026-03-02"),
        (". < now()", "2026-03-02", "2026-03-03"),
        (". >= now()", "2026-03-03", "2026-03-02"),
        (". <= today() and . >= date('2026-01-01')", "2026-01-01", "2025-12-31"),
        (". <= today() and . > ${from}", "2026-02-02", "2026-02-01"),
    ],
)
def test_bounds_by_today_are_checked_by_the_programmes_day(constraint: str, fitting: str, wrong: str) -> None:
    found = calculated(("date", "from", "From", "", "", ""), ("date", "d", "D", "", constraint, ""))
    assert found.form is not None, found.faults
    assert found.notes == ()
    for answer, faults in ((fitting, []), (wrong, ["d"])):
        examined = examine(found.form, {"from": "2026-02-01", "d": answer}, today=date(2026, 3, 2))
        assert [each.field for each in examined.faults] == faults


def test_what_is_asked_never_hangs_on_today() -> None:
    found = calculated(("date", "d", "D", "", "", ""), ("text", "t", "T", "${d} < today()", "", ""))
    assert found.form is None
    assert [(fault.row, fault.rule) for fault in found.faults] == [
        (3, "Only the bound of an answer can ask for today’s day")
    ]


def test_ranges_today_answers_in_texts_and_languages_are_taken_with_a_note() -> None:
    headers = ("type", "name", "label::Tetun", "parameters", "constraint")
    rows = (
        (2, ("range", "n", "Hira", "start=0 end=5", "")),
        (3, ("date", "d", "Loron", "", ". <= today()")),
        (4, ("note", "told", "Iha ${n} <b>loos</b>", "", "")),
    )
    unknown = convert(Sheet(headers, rows), Sheet(), SETTINGS)
    assert [fault.rule[:33] for fault in unknown.faults] == ["Say the code of this language, as"]
    found = convert(Sheet(headers, rows), Sheet(), SETTINGS, codes={"tetun": "tet"})
    assert (field_of(found, "n").min, field_of(found, "n").max) == (0, 5)
    assert field_of(found, "told").labels == {"tet": "Iha [Hira] loos"}
    assert field_of(found, "d").valid_when == ["le", "d", ["today"]]


def test_one_cause_is_one_fault() -> None:
    found = made(
        q("audio", "a"), q("text", "t", relevant="${a} != ''"), q("text", "u", relevant="${a} = 'x'")
    )
    assert [(fault.row, fault.value) for fault in found.faults] == [(2, "audio")]


def test_answers_are_compared_as_xpath_does() -> None:
    form = made(q("integer", "one"), q("integer", "two"), q("text", "t", relevant="${one} = ${two}")).form
    assert form is not None
    for given, is_shown in (
        ({}, True),
        ({"one": "1"}, False),
        ({"one": "1", "two": "1"}, True),
        ({"one": "1", "two": "2"}, False),
    ):
        answers, _ = read_answers(form, given)
        assert ("t" in examine(form, answers).shown) == is_shown


def test_a_loop_over_choices_is_asked_once_for_each_of_them() -> None:
    found = made(
        q("begin loop over material", "counted"),
        {"type": "integer", "name": "number", "label": "How many %(label)s?", "required": "yes"},
        {"type": "text", "name": "why_%(name)s", "label": "Why no %(name)s?", "relevant": "${number} = 0"},
        q("end loop", ""),
        q("text", "words"),
    )
    assert found.faults == ()
    assert found.form is not None
    fields = {field.key: field for field in found.form.fields()}
    assert list(fields) == ["number", "why_cards", "number_2", "why_sticks", "words"]
    assert fields["number_2"].labels["en"] == "How many Sticks?"
    assert fields["why_sticks"].shown_when == ["eq", "number_2", 0], "its own number"
    assert fields["why_cards"].shown_when == ["eq", "number", 0]
    assert [section.labels["en"] for section in found.form.sections][:2] == ["Cards", "Sticks"]
    assert any("A loop over choices" in note.rule for note in found.notes)


def test_a_loop_without_an_end_or_over_no_list_is_named() -> None:
    for rows in (
        (q("begin loop over material", "x"), q("integer", "n")),
        (q("begin loop over nothing", "x"), q("integer", "n"), q("end loop", "")),
        (
            q("begin loop over material", "x"),
            q("begin loop over yn", "y"),
            q("end loop", ""),
            q("end loop", ""),
        ),
    ):
        found = made(*rows, q("text", "words"))
        assert found.form is None
        assert "A loop over choices is not known here" in [fault.rule for fault in found.faults]


COUNTIES = sheet(
    ("list_name", "name", "label::English (en)", "label::Khmer (km)", "state"),
    choice("state", "texas"),
    choice("state", "washington"),
    choice("county", "king", state="texas"),
    choice("county", "king", state="washington"),
    choice("county", "cameron", state="texas"),
    choice("city", "seattle", county="king"),
)


def test_one_name_of_two_choices_is_either_wherever_it_is_asked_about() -> None:
    found = made(
        q("select_one state", "state"),
        q("select_one county", "county", choice_filter="state = ${state}"),
        q("text", "which", relevant="${county} = 'king'"),
        q("text", "not_there", relevant="${county} != 'king'"),
        lists=COUNTIES,
    )
    assert found.faults == ()
    assert found.form is not None
    fields = {field.key: field for field in found.form.fields()}
    assert [option.value for option in fields["county"].options] == ["king", "king_2", "cameron"]
    assert [option.shown_when for option in fields["county"].options][:2] == [
        ["eq", "state", "texas"],
        ["eq", "state", "washington"],
    ]
    either = ["or", ["eq", "county", "king"], ["eq", "county", "king_2"]]
    assert fields["which"].shown_when == either
    assert fields["not_there"].shown_when == ["not", either]


def test_a_name_twice_that_nothing_tells_apart_is_a_fault() -> None:
    lists = sheet(CHOICES, choice("subject", "math"), choice("subject", "math"))
    found = made(q("select_one subject", "subject"), lists=lists)
    assert [(fault.sheet, fault.row, fault.rule) for fault in found.faults] == [
        ("choices", 3, "This name is used twice")
    ]


def test_choices_that_are_called_otherwise_here_are_not_ordered_by_their_new_names() -> None:
    """Seen: 1.5 is called 1_5 here, which Python reads as fifteen."""
    lists = sheet(CHOICES, choice("grade", "1.5"), choice("grade", "3"))
    found = made(q("select_one grade", "grade"), q("text", "words", relevant="${grade} > 2"), lists=lists)
    assert [fault.column for fault in found.faults] == ["relevant"]


def test_choices_of_the_sheet_for_external_ones_are_found() -> None:
    external = sheet(
        ("list_name", "name", "label::English (en)", "label::Khmer (km)", "state"),
        choice("county", "king", state="texas"),
        choice("county", "pierce", state="washington"),
        choice("state", "other"),
    )
    survey = sheet(
        SURVEY,
        q("select_one state", "state"),
        q("select_one_external county", "county", choice_filter="state = ${state}"),
    )
    lists = sheet(CHOICES, choice("state", "texas"), choice("state", "washington"))
    found = convert(survey, lists, SETTINGS, external=external)
    assert found.faults == ()
    assert found.form is not None
    fields = {field.key: field for field in found.form.fields()}
    assert [option.value for option in fields["state"].options] == ["texas", "washington"]
    assert fields["county"].options[1].shown_when == ["eq", "state", "washington"]


def test_a_constraint_may_calculate_with_earlier_answers() -> None:
    """Seen: a bound out of a calculation that stood in the constraint itself ended the import with an error of ours."""
    found = made(
        q("integer", "boys"),
        q("integer", "girls"),
        q("integer", "present", constraint="not(. > ${boys} + ${girls})"),
    )
    assert found.faults == ()
    assert found.form is not None
    answers = {"boys": 3, "girls": 4, "present": 8}
    assert [fault.field for fault in examine(found.form, answers).faults] == ["present"]
    assert examine(found.form, answers | {"present": 7}).faults == ()


def test_a_constraint_that_calculates_with_its_own_answer_is_named() -> None:
    found = made(q("integer", "pairs"), q("integer", "single", constraint="${single} * 2 > ${pairs}"))
    assert [fault.column for fault in found.faults] == ["constraint"]
