"""Which column of a file fills which field: from a mapping in TOML, or from the headers' own words.

    code = {join = ["REGION", "SID"], with = "-"}
    ownership = {column = "STYPE", values = {"1" = "government", "2" = "private"}}
    place.country = {constant = "Pakistan"}
    place.province = {column = "REGION", transform = ["title"]}

A header that stands over several columns is named as "NAME#1", "NAME#2". `code = "SID"` is short for one column. Where
nothing but pairs is needed, lines of `ours = yours` without quotes do; fields they leave out are found by their headers.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable
from collections.abc import Mapping as Table
from typing import Any, Final, cast

import msgspec

from rightlevel.programme.errors import Fault, Invalid
from rightlevel.programme.exchange.fields import FIELDS, KINDS, Field, Kind, field_named, needed_fields, plain
from rightlevel.programme.exchange.sheets import Sheet, normalised_header
from rightlevel.programme.exchange.values import with_plain_digits

LONGEST_MAPPING: Final = 64 * 1024
MOST_JOINED: Final = 10
TRANSFORMS: Final[dict[str, Callable[[str], str]]] = {
    "strip": str.strip,
    "title": str.title,
    "upper": str.upper,
    "lower": str.lower,
}
_PAIR: Final = re.compile(r"""\s*([a-z_.]+)\s*=\s*([^\s"'{\[].*)""")
_SOURCE_KEYS: Final = ("column", "join", "with", "constant", "values", "transform")


class Source(msgspec.Struct, frozen=True):
    """Where one field comes from: one column, several joined, or (without columns) a constant."""

    columns: tuple[str, ...] = ()
    joint: str = " "
    constant: str = ""
    values: dict[str, str] | None = None
    transforms: tuple[str, ...] = ()


class ColumnMapping(msgspec.Struct, frozen=True):
    """Where every mapped field comes from, and which sheet and encoding to read."""

    kind: Kind
    sources: dict[str, Source]
    sheet: str | None = None
    encoding: str | None = None
    is_partial: bool = False
    """Whether fields that are not named are found by their headers."""


class MappingInvalid(Invalid):
    """The mapping can't be used. Please look at the places named."""

    code = "mapping_invalid"


def read_mapping(text: str, kind: Kind) -> ColumnMapping:
    """The mapping that a TOML text says. *Errors*: MappingInvalid, naming every place and what is wrong there."""
    if len(text) > LONGEST_MAPPING:
        raise MappingInvalid(faults=(Fault("mapping", f"At most {LONGEST_MAPPING:,} characters"),))
    text = text.removeprefix("\ufeff")
    reader = _Reader(kind)
    pairs = _pairs(text)
    if pairs is not None:
        mapping = reader.pairs(pairs)
        if reader.faults:
            raise MappingInvalid(faults=tuple(reader.faults))
        return mapping
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise MappingInvalid(faults=(Fault("mapping", f"This is not TOML: {error}"),)) from error
    mapping = reader.mapping(table)
    if reader.faults:
        raise MappingInvalid(faults=tuple(reader.faults))
    return mapping


def _pairs(text: str) -> list[tuple[str, str]] | None:
    """The lines `ours = yours`, or None when some line is anything else."""
    pairs: list[tuple[str, str]] = []
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            match = _PAIR.fullmatch(line)
            if match is None:
                return None
            pairs.append((match[1], match[2].strip()))
    return pairs


class _Reader:
    def __init__(self, kind: Kind) -> None:
        self.kind: Kind = kind
        self.faults: list[Fault] = []

    def pairs(self, pairs: list[tuple[str, str]]) -> ColumnMapping:
        sources = {name: Source((header,)) for name, header in pairs}
        for name in sources:
            self._refuse_unknown(name)
        if len(sources) < len(pairs):
            self._fault("mapping", "Each of our columns once")
        return ColumnMapping(self.kind, sources, is_partial=True)

    def _refuse_unknown(self, name: str) -> bool:
        if field_named(self.kind, name) is None:
            known = ", ".join(field.name for field in FIELDS[self.kind])
            self._fault(name, f"There is no such field; there are {known}")
            return True
        return False

    def mapping(self, table: dict[str, Any]) -> ColumnMapping:
        said = table.pop("kind", self.kind)
        if said != self.kind:
            self._fault("kind", f"This mapping is for {said}; the import is of {self.kind}", said)
        options = {name: table.pop(name, None) for name in ("sheet", "encoding")}
        for name, value in options.items():
            if value is not None and not isinstance(value, str):
                self._fault(name, "A text", value)
        sources: dict[str, Source] = {}
        for name, value in self._flat(table):
            if not self._refuse_unknown(name) and (source := self._source(name, value)) is not None:
                sources[name] = source
        missing = [name for name in needed_fields(self.kind) if name not in table]
        if missing:
            self._fault("mapping", f"These fields are needed: {', '.join(missing)}")
        if self.kind == "schools" and not any(name.startswith("place.") for name in sources):
            self._fault("place", "A school needs a place: name at least one, place.district for example")
        if ("latitude" in sources) != ("longitude" in sources):
            self._fault("latitude", "Latitude and longitude come together")
        return ColumnMapping(self.kind, sources, options["sheet"], options["encoding"])

    def _flat(self, table: dict[str, Any]) -> Iterable[tuple[str, Any]]:
        for name, value in table.items():
            if name == "place" and isinstance(value, dict):
                for inner, source in cast("dict[str, Any]", value).items():
                    yield f"place.{inner}", source
            else:
                yield name, value

    def _source(self, name: str, value: Any) -> Source | None:
        if isinstance(value, str):
            table: dict[str, Any] = {"column": value}
        elif isinstance(value, dict):
            table = cast("dict[str, Any]", value)
        else:
            rule = 'A table, as in {column = "NAME"}, {join = ["A", "B"]} or {constant = "text"}'
            self._fault(name, rule, value)
            return None
        unknown = [key for key in table if key not in _SOURCE_KEYS]
        if unknown:
            self._fault(
                f"{name}.{unknown[0]}", f"There is no such word here; there are {', '.join(_SOURCE_KEYS)}"
            )
        said = [key for key in ("column", "join", "constant") if key in table]
        if len(said) != 1:
            self._fault(name, f"Exactly one of column, join and constant, not {' and '.join(said) or 'none'}")
            return None
        return Source(
            columns=self._columns(name, table),
            joint=self._joint(name, table),
            constant=self._constant(name, table),
            values=self._values(name, table),
            transforms=self._transforms(name, table),
        )

    def _columns(self, name: str, table: dict[str, Any]) -> tuple[str, ...]:
        if "column" in table:
            if not isinstance(table["column"], str) or not table["column"].strip():
                self._fault(f"{name}.column", "The text of one header", table["column"])
                return ("",)
            return (table["column"],)
        columns: Any = table.get("join", ["none", "none"])
        if not _is_texts(columns) or not 2 <= len(columns) <= MOST_JOINED:
            self._fault(f"{name}.join", f"A list of 2 to {MOST_JOINED} headers", columns)
            return ()
        return tuple(columns) if "join" in table else ()

    def _joint(self, name: str, table: dict[str, Any]) -> str:
        joint = table.get("with", " ")
        if not isinstance(joint, str) or ("join" not in table and "with" in table):
            self._fault(f"{name}.with", "A text that stands between what join names", joint)
            return " "
        return joint

    def _constant(self, name: str, table: dict[str, Any]) -> str:
        constant = table.get("constant", "")
        if not isinstance(constant, str | int | float):
            self._fault(f"{name}.constant", "A text or a number", constant)
            return ""
        return plain(constant)

    def _values(self, name: str, table: dict[str, Any]) -> dict[str, str] | None:
        values: Any = table.get("values")
        if values is None:
            return None
        if not isinstance(values, dict) or not all(
            isinstance(each, str | int | float) for each in cast("dict[str, Any]", values).values()
        ):
            rule = 'A table, as in {"1" = "government", "2" = "private"}'
            self._fault(f"{name}.values", rule, cast("object", values))
            return None
        return {value_key(key): plain(value) for key, value in cast("dict[str, Any]", values).items()}

    def _transforms(self, name: str, table: dict[str, Any]) -> tuple[str, ...]:
        transforms: Any = table.get("transform", [])
        transforms = [transforms] if isinstance(transforms, str) else transforms
        if not _is_texts(transforms) or not set(transforms) <= TRANSFORMS.keys():
            self._fault(f"{name}.transform", f"Some of {', '.join(TRANSFORMS)}", transforms)
            return ()
        return tuple(transforms)

    def _fault(self, where: str, rule: str, value: object = "") -> None:
        self.faults.append(Fault(where, rule, str(value)[:200]))


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in cast("list[Any]", value))


