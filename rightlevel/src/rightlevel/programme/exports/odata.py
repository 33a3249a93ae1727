"""The files as sets that a program reads by OData 4.0: which sets there are, what may be asked of one, and how an answer is written.

*Source*: OASIS, OData 4.0, parts 1 (protocol), 2 (addresses), 3 (CSDL), and its JSON format 4.0.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Final, Literal
from urllib.parse import quote, urlencode

import msgspec

from rightlevel.programme.errors import Fault, Invalid
from rightlevel.programme.exports.actions import FILTERS, RESOURCES
from rightlevel.programme.exports.columns import COLUMNS, DEIDENTIFIED, columns_of
from rightlevel.programme.exports.model import Column, ExportAsk, What
from rightlevel.programme.exports.text_files import Cell
from rightlevel.programme.permissions import Actor, may

Test = Literal["eq", "ge", "le"]
CODED: Final = "_deidentified"
"""What the name of a set ends with that says nothing of who the children are."""
MOST_CONDITIONS: Final = 10
MOST_FILTER: Final = 2_000
MOST_TOP: Final = 2**53
TYPES: Final = {"text": "Edm.String", "integer": "Edm.Int64", "number": "Edm.Double", "date": "Edm.Date"}
KEYS: Final[dict[What, tuple[str, ...]]] = {
    "roster": ("id",),
    "results": ("id", "school_year", "round"),
    "verification": ("id",),
    "data_quality": ("tested_on", "school_code", "username", "subject"),
    "attendance": ("session_id", "student_id"),
    "visits": ("visit_id",),
    "assignments": ("id",),
    "people": ("username",),
    "classes": ("id",),
    "places": ("id",),
    "statistics": ("school_code", "school_year", "round", "subject", "grade", "sex"),
}
"""What tells a row from every other of its set."""
CODED_KEYS: Final[dict[What, tuple[str, ...]]] = {
    "roster": ("child",),
    "results": ("child", "school_year", "round"),
}
SEXES: Final = {"male": 1, "female": 2}
_TOKEN: Final = re.compile(r"\s*(\(|\)|'(?:[^']|'')*'|[^\s()']+)")
_OTHER_TESTS: Final = frozenset({"ne", "gt", "lt", "has", "in", "add", "sub", "mul", "div", "mod"})
_EDM: Final = "http://docs.oasis-open.org/odata/ns/edm"
_EDMX: Final = "http://docs.oasis-open.org/odata/ns/edmx"
_CAPABILITIES: Final = "Org.OData.Capabilities.V1"
_VOCABULARY: Final = f"https://oasis-tcs.github.io/odata-vocabularies/vocabularies/{_CAPABILITIES}.xml"


class NotDone(Exception):
    """What OData knows and this service does not do."""


class Condition(msgspec.Struct, frozen=True):
    """One condition on a column."""

    field: str
    test: Test
    value: str


class Mark(msgspec.Struct, frozen=True):
    """Where a page ended: the school whose rows were its last, in a round where rows are of rounds, else 0."""

    round_id: int
    school_code: str

    def text(self) -> str:
        """As it stands in the address of a next page."""
        return f"{self.round_id}~{self.school_code}"


class ODataSet(msgspec.Struct, frozen=True):
    """One set of rows: a file, with or without who the children are."""

    what: What
    is_deidentified: bool

    @property
    def name(self) -> str:
        """Its name in addresses."""
        return f"{self.what}{CODED}" if self.is_deidentified else self.what

    @property
    def columns(self) -> tuple[Column, ...]:
        """Its columns, in their order."""
        return columns_of(self.what, is_deidentified=self.is_deidentified)

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that tell its rows apart."""
        return (CODED_KEYS if self.is_deidentified else KEYS)[self.what]


class ODataOptions(msgspec.Struct, frozen=True):
    """What OData lets one ask of a set, as it stands in the address."""

    select: str | None = msgspec.field(name="$select", default=None)
    filter: str | None = msgspec.field(name="$filter", default=None)
    top: str | None = msgspec.field(name="$top", default=None)
    count: str | None = msgspec.field(name="$count", default=None)
    skiptoken: str | None = msgspec.field(name="$skiptoken", default=None)
    format: str | None = msgspec.field(name="$format", default=None)
    skip: str | None = msgspec.field(name="$skip", default=None)
    orderby: str | None = msgspec.field(name="$orderby", default=None)
    expand: str | None = msgspec.field(name="$expand", default=None)
    search: str | None = msgspec.field(name="$search", default=None)
    apply: str | None = msgspec.field(name="$apply", default=None)
    compute: str | None = msgspec.field(name="$compute", default=None)


