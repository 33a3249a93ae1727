"""Mappings as people write them, and what is said when they are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from rightlevel.programme.exchange import FIELDS, MappingInvalid, read_mapping
from rightlevel.programme.exchange.mapping import Source, mapping_by_headers
from rightlevel.programme.exchange.sheets import normalised_header, open_sheet

NEEDED = 'school_code = {column = "S"}\ncode = {column = "C"}\nname = {column = "N"}\nsex = {column = "X"}\ngrade = {constant = 3}\n'


def faults_of(text: str, kind: str = "students") -> dict[str, str]:
    with pytest.raises(MappingInvalid) as caught:
        read_mapping(text, kind)
    return {fault.field: fault.rule for fault in caught.value.faults}


def test_a_mapping_names_columns_joins_constants_and_values() -> None:
    mapping = read_mapping(
        NEEDED + 'section = {join = ["A", "B#2"], with = "-", transform = ["upper"]}\nage = "Years"',
        "students",
    )
    assert mapping.sources["section"] == Source(("A", "B#2"), "-", transforms=("upper",))
    assert mapping.sources["grade"] == Source(constant="3")
    assert mapping.sources["age"] == Source(("Years",))
    assert not mapping.is_partial


def test_lines_without_quotes_are_a_mapping_too_and_leave_the_rest_to_the_headers() -> None:
    mapping = read_mapping("# ours = yours\ncode = SID\nplace.district = District name\n\n", "schools")
    assert mapping.is_partial
    assert mapping.sources == {"code": Source(("SID",)), "place.district": Source(("District name",))}
    assert "there are" in faults_of("colour = X")["colour"]


def test_every_mistake_is_named_with_its_place() -> None:
    faults = faults_of(
        'kind = "schools"\ncode = {column = "A", constant = "B"}\nname = {colum = "N"}\nsex = 3\ncolour = {column = "C"}\n'
        'grade = {column = ""}\nage = {join = ["A"]}\nsection = {column = "S", with = "-", transform = ["shout"], values = 3}\n'
    )
    assert set(faults) == {
        "kind",
        "code",
        "name",
        "name.colum",
        "sex",
        "colour",
        "grade.column",
        "age.join",
        "section.with",
        "section.transform",
        "section.values",
    }
    assert "birth_on" in faults["colour"]


def test_what_is_no_toml_says_where() -> None:
    assert "line 2" in faults_of('code = {column = "A"}\nname = {column\n')["mapping"]


def test_a_mapping_of_schools_needs_a_place_and_whole_positions() -> None:
    faults = faults_of('code = "A"\nname_local = {column = "N"}\nlatitude = {column = "L"}', "schools")
    assert set(faults) == {"place", "latitude"}


def test_a_mapping_of_some_size_is_refused() -> None:
    assert faults_of("#" * 100_000)


@pytest.mark.parametrize(
    "headers",
    [
        "school_code,code,name,sex,grade,section,birth_on,age,school_year,id",
        "School Code,Student Code,Student Name,Gender,Standard,Class section,Date of birth,Age,Academic year,UUID",
        "លេខកូដសាលា,អត្តលេខសិស្ស,គោត្តនាម និងនាម,ភេទ,ថ្នាក់ទី,ក្រុម,ថ្ងៃខែឆ្នាំកំណើត,អាយុ,ឆ្នាំសិក្សា,student_uuid",
    ],
)
def test_headers_are_known_in_english_khmer_and_as_exported(tmp_path: Path, headers: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(headers + "\n" + "," * headers.count(",") + "x\n")
    with open_sheet(path) as sheet:
        mapping = mapping_by_headers("students", sheet)
    assert list(mapping.sources) == [field.name for field in FIELDS["students"]] or set(mapping.sources) == {
        field.name for field in FIELDS["students"]
    }
    names = [normalised_header(header) for header in headers.split(",")]
    assert [mapping.sources[field.name].columns[0] for field in FIELDS["students"]] == names


def test_a_class_column_is_the_grade_only_where_no_grade_is(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("class,grade,name\n1,2,x\n")
    with open_sheet(path) as sheet:
        assert mapping_by_headers("students", sheet).sources["grade"] == Source(("grade",))


def test_no_header_means_two_fields_of_a_kind() -> None:
    for fields in FIELDS.values():
        own = {normalised_header(field.name) for field in fields}
        for field in fields:
            for alias in field.aliases:
                its_own = {
                    normalised_header(name) for name in (field.name, field.name.removeprefix("place."))
                }
                assert normalised_header(alias) in its_own or normalised_header(alias) not in own
