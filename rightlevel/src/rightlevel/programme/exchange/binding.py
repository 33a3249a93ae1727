"""A mapping bound to one sheet: which column of the file becomes which column of the staging table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final

import msgspec

from rightlevel.programme.exchange.cures import cure_of, is_cured, likely_header, quoted
from rightlevel.programme.exchange.fields import FIELDS, PLACE_KINDS, Field, Terms, field_named
from rightlevel.programme.exchange.mapping import ColumnMapping, Source
from rightlevel.programme.exchange.opening import looks_like_data
from rightlevel.programme.exchange.place_path import Part, Step, path_faults, path_text
from rightlevel.programme.exchange.row_plan import Asked, Column, Explained, RowPlan
from rightlevel.programme.exchange.sheets import Sheet, SheetFault, header_key
from rightlevel.programme.exchange.source_text import rule_broken, shown, with_source
from rightlevel.programme.exchange.values import NULL, Convert, Remembered, Wrong, escaped

SHOWN_HEADERS = 60
SECRETS: Final = frozenset(
    {"password", "passwords", "passwort", "passcode", "pin", "pincode", "secret", "ពាក្យសម្ងាត់", "លេខសម្ងាត់"}
)
NO_SECRETS: Final = (
    "Passwords don't stand in files: take this column out. Each person chooses their own with a one-time code"
)
MOST_CURES_TRIED: Final = 1_000
"""Different values of a column whose line was tried; faults beyond come without one."""


class HeadersInvalid(Exception):
    """The mapping does not fit the sheet; `faults` says why, as row, column, value, rule and the mapping's line."""

    def __init__(self, faults: list[tuple[int, str, str, str, str]]) -> None:
        super().__init__("; ".join(rule for _, _, _, rule, _ in faults))
        self.faults = faults


def bind(mapping: ColumnMapping, sheet: Sheet, terms: Terms) -> RowPlan:
    """The plan for this sheet. *Errors*: HeadersInvalid, with one fault for all headers that are not there."""
    binder = _Binder(mapping, sheet, terms)
    columns = binder.columns()
    asked = binder.asked()
    if binder.faults:
        raise HeadersInvalid(binder.faults)
    used = {index for column in columns for index in column.indexes}
    ignored = tuple(header for index, header in enumerate(sheet.headers) if header and index not in used)
    return RowPlan(columns, frozenset(mapping.sources), ignored, asked)


