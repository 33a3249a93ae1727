"""SQLAlchemy's engines, sync and async: the pool's and the cursor's events, limits of time for each connection, caches that forget by a commit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, Final

from flatwater.adapters.session_limits import SessionLimits
from flatwater.cache import Cache
from flatwater.ledger import Ledger

_BEGAN: Final = "flatwater_began"
_DROPS: Final = "flatwater_drops"


def watch_engine(engine: Any, ledger: Ledger, limits: SessionLimits | None = None) -> None:
    """Writes down who holds which of the engine's connections, and what is asked through them; gives each new one its limits.

    `engine` is an Engine or an AsyncEngine. *Errors*: LimitsNotHeld from whoever makes a connection that does not take its limits.
    """
    event: Any = import_module("sqlalchemy.event")
    engine = getattr(engine, "sync_engine", engine)
    driver = f"sqlalchemy+{engine.dialect.driver}"

    def connected(connection: Any, record: Any) -> None:
        if limits is not None and limits.settings():
            _limit(connection, limits)

    def taken(connection: Any, record: Any, proxy: Any) -> None:
        ledger.taken(connection, driver, _canceller(connection))

    def given(connection: Any, record: Any) -> None:
        if connection is not None:
            ledger.given(connection)

    def invalidated(connection: Any, record: Any, error: Any) -> None:
        given(connection, record)

    def before(
        connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
    ) -> tuple[str, Any]:
        began = ledger.begin(connection.connection.dbapi_connection, statement)
        connection.info[_BEGAN] = began
        return ledger.tagged(statement), parameters

    def after(
        connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
    ) -> None:
        rows = max(cursor.rowcount, 0) if cursor.description is not None else 0
        began = connection.info.pop(_BEGAN, 0.0)
        held = connection.connection.dbapi_connection
        ledger.end(held, began, rows=rows, in_transaction=_is_in_transaction(connection))

    def failed(context: Any) -> None:
        connection = context.connection
        if connection is not None and not connection.closed and not connection.invalidated:
            began = connection.info.pop(_BEGAN, None)
            if began is not None:
                held = connection.connection.dbapi_connection
                ledger.end(held, began, rows=0, in_transaction=_is_in_transaction(connection))

    def ended(connection: Any) -> None:
        if not connection.invalidated and not connection.closed:
            ledger.rests(connection.connection.dbapi_connection, in_transaction=False)

    pool = engine.pool
    hearers: tuple[tuple[str, Callable[..., None]], ...] = (
        ("connect", connected),
        ("checkout", taken),
        ("checkin", given),
        ("close", given),
        ("detach", given),
    )
    for name, hears in hearers:
        event.listen(pool, name, hears)
    event.listen(pool, "invalidate", invalidated)
    event.listen(engine, "before_cursor_execute", before, retval=True)
    event.listen(engine, "after_cursor_execute", after)
    event.listen(engine, "handle_error", failed)
    for name in ("commit", "rollback"):
        event.listen(engine, name, ended)


def drop_by_commit(session_class: Any, cache: Cache[Any], tags_of: Callable[[Any], Iterable[str]]) -> None:
    """Lets a cache forget, when a session commits, whatever has a tag of a row that was added, changed or deleted in it.

    `session_class` is a Session, a sessionmaker or a class of sessions; `tags_of` gives the tags of one row. What is rolled back forgets
    nothing. In this process; other processes hear it by `flatwater.invalidation` where they have it.
    """
    event: Any = import_module("sqlalchemy.event")

    def flushed(session: Any, context: Any) -> None:
        drops = session.info.setdefault(_DROPS, set())
        for row in (*session.new, *session.dirty, *session.deleted):
            drops.update(tags_of(row))

    def committed(session: Any) -> None:
        if not session.in_nested_transaction():
            for tag in session.info.pop(_DROPS, ()):
                cache.drop_tag(tag)

    def rolled_back(session: Any) -> None:
        session.info.pop(_DROPS, None)

    event.listen(session_class, "after_flush", flushed)
    event.listen(session_class, "after_commit", committed)
    event.listen(session_class, "after_rollback", rolled_back)


def _limit(connection: Any, limits: SessionLimits) -> None:
    cursor = connection.cursor()
    try:
        cursor.execute(limits.statement())
        row = cursor.fetchone()
        limits.verify(dict(zip(limits.settings(), map(str, row or ()), strict=False)))
    finally:
        cursor.close()
    connection.commit()  # a setting of a transaction that is rolled back is taken back with it


def _is_in_transaction(connection: Any) -> bool:
    return bool(connection.in_transaction()) and (
        connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT"
    )


def _canceller(connection: Any) -> Callable[[], object] | None:
    """What ends a statement of psycopg or psycopg2 from another thread; asyncpg ends its own when its task is cancelled."""
    return getattr(connection, "cancel_safe", None) or getattr(connection, "cancel", None)
