"""A mapping bound to one sheet: batches of rows in, COPY text out, faults on the side.

Work goes by column, not by row: each column of a batch is mapped in one call, values met before come from a
dictionary, and the finished columns are joined to lines. No object is made for a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import Any, Final

import msgspec

from rightlevel.programme.exchange.fault_file import FaultFile
from rightlevel.programme.exchange.fields import FIELDS, PLACE_KINDS, Field, Terms
from rightlevel.programme.exchange.mapping import TRANSFORMS, ColumnMapping, Source, value_key
from rightlevel.programme.exchange.sheets import Sheet, SheetFault
from rightlevel.programme.exchange.values import NULL, Convert, Remembered, Wrong, escaped, slug_of

ROWS_PER_BATCH: Final = 1_000
Explained = list[tuple[str, str, str]]
"""Column, value and rule of everything that is wrong with one cell or group of cells."""


class HeadersInvalid(Exception):
    """The mapping does not fit the sheet; `faults` says why, as row, column, value and rule."""

    def __init__(self, faults: list[tuple[int, str, str, str]]) -> None:
        super().__init__("; ".join(rule for _, _, _, rule in faults))
        self.faults = faults


class Block(msgspec.Struct, frozen=True):
    """Some rows ready for COPY."""

    rows: int
    text: bytes


class Column(msgspec.Struct, frozen=True):
    """One or more staging columns that come from the same cells."""

    indexes: tuple[int, ...]
    constant: str
    """The finished text of a column without cells."""
    convert: Callable[[Any], str]
    """From a cell's text, or the tuple of several, to COPY text."""
    explain: Callable[[Any], Explained]
    remembered: Remembered | None = None


class RowPlan:
    """How rows of this sheet become lines of a staging table."""

    def __init__(self, columns: Sequence[Column], mapped: frozenset[str], ignored: tuple[str, ...]) -> None:
        self._columns = columns
        self.mapped = mapped
        """Names of the fields that the file fills."""
        self.ignored = ignored
        """Headers that no field takes."""

    def blocks(self, sheet: Sheet, faults: FaultFile) -> Iterator[Block]:
        """Every row as COPY text. A fault of the sheet itself is noted and ends the rows."""
        batches = sheet.batches(ROWS_PER_BATCH)
        while True:
            try:
                batch = next(batches, None)
            except SheetFault as fault:
                header = (
                    sheet.headers[fault.column - 1]
                    if fault.column and fault.column <= len(sheet.headers)
                    else ""
                )
                faults.add(fault.row or sheet.header_row, header, "", fault.message)
                return
            if batch is None:
                return
            yield self._block(batch, faults)

    def _block(self, batch: list[tuple[int, list[str]]], faults: FaultFile) -> Block:
        numbers = [number for number, _ in batch]
        rows = [row for _, row in batch]
        faulty: set[int] = set()
        found: list[tuple[int, str, str, str]] = []
        texts: list[Any] = []
        for column in self._columns:
            if not column.indexes:
                texts.append(repeat(column.constant))
                continue
            keys = _keys(rows, column.indexes)
            converted = _converted(column, keys)
            if None in converted:
                for place, text in enumerate(converted):
                    if text is None:
                        converted[place] = column.constant
                        faulty.add(place)
                        found += [(numbers[place], *each) for each in column.explain(keys[place])]
            texts.append(converted)
        if found:
            for fault in sorted(found, key=lambda each: each[0]):
                faults.add(*fault)
        whole = ["f" if place in faulty else "t" for place in range(len(rows))] if faulty else repeat("t")
        lines = "\n".join(map("\t".join, zip(map(str, numbers), whole, *texts)))  # noqa: B905  repeats have no length
        return Block(len(rows), (lines + "\n").encode())


def _keys(rows: list[list[str]], indexes: tuple[int, ...]) -> list[Any]:
    if len(indexes) == 1:
        index = indexes[0]
        return [row[index] for row in rows]
    return list(zip(*([row[index] for row in rows] for index in indexes), strict=True))


def _converted(column: Column, keys: list[Any]) -> list[str | None]:
    if column.remembered is not None:
        return list(map(column.remembered.__getitem__, keys))
    try:
        return list(map(column.convert, keys))
    except Wrong:
        return [_or_none(column.convert, key) for key in keys]


def _or_none(convert: Callable[[Any], str], key: Any) -> str | None:
    try:
        return convert(key)
    except Wrong:
        return None