def value_key(text: str) -> str:
    """A cell as it is looked up in a mapping's `values`: spaces, case and the script of digits do not matter."""
    return with_plain_digits(text).strip().casefold()


def mapping_by_headers(kind: Kind, sheet: Sheet, given: ColumnMapping | None = None) -> ColumnMapping:
    """The mapping that the headers' own words say, in English, Khmer or as our exports write them, beside what is given.

    Where several headers fit one field, the word that stands first among the field's words wins. Needed fields without
    a header are left out here; binding the mapping to the sheet names them all.
    """
    present = dict.fromkeys(normalised_header(header) for header in sheet.headers if header)
    sources: dict[str, Source] = dict(given.sources) if given is not None else {}
    taken = {normalised_header(column) for source in sources.values() for column in source.columns}
    # First by the fields' own names: no field may take a header that another field is named by.
    for field in FIELDS[kind]:
        if field.name in sources:
            continue
        own = normalised_header(field.name.removeprefix("place."))
        if (
            own in present
            and own not in taken
            and own in {normalised_header(alias) for alias in field.aliases}
        ):
            taken.add(own)
            sources[field.name] = Source((own,))
    for field in FIELDS[kind]:
        if field.name not in sources:
            header = _header_for(field, present, taken)
            if header is not None:
                taken.add(header)
                sources[field.name] = Source((header,))
    return ColumnMapping(kind, sources)


def _header_for(field: Field, present: Table[str, object], taken: set[str]) -> str | None:
    for alias in field.aliases:
        key = normalised_header(alias)
        if key in present and key not in taken:
            return key
    return None


__all__ = [
    "KINDS",
    "TRANSFORMS",
    "ColumnMapping",
    "MappingInvalid",
    "Source",
    "mapping_by_headers",
    "read_mapping",
    "value_key",
]
