"""asyncpg's pools: a pool that tells, with limits of time for each connection."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false
# The classes here are made of a base that is known only when its library is loaded.

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

from flatwater.adapters.session_limits import SessionLimits
from flatwater.ledger import Ledger, apart

_STATUS = re.compile(r"[A-Z]+(?: [A-Z]+)*(?: \d+){0,2}")


def create_pool(
    dsn: str | None = None, *, ledger: Ledger, limits: SessionLimits | None = None, **options: Any
) -> Any:
    """`asyncpg.create_pool` with a pool that writes into the ledger; all its options may be given (`connection_class`, `init` and `reset` too).

    *Errors*: those of asyncpg; LimitsNotHeld where a connection does not take its limits.
    """
    asyncpg: Any = import_module("asyncpg")
    init: Callable[[Any], Awaitable[None]] | None = options.pop("init", None)
    setup: Callable[[Any], Awaitable[None]] | None = options.pop("setup", None)
    reset: Callable[[Any], Awaitable[None]] | None = options.pop("reset", None)
    kind: Any = _telling(options.pop("connection_class", None) or asyncpg.Connection, ledger)
    given: dict[str, str] = options.pop("server_settings", None) or {}
    # Given when the session starts: asyncpg's reset between two holders goes back to these, and would take back what was SET.
    settings = {**(limits.settings() if limits is not None else {}), **given}

    async def opened(connection: Any) -> None:
        if limits is not None and limits.settings():
            names = list(limits.settings())
            with apart():
                rows = await connection.fetch(
                    "select name, setting from pg_settings where name = any($1)", names
                )
            limits.verify({row["name"]: row["setting"] for row in rows})
        if init is not None:
            await init(connection)

    async def taken(connection: Any) -> None:
        ledger.taken(_inner(connection), "asyncpg")
        if setup is not None:
            await setup(connection)

    async def returned(connection: Any) -> None:
        ledger.given(_inner(connection))
        if reset is not None:
            await reset(connection)
        else:
            with apart():
                await connection.reset()

    return asyncpg.create_pool(
        dsn,
        init=opened,
        setup=taken,
        reset=returned,
        connection_class=kind,
        server_settings=settings,
        **options,
    )


def _inner(connection: Any) -> Any:
    """The connection behind what a pool gives out: its own methods are called with it."""
    own = getattr(connection, "flatwater_self", None)
    return own() if own is not None else connection


def _telling(base: Any, ledger: Ledger) -> Any:
    """A kind of connections whose ways of asking are told."""

    async def told(connection: Any, query: str, ask: Callable[[str], Awaitable[Any]]) -> Any:
        began = ledger.begin(connection, query)
        rows = 0
        try:
            result = await ask(ledger.tagged(query))
            rows = _rows(result)
        finally:
            ledger.end(connection, began, rows=rows, in_transaction=connection.is_in_transaction())
        return result

    class Telling(base):
        __slots__ = ()

        def flatwater_self(self) -> Any:
            return self

        async def execute(self, query: str, *values: Any, **named: Any) -> Any:
            # BEGIN, COMMIT and their like come this way too: they are no statement of the request's, but change what it sits in.
            if _is_control(query):
                try:
                    return await super().execute(query, *values, **named)
                finally:
                    ledger.rests(self, in_transaction=self.is_in_transaction())
            return await told(self, query, lambda text: super(Telling, self).execute(text, *values, **named))

        async def executemany(self, command: str, *values: Any, **named: Any) -> Any:
            return await told(
                self, command, lambda text: super(Telling, self).executemany(text, *values, **named)
            )

        async def fetch(self, query: str, *values: Any, **named: Any) -> Any:
            return await told(self, query, lambda text: super(Telling, self).fetch(text, *values, **named))

        async def fetchrow(self, query: str, *values: Any, **named: Any) -> Any:
            return await told(self, query, lambda text: super(Telling, self).fetchrow(text, *values, **named))

        async def fetchval(self, query: str, *values: Any, **named: Any) -> Any:
            return await told(self, query, lambda text: super(Telling, self).fetchval(text, *values, **named))

    return Telling


def _rows(result: Any) -> int:
    """Rows of an answer; a command's own word ("INSERT 0 1") is none, and comes only from `execute`."""
    if isinstance(result, list):
        return len(result)
    return int(result is not None and not (isinstance(result, str) and _STATUS.fullmatch(result)))


def _is_control(query: str) -> bool:
    word = query.lstrip().split(None, 1)[0].rstrip(";").upper() if query.strip() else ""
    return word in {"BEGIN", "START", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE"}
