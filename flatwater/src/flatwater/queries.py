"""SQL that lives in files: named, explained in a sentence, and the only text that reaches the database.

A file is a list of queries. Each starts with `-- name: list_students`, then comment lines that say what it answers,
then the text with `%(name)s` parameters (a per cent sign itself is written `%%`). A line that starts with
`--? by_school:` is an optional part: `query.plus("by_school")` is the same query with that line switched on.

What several queries of a file share is named once: a block that starts with `-- fragment: live_only`, a sentence and lines of SQL. A line `--> live_only` in a
query (or in a later fragment) stands for them. `python -m flatwater.queries FILE NAME PART ...` prints a query as psql takes it: fragments in place, those
parts switched on, and each parameter as psql's own variable of its name (`\\set name value`).

What isn't asked for is better said by a null: `and (school_id = %(school_id)s or %(school_id)s is null)`, which can be pasted into psql as it stands.
Where such a filter would be served by an index the query says `--! plan each time`: it is planned for the values it is asked with, so that what is null
is out of the plan. A plan made for all values would read the table. (The comparison stands first: it tells the server of which type the null is.)
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from importlib.resources import files
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Final, LiteralString, NamedTuple, cast

import msgspec

MAX_REMEMBERED_VARIANTS: Final = 256
"""Variants kept for each query. More than this many combinations are built anew each time, so memory stays bounded."""

_NAME = re.compile(r"^\s*--\s*(name|fragment):\s*(.*?)\s*$")
_SHARED = re.compile(r"^(\s*)-->\s*(.*?)\s*$")
_PART = re.compile(r"^\s*--\?\s*([a-z_][a-z0-9_]*)\s*:\s?(.*)$")
_PLAN = re.compile(r"^\s*--!\s*(.*?)\s*$")
_EACH_TIME: Final = "plan each time"
_IDENTIFIER = re.compile(r"^[a-z_][a-z0-9_]*$")
_COMMENT_OR_TEXT = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)
_STAR = re.compile(
    r"\bselect\s+(?:distinct\s+(?:on\s*\([^)]*\)\s*)?|all\s+)?\*|\breturning\s+\*|(?:\b[a-z_]\w*|[\")])\s*\.\s*\*|,\s*\*",
    re.IGNORECASE,
)
_SESSION_WIDE = re.compile(
    r"^\s*(?:begin|start\s+transaction|commit|end|rollback|abort|discard|reset|set\s+(?!local\b|constraints\b))\b",
    re.IGNORECASE,
)
_PARAMETER = re.compile(r"%\(([a-z_][a-z0-9_]*)\)s")
_PER_CENT = re.compile(r"(?:%%|%\([a-z_][a-z0-9_]*\)s)|(%)")
"""What a per cent sign may begin, and in its group one that begins neither."""


class QueryFileBroken(ValueError):
    """A file of queries can't be used as it is; the message says where and why."""


NOTHING: Final[frozenset[str]] = frozenset()
"""The one empty set of all queries: each takes 216 bytes, and a query has three."""


class _Lines(msgspec.Struct, frozen=True):
    """Lines that follow each other and are switched on together, in one text: a line for each costs 80 bytes, and a program has 20,000."""

    text: str
    part: str | None = None


class _Block(NamedTuple):
    """A query or a fragment as it stands in its file."""

    is_fragment: bool
    name: str
    lines: list[str]


class _Source(msgspec.Struct, frozen=True, eq=False):
    """What all variants of one query share. Its lines as they stand in the file are kept where parts of them are switched on and off, and for psql:
    of all others the text is enough, and a program has a thousand."""

    lines: tuple[_Lines, ...]
    parts: frozenset[str]
    variants: dict[frozenset[str], Query]
    where: str
    prepare: bool | None