class ODataPage(msgspec.Struct, frozen=True):
    """What is asked of a set, understood. `kept` is repeated in the address of the next page."""

    of: ODataSet
    root: str
    kept: tuple[tuple[str, str], ...] = ()
    picked: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    top: int | None = None
    is_counted: bool = False
    is_only_count: bool = False
    after: Mark | None = None

    def next_address(self, mark: Mark, rows: int) -> str:
        """Where the rows after a mark are, once so many were sent."""
        more = [*self.kept, ("$skiptoken", mark.text())]
        if self.top is not None:
            more.append(("$top", str(self.top - rows)))
        return f"{self.root}{self.of.name}?{urlencode(more, quote_via=quote, safe='$')}"


class PageState(msgspec.Struct):
    """What is known of a page once its rows were read."""

    count: int | None = None
    next: Mark | None = None
    rows: int = 0


def sets_of(actor: Actor) -> list[ODataSet]:
    """The sets that somebody may read, in the order of the files."""
    if not may(actor, "export", "file"):
        return []
    named = [
        ODataSet(what, is_deidentified=False) for what in COLUMNS if may(actor, "export", RESOURCES[what])
    ]
    coded = (
        [ODataSet(what, is_deidentified=True) for what in DEIDENTIFIED]
        if may(actor, "export", "deidentified")
        else []
    )
    return named + coded


def service_document(root: str, sets: Iterable[ODataSet]) -> bytes:
    """Which sets there are. *Source*: OData JSON format 4.0, 5."""
    value = [{"name": each.name, "kind": "EntitySet", "url": each.name} for each in sets]
    return json.dumps({"@odata.context": f"{root}$metadata", "value": value}).encode()


def metadata_document(sets: Sequence[ODataSet]) -> bytes:
    """The sets and their columns in CSDL, and what may not be asked of them. *Source*: OData 4.0 part 3; its vocabulary of capabilities."""
    types = "".join(_entity_type(each) for each in sets)
    entries = "".join(
        f'<EntitySet Name="{each.name}" EntityType="rightlevel.{each.name}_row">{_LIMITS}</EntitySet>'
        for each in sets
    )
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<edmx:Edmx xmlns:edmx="{_EDMX}" Version="4.0"><edmx:Reference Uri="{_VOCABULARY}">'
        f'<edmx:Include Namespace="{_CAPABILITIES}"/></edmx:Reference><edmx:DataServices><Schema xmlns="{_EDM}" Namespace="rightlevel">'
        f'{types}<EntityContainer Name="files">{entries}</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>'
    ).encode()


def _not_able(term: str, name: str) -> str:
    return f'<Annotation Term="{_CAPABILITIES}.{term}"><Record><PropertyValue Property="{name}" Bool="false"/></Record></Annotation>'


_LIMITS: Final = (
    f'<Annotation Term="{_CAPABILITIES}.SkipSupported" Bool="false"/>'
    f'<Annotation Term="{_CAPABILITIES}.FilterFunctions"><Collection/></Annotation>'
    + _not_able("SortRestrictions", "Sortable")
    + _not_able("ExpandRestrictions", "Expandable")
    + _not_able("SearchRestrictions", "Searchable")
    + _not_able("InsertRestrictions", "Insertable")
    + _not_able("UpdateRestrictions", "Updatable")
    + _not_able("DeleteRestrictions", "Deletable")
)


def _entity_type(of: ODataSet) -> str:
    refs = "".join(f'<PropertyRef Name="{name}"/>' for name in of.key)
    properties = "".join(_property(each, is_key=each.name in of.key) for each in of.columns)
    return f'<EntityType Name="{of.name}_row"><Key>{refs}</Key>{properties}</EntityType>'


def _property(column: Column, *, is_key: bool) -> str:
    nullable = ' Nullable="false"' if is_key else ""
    return f'<Property Name="{column.name}" Type="{TYPES[column.kind]}"{nullable}/>'


def page_asked(
    of: ODataSet, root: str, options: ODataOptions, *, more: dict[str, str], is_only_count: bool = False
) -> ODataPage:
    """What is asked of a set, understood; `more` is what its rows are narrowed by besides. *Errors*: NotDone, Invalid."""
    _refuse_what_is_not_done(options)
    picked = _picked(of, options.select)
    kept = list(more.items())
    if options.select is not None:
        kept.append(("$select", options.select))
    if options.filter is not None:
        kept.append(("$filter", options.filter))
    if options.count not in (None, "true", "false"):
        raise Invalid(faults=(Fault("$count", "true or false", options.count[:40]),))
    return ODataPage(
        of,
        root,
        kept=tuple(kept),
        picked=picked,
        conditions=conditions_of(of, options.filter or ""),
        top=_top(options.top),
        is_counted=options.count == "true" or is_only_count,
        is_only_count=is_only_count,
        after=mark_of(options.skiptoken),
    )


