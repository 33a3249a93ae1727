"""Which column of a file fills which field: from a mapping in TOML, or from the headers' own words.

    code = {join = ["REGION", "SID"], with = "-"}
    ownership = {column = "STYPE", values = {"1" = "government", "2" = "private"}}
    place.country = {constant = "Pakistan"}
    place.province = {column = "REGION", transform = ["title"]}

A header that stands over several columns is named as "NAME#1", "NAME#2". `code = "SID"` is short for one column. Where
nothing but pairs is needed, lines of `ours = yours` without quotes do. A mapping that leaves out a field that is needed leaves
all that it leaves out to the headers' own words. Beside fields it may say how the file is read and which of its rows:

    encoding = "windows-1256"
    sheet = "Children"
    header_row = 4
    only = [{column = "Grade", in = [3, 4, 5]}, {column = "District", filled = true}]
    only_programme_grades = true
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable
from collections.abc import Mapping as Table
from typing import Any, Final, cast

import msgspec

from rightlevel.programme.errors import Fault, Invalid
from rightlevel.programme.exchange.fields import FIELDS, KINDS, Kind, field_named, needed_fields, plain
from rightlevel.programme.exchange.sheets import Sheet, header_key, normalised_header
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
_TOML_VALUE: Final = re.compile(r"(?:true|false|[+-]?[0-9][0-9_.]*)\s*(?:#.*)?")
_SOURCE_KEYS: Final = ("column", "join", "with", "blanks", "constant", "values", "nothing", "transform")
_TEXT_OPTIONS: Final = ("sheet", "encoding")
_YES_NO_OPTIONS: Final = ("encoding_checked", "only_programme_grades")
OPTIONS: Final = (*_TEXT_OPTIONS, *_YES_NO_OPTIONS, "header_row", "only")
"""What a mapping may say beside fields."""
_ROW_RULE_KEYS: Final = ("column", "in", "not_in", "filled")
MOST_ROW_RULES: Final = 10
MOST_WORDS: Final = 200
LAST_HEADER_ROW: Final = 1_000
_NO_YES: Final = {"true": True, "yes": True, "false": False, "no": False}


class Source(msgspec.Struct, frozen=True):
    """Where one field comes from: one column, several joined, or (without columns) a constant."""

    columns: tuple[str, ...] = ()
    joint: str = " "
    constant: str = ""
    values: dict[str, str] | None = None
    transforms: tuple[str, ...] = ()
    nothing: frozenset[str] = frozenset()
    """What stands for nothing in these cells, as `value_key` gives it, beside the usual words."""
    blanks: bool | None = None
    """Whether some of several joined columns may be blank; None: in names only."""


class RowRule(msgspec.Struct, frozen=True):
    """Which rows are asked for, by one column: those with (or without) some values, or those filled in (or blank)."""

    column: str
    among: frozenset[str] | None = None
    not_among: frozenset[str] | None = None
    is_filled: bool | None = None

    def takes(self, cell: str) -> bool:
        """Whether a row with this cell is asked for. Case, spaces and the script of digits do not matter."""
        key = value_key(cell)
        if self.among is not None:
            return key in self.among
        if self.not_among is not None:
            return key not in self.not_among
        return bool(key) == self.is_filled


class ColumnMapping(msgspec.Struct, frozen=True):
    """Where every mapped field comes from, and which sheet and encoding to read."""

    kind: Kind
    sources: dict[str, Source]
    sheet: str | None = None
    encoding: str | None = None
    is_partial: bool = False
    """Whether fields that are not named are found by their headers."""
    header_row: int | None = None
    """The file's own number of the header's row; 0: there is none, and columns are named A, B, C …; None: it is looked for."""
    only: tuple[RowRule, ...] = ()
    only_programme_grades: bool = False
    encoding_checked: bool = False
    """Whether somebody has seen the names in the encoding that is asked for."""


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
        table = tomllib.loads(_quoted(text))
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


def _quoted(text: str) -> str:
    """The lines that are plain pairs among lines of TOML, written as TOML."""
    found = ((_PAIR.fullmatch(line), line) for line in text.splitlines())
    return "\n".join(
        f"{match[1]} = {msgspec.json.encode(match[2].strip()).decode()}"
        if match and not _TOML_VALUE.fullmatch(match[2].strip())
        else line
        for match, line in found
    ) + ("\n" if text.endswith("\n") else "")


class _Reader:
    def __init__(self, kind: Kind) -> None:
        self.kind: Kind = kind
        self.faults: list[Fault] = []

    def pairs(self, pairs: list[tuple[str, str]]) -> ColumnMapping:
        options = {name: value for name, value in pairs if name in OPTIONS}
        columns = [(name, header) for name, header in pairs if name not in OPTIONS]
        sources = {name: Source((header,)) for name, header in columns}
        for name in sources:
            self._refuse_unknown(name)
        if len(sources) < len(columns):
            self._fault("mapping", "Each of our columns once")
        return self._with_options(ColumnMapping(self.kind, sources, is_partial=True), dict(options))

    def _with_options(self, mapping: ColumnMapping, options: dict[str, Any]) -> ColumnMapping:
        """The mapping with what it says beside fields."""
        texts = {name: options.get(name) for name in _TEXT_OPTIONS}
        for name, value in texts.items():
            if value is not None and not isinstance(value, str):
                self._fault(name, "A text", value)
        if self.kind != "students" and "only_programme_grades" in options:
            self._fault("only_programme_grades", "Only for children", options["only_programme_grades"])
        flags = {name: self._flag(name, options.get(name, False)) for name in _YES_NO_OPTIONS}
        return msgspec.structs.replace(
            mapping,
            **texts,
            **flags,
            header_row=self._header_row(options.get("header_row")),
            only=self._row_rules(options.get("only", [])),
        )

    def _flag(self, name: str, value: Any) -> bool:
        value = _NO_YES.get(value.strip().casefold(), value) if isinstance(value, str) else value
        if not isinstance(value, bool):
            self._fault(name, "true or false", value)
            return False
        return value

    def _header_row(self, value: Any) -> int | None:
        if value is None:
            return None
        text = with_plain_digits(str(value)).strip()
        if isinstance(value, bool) or not text.isdecimal() or int(text[:9]) > LAST_HEADER_ROW:
            self._fault(
                "header_row", f"A row from 1 to {LAST_HEADER_ROW}, or 0 where there is no header", value
            )
            return None
        return int(text)

    def _row_rules(self, value: Any) -> tuple[RowRule, ...]:
        tables: list[Any] = cast("list[Any]", value) if isinstance(value, list) else [value]
        if len(tables) > MOST_ROW_RULES:
            self._fault("only", f"At most {MOST_ROW_RULES} of these")
            return ()
        rules = [self._row_rule(each) for each in tables]
        return tuple(rule for rule in rules if rule is not None)

    def _row_rule(self, table: Any) -> RowRule | None:
        rule = 'Tables, as in [{column = "Grade", in = [3, 4, 5]}, {column = "District", filled = true}]'
        said = cast("dict[str, Any]", table) if isinstance(table, dict) else {}
        kinds = [key for key in ("in", "not_in", "filled") if key in said]
        column = said.get("column")
        if not isinstance(column, str) or len(kinds) != 1 or not said.keys() <= set(_ROW_RULE_KEYS):
            self._fault("only", rule, said)
            return None
        if kinds == ["filled"]:
            return RowRule(column, is_filled=self._flag("only", said["filled"]))
        words = self._words("only", said[kinds[0]])
        return RowRule(column, among=words) if kinds == ["in"] else RowRule(column, not_among=words)

    def _words(self, name: str, value: Any) -> frozenset[str]:
        words: list[Any] = cast("list[Any]", value) if isinstance(value, list) else [value]
        if len(words) > MOST_WORDS or not all(isinstance(each, str | int | float) for each in words):
            self._fault(name, f"A list of at most {MOST_WORDS} texts or numbers", words)
            return frozenset()
        return frozenset(value_key(plain(each)) for each in words)

    def _refuse_unknown(self, name: str) -> bool:
        if field_named(self.kind, name) is None:
            known = ", ".join([*(field.name for field in FIELDS[self.kind]), *OPTIONS])
            self._fault(name, f"There is no such field; there are {known}")
            return True
        return False

    def mapping(self, table: dict[str, Any]) -> ColumnMapping:
        said = table.pop("kind", self.kind)
        if said != self.kind:
            self._fault("kind", f"This mapping is for {said}; the import is of {self.kind}", said)
        options = {name: table.pop(name) for name in OPTIONS if name in table}
        sources: dict[str, Source] = {}
        for name, value in self._flat(table):
            if not self._refuse_unknown(name) and (source := self._source(name, value)) is not None:
                sources[name] = source
        is_partial = any(name not in table for name in needed_fields(self.kind))
        if (
            not is_partial
            and self.kind == "schools"
            and not any(name.startswith("place.") for name in sources)
        ):
            self._fault("place", "A school needs a place: name at least one, place.district for example")
        if not is_partial and ("latitude" in sources) != ("longitude" in sources):
            self._fault("latitude", "Latitude and longitude come together")
        return self._with_options(ColumnMapping(self.kind, sources, is_partial=is_partial), options)

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
            nothing=self._words(f"{name}.nothing", table.get("nothing", [])),
            blanks=self._blanks(name, table),
        )

    def _blanks(self, name: str, table: dict[str, Any]) -> bool | None:
        if "blanks" not in table:
            return None
        if "join" not in table:
            self._fault(f"{name}.blanks", "Only beside join: whether some of its columns may be blank")
            return None
        return self._flag(f"{name}.blanks", table["blanks"])

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

    Where several headers fit one field, the word that stands first among the field's words wins. Headers are compared by their
    letters and digits (`header_key`), exact ones first. Needed fields without a header are left out here; binding the mapping
    to the sheet names them all.
    """
    given = given or ColumnMapping(kind, {})
    sources = sources_by_headers(kind, sheet.headers, given.sources)
    return msgspec.structs.replace(given, sources=sources, is_partial=False)


