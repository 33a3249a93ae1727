"""Pages as a type: a bounded number of rows after a key, and the key to go on from.

Keyset paging costs the same on the first and the ten-thousandth page, and neither skips nor repeats rows while
others write; an offset does both wrong.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import msgspec

DEFAULT_ROWS = 20
CEILING_ROWS = 1_000
MAX_CURSOR_CHARS = 2_048
"""A cursor is a sort key of a few short values (a name of 200 Khmer letters takes 800 characters here)."""

Row = TypeVar("Row")
Key = TypeVar("Key")


class BadCursor(ValueError):
    """This page link is damaged. Start again from the first page."""


class PageLimit(msgspec.Struct, frozen=True):
    """How many rows an endpoint gives when not told, and at the very most."""

    default: int = DEFAULT_ROWS
    ceiling: int = CEILING_ROWS

    def __post_init__(self) -> None:
        if not 1 <= self.default <= self.ceiling <= CEILING_ROWS:
            raise ValueError(f"a page has 1 to {CEILING_ROWS} rows, its default within its ceiling: {self}")


class PageRequest(msgspec.Struct, frozen=True):
    """Which page is asked for: at most `limit` rows, after the row that `after` stands for."""

    limit: int = DEFAULT_ROWS
    after: str | None = None

    def key(self, of: type[Key]) -> Key | None:
        """The sort key to go on from, or None for the first page. *Errors*: BadCursor."""
        if self.after is None:
            return None
        return read_cursor(self.after, of)

    @property
    def rows_to_ask(self) -> int:
        """One row more than the page shows, which tells whether there is a next page without counting."""
        return self.limit + 1


class Page(msgspec.Struct, Generic[Row], frozen=True):
    """Some rows in order, and where to go on: `next` is None on the last page."""

    items: list[Row]
    next: str | None = None


def page_of(rows: list[Row], request: PageRequest, key: Callable[[Row], Sequence[object]]) -> Page[Row]:
    """The page of up to `limit` rows out of the up to `limit + 1` that were read."""
    if len(rows) <= request.limit:
        return Page(rows)
    shown = rows[: request.limit]
    return Page(shown, write_cursor(key(shown[-1])))


def write_cursor(key: Sequence[object]) -> str:
    """An opaque, URL-safe text that stands for a sort key. *Errors*: ValueError for one that could not be read again."""
    cursor = base64.urlsafe_b64encode(msgspec.json.encode(list(key))).decode().rstrip("=")
    if len(cursor) > MAX_CURSOR_CHARS:
        raise ValueError(f"a sort key of {len(cursor)} characters is too long to page by")
    return cursor


def read_cursor(cursor: str, of: type[Key]) -> Key:
    """The sort key that a cursor stands for, checked to be of the type asked. *Errors*: BadCursor."""
    if len(cursor) > MAX_CURSOR_CHARS:
        raise BadCursor(BadCursor.__doc__)
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(raw, type=of)
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise BadCursor(BadCursor.__doc__) from error