class Query(msgspec.Struct, frozen=True, eq=False):
    """One statement with its name and its sentence; only the loader makes them."""

    name: str
    sentence: str
    text: LiteralString
    parameters: frozenset[str]
    chosen: frozenset[str]
    source: _Source
    prepare: bool | None
    """False for one that is planned anew for the values of each call, which costs some tenths of a millisecond; None leaves it to the driver."""
    shapes: list[type[object]]
    """The row types whose fields were found to equal this query's columns (see flatwater.transaction)."""

    def plus(self, *parts: str) -> Query:
        """This query with these optional parts switched on. *Errors*: LookupError for a part it doesn't have."""
        if not parts:
            return self
        chosen = self.chosen.union(parts)
        known = self.source.variants.get(chosen)
        if known is not None:
            return known
        if unknown := chosen - self.source.parts:
            raise LookupError(f"query {self.name} has no part {', '.join(sorted(unknown))}")
        variant = _variant(self.name, self.sentence, self.source, chosen)
        if len(self.source.variants) < MAX_REMEMBERED_VARIANTS:
            self.source.variants[chosen] = variant
        return variant

    def for_psql(self) -> str:
        """The statement as psql takes it, with a variable of psql for each parameter: what is not given there (`\\set`) psql complains of."""
        lines = "\n".join(_lines_of(self.source, self.chosen)) if self.source.lines else self.text
        text = lines.strip().removesuffix(";")
        return _PARAMETER.sub(r":'\1'", text).replace("%%", "%") + ";"

    @property
    def where(self) -> str:
        """Its file and its name: "shop.orders/queries.sql: list_orders"."""
        return self.source.where

    @property
    def parts(self) -> frozenset[str]:
        """The optional parts this query has."""
        return self.source.parts

    def __repr__(self) -> str:
        return f"<query {self.name}{''.join(f' +{part}' for part in sorted(self.chosen))}>"


NO_VARIANTS: Final[dict[frozenset[str], Query]] = {}
"""Of queries without parts; nothing is ever put in."""


class Queries(Mapping[str, Query]):
    """The queries of one file by name. *Errors*: LookupError that lists the names there are."""

    def __init__(self, origin: str, queries: dict[str, Query]) -> None:
        self._origin = origin
        self._queries = queries

    def __getitem__(self, name: str) -> Query:
        try:
            return self._queries[name]
        except KeyError:
            raise LookupError(
                f"{self._origin} has no query {name}; it has {', '.join(self._queries)}"
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._queries)

    def __len__(self) -> int:
        return len(self._queries)

    def __contains__(self, name: object) -> bool:
        return name in self._queries


def like_text(text: str) -> str:
    """Text for a lower-cased LIKE, every character meaning itself."""
    return text.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def load_queries(package: str, resource: str = "queries.sql") -> Queries:
    """The queries of a file that is shipped with a package. *Errors*: QueryFileBroken, FileNotFoundError."""
    return read_queries(files(package).joinpath(resource).read_text("utf-8"), origin=f"{package}/{resource}")


def read_queries(text: str, *, origin: str, keeps_lines: bool = False) -> Queries:
    """The queries in a file's text, which must come from a file of this code base. *Errors*: QueryFileBroken.

    `keeps_lines` keeps comments and indentation for `for_psql`.
    """
    queries: dict[str, Query] = {}
    fragments: dict[str, list[str]] = {}
    used: set[str] = set()
    for block in _blocks(text, origin):
        name, where = block.name, f"{origin}: {block.name}"
        if not _IDENTIFIER.match(name):
            raise QueryFileBroken(
                f"{origin}: a query's name is lower case letters, digits and _, not {name!r}"
            )
        if name in queries or name in fragments:
            raise QueryFileBroken(f"{where} is there twice")
        lines = list(_with_fragments(block.lines, fragments, used, where))
        if block.is_fragment:
            fragments[name] = _fragment(lines, where)
        else:
            queries[name] = _query(name, lines, where, keeps_lines=keeps_lines)
    if not queries:
        raise QueryFileBroken(f"{origin} holds no query")
    if unused := fragments.keys() - used:
        raise QueryFileBroken(f"{origin}: nothing uses the fragment {', '.join(sorted(unused))}")
    return Queries(origin, queries)


def _blocks(text: str, origin: str) -> Iterator[_Block]:
    block: _Block | None = None
    for number, line in enumerate(text.splitlines(), 1):
        heading = _NAME.match(line)
        if heading is not None:
            if block is not None:
                yield block
            block = _Block(heading[1] == "fragment", heading[2], [])
        elif block is not None:
            block.lines.append(line.rstrip())
        elif line.strip() and not line.lstrip().startswith("--"):
            raise QueryFileBroken(f"{origin}, line {number}: SQL before the first '-- name:' line")
    if block is not None:
        yield block


def _with_fragments(
    lines: list[str], fragments: Mapping[str, list[str]], used: set[str], where: str
) -> Iterator[str]:
    """The lines with those of fragments in the place of their names, as deep as the name stands."""
    for line in lines:
        shared = _SHARED.match(line)
        if shared is None:
            yield line
            continue
        indent, name = shared[1], shared[2]
        if name not in fragments:
            raise QueryFileBroken(f"{where} uses a fragment {name!r} that is not there before it")
        used.add(name)
        yield from (f"{indent}{each}" for each in fragments[name])


