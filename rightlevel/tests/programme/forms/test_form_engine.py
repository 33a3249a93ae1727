"""The first form, as mentors fill it in: what is asked, what is wrong, what is missing."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest

from rightlevel.programme.forms.asking import asked_of
from rightlevel.programme.forms.changes import changes_between
from rightlevel.programme.forms.checking import form_faults
from rightlevel.programme.forms.definition import Field, Form, Option, Section, from_json, to_json
from rightlevel.programme.forms.engine import Examination, examine
from rightlevel.programme.forms.fidelity import fidelity_of
from rightlevel.programme.forms.first_form import first_visit_form
from rightlevel.programme.forms.page_fields import nested
from rightlevel.programme.forms.table import columns, print_rows, row_of
from rightlevel.programme.forms.typed_answers import read_answers

FORM = first_visit_form()
GIVEN: dict[str, Any] = {"subject": "math", "visit_day": "2026-11-20", "school": 1, "teacher": 2}
ACTIVITY: dict[str, Any] = {
    "name": "bundles",
    "minutes": 20,
    "clear": True,
    "followed": True,
    "demonstrated": True,
    "practised": "all",
}
WHOLE: dict[str, Any] = {
    **GIVEN,
    "session_ran": True,
    "full_session": True,
    "grades": ["3"],
    "levels": ["beginner", "subtraction"],
    "enrolled": 30,
    "present": 25,
    "improved": 5,
    "classes_before": 12,
    "started_on_time": True,
    "materials": ["play_money"],
    "grouped_by_level": True,
    "all_involved": True,
    "has_plan": True,
    "plan_followed": True,
    "plan_suits": True,
    "activities": [ACTIVITY],
}


def told(raw: dict[str, Any], *, form: Form = FORM, is_submitting: bool = False) -> Examination:
    answers, faults = read_answers(form, raw)
    assert faults == []
    return examine(form, answers, is_submitting=is_submitting)


def rules(found: Examination) -> dict[str, str]:
    return {each.field: each.rule for each in found.faults}


def test_the_first_form_has_nothing_wrong_and_survives_json() -> None:
    assert form_faults(FORM) == ()
    assert from_json(msgspec.json.decode(msgspec.json.encode(to_json(FORM)))) == FORM


def test_the_first_form_names_what_the_product_page_counts() -> None:
    materials, activities = FORM.field("materials"), FORM.field("activities")
    assert materials
    assert activities
    names = activities.fields[0].options

    def of(options: tuple[Option, ...], subject: str) -> int:
        other = ["not", ["eq", "subject", "math" if subject == "language" else "language"]]
        return sum(option.shown_when == other for option in options)

    assert (of(materials.options, "math"), of(materials.options, "language")) == (10, 6)
    assert (of(names, "language"), of(names, "math"), activities.repeat) == (17, 24, 5)


def test_a_class_not_in_session_is_asked_why_and_nothing_more() -> None:
    found = told({**GIVEN, "session_ran": False, "not_ran_reason": "Holiday"}, is_submitting=True)
    asked = {key for key in found.shown if key not in GIVEN}
    assert asked == {"details", "session", "session_ran", "not_ran_reason"}
    assert (found.faults, found.missing, found.completeness) == ((), (), 1.0)


def test_a_whole_visit_lacks_nothing_and_leaves_out_what_the_visit_gives() -> None:
    found = told(WHOLE, is_submitting=True)
    assert (found.faults, found.missing, found.completeness, found.dropped) == ((), (), 1.0, ())
    assert found.answers == {key: value for key, value in WHOLE.items() if key not in GIVEN}


def test_answers_to_what_is_not_asked_are_dropped_and_told() -> None:
    found = told({**WHOLE, "session_ran": False, "not_ran_reason": "Rain"})
    assert found.answers == {"session_ran": False, "not_ran_reason": "Rain"}
    assert {"enrolled", "activities", "has_plan"} <= set(found.dropped)


def test_what_rests_on_a_dropped_answer_is_dropped_too() -> None:
    found = told(
        {
            **WHOLE,
            "has_plan": False,
            "no_plan_reason": "New",
            "plan_followed": False,
            "not_followed_reason": "x",
        }
    )
    assert {"plan_followed", "not_followed_reason"} <= set(found.dropped)


@pytest.mark.parametrize(
    ("more", "field", "rule"),
    [
        ({"present": 31}, "present", "At most 30, as answered before"),
        ({"improved": 26}, "improved", "At most 25, as answered before"),
        ({"enrolled": -1}, "enrolled", "At least 0"),
        ({"levels": ["story"]}, "levels", "One of the choices offered"),
        ({"activities": [ACTIVITY, {**ACTIVITY, "minutes": 500}]}, "activities.1.minutes", "At most 240"),
        ({"activities": [{**ACTIVITY, "name": "rhymes"}]}, "activities.0.name", "One of the choices offered"),
    ],
)
def test_ranges_that_depend_on_other_answers_hold(more: dict[str, Any], field: str, rule: str) -> None:
    assert rules(told({**WHOLE, **more}))[field] == rule


def test_a_bound_on_what_was_not_answered_bounds_nothing() -> None:
    found = told({"session_ran": True, "present": 500})
    assert "present" not in rules(found)
    assert "enrolled" in found.missing


def test_no_not_answered_and_dont_know_are_three_different_things() -> None:
    of: dict[str, Examination] = {
        name: told({"session_ran": True, "started_on_time": name}) for name in ("yes", "no", "unknown", "")
    }
    values = {name: found.answers.get("started_on_time") for name, found in of.items()}
    assert values == {"yes": True, "no": False, "unknown": "unknown", "": None}
    assert {name for name, found in of.items() if "late_reason" in found.shown} == {"no"}
    assert {name for name, found in of.items() if "started_on_time" in found.missing} == {""}
    cells = {name: row_of(FORM, found.answers)["started_on_time"] for name, found in of.items()}
    assert cells == {"yes": "yes", "no": "no", "unknown": "unknown", "": None}


def test_a_draft_may_be_unfinished_and_what_is_sent_may_not() -> None:
    raw = {"session_ran": True}
    draft, sent = told(raw), told(raw, is_submitting=True)
    assert draft.faults == ()
    assert draft.missing == sent.missing != ()
    assert {each.field for each in sent.faults} == set(sent.missing)
    assert 0 < draft.completeness < 1


def test_at_most_five_activities_each_whole() -> None:
    _, faults = read_answers(FORM, {"activities": [ACTIVITY] * 6})
    assert [(each.field, each.rule) for each in faults] == [("activities", "At most 5 of these")]
    found = told({**WHOLE, "activities": [{"name": "bundles"}]})
    assert "activities.0.minutes" in found.missing


@pytest.mark.parametrize(
    ("key", "given", "rule"),
    [
        ("session_ran", "perhaps", "Yes or no"),
        ("session_ran", 1, "Yes or no"),
        ("started_on_time", "perhaps", "Yes, no or don’t know"),
        ("enrolled", "many", "A whole number"),
        ("enrolled", 2.5, "A whole number"),
        ("enrolled", True, "A whole number"),
        ("enrolled", "1e400", "A whole number"),
        ("enrolled", 10**12, "At most 1000000000"),
        ("visit_day", "2026-13-01", "A day like 2026-11-30"),
        ("visit_day", 5, "A day like 2026-11-30"),
        ("grades", ["9"], "One of the choices offered"),
        ("grades", {"x": 1}, "One of the choices offered"),
        ("subject", ["math"], "One of the choices offered"),
        ("not_ran_reason", "x" * 501, "At most 500 characters"),
        ("not_ran_reason", 5, "A text"),
        ("place", "91, 0", "A place like 11.56, 104.92"),
        ("place", {"lat": "x", "lon": 1}, "A place like 11.56, 104.92"),
        ("place", [1, 2], "A place like 11.56, 104.92"),
        ("mentor_signature", {"strokes": "<svg>"}, "A signature"),
        ("teacher", "x", "One of the choices offered"),
        ("activities", "x", "A list"),
        ("activities", ["x"], "A list"),
        ("not_there", "x", "This question is not in the form"),
    ],
)
def test_what_is_no_answer_is_refused_with_its_rule(key: str, given: Any, rule: str) -> None:
    answers, faults = read_answers(FORM, {key: given})
    assert [(each.field, each.rule) for each in faults] == [(key, rule)]
    assert answers == {}


@pytest.mark.parametrize(
    ("key", "given", "read"),
    [
        ("enrolled", "៣០", 30),
        ("enrolled", "0", 0),
        ("place", "11.56, 104.92", {"lat": 11.56, "lon": 104.92}),
        ("place", "11.56 104.92 12 5.5", {"lat": 11.56, "lon": 104.92, "accuracy": 5.5}),
        ("mentor_signature", "Sok", {"name": "Sok"}),
        ("mentor_signature", {"strokes": "M1 2L3 4"}, {"strokes": "M1 2L3 4"}),
        ("not_ran_reason", "a\x00b ", "ab"),
        ("grades", ["5", "3"], ["3", "5"]),
        ("grades", "", None),
        ("session_ran", "no", False),
    ],
)
def test_what_people_type_is_read(key: str, given: Any, read: Any) -> None:
    answers, faults = read_answers(FORM, {key: given})
    assert faults == []
    assert answers.get(key) == read


def test_what_was_drawn_is_there_beside_the_name_on_the_page_and_on_paper() -> None:
    answers = {"session_ran": True, "mentor_signature": {"name": "Sok", "strokes": "M1 2L3 4"}}
    printed = {row.path: (row.answer, row.strokes) for row in print_rows(FORM, answers, "en")}
    assert printed["mentor_signature"] == ("Sok", "M1 2L3 4")
    assert printed["teacher_signature"] == ("", "")
    asked = asked_of(FORM, answers, "en", date(2026, 11, 23))
    (field,) = [each for part in asked.sections for each in part.fields if each.path == "mentor_signature"]
    assert (field.value, field.strokes) == ("Sok", "M1 2L3 4")


def test_a_pages_fields_become_answers() -> None:
    sent = {
        "version": ["3"],
        "session_ran": [""],
        "grades": ["3", "4"],
        "activities.0.minutes": ["10"],
        "activities.0.name": ["bundles"],
        "activities.1.minutes": [""],
        "activities.2.minutes": ["7"],
        "mentor_signature": ["Sok"],
        "mentor_signature.strokes": [""],
    }
    answers, faults = read_answers(FORM, nested(sent, FORM))
    assert faults == []
    assert answers == {
        "grades": ["3", "4"],
        "activities": [{"name": "bundles", "minutes": 10}, {"minutes": 7}],
        "mentor_signature": {"name": "Sok"},
    }


def test_columns_are_the_same_for_every_row_and_each_question_has_its_own() -> None:
    names = columns(FORM)
    assert len(names) == len(set(names))
    assert list(row_of(FORM, WHOLE)) == list(row_of(FORM, {})) == names
    row = row_of(FORM, WHOLE)
    assert (row["levels"], row["activities_1_minutes"], row["activities_2_minutes"]) == (
        "beginner subtraction",
        20,
        None,
    )
    assert "subject" not in names


def test_a_printed_visit_says_what_was_asked_in_both_languages() -> None:
    english, khmer = print_rows(FORM, WHOLE, "en"), print_rows(FORM, WHOLE, "km")
    assert [each.path for each in english] == [each.path for each in khmer]
    by_path = {each.path: each for each in english}
    assert "not_ran_reason" not in by_path
    assert (by_path["present"].answer, by_path["improved"].answer, by_path["feedback"].answer) == (
        "25",
        "5",
        "",
    )
    assert by_path["activities.0.name"].answer == "Numbers with bundles and sticks"
    assert next(each.answer for each in khmer if each.path == "session_ran") == "បាទ/ចាស"


@pytest.mark.parametrize(
    ("more", "points", "applicable"),
    [
        ({}, 9, 9),
        ({"session_ran": False}, 0, 1),
        ({"started_on_time": "unknown"}, 8, 8),
        ({"started_on_time": False}, 8, 9),
        ({"has_plan": False}, 6, 7),  # what was not asked for want of a plan is not held against it
        ({"plan_followed": None}, 8, 8),
        ({"materials": ["none"]}, 8, 9),
        ({"materials": None}, 8, 8),
        ({"activities": []}, 8, 8),
        ({"activities": [ACTIVITY, {**ACTIVITY, "clear": False}]}, 8.75, 9),
        ({"activities": [{**ACTIVITY, "clear": False, "followed": None}]}, 8, 9),
    ],
)
def test_fidelity_is_points_over_what_applied(more: dict[str, Any], points: float, applicable: int) -> None:
    raw = {key: value for key, value in {**WHOLE, **more}.items() if value is not None}
    found = fidelity_of(FORM, told(raw).answers)
    assert (found.points, found.applicable) == (points, applicable)
    assert found.score == pytest.approx(points / applicable)


def test_nothing_that_applied_is_no_score_and_not_zero() -> None:
    assert fidelity_of(FORM, {}).score is None


def a_form(*fields: Field, **more: Any) -> Form:
    return Form("F", 1, ("en",), (Section("s", {"en": "S"}, fields),), **more)


def asked(key: str, kind: Any = "text", **more: Any) -> Field:
    return Field(key, kind, {"en": key}, **more)


@pytest.mark.parametrize(
    ("form", "rule"),
    [
        (a_form(), "At least one question"),
        (a_form(asked("a"), asked("a")), "This name is used twice"),
        (a_form(asked("A b")), "A short name of small letters, digits and _"),
        (a_form(asked("csrf_token")), "A short name of small letters, digits and _"),
        (
            a_form(asked("a", shown_when=["eq", "b", 1]), asked("b")),
            "A condition asks only about what was asked before",
        ),
        (a_form(asked("a", shown_when=["eval", "a", 1])), "This condition can’t be read"),
        (a_form(asked("a", shown_when=["eq", "a"])), "This condition can’t be read"),
        (a_form(asked("a", shown_when=["and"])), "This condition can’t be read"),
        (a_form(asked("a", "choice")), "Between 1 and 100 choices"),
        (
            a_form(asked("a", "number", max=["answer", "b"])),
            "A condition asks only about what was asked before",
        ),
        (a_form(asked("a"), asked("b", "number", max=["answer", "a"])), "A number, or another answer"),
        (a_form(asked("a", "number", min=5, max=1)), "The least is more than the most"),
        (a_form(asked("a", "group")), "At least one question"),
        (a_form(asked("a", "group", repeat=99, fields=(asked("b"),))), "Between 1 and 20 times"),
        (a_form(asked("a", max_length=9_999)), "Between 1 and 2000 characters"),
        (a_form(Field("a", "text", {"km": "x"})), "A text in every language of the form"),
        (a_form(asked("a"), fidelity={"ran": "b"}), "A part of the score and the question that answers it"),
        (a_form(*(asked(f"a{n}") for n in range(201))), "At most 200 of these"),
    ],
)
def test_what_is_wrong_with_a_form_is_told(form: Form, rule: str) -> None:
    assert rule in {each.rule for each in form_faults(form)}


def test_a_condition_is_of_bounded_size() -> None:
    deep: Any = True
    for _ in range(10_000):
        deep = ["not", deep]
    wide = ["or", *[["answered", "a"]] * 100_000]
    for each in (deep, wide):
        assert form_faults(a_form(asked("a"), asked("b", shown_when=each)))


def test_what_a_draft_changes_is_told_question_by_question() -> None:
    before = a_form(asked("a"), asked("b"), asked("c"), asked("d"))
    after = a_form(asked("d"), asked("a"), asked("c", hints={"en": "Look"}), asked("e"))
    found = {each.path: each.kind for each in changes_between(before, after)}
    assert found == {"d": "moved", "c": "changed", "e": "added", "b": "removed"}
    assert changes_between(FORM, FORM) == []
    assert {each.kind for each in changes_between(None, before)} == {"added"}
