"""What is asked of an operation: good requests that differ from call to call, faulty ones, and hostile ones.

Everything is drawn from the number of the call, so the same seed asks the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast
from urllib.parse import quote, urlencode

import msgspec

from flatwater.audit.dynamic.document import Operation, Parameter, Schema
from flatwater.audit.dynamic.values import BOUNDARY, encoded, object_of, value_of, wrong_values

HUGE_PAGE: Final = 1_000_000_000
DEEP_OFFSET: Final = 1_000_000
BIG_BODY_BYTES: Final = 8_000_000
"""Eight times what a form or a JSON document of a page may sensibly weigh; sixteen of them at once are a quarter of 500 MB."""
IDS_KEPT: Final = 20


class Call(msgspec.Struct, frozen=True):
    """One request. *Shape*: `says` is what is special about it, for the report."""

    method: str
    path: str
    query: str = ""
    body: bytes = b""
    media_type: str = ""
    says: str = ""


class KnownIds:
    """Ids that lists have shown, by the noun of the list; at most twenty each, so later paths reach something that is there."""

    def __init__(self) -> None:
        self._ids: dict[str, list[Any]] = {}

    def learn(self, path: str, answer: Any) -> None:
        """Takes the ids out of a list's answer."""
        rows = cast("list[Schema]", [row for row in longest_list(answer) if isinstance(row, dict)])
        ids = [row["id"] for row in rows[:IDS_KEPT] if "id" in row]
        if ids and "{" not in path:
            self._ids[_noun(path)] = ids

    def find(self, operation: Operation, name: str) -> list[Any]:
        stem = name.lower().removesuffix("id").rstrip("_")
        if not stem and "{" + name + "}" in operation.path:
            stem = _noun(operation.path.partition("{" + name + "}")[0])
        return self._ids.get(stem.rstrip("s"), [])


def longest_list(answer: Any) -> list[Any]:
    """The longest list in a JSON answer's first two levels: the rows of a page."""
    if isinstance(answer, list):
        return cast("list[Any]", answer)
    if not isinstance(answer, dict):
        return []
    parts = [cast("list[Any]", part) for part in cast("Schema", answer).values() if isinstance(part, list)]
    return max([[], *parts], key=len)


def _noun(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2].lower().rstrip("s")


class Asker:
    """Makes one operation's requests."""

    def __init__(self, operation: Operation, ids: KnownIds, seed: int) -> None:
        self._operation = operation
        self._ids = ids
        self._seed = seed
        self.takes_anything = False
        """Whether it lets a query parameter pass that nobody declared: a cache by the whole query would grow by it."""

    def good(self, number: int) -> Call:
        """A request that should succeed, unlike the one before it: optional parts come and go, free text is always new."""
        query = {
            each.name: self._parameter(each, number)
            for each in self._operation.of("query")
            if each.is_required or (number % 2 == 0 and not each.is_cursor)
        }
        if self.takes_anything and number % 2:
            query["flatwater"] = str(number)
        body = self._body(number) if self._operation.media_type else b""
        return self._call(number, query, body)

    def undeclared(self) -> Call:
        """A good request with a query parameter that nobody declared."""
        first = self.good(1)
        extra = "&flatwater=1" if first.query else "flatwater=1"
        return msgspec.structs.replace(first, query=first.query + extra)

    def faulty(self) -> list[Call]:
        """Requests that must be refused: wrong types, sizes out of all bounds, what is required missing, broken bodies."""
        return list(self._faulty())

    def huge_page(self) -> Call | None:
        """A request for a page of 10^9 rows; None where the operation has no page size."""
        return self._with(
            {each.name: str(HUGE_PAGE) for each in self._operation.of("query") if each.is_page_size},
            "a page of 10^9",
        )

    def deep_offset(self) -> Call | None:
        """A request for a page a million rows in; None where the operation pages by key or not at all."""
        return self._with(
            {each.name: str(DEEP_OFFSET) for each in self._operation.of("query") if each.is_offset},
            "an offset of 10^6",
        )

    def big_body(self) -> Call | None:
        """Eight million bytes that are well formed; None where the operation takes no body."""
        media_type = self._operation.media_type
        if not media_type:
            return None
        text = "x" * BIG_BODY_BYTES
        whole = value_of(self._operation.body, 1, self._seed)
        values = object_of(whole)
        name = next((key for key, value in values.items() if isinstance(value, str)), "words")
        body = encoded(media_type, {**values, name: text}, self._operation.body)
        return msgspec.structs.replace(self.good(1), body=body, says="a body of 8 MB")

    def _with(self, more: Mapping[str, str], says: str) -> Call | None:
        if not more:
            return None
        query = {
            each.name: self._parameter(each, 0) for each in self._operation.of("query") if each.is_required
        }
        body = self._body(1) if self._operation.media_type else b""
        return msgspec.structs.replace(self._call(1, {**query, **more}, body), says=says)

    def _faulty(self) -> Iterator[Call]:
        good = self.good(0)
        for each in self._operation.of("query"):
            for wrong in wrong_values(each.schema):
                query = {
                    other.name: self._parameter(other, 0)
                    for other in self._operation.of("query")
                    if other.is_required
                }
                yield msgspec.structs.replace(
                    self._call(0, {**query, each.name: wrong}, good.body), says=f"{each.name}={wrong[:20]!r}"
                )
        for each in self._operation.of("path"):
            for wrong in wrong_values(each.schema):
                yield msgspec.structs.replace(
                    good,
                    path=self._path(0, {each.name: wrong}),
                    says=f"{each.name}={wrong[:20]!r} in the path",
                )
        if self._operation.media_type:
            bodies = {
                "no body": b"",
                "a broken body": b'{"',
                "a list": b"[1, 2]",
                "null": b"null",
                "bytes": b"\xff\x00\xfe",
            }
            for says, body in bodies.items():
                yield msgspec.structs.replace(good, body=body, says=says)

    def _call(self, number: int, query: Mapping[str, str], body: bytes) -> Call:
        media_type = self._operation.media_type
        if media_type.startswith("multipart/"):
            media_type = f"{media_type}; boundary={BOUNDARY}"
        return Call(
            self._operation.method, self._path(number, {}), urlencode(query), body, media_type if body else ""
        )

    def _path(self, number: int, instead: Mapping[str, str]) -> str:
        path = self._operation.path
        for each in self._operation.of("path"):
            value = instead.get(each.name) or self._parameter(each, number)
            path = path.replace("{" + each.name + "}", quote(value, safe=""))
        return path

    def _parameter(self, parameter: Parameter, number: int) -> str:
        if parameter.is_page_size:
            return str(min(20, parameter.schema.get("maximum", 20)))
        if parameter.is_offset:
            return str(max(parameter.schema.get("minimum", 0), parameter.schema.get("default") or 0))
        known = self._ids.find(self._operation, parameter.name)
        value = known[number % len(known)] if known else value_of(parameter.schema, number, self._seed)
        if isinstance(value, bool):
            return str(value).lower()
        return ",".join(map(str, cast("list[Any]", value))) if isinstance(value, list) else str(value)

    def _body(self, number: int) -> bytes:
        return encoded(
            self._operation.media_type,
            value_of(self._operation.body, number, self._seed),
            self._operation.body,
        )