def _fragment(lines: list[str], where: str) -> list[str]:
    """A fragment's lines without the sentence that says what it is."""
    if any(_PLAN.match(line) for line in lines):
        raise QueryFileBroken(f"{where}: how it is planned is a query's to say, not a fragment's")
    body = _without_sentence(lines, where)[1]
    if not body:
        raise QueryFileBroken(f"{where} has no SQL")
    return body


def _without_sentence(lines: list[str], where: str) -> tuple[str, list[str]]:
    """The sentence above some lines, and the lines that are not empty. *Errors*: QueryFileBroken without a sentence."""
    lines, sentence = list(lines), list[str]()
    while lines and lines[0].startswith("--") and not _PART.match(lines[0]):
        sentence.append(lines.pop(0).removeprefix("--").strip())
    if not any(sentence):
        raise QueryFileBroken(f"{where} lacks the sentence that says what it answers")
    return " ".join(sentence).strip(), [line for line in lines if line.strip()]


def _query(name: str, lines: list[str], where: str, *, keeps_lines: bool) -> Query:
    said = [_PLAN.match(line) for line in lines]
    unknown = [each[1] for each in said if each is not None and each[1] != _EACH_TIME]
    if unknown:
        raise QueryFileBroken(f"{where}: '--! {unknown[0]}' says nothing; there is '--! {_EACH_TIME}'")
    lines = [line for line, each in zip(lines, said, strict=True) if each is None]
    sentence, lines = _without_sentence(lines, where)
    cut = [_line(line) for line in lines]
    if not any(part is None and not line.lstrip().startswith("--") for line, part in cut):
        raise QueryFileBroken(f"{where} has no SQL")
    body = tuple(
        _Lines("\n".join(line for line, _ in run), part) for part, run in groupby(cut, key=itemgetter(1))
    )
    parts = frozenset(part for _, part in cut if part) or NOTHING
    prepare = False if any(each is not None for each in said) else None
    whole = "\n".join(line for line, _ in cut)
    _refuse_unsafe(_COMMENT_OR_TEXT.sub(" ", whole), where)
    if any(_PER_CENT.findall(whole)):
        raise QueryFileBroken(f"{where}: a per cent sign is written %%, a parameter %(name)s")
    plain = _variant(name, sentence, _Source(body, parts, {}, where, prepare), NOTHING)
    if not parts and not keeps_lines:
        return msgspec.structs.replace(plain, source=_Source((), NOTHING, NO_VARIANTS, where, prepare))
    plain.source.variants[NOTHING] = plain
    return plain


def _line(line: str) -> tuple[str, str | None]:
    """A line and the part that it belongs to."""
    part = _PART.match(line)
    return (line, None) if part is None else (part[2], part[1])


def _refuse_unsafe(text: str, where: str) -> None:
    if _STAR.search(text):
        raise QueryFileBroken(f"{where} names its columns, '*' does not")
    if any(_SESSION_WIDE.match(statement) for statement in text.split(";")):
        raise QueryFileBroken(
            f"{where} would change the session for others; transactions are the pool's, settings SET LOCAL"
        )


def _terse(lines: list[str]) -> list[str]:
    """The lines as they are sent: without comments and indentation, which only readers need.

    The driver takes a statement of 4,096 bytes and more apart again at every call (*source*: psycopg `_queries.py`). Where a text
    or a quoted block may span lines, its spaces mean something, so nothing is touched.
    """
    terse = [line.lstrip() for line in lines if not line.lstrip().startswith("--")]
    return lines if any(line.count("'") % 2 or "$$" in line or "/*" in line for line in terse) else terse


def _variant(name: str, sentence: str, source: _Source, chosen: frozenset[str]) -> Query:
    text = "\n".join(_terse(_lines_of(source, chosen))).strip()
    # The one place where text becomes literal: it came from a file of this code base and nothing was put into it.
    vouched = cast("LiteralString", text.removesuffix(";"))
    return Query(
        name=name,
        sentence=sentence,
        text=vouched,
        parameters=frozenset(_PARAMETER.findall(text)) or NOTHING,
        chosen=chosen,
        source=source,
        prepare=source.prepare,
        shapes=[],
    )


def _lines_of(source: _Source, chosen: frozenset[str]) -> list[str]:
    chosen_runs = (run.text for run in source.lines if run.part is None or run.part in chosen)
    return [line for text in chosen_runs for line in text.split("\n")]


def main(words: list[str]) -> None:
    """Prints one query of a file for psql."""
    file, name, *parts = words
    query = read_queries(Path(file).read_text("utf-8"), origin=file, keeps_lines=True)[name].plus(*parts)
    print(f"-- {query.sentence}\n{query.for_psql()}")  # noqa: T201  this is its answer


if __name__ == "__main__":
    main(sys.argv[1:])