def bind(mapping: ColumnMapping, sheet: Sheet, terms: Terms) -> RowPlan:
    """The plan for this sheet. *Errors*: HeadersInvalid, with one fault for all headers that are not there."""
    binder = _Binder(mapping, sheet, terms)
    columns = binder.columns()
    if binder.faults:
        raise HeadersInvalid(binder.faults)
    used = {index for column in columns for index in column.indexes}
    ignored = tuple(header for index, header in enumerate(sheet.headers) if header and index not in used)
    return RowPlan(columns, frozenset(mapping.sources), ignored)


class _Binder:
    def __init__(self, mapping: ColumnMapping, sheet: Sheet, terms: Terms) -> None:
        self._mapping = mapping
        self._sheet = sheet
        self._terms = terms
        self._not_there: list[str] = []
        self.faults: list[tuple[int, str, str, str]] = []

    def columns(self) -> list[Column]:
        kind, sources = self._mapping.kind, self._mapping.sources
        columns = [
            self._column(field, sources.get(field.name)) for field in FIELDS[kind] if not field.is_place
        ]
        if kind == "schools":
            columns.append(self._place_column())
        missing = [field.name for field in FIELDS[kind] if field.is_needed and field.name not in sources]
        if kind == "schools" and not any(name.startswith("place.") for name in sources):
            missing.append("place.district (or another place)")
        if ("latitude" in sources) != ("longitude" in sources):
            missing.append("longitude" if "latitude" in sources else "latitude")
        if missing or self._not_there:
            self._fault_headers(missing)
        return columns

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
        shown = ", ".join(named[:60]) + (f" and {len(named) - 60} more" if len(named) > 60 else "")
        rule = " ".join([*said, f"The file has: {shown}."])
        self.faults.append((self._sheet.header_row, ", ".join([*self._not_there, *missing]), "", rule))

    def _column(self, field: Field, source: Source | None) -> Column:
        convert = field.make(self._terms)
        blank = "\t".join([NULL] * field.columns)
        if source is None:
            return Column((), self._unmapped(field, blank), convert, _nothing)
        if not source.columns:
            return Column((), self._constant(field.name, source, convert), convert, _nothing)
        indexes = self._indexes(source)
        whole = _with_source(source, convert)
        label = " + ".join(source.columns)

        def explain(key: Any) -> Explained:
            return [(label, _shown(key, source.joint), rule) for rule in _rule(whole, key)]

        remembered = None if field.is_unique else Remembered(whole)
        return Column(indexes, blank, whole, explain, remembered)

    def _unmapped(self, field: Field, blank: str) -> str:
        if field.name != "school_year":
            return blank
        if self._terms.current_school_year_id is None:
            rule = "No school year is current. Make one current, or bring a column school_year."
            self.faults.append((self._sheet.header_row, "school_year", "", rule))
        return str(self._terms.current_school_year_id)

    def _constant(self, name: str, source: Source, convert: Convert) -> str:
        try:
            return _with_source(source, convert)(source.constant)
        except Wrong as wrong:
            self.faults.append((self._sheet.header_row, name, source.constant, wrong.rule))
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
                    self.faults.append((self._sheet.header_row, name, "", fault.message))
                indexes.append(0)
        return tuple(indexes)

    def _place_column(self) -> Column:
        """All place fields of a row as one path, the country first; paths repeat, so each is worked out once."""
        steps: list[_Step] = []
        indexes: list[int] = []
        for kind in PLACE_KINDS:
            parts = [self._place_part(f"place.{kind}{suffix}", indexes) for suffix in ("", "_code")]
            if any(part is not None for part in parts):
                steps.append(_Step(kind, parts[0], parts[1]))
        if steps and steps[0].kind != "country":
            self._put_country_first(steps)

        def convert(key: Any) -> str:
            cells: tuple[str, ...] = (key,) if isinstance(key, str) else key
            return _path_text(steps, cells)

        def explain(key: Any) -> Explained:
            cells: tuple[str, ...] = (key,) if isinstance(key, str) else key
            return _path_faults(steps, cells)

        if not indexes:
            return Column((), self._constant_path(steps), convert, explain)
        return Column(tuple(indexes), NULL, convert, explain, Remembered(convert))

    def _place_part(self, name: str, indexes: list[int]) -> _Part | None:
        source = self._mapping.sources.get(name)
        field = next(field for field in FIELDS["schools"] if field.name == name)
        if source is None:
            return None
        start = len(indexes)
        indexes += self._indexes(source)
        label = " + ".join(source.columns) or name
        return _Part(label, start, len(indexes), source, _with_source(source, field.make(self._terms)))

    def _put_country_first(self, steps: list[_Step]) -> None:
        only = self._terms.only_country
        if only is None:
            rule = "There is no one country yet, so the file must name its own: place.country or a column country."
            self.faults.append((self._sheet.header_row, "place.country", "", rule))
            return
        code, name = (Source(constant=text) for text in only)
        steps.insert(0, _Step("country", _Part("", 0, 0, name, escaped), _Part("", 0, 0, code, escaped)))

    def _constant_path(self, steps: list[_Step]) -> str:
        faults = _path_faults(steps, ()) if steps else []
        self.faults += [(self._sheet.header_row, *fault) for fault in faults]
        return NULL if faults or not steps else _path_text(steps, ())


