"""The refusals: what a service answers when keeping a promise means saying not now.

Each class's docstring is its default message, written for the person who reads it.
"""

from __future__ import annotations


class Refused(Exception):
    """The service can't do this now. Please try again."""

    code = "refused"
    status = 503
    retry_after_s: float | None = 1.0

    def __init__(self, message: str | None = None, *, retry_after_s: float | None = None) -> None:
        super().__init__(message or " ".join((type(self).__doc__ or "Refused.").split()))
        if retry_after_s is not None:
            self.retry_after_s = retry_after_s


class PoolFull(Refused):
    """Every database connection is busy and the queue for one is full. Please try again in a moment."""

    code = "pool_full"


class PoolTimeout(Refused):
    """No database connection became free in time. Please try again in a moment."""

    code = "pool_timeout"


class DatabaseUnavailable(Refused):
    """The database can't be reached. Nothing of this request was saved unless you were told so."""

    code = "database_unavailable"
    retry_after_s = 5.0


class CircuitOpen(DatabaseUnavailable):
    """The database could not be reached a moment ago, so this was not tried. Please try again in a moment."""

    code = "circuit_open"
    retry_after_s = 1.0


class ServerFull(Refused):
    """The database is there, but takes no more connections at this moment. Please try again in a moment."""

    code = "server_full"


class DatabaseFull(Refused):
    """The database has no room left. Nothing of this was saved; please tell whoever runs this service."""

    code = "database_full"
    status = 507
    retry_after_s = 60.0


class TableAway(Refused):
    """A part of the database is missing just now, so this could not be done. Nothing of it was saved; please tell whoever runs this service."""

    code = "table_away"
    retry_after_s = 30.0


class DeadlineExceeded(Refused):
    """This took longer than it may, so it was stopped. Nothing of it was saved."""

    code = "deadline_exceeded"
    status = 504


class StatementTimeout(DeadlineExceeded):
    """One question to the database took longer than it may, so it was stopped. Nothing was saved."""

    code = "statement_timeout"


class LockTimeout(Refused):
    """Somebody else is changing the same thing. Please try again in a moment."""

    code = "lock_timeout"
    status = 409


class RetriesExhausted(Refused):
    """Others kept changing the same thing at the same time, so this was given up. Please try again."""

    code = "retries_exhausted"


class CommitUnknown(Refused):
    """The connection broke while the answer to saving was on its way; send the same request again: its id
    makes sure that it is saved once."""

    code = "commit_unknown"


class TooMany(Refused):
    """Too many requests from you just now. Please wait a moment."""

    code = "too_many_requests"
    status = 429


class TooSlow(Refused):
    """What was sent took too long to arrive. Please try again when the connection is better."""

    code = "too_slow"
    status = 408
    retry_after_s = None


class SpoolsFull(Refused):
    """Too much is being sent by others at this moment. Please send the file again in a minute."""

    code = "spools_full"
    retry_after_s = 60.0


class TooBig(Refused):
    """What was sent is larger than this may be."""

    code = "too_big"
    status = 413
    retry_after_s = None