def _refuse_what_is_not_done(options: ODataOptions) -> None:
    for name in ("orderby", "expand", "search", "apply", "compute"):
        if getattr(options, name) is not None:
            raise NotDone(f"${name} is not done here.")
    if options.skip not in (None, "0"):
        raise NotDone("$skip is not done here: follow @odata.nextLink.")
    wanted = (options.format or "json").partition(";")[0].strip()
    if wanted not in ("json", "application/json"):
        raise NotDone("Answers are JSON: $format=json.")


def _picked(of: ODataSet, select: str | None) -> tuple[str, ...]:
    if select is None or select.strip() == "*":
        return ()
    names = tuple(dict.fromkeys(name.strip() for name in select.split(",")))
    known = {each.name for each in of.columns}
    faults = [
        Fault("$select", "This set has no such column", name[:40]) for name in names if name not in known
    ]
    if faults:
        raise Invalid(faults=tuple(faults[:MOST_CONDITIONS]))
    return names


def _top(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and int(text) <= MOST_TOP):
        raise Invalid(faults=(Fault("$top", "A whole number", text[:40]),))
    return int(text)


def mark_of(text: str | None) -> Mark | None:
    """Where a page begins. *Errors*: Invalid."""
    if text is None:
        return None
    number, tilde, code = text.partition("~")
    if not (tilde and number.isascii() and number.isdigit() and len(number) < 16):
        raise Invalid(faults=(Fault("$skiptoken", "This is not the address of a next page", text[:40]),))
    return Mark(int(number), code)


def conditions_of(of: ODataSet, text: str) -> tuple[Condition, ...]:
    """The conditions of a `$filter`: columns compared by eq, ge and le with what is written there, joined by `and`. *Errors*: NotDone, Invalid."""
    if not text.strip():
        return ()
    if len(text) > MOST_FILTER:
        raise Invalid(faults=(Fault("$filter", "At most 2,000 characters", text[:40]),))
    found: list[str] = []
    at = 0
    rest = text.rstrip()
    while at < len(rest):
        token = _TOKEN.match(rest, at)
        if token is None:
            raise _wrong(rest[at:])
        found.append(token[1])
        at = token.end()
    return _Conditions(of, found).all()


class _Conditions:
    """Reads conditions word by word; a bracket only holds them together."""

    def __init__(self, of: ODataSet, words: list[str]) -> None:
        self._columns = {each.name: each for each in of.columns}
        self._words = words
        self._at = 0

    def all(self) -> tuple[Condition, ...]:
        """Every condition."""
        found: list[Condition] = []
        open_brackets = 0
        while True:
            while self._peek() == "(":
                self._next()
                open_brackets += 1
            found.append(self._condition())
            while open_brackets and self._peek() == ")":
                self._next()
                open_brackets -= 1
            word = self._next()
            if word == "" and not open_brackets:
                break
            if word == "or":
                raise NotDone("$filter: `or` is not done here; only eq, ge, le and `and`.")
            if word != "and":
                raise _wrong(word)
        if len(found) > MOST_CONDITIONS:
            raise Invalid(faults=(Fault("$filter", "At most 10 conditions"),))
        return tuple(found)

    def _condition(self) -> Condition:
        name, test = self._next(), self._next()
        if name == "not" or test == "(" or "/" in name or test in _OTHER_TESTS:
            raise NotDone(
                f"$filter: only columns, eq, ge, le and `and` are done here; not {f'{name} {test}'[:40]}."
            )
        column = self._columns.get(name)
        if column is None:
            raise Invalid(faults=(Fault("$filter", "This set has no such column", name[:40]),))
        if test not in ("eq", "ge", "le"):
            raise _wrong(test)
        return Condition(name, test, _value(column, self._next()))

    def _peek(self) -> str:
        return self._words[self._at] if self._at < len(self._words) else ""

    def _next(self) -> str:
        word = self._peek()
        self._at += 1
        return word