class _Part(msgspec.Struct, frozen=True):
    """One place field: where its cells stand among the path's cells, and how they are read."""

    label: str
    start: int
    end: int
    source: Source
    convert: Callable[[Any], str]

    def raw(self, cells: tuple[str, ...]) -> Any:
        own = cells[self.start : self.end]
        return own if len(own) > 1 else own[0] if own else self.source.constant

    def text(self, cells: tuple[str, ...]) -> str:
        """The name or code, empty where the cells are. *Errors*: Wrong."""
        converted = self.convert(self.raw(cells))
        return "" if converted == NULL else converted


class _Step(msgspec.Struct, frozen=True):
    """One level of the path: its kind, and its name and code where they are mapped."""

    kind: str
    name: _Part | None
    code: _Part | None

    def entry(self, cells: tuple[str, ...]) -> list[str]:
        """Kind, code, name and whether the code was given; empty for a level left blank. *Errors*: Wrong."""
        name = self.name.text(cells) if self.name else ""
        code = self.code.text(cells) if self.code else ""
        if not name and not code:
            if self.kind == "country":
                raise Wrong("The country is needed and is empty")
            return []
        return [self.kind, code or slug_of(name), name or code, "t" if code else "f"]


def _path_text(steps: list[_Step], cells: tuple[str, ...]) -> str:
    """The path as PostgreSQL writes an array of texts, escaped for COPY."""
    entries = [text for step in steps for text in step.entry(cells)]
    if len(entries) <= 4 and len(steps) > 1:
        raise Wrong("A place below the country is needed and is empty")
    # Names and codes were escaped for COPY, which doubled backslashes; inside an array each needs doubling once more.
    quoted = ('"' + text.replace("\\", "\\\\").replace('"', '\\\\"') + '"' for text in entries)
    return "{" + ",".join(quoted) + "}"


def _path_faults(steps: list[_Step], cells: tuple[str, ...]) -> Explained:
    faults: Explained = []
    for step in steps:
        for part in (step.name, step.code):
            if part is not None:
                value = _shown(part.raw(cells), part.source.joint)
                faults += [(part.label, value, rule) for rule in _rule(part.text, cells)]
        if not faults:
            label = (step.name or step.code or _NO_PART).label
            faults += [(label, "", rule) for rule in _rule(step.entry, cells)]
    if not faults:
        faults += [(steps[-1].kind, "", rule) for rule in _rule(lambda key: _path_text(steps, key), cells)]
    return faults


def _rule(convert: Callable[[Any], object], key: Any) -> list[str]:
    try:
        convert(key)
    except Wrong as wrong:
        return [wrong.rule]
    return []


def _nothing(_key: Any) -> Explained:
    return []


def _shown(key: Any, joint: str) -> str:
    return key if isinstance(key, str) else joint.join(key)


def _with_source(source: Source, convert: Convert) -> Callable[[Any], str]:
    """The converter of a field after its source's joining, values and transforms."""
    joint, values = source.joint, source.values
    transforms = [TRANSFORMS[name] for name in source.transforms]
    if len(source.columns) < 2 and values is None and not transforms:
        return convert

    def whole(key: Any) -> str:
        text = key.strip() if isinstance(key, str) else _joined(key, joint, source.columns)
        if values is not None and text:
            found = values.get(value_key(text))
            if found is None:
                raise Wrong(f"One of the values in the mapping: {', '.join(values)}")
            text = found
        for transform in transforms:
            text = transform(text)
        return convert(text)

    return whole


def _joined(parts: tuple[str, ...], joint: str, names: tuple[str, ...]) -> str:
    stripped = [part.strip() for part in parts]
    if all(stripped):
        return joint.join(stripped)
    if any(stripped):
        empty = ", ".join(name for name, part in zip(names, stripped, strict=True) if not part)
        raise Wrong(f"A part of this is empty: {empty}")
    return ""


_NO_PART: Final = _Part("", 0, 0, Source(), escaped)
