"""What can stop a database from being used, each as a sentence that says what to do."""

from __future__ import annotations


class DatabaseProblem(Exception):
    """The database can't be used as it is; the message says why and what to do."""


class FolderInUse(DatabaseProblem):
    """Another program works on this data folder."""


class ServerDidNotStart(DatabaseProblem):
    """PostgreSQL did not start."""


class MigrationProblem(DatabaseProblem):
    """The schema in the database and the schema of this program don't fit together."""
