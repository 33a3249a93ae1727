"""Which statements a connection keeps prepared: those that come again and again, also after a transaction was rolled back.

The driver forgets every prepared statement at each ROLLBACK, for a table that was made in the transaction may be another one the next time. So every
refused write made its connection parse and plan all over again. Our sessions make no tables but temporary ones, which the server looks up anew by
itself; where a statement's columns did change (an upgrade beside us), the server says so, and all are forgotten (`forget`).
Commands (BEGIN, SET, COMMIT) are never prepared, and don't crowd out what is counted until it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from psycopg._preparing import Prepare, PrepareManager

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import AsyncConnection
    from psycopg._queries import PostgresQuery
    from psycopg.pq.abc import PGresult

CHANGED_SHAPE: Final = "0A000"
"""*Source*: PostgreSQL, plancache.c: "cached plan must not change result type" comes with this code."""
_FORGETS = re.compile(rb"^(?:DROP|ALTER|DISCARD ALL|DEALLOCATE ALL)\b")
_COMMAND = re.compile(rb"\s*(?:BEGIN|SET|COMMIT|ROLLBACK|SAVEPOINT|RELEASE)\b", re.IGNORECASE)


class KeptStatements(PrepareManager):
    """The driver's own bookkeeping, but for rollbacks and commands. *Cost*: nothing more than the driver's."""

    def maybe_add_to_cache(
        self, query: PostgresQuery, prep: Prepare, name: bytes
    ) -> tuple[bytes, tuple[int, ...]] | None:
        """What to look at once the statement was done; None for a command, of which nothing is kept."""
        if _COMMAND.match(query.query):
            return None
        return super().maybe_add_to_cache(query, prep, name)

    def _should_discard(self, prep: Prepare, results: Sequence[PGresult], *_: Any) -> bool:
        done = (result.command_status or b"" for result in results)
        return bool(self._names or prep is Prepare.SHOULD) and any(map(_FORGETS.match, done)) and self.clear()


def keep_statements(connection: AsyncConnection[Any], most: int) -> None:
    """Lets a fresh connection keep up to `most` statements prepared."""
    kept = KeptStatements()
    kept.prepare_threshold = connection.prepare_threshold
    kept.prepared_max = most
    connection._prepared = kept  # pyright: ignore[reportPrivateUsage]  the driver has no other way in


def forget(connection: AsyncConnection[Any]) -> None:
    """Forgets every prepared statement of a connection; the server is told with the next command."""
    connection._prepared.clear()  # pyright: ignore[reportPrivateUsage]
