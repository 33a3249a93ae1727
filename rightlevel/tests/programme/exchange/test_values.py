"""Cells as people write them, in any script, and the rules they break."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightlevel.programme.exchange.values import (
    NULL,
    REMEMBERED,
    Remembered,
    Wrong,
    choice_of,
    code_of,
    day_of,
    decimal_of,
    escaped,
    grade_of,
    slug_of,
    text_of,
    uuid_of,
    whole_number_of,
    with_plain_digits,
)

DAY = day_of(date(2000, 1, 1), date(2026, 11, 23), "A day since 2000")


def rule_of(convert, raw: str) -> str:
    with pytest.raises(Wrong) as caught:
        convert(raw)
    return caught.value.rule


@pytest.mark.parametrize(
    ("raw", "plain"),
    [("១២៣", "123"), ("०१२", "012"), ("٣٤٥", "345"), ("۶۷", "67"), ("７", "7"), ("a៤", "a4"), ("x", "x")],
)
def test_digits_of_any_script_are_digits(raw: str, plain: str) -> None:
    assert with_plain_digits(raw) == plain


@pytest.mark.parametrize("raw", ["3", " 3 ", "៣", "Grade 3", "grade3", "ថ្នាក់ទី៣", "Std. 3", "3.0", "03"])
def test_a_grade_is_read_with_and_without_a_word(raw: str) -> None:
    assert grade_of([3, 4, 5])(raw) == "3"


@pytest.mark.parametrize("raw", ["33", "13", "three", "3A", "-3", "0"])
def test_a_grade_that_no_school_has_is_refused_naming_the_programmes(raw: str) -> None:
    assert "3, 4, 5" in rule_of(grade_of([5, 3, 4]), raw)


@pytest.mark.parametrize(
    "raw", ["2016-03-01", "2016/3/1", "01/03/2016", "1.3.2016", "1-3-2016", "០១/០៣/២០១៦", "2016-03-01T00:00"]
)
def test_a_day_is_read_with_the_day_or_the_year_first(raw: str) -> None:
    assert DAY(raw) == "2016-03-01"


@pytest.mark.parametrize(
    "raw", ["31/02/2016", "2016-13-01", "yesterday", "1/3/16", "2027-01-01", "1999-12-31", "20160301"]
)
def test_what_is_no_day_of_the_time_is_refused(raw: str) -> None:
    assert rule_of(DAY, raw)


def test_a_choice_takes_its_spellings_in_any_case_and_names_its_values() -> None:
    sex = choice_of({"2": ("female", "f", "ស្រី"), "1": ("male", "m")}, blank=None)
    assert [sex(raw) for raw in ("F", " Female", "ស្រី", "២", "1", "Ｍ")] == ["2", "2", "2", "2", "1", "1"]
    assert rule_of(sex, "x") == "One of: female, male"
    assert "needed" in rule_of(sex, "  ")


@pytest.mark.parametrize(("raw", "stored"), [("12", "12"), ("12.0", "12"), ("១២", "12"), ("", NULL)])
def test_a_whole_number_is_read(raw: str, stored: str) -> None:
    assert whole_number_of(3, 25)(raw) == stored


@pytest.mark.parametrize("raw", ["12.5", "2", "26", "1e1", "twelve", "9" * 5000, "-5"])
def test_what_is_no_whole_number_within_bounds_is_refused(raw: str) -> None:
    assert "3 to 25" in rule_of(whole_number_of(3, 25), raw)


@pytest.mark.parametrize(
    ("raw", "stored"), [("11.5", 11.5), ("11,5", 11.5), ("-0.25", -0.25), ("១១.៥", 11.5)]
)
def test_a_decimal_number_is_read_with_point_or_comma(raw: str, stored: float) -> None:
    assert float(decimal_of(-90, 90)(raw)) == stored


@pytest.mark.parametrize("raw", ["91", "nan", "inf", "1,2,3", "north", "1" * 400])
def test_what_is_no_number_on_earth_is_refused(raw: str) -> None:
    assert rule_of(decimal_of(-90, 90), raw)


def test_text_is_trimmed_kept_as_written_and_bounded() -> None:
    assert text_of(200)("  ចាន់  ដារ៉ា\n") == "ចាន់ ដារ៉ា"
    assert text_of(200)("a\u200bb") == "a\u200bb", "Khmer uses the zero-width space between words"
    assert text_of(5)("") == NULL
    assert "5 characters" in rule_of(text_of(5), "abcdef")
    assert rule_of(text_of(5), "a\x01")
    assert code_of(10)(" ក-៧ ") == "ក-7"


def test_an_id_is_a_uuid_or_nothing() -> None:
    assert uuid_of("018900000000700080000000000000AB") == "01890000-0000-7000-8000-0000000000ab"
    assert uuid_of("") == NULL
    assert "UUID" in rule_of(uuid_of, "17")


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("KHYBER PAKHTUNKHWA", "khyber-pakhtunkhwa"),
        ("T.T.Singh ", "t-t-singh"),
        ("កំពង់ ចាម", "កំពង់-ចាម"),
        ("F.R. - D.I. KHAN", "f-r-d-i-khan"),
    ],
)
def test_a_name_gives_a_code(name: str, slug: str) -> None:
    assert slug_of(name) == slug


def test_a_name_without_letters_gives_no_code() -> None:
    assert rule_of(slug_of, "---")
    assert len(slug_of("x" * 500)) == 60


@given(st.text(alphabet=st.characters(exclude_categories=("Cs",), exclude_characters="\0")))
def test_escaped_text_is_one_field_of_one_line(text: str) -> None:
    line = escaped(text)
    assert not set(line) & set("\t\n\r")
    undone = (
        line.replace("\\\\", "\0")
        .replace("\\t", "\t")
        .replace("\\n", "\n")
        .replace("\\r", "\r")
        .replace("\0", "\\")
    )
    assert undone == text


def test_what_is_remembered_is_bounded() -> None:
    remembered = Remembered(lambda value: str(value))
    for number in range(3 * REMEMBERED):
        assert remembered[number] == str(number)
    assert len(remembered) <= REMEMBERED