def sources_by_headers(kind: Kind, headers: Iterable[str], given: Table[str, Source]) -> dict[str, Source]:
    """Where the fields come from by these headers' own words, beside what is given."""
    exact = dict.fromkeys(normalised_header(header) for header in headers if header)
    loose: dict[str, str] = {}
    for header in exact:
        loose.setdefault(header_key(header), header)
    sources: dict[str, Source] = dict(given)
    taken = {normalised_header(column) for source in sources.values() for column in source.columns}
    taken |= {loose.get(header_key(column), column) for column in taken}
    for keys in ({header: header for header in exact}, loose):
        key_of = normalised_header if keys is not loose else header_key
        # First by the fields' own names: no field may take a header that another field is named by.
        for field in FIELDS[kind]:
            own = key_of(field.name.removeprefix("place."))
            header = keys.get(own)
            is_own = own in {key_of(alias) for alias in field.aliases}
            if field.name not in sources and header is not None and header not in taken and is_own:
                taken.add(header)
                sources[field.name] = Source((header,))
        for field in FIELDS[kind]:
            if field.name in sources:
                continue
            for alias in field.aliases:
                header = keys.get(key_of(alias))
                if header is not None and header not in taken:
                    taken.add(header)
                    sources[field.name] = Source((header,))
                    break
    return sources


__all__ = [
    "KINDS",
    "OPTIONS",
    "TRANSFORMS",
    "ColumnMapping",
    "MappingInvalid",
    "RowRule",
    "Source",
    "mapping_by_headers",
    "read_mapping",
    "sources_by_headers",
    "value_key",
]
