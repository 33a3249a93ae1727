"""What is calculated out of answers, in the server's reading; the page's is held to the same cases in journeys/."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from rightlevel.programme.forms import (
    Field,
    Form,
    Section,
    examine,
    form_faults,
    print_rows,
    read_answers,
    row_of,
)
from rightlevel.programme.forms.asking import asked_of
from rightlevel.programme.forms.calculation import is_calculation, value_of_calculation
from rightlevel.programme.forms.engine import with_calculated

CASES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("calculations.json").read_text("utf-8"))
DAY = date(2026, 3, 2)


def number(key: str) -> Field:
    return Field(key, "number", {"en": key})


def a_form(*fields: Field) -> Form:
    return Form("Any", 1, ("en",), (Section("all", {"en": "All"}, fields),))


SHARE = ["div", ["mul", ["answer", "present"], 100], ["answer", "enrolled"]]
FORM = a_form(
    number("enrolled"),
    number("present"),
    Field("share", "calculated", {"en": "Percent"}, calculation=SHARE),
    Field("why", "text", {"en": "Why so few?"}, shown_when=["lt", "share", 50], required_when=True),
    Field(
        "rows",
        "group",
        {"en": "Rows"},
        repeat=3,
        fields=(number("n"), Field("twice", "calculated", {}, calculation=["mul", ["answer", "n"], 2])),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_what_a_calculation_gives(case: dict[str, Any]) -> None:
    assert is_calculation(case["calculation"])
    found = value_of_calculation(case["calculation"], case["answers"])
    assert (found, type(found)) == (case["value"], type(case["value"]))


def test_a_text_is_of_bounded_length() -> None:
    text = value_of_calculation(["concat", *[["answer", "a"]] * 3], {"a": "😀" * 400})
    assert text == "😀" * 500


@pytest.mark.parametrize(
    "calculation",
    [
        None,
        True,
        [],
        ["add", 1],
        ["add", 1, 2, 3],
        ["pow", 1, 2],
        ["answer"],
        ["answer", 1],
        ["if", ["eq", "a"], 1, 2],
        ["if", None, 1, 2],
        ["concat"],
        ["concat", *"x" * 21],
        "x" * 201,
        1e300,
        [["answer", "a"], 1],
        {"a": 1},
    ],
)
def test_what_is_no_calculation(calculation: Any) -> None:
    assert not is_calculation(calculation)


def test_a_calculation_is_of_bounded_depth_and_size() -> None:
    deep: Any = 1
    for _ in range(29):
        deep = ["add", deep, 1]
    assert is_calculation(deep)
    assert not is_calculation(["add", ["add", deep, 1], 1])
    for _ in range(100_000):
        deep = ["add", deep, 1]
    assert not is_calculation(deep)
    wide = ["add", *[["concat", *[1] * 20]] * 2]
    assert is_calculation(wide)
    assert not is_calculation(["add", wide, ["concat", *[1] * 20]])


def test_it_is_kept_used_in_conditions_and_never_taken_from_who_sends_it() -> None:
    assert form_faults(FORM) == ()
    sent = {"enrolled": 30, "present": 12, "share": 99, "rows": [{"n": 4, "twice": 1}]}
    answers, unread = read_answers(FORM, sent)
    assert unread == []
    found = examine(FORM, answers)
    assert found.answers == {"enrolled": 30, "present": 12, "share": 40, "rows": [{"n": 4, "twice": 8}]}
    assert found.missing == ("why",)
    assert "why" not in examine(FORM, answers | {"present": 29}).shown
    assert "share" not in examine(FORM, {"enrolled": 0, "present": 1}).answers
    assert with_calculated(FORM, answers, found.answers) == found.answers
    assert row_of(FORM, found.answers)["share"] == 40
    assert row_of(FORM, found.answers)["rows_1_twice"] == 8


def test_it_is_shown_where_it_has_words() -> None:
    answers = {"enrolled": 30, "present": 12, "rows": [{"n": 4}]}
    questions = {
        each.path: each for section in asked_of(FORM, answers, "en", DAY).sections for each in section.fields
    }
    assert (questions["share"].label, questions["share"].value) == ("Percent", "40")
    assert [each.path for each in questions["rows"].rows[0].fields] == ["rows.0.n"]
    lines = {line.path: line.answer for line in print_rows(FORM, answers | {"share": 40}, "en")}
    assert lines["share"] == "40"
    assert "rows.0.twice" not in lines


@pytest.mark.parametrize(
    ("field", "rule"),
    [
        (Field("c", "calculated", {"en": "C"}), "This calculation can’t be read"),
        (
            Field("c", "calculated", {"en": "C"}, calculation=["answer", "later"]),
            "A condition asks only about what was asked before",
        ),
        (
            Field("c", "calculated", {"en": "C"}, calculation=1, required_when=True),
            "What is calculated is answered by nobody: it can’t be required",
        ),
        (Field("c", "number", {"en": "C"}, calculation=1), "Only a calculated question has a calculation"),
        (
            Field("c", "calculated", {"en": "C"}, calculation=["if", ["eq", "a", ["today"]], 1, 2]),
            "This calculation can’t be read",
        ),
        (
            Field("c", "text", {"en": "C"}, shown_when=["le", "day", ["today"]]),
            "Only the bound of an answer can ask for today’s day",
        ),
    ],
)
def test_what_is_wrong_with_one_is_told(field: Field, rule: str) -> None:
    form = a_form(number("a"), Field("day", "date", {"en": "Day"}), field, number("later"))
    assert rule in [fault.rule for fault in form_faults(form) if fault.field == "c"]


def test_a_bound_by_today_is_checked_by_the_programmes_day() -> None:
    day = Field(
        "day",
        "date",
        {"en": "Day"},
        valid_when=["le", "day", ["today"]],
        valid_texts={"en": "Not yet", "km": "មិនទាន់"},
    )
    form = a_form(day)
    assert form_faults(form) == ()
    for answer, wrong in (("2026-03-01", []), ("2026-03-02", []), ("2026-03-03", ["Not yet"])):
        assert [fault.rule for fault in examine(form, {"day": answer}, today=DAY).faults] == wrong
    # Whoever forgets to say which day it is takes nothing.
    assert examine(form, {"day": "2026-03-01"}).faults
