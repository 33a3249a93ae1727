"""Why a PostgreSQL server, or what stands before it, did not take a connection: in a sentence that says what to do, without the password."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from flatwater.dsn import said_of

POOLER: Final = (
    "A pooler in between (PgBouncer in transaction mode, or its like) takes no limits when a session starts: open with "
    "Database(..., pooler=True), and each transaction sets its own; or connect to PostgreSQL itself. Telling the pooler to ignore them "
    "(ignore_startup_parameters = options) would drop the limits without a word"
)


class Refusal(msgspec.Struct, frozen=True):
    """Why no connection was had. `passes` where waiting helps: the server is starting, away or full."""

    sentence: str
    passes: bool
    is_pooler: bool = False


_KNOWN: Final[tuple[tuple[str, str, bool], ...]] = (
    (
        r"password authentication failed|SASL authentication failed|SCRAM",
        "The password or the user's name is wrong",
        False,
    ),
    (r"no password supplied|fe_sendauth", "The server asks for a password, and none was given", False),
    (
        r"no pg_hba\.conf entry|pg_hba\.conf rejects",
        "The server's pg_hba.conf lets nobody in from here as this user",
        False,
    ),
    (
        r'role ".*" does not exist|role ".*" is not permitted to log in',
        "The server knows no such user",
        False,
    ),
    (r'database ".*" does not exist', "The server has no database of this name", False),
    (r"permission denied for database", "This user may not connect to this database", False),
    (
        r"translate host name|failed to resolve host|Name or service not known|nodename nor servname|Temporary failure in name",
        "The host's name is not known",
        False,
    ),
    (
        r"server does not support SSL|certificate|SSL error|requires SSL|sslmode",
        "TLS was not agreed upon (see sslmode)",
        False,
    ),
    (
        r"too many clients|remaining connection slots|too many connections",
        "Every connection of the server is taken",
        True,
    ),
    (
        r"starting up|shutting down|in recovery mode|not yet accepting",
        "The server is starting or stopping",
        True,
    ),
    (
        r"Connection refused|No such file or directory|Connection reset|server closed the connection",
        "Nobody answers at this address",
        True,
    ),
    (
        r"timeout expired|timed out|Network is unreachable|No route to host",
        "The address does not answer in time",
        True,
    ),
)
"""*Source*: the server's and libpq's messages (a refusal while connecting carries no SQLSTATE in libpq). In a server that speaks another
language the words of libpq are still these; the rest is then told as the server said it."""
_POOLER: Final = re.compile(r"unsupported startup parameter|unsupported startup packet", re.IGNORECASE)


def refusal_of(error: Exception, conninfo: str) -> Refusal:
    """What is known of a failed connection. What can't be told is said in the server's own words, and may pass."""
    said = said_of(error, conninfo).rstrip(".?!")
    if _POOLER.search(said):
        return Refusal(f"{POOLER} ({said}).", passes=False, is_pooler=True)
    for pattern, sentence, passes in _KNOWN:
        if re.search(pattern, said, re.IGNORECASE):
            return Refusal(f"{sentence}: {said}.", passes)
    return Refusal(f"No connection: {said}.", passes=True)
