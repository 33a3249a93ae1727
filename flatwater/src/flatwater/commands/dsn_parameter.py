"""A connection string on the command line."""

from __future__ import annotations

import click

from flatwater.dsn import NotADsn, read_dsn


class UnreadableDsn(click.BadParameter):
    """Ends a command as a server that could not be looked at does."""

    exit_code = 3


class DsnParameter(click.ParamType[str]):
    """Reads it as `flatwater.dsn` does; a wrong one ends the command with 3 (could not look) and a sentence that repeats nothing of it."""

    name = "dsn"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return read_dsn(value)
        except NotADsn as error:
            raise UnreadableDsn(str(error), ctx, param) from None
