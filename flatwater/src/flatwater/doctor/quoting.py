"""Names and texts as they stand in a cure, and statements shown without the values people typed into them."""

from __future__ import annotations

import re
import shlex
from typing import Final

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


def on_session(deed: str, *, pid: int, started: str, application_name: str, state: str) -> str:
    """`pg_cancel_backend` or `pg_terminate_backend` on one session, if it is still that one and still in that state.

    A pid is given away again, and a session that waited may work by now; so what was seen stands in the condition.
    """
    return (
        f"select {deed}(pid) from pg_stat_activity where pid = {pid} "  # noqa: S608  a text to show; values are quoted
        f"and backend_start = {literal(started)} and application_name = {literal(application_name)} "
        f"and state = {literal(state)};"
    )


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
