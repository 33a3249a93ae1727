"""Names and texts as they stand in a cure, and statements shown without the values people typed into them."""

from __future__ import annotations

import re
import shlex
from typing import Final

from msgspec import Struct
from psycopg import sql
from psycopg.conninfo import make_conninfo

LONGEST_SHOWN: Final = 160
"""Characters of a statement in a finding: two lines of a terminal."""

_VALUES = re.compile(
    r"(?P<dollar>\$(?:[A-Za-z_]\w*)?\$).*?(?:(?P=dollar)|\Z)"
    r"|[eEnN]?'(?:[^'\\]|''|\\.)*(?:'|\Z)"
    r"|/\*.*?(?:\*/|\Z)|--[^\n]*"
    r"|(?<![\w$.])\d+(?:\.\d+)?(?:[eE][+-]?\d+)?",
    re.DOTALL,
)


def identifier(*parts: str) -> str:
    """A name as SQL writes it, quoted: `identifier("public", "note")` is "public"."note"."""
    return sql.Identifier(*parts).as_string()


def database_word(name: str) -> str:
    """A database's name as one word of a shell's command, for programs that would read an `=` or `://` in it as a whole address."""
    plain = not any(mark in name for mark in "=:/ '\\")
    return shlex.quote(name if plain else make_conninfo(dbname=name))


def literal(value: str | int | float) -> str:
    """A value as SQL writes it."""
    return sql.Literal(value).as_string().strip()


class Seen(Struct, frozen=True):
    """What a look saw of one session, as far as a cure for it rests on that. *Shape*: instants as the server writes them."""

    pid: int
    started: str
    application_name: str
    role: str
    state: str
    state_changed: str
    """Since when it is in its state: it moves with every statement and every transaction, so that while it stands nothing was done."""


def on_session(deed: str, seen: Seen, *conditions: str) -> str:
    """`pg_cancel_backend` or `pg_terminate_backend` on one session, if it has done nothing since it was seen and all else is still so.

    A pid is given away again, and a session that waited may work by now or wait in another transaction; so all that was seen stands
    in the condition, and with it how old its state is. Further `conditions` speak of the session as `a`.
    """
    changed = f"= {literal(seen.state_changed)}" if seen.state_changed else "is null"
    more = "".join(f" and {each}" for each in conditions)
    return (
        f"select {deed}(a.pid) from pg_stat_activity a where a.pid = {seen.pid} "  # noqa: S608  a text to show; values are quoted
        f"and a.backend_start = {literal(seen.started)} and a.application_name = {literal(seen.application_name)} "
        f"and a.usename = {literal(seen.role)} and a.state = {literal(seen.state)} and a.state_change {changed}{more};"
    )


HOLDS_SOMEBODY_UP: Final = (
    "exists (select 1 from pg_locks w where not w.granted and a.pid = any(pg_blocking_pids(w.pid)))"
)
"""A condition of `on_session`: somebody still waits for it."""


def statement_shape(statement: str) -> str:
    """A statement on one line with its values out and its length bounded: what was sent, not about whom."""
    one_line = " ".join(_VALUES.sub("?", statement).split())
    return one_line if len(one_line) <= LONGEST_SHOWN else one_line[: LONGEST_SHOWN - 1] + "…"


def printable(text: str) -> str:
    """Text that can't move the reader's cursor: names and statements come from others. Whoever writes lines of their own splits before."""
    return "".join(each if each.isprintable() or each == "\n" else "\ufffd" for each in text)


def one_line(text: str) -> str:
    """As `printable`, and on one line: a line's end in a name begins no line of ours."""
    return printable(text.replace("\r", "\ufffd").replace("\n", "\ufffd"))