def _value(column: Column, word: str) -> str:
    if word == "null":
        raise NotDone("$filter: null is not done here.")
    is_quoted = len(word) > 1 and word.startswith("'")
    plain = word[1:-1].replace("''", "'") if is_quoted else word
    try:
        if column.kind == "text" and not is_quoted:
            raise _wrong(word)
        if column.kind == "date":
            # Some clients write a day as a text.
            return date.fromisoformat(plain).isoformat()
        if column.kind == "integer":
            if not re.fullmatch(r"-?[0-9]{1,18}", plain):
                raise _wrong(word)
            return str(int(plain))
        if column.kind == "number":
            return (
                str(float(plain)) if re.fullmatch(r"-?[0-9]{1,9}(\.[0-9]{1,9})?", plain) else _refused(word)
            )
    except ValueError as error:
        raise _wrong(word) from error
    return plain


def _refused(word: str) -> str:
    raise _wrong(word)


def _wrong(word: str) -> Invalid:
    return Invalid(faults=(Fault("$filter", "This can't be read", word[:40]),))


def narrowed(ask: ExportAsk, conditions: Iterable[Condition]) -> ExportAsk:
    """The file that holds every row that meets the conditions, and fewer others. Of one that names nobody nothing is taken away: what is said of
    its rows would be said of more than they say themselves.
    """
    found: dict[str, Any] = {}
    for each in conditions if not ask.is_deidentified else ():
        if each.test == "eq" and each.field == "grade":
            found["grade"] = int(each.value)
        elif each.test == "eq" and each.field == "sex" and each.value in SEXES:
            found["sex"] = SEXES[each.value]
        elif each.test == "eq" and each.field == "standing" and each.value in ("active", "left"):
            found["status"] = each.value
        elif each.test == "eq" and each.field == "subject" and each.value in ("language", "math"):
            found["subject"] = each.value
    known = FILTERS[ask.what]
    return msgspec.structs.replace(
        ask,
        **{
            name: value
            for name, value in found.items()
            if name in known and getattr(ask, name) is None and not (name == "grade" and not 0 <= value <= 99)
        },
    )


def met_by(conditions: Iterable[Condition], row: dict[str, Cell]) -> bool:
    """Whether a row meets every condition."""
    for each in conditions:
        cell = row.get(each.field)
        if cell is None:
            return False
        own: Any = cell if isinstance(cell, str) else float(cell)
        other: Any = each.value if isinstance(cell, str) else float(each.value)
        if not (own == other if each.test == "eq" else own >= other if each.test == "ge" else own <= other):
            return False
    return True


class ODataFile:
    """One answer: its context and count, the rows between commas, and where the next ones are."""

    def __init__(self, page: ODataPage, state: PageState) -> None:
        self._page = page
        self._state = state
        self._begun = False
        self._names: list[str] = []

    def sheet(self, name: str, columns: Sequence[Column]) -> bytes:
        """The head."""
        del name
        self._names = [each.name for each in columns]
        page = self._page
        if page.is_only_count:
            return b""
        picked = f"({','.join(page.picked)})" if page.picked else ""
        head = {"@odata.context": f"{page.root}$metadata#{page.of.name}{picked}"}
        count = f',"@odata.count":{self._state.count}' if page.is_counted else ""
        return f'{json.dumps(head)[:-1]}{count},"value":['.encode()

    def block(self, content: bytes) -> bytes:
        """The database's own rows, each on a line, between commas."""
        rows = content.rstrip(b"\n").replace(b"\n", b",\n")
        if not rows:
            return b""
        begun, self._begun = self._begun, True
        return b",\n" + rows if begun else b"\n" + rows

    def rows(self, rows: Iterable[Sequence[Cell]]) -> bytes:
        """Rows of cells."""
        picked = self._page.picked or self._names
        texts = [
            json.dumps(
                {name: cell for name, cell in zip(self._names, row, strict=True) if name in picked},
                ensure_ascii=False,
            )
            for row in rows
        ]
        return self.block("\n".join(texts).encode())

    def end(self) -> bytes:
        """The end, with the address of the next page."""
        if self._page.is_only_count:
            return str(self._state.count).encode()
        if self._state.next is None:
            return b"\n]}\n"
        address = json.dumps(self._page.next_address(self._state.next, self._state.rows))
        return f'\n],"@odata.nextLink":{address}}}\n'.encode()


def error_document(code: str, message: str, faults: Iterable[Fault] = ()) -> bytes:
    """What went wrong. *Source*: OData JSON format 4.0, 19."""
    told: dict[str, Any] = {"code": code, "message": message}
    details = [
        {
            "code": "invalid",
            "target": each.field,
            "message": f"{each.rule}: {each.value}" if each.value else each.rule,
        }
        for each in faults
    ]
    if details:
        told["details"] = details
    return json.dumps({"error": told}, ensure_ascii=False).encode()