class _Binder:
    def __init__(self, mapping: ColumnMapping, sheet: Sheet, terms: Terms) -> None:
        self._mapping = mapping
        self._sheet = sheet
        self._terms = terms
        self._not_there: list[str] = []
        self.faults: list[tuple[int, str, str, str, str]] = []

    def columns(self) -> list[Column]:
        kind, sources = self._mapping.kind, self._mapping.sources
        if kind == "people":
            self._refuse_secrets()
        columns = [
            self._column(field, sources.get(field.name)) for field in FIELDS[kind] if not field.is_place
        ]
        if kind == "schools":
            columns.append(self._place_column())
        missing = [field.name for field in FIELDS[kind] if field.is_needed and field.name not in sources]
        if kind == "schools" and not any(name.startswith("place.") for name in sources):
            missing.append("place.district (or another place)")
        if kind == "results" and not any(name.endswith(("_level", "_outcome")) for name in sources):
            missing.append("language_level or math_level")
        if ("latitude" in sources) != ("longitude" in sources):
            missing.append("longitude" if "latitude" in sources else "latitude")
        if missing or self._not_there:
            self._fault_headers(missing)
            self._not_there.clear()
        return columns

    def _refuse_secrets(self) -> None:
        """No password comes by a file, used or not: whoever sends one is told to take it out, so that no such file goes round."""
        for header in self._sheet.headers:
            if header_key(header) in SECRETS:
                self.faults.append((self._sheet.header_row, header, "", NO_SECRETS, ""))

    def _fault_headers(self, missing: list[str]) -> None:
        said: list[str] = []
        if self._not_there:
            said.append(
                f"The mapping names columns that the file does not have: {', '.join(self._not_there)}."
            )
        if missing:
            said.append(f"No column was found for: {', '.join(missing)}.")
        repeated = self._sheet.repeated
        named = [
            f"{header} (repeated)" if header in repeated else header
            for header in self._sheet.headers
            if header
        ]
        there = ", ".join(named[:SHOWN_HEADERS])
        more = f" and {len(named) - SHOWN_HEADERS} more" if len(named) > SHOWN_HEADERS else ""
        said.append(f"The file has: {there}{more}.")
        row = self._sheet.header_row
        is_data = row > 0 and looks_like_data(self._sheet.headers, self._mapping.kind)
        if is_data:
            said.append(
                "It seems to have no header row: with the mapping's line its columns are named A, B, C."
            )
        cure = "header_row = 0" if is_data else self._line_for(missing)
        named_faults = ", ".join([*self._not_there, *missing])
        self.faults.append((row, named_faults, "", " ".join(said), cure))

    def _line_for(self, missing: list[str]) -> str:
        """The line that names the one column that is missing, where there is one header that it could be and nothing else is wrong."""
        if self._not_there or len(missing) != 1:
            return ""
        field = field_named(self._mapping.kind, missing[0])
        header = likely_header(field, self._unused_headers()) if field is not None else ""
        if field is None or not header:
            return ""
        sources = {**self._mapping.sources, field.name: Source((header,))}
        again = _Binder(msgspec.structs.replace(self._mapping, sources=sources), self._sheet, self._terms)
        again.columns()
        return f"{field.name} = {quoted(header)}" if not again.faults else ""

    def _unused_headers(self) -> list[str]:
        """The headers, each there once, that nothing reads."""
        used = {index for source in self._mapping.sources.values() for index in self._there(source)}
        headers = enumerate(self._sheet.headers)
        return [each for at, each in headers if each and each not in self._sheet.repeated and at not in used]

    def _there(self, source: Source) -> Iterator[int]:
        for name in source.columns:
            with suppress(SheetFault):  # one that is not there reads nothing
                yield self._sheet.column_index(name)

    def _column(self, field: Field, source: Source | None) -> Column:
        convert = field.make(self._terms)
        blank = "\t".join([NULL] * field.columns)
        if source is None:
            return Column((), self._unmapped(field, blank), convert, _nothing)
        if not source.columns:
            return Column((), self._constant(field, source, convert), convert, _nothing)
        indexes = self._indexes(source)
        whole = with_source(source, convert, field)
        label = " + ".join(source.columns)

        tried: dict[tuple[Any, str], str] = {}

        def cure(key: Any, value: str, rule: str) -> str:
            if (key, rule) not in tried:
                if len(tried) >= MOST_CURES_TRIED:
                    return ""
                line = cure_of(field.name, source, value, rule)
                is_cure = line and is_cured(
                    line, self._mapping.kind, field=field, convert=convert, source=source, key=key
                )
                tried[key, rule] = line if is_cure else ""
            return tried[key, rule]

        def explain(key: Any) -> Explained:
            value = shown(key, source.joint)
            return [(label, value, rule, cure(key, value, rule)) for rule in rule_broken(whole, key)]

        remembered = None if field.is_unique else Remembered(whole)
        return Column(indexes, blank, whole, explain, remembered)

    def _unmapped(self, field: Field, blank: str) -> str:
        current = self._terms.current_school_year_id
        if field.name == "class_year" and current is not None:
            return str(current)
        if field.name != "school_year":
            return blank
        if self._terms.current_school_year_id is None:
            rule = "No school year is current. Make one current, or bring a column school_year."
            cure = 'school_year = {constant = "2026"}'
            self.faults.append((self._sheet.header_row, "school_year", "", rule, cure))
        return str(self._terms.current_school_year_id)

    def _constant(self, field: Field, source: Source, convert: Convert) -> str:
        try:
            return with_source(source, convert, field)(source.constant)
        except Wrong as wrong:
            self.faults.append((self._sheet.header_row, field.name, source.constant, wrong.rule, ""))
            return NULL

    def _indexes(self, source: Source) -> tuple[int, ...]:
        indexes: list[int] = []
        for name in source.columns:
            try:
                indexes.append(self._sheet.column_index(name))
            except SheetFault as fault:
                if fault.code == "no_such_column":
                    self._not_there.append(name)
                else:
                    cure = self._line_for_first_of(name)
                    self.faults.append((self._sheet.header_row, name, "", fault.message, cure))
                indexes.append(0)
        return tuple(indexes)

    def _line_for_first_of(self, column: str) -> str:
        """The line that reads the first of several columns with one header, where nothing but that column is said of its field."""
        sources = self._mapping.sources.items()
        name = next((name for name, source in sources if source == Source((column,))), "")
        return f"{name} = {quoted(column + '#1')}" if name else ""

    def asked(self) -> list[Asked]:
        """What a row must be to be asked for."""
        asked: list[Asked] = []
        for rule in self._mapping.only:
            (index,) = self._indexes(Source((rule.column,)))
            asked.append(Asked(index, rule.column, rule.takes))
        grade = self._mapping.sources.get("grade")
        if self._mapping.only_programme_grades and grade is not None:
            if len(grade.columns) == 1:
                (index,) = self._indexes(grade)
                asked.append(Asked(index, grade.columns[0], self._is_of_programme(grade)))
            else:
                rule = "Only where the grade stands in one column"
                self.faults.append((self._sheet.header_row, "only_programme_grades", "", rule, ""))
        if self._not_there:
            self._fault_headers([])
        return asked

    def _is_of_programme(self, source: Source) -> Callable[[str], bool]:
        """Whether a cell is a grade of the programme; what is no grade at all stays, to be told as a fault."""
        field = next(field for field in FIELDS["students"] if field.name == "grade")
        convert = with_source(source, field.make(self._terms), field)
        grades = {str(grade) for grade in self._terms.grades}

        def takes(cell: str) -> bool:
            try:
                return convert(cell) in grades
            except Wrong:
                return True

        return takes

    def _place_column(self) -> Column:
        """All place fields of a row as one path, the country first; paths repeat, so each is worked out once."""
        steps: list[Step] = []
        indexes: list[int] = []
        for kind in PLACE_KINDS:
            parts = [self._place_part(f"place.{kind}{suffix}", indexes) for suffix in ("", "_code")]
            if any(part is not None for part in parts):
                steps.append(Step(kind, parts[0], parts[1]))
        if steps and steps[0].kind != "country":
            self._put_country_first(steps)

        def convert(key: Any) -> str:
            cells: tuple[str, ...] = (key,) if isinstance(key, str) else key
            return path_text(steps, cells)

        def explain(key: Any) -> Explained:
            cells: tuple[str, ...] = (key,) if isinstance(key, str) else key
            return path_faults(steps, cells)

        if not indexes:
            return Column((), self._constant_path(steps), convert, explain)
        return Column(tuple(indexes), NULL, convert, explain, Remembered(convert))

    def _place_part(self, name: str, indexes: list[int]) -> Part | None:
        source = self._mapping.sources.get(name)
        field = next(field for field in FIELDS["schools"] if field.name == name)
        if source is None:
            return None
        start = len(indexes)
        indexes += self._indexes(source)
        label = " + ".join(source.columns) or name
        return Part(
            label=label,
            field=name,
            start=start,
            end=len(indexes),
            source=source,
            convert=with_source(source, field.make(self._terms), field),
        )

    def _put_country_first(self, steps: list[Step]) -> None:
        only = self._terms.only_country
        if only is None:
            rule = "There is no one country yet, so the file must name its own: place.country or a column country."
            cure = 'place.country = {constant = "Cambodia"}'
            self.faults.append((self._sheet.header_row, "place.country", "", rule, cure))
            return
        code, name = (Source(constant=text) for text in only)
        steps.insert(
            0,
            Step(
                "country",
                Part(label="", field="", start=0, end=0, source=name, convert=escaped),
                Part(label="", field="", start=0, end=0, source=code, convert=escaped),
            ),
        )

    def _constant_path(self, steps: list[Step]) -> str:
        faults = path_faults(steps, ()) if steps else []
        self.faults += [(self._sheet.header_row, *fault) for fault in faults]
        return NULL if faults or not steps else path_text(steps, ())


def _nothing(_key: Any) -> Explained:
    return []
