"""How to reach a PostgreSQL server, as people write it for SQLAlchemy, Django or libpq; whatever is wrong is said without repeating it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, LiteralString, cast

import psycopg
from psycopg import conninfo as conninfos
from psycopg import pq

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


_SETTING: Final = re.compile(r"(?:-c\s*|--)([A-Za-z_][A-Za-z0-9_.]*)=((?:\\.|[^\\\s])*)")
_OPTIONS: Final = re.compile(rf"\s*(?:{_SETTING.pattern}\s*)*")


def session_settings(text: str) -> dict[str, str]:
    """The settings that a connection string asks for each session (`options=-csearch_path=…`), or PGOPTIONS where it asks for none.

    *Errors*: NotADsn for options that are no settings.
    """
    options = _asked(text, "options")
    if _OPTIONS.fullmatch(options) is None:
        raise NotADsn("The connection string's options can't be read: write -c name=value for each.")
    return {name.lower(): re.sub(r"\\(.)", r"\1", value) for name, value in _SETTING.findall(options)}


def connecting(text: str, own: Mapping[str, str], *, pooler: bool = False) -> dict[str, Any]:
    """What every connection is opened with beside its string, wherever it is opened: the string's own settings of a session, and ours, which win.

    Behind a pooler a session has no settings: `setting_each` gives them to each transaction. `target_session_attrs=read-write` becomes
    `primary`: our sessions are read-only until a transaction says otherwise, and libpq would take no server for one that writes.
    """
    settings: dict[str, Any] = {}
    if _asked(text, "target_session_attrs") == "read-write":
        settings["target_session_attrs"] = "primary"
    if pooler:
        settings["options"] = ""
        return settings
    # Of two settings of one name the last holds.
    options = [_asked(text, "options"), *(f"-c {name}={value}" for name, value in own.items())]
    settings["options"] = " ".join(each for each in options if each)
    return settings


def setting_each(text: str) -> LiteralString:
    """What gives a transaction the settings that its string asks for, to be run behind BEGIN; nothing where it asks for none."""
    calls = (
        f"; SELECT pg_catalog.set_config({_quoted(name)}, {_quoted(value)}, true)"
        for name, value in session_settings(text).items()
    )
    return cast("LiteralString", "".join(calls))


def _asked(text: str, option: str) -> str:
    """An option of a connection, by its string or by libpq's environment and service file."""
    given = conninfos.conninfo_to_dict(text).get(option)
    if given is not None:
        return str(given)
    defaults = {each.keyword.decode(): each.val for each in pq.Conninfo.get_defaults()}
    return (defaults.get(option) or b"").decode()


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
