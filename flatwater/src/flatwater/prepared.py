"""Commands that pass a driver's bookkeeping by, so that what a connection has prepared outlives a rollback.

The driver forgets every prepared statement when it sees a ROLLBACK, for a table that was made in the transaction may be another one the next
time. So every refused write would make its connection parse and plan all over again. Our sessions make no tables but temporary ones, which the
server looks up anew by itself. So BEGIN, SET, COMMIT and ROLLBACK are sent through libpq itself, which the driver has public: they are not
prepared, nor counted, and crowd nothing out. Where a statement's columns did change (an upgrade beside us), the server says so, and the
connection is given up (`CHANGED_SHAPE`).
"""

from __future__ import annotations

from typing import Any, Final, LiteralString

from psycopg import AsyncConnection, errors, pq
from psycopg.generators import execute

CHANGED_SHAPE: Final = "0A000"
"""*Source*: PostgreSQL, plancache.c: "cached plan must not change result type" comes with this code."""
FAILED: Final = (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE)


async def send_command(connection: AsyncConnection[Any], text: LiteralString) -> str:
    """Runs a command (BEGIN, SET, COMMIT …) that binds nothing. *Shape*: the server's status line, of the first where there are several.

    *Errors*: the driver's. *Cost*: one round trip.
    """
    async with connection.lock:
        connection.pgconn.send_query(text.encode())
        results = await connection.wait(execute(connection.pgconn))
    for result in results:
        if result.status in FAILED:
            raise errors.error_from_result(result)
    return (results[0].command_status or b"").decode() if results else ""
