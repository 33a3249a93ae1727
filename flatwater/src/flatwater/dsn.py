"""How to reach a PostgreSQL server, as people write it for SQLAlchemy, Django or libpq; whatever is wrong is said without repeating it."""

from __future__ import annotations

import re
from typing import Final

import psycopg
from psycopg import conninfo as conninfos

HOW: Final = "write postgresql://user@host:5432/database, or host=… dbname=… user=…"
_SCHEME: Final = re.compile(r"\s*([A-Za-z][A-Za-z0-9]*)(\+[A-Za-z0-9_]+)?://")
_SCHEMES: Final = ("postgresql", "postgres")
_UNKNOWN: Final = re.compile(r'invalid (?:URI query parameter|connection option)(?::)? "([A-Za-z_]{1,40})"')


class NotADsn(ValueError):
    """A connection string that can't be read. Its sentence names no part of the string but an option's name: the rest may be a password."""


def said_of(error: Exception, text: str) -> str:
    """What went wrong with a connection, on one line and without the password that its string (as `read_dsn` gave it) may hold."""
    hidden = conninfos.conninfo_to_dict(text).get("password")
    said = " ".join(str(error).split())
    return said if not hidden else said.replace(str(hidden), "***")


def read_dsn(text: str) -> str:
    """The connection string as libpq reads it: `postgresql+asyncpg://…` loses its driver. An empty one means libpq's own environment.

    *Errors*: NotADsn.
    """
    found = _SCHEME.match(text)
    if found is not None:
        if found[1].lower() not in _SCHEMES:
            raise NotADsn(f"This needs PostgreSQL, and the connection string is for {found[1]}: {HOW}.")
        text = f"postgresql://{text[found.end() :]}"
    try:
        conninfos.conninfo_to_dict(text)
    except psycopg.ProgrammingError as error:
        option = _UNKNOWN.search(str(error))
        if option is not None:
            why = f"libpq knows no option {option[1]}"
        elif found is None:
            why = f"it is neither an address nor a list of name=value: {HOW}"
        else:
            why = "a part of it is not written as an address needs it; write @ as %40, / as %2F, : as %3A and % as %25 in a name or password"
        raise NotADsn(f"The connection string can't be read: {why}.") from None
    return text
