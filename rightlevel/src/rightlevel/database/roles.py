"""Who may do what in a database: a role that owns the tables, and one that the service works as; neither is a superuser.

A fault in the service then reaches rows, and no table's shape, no other database, no file of the server. On a private server both
are made at its start. On a server of somebody else's there are two where RIGHTLEVEL_OWNER_DATABASE_URL names the owner's, else one.
"""

from __future__ import annotations

from typing import Final

import psycopg
from psycopg import sql

OWNER: Final = "rightlevel_owner"
SERVICE: Final = "rightlevel_service"

READS_STATISTICS: Final = ("pg_monitor",)
"""So that health and the page of operations see what other roles' sessions do."""
CURES: Final = ("pg_monitor", "pg_signal_backend")
"""So that the doctor, who works as the owner, can end a session of the service."""

LIMITS: Final = {
    "statement_timeout": "30s",
    "idle_in_transaction_session_timeout": "30s",
    "lock_timeout": "5s",
}
"""What a session of the service begins with, also one that was opened past the pool. *Source*: the guard's third item."""

_ROWS: Final = "select, insert, update, delete"

_MISSING: Final = """
select count(*)
from pg_class c
where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
    and pg_has_role(current_user, c.relowner, 'usage') and c.relname <> 'schema_migration'
    and not (has_table_privilege(%(role)s, c.oid, 'select') and has_table_privilege(%(role)s, c.oid, 'insert')
        and has_table_privilege(%(role)s, c.oid, 'update') and has_table_privilege(%(role)s, c.oid, 'delete'))
"""

_OBJECTS_OF_ANOTHER: Final = """
select 'table' as kind, format('%%I.%%I', n.nspname, c.relname) as name
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'public' and c.relkind in ('r', 'p', 'v', 'm', 'S') and c.relowner <> %(owner)s::regrole
    and not exists (select from pg_depend d where d.objid = c.oid and d.classid = 'pg_class'::regclass
        and (d.deptype = 'e' or (c.relkind = 'S' and d.deptype in ('a', 'i'))))
union all
select 'routine', p.oid::regprocedure::text
from pg_proc p
join pg_namespace n on n.oid = p.pronamespace
where n.nspname = 'public' and p.proowner <> %(owner)s::regrole
    and not exists (select from pg_depend d where d.objid = p.oid and d.classid = 'pg_proc'::regclass and d.deptype = 'e')
union all
select 'type', t.oid::regtype::text
from pg_type t
join pg_namespace n on n.oid = t.typnamespace
left join pg_class c on c.oid = t.typrelid
where n.nspname = 'public' and t.typowner <> %(owner)s::regrole and t.typelem = 0
    and (t.typtype in ('e', 'd', 'r') or (t.typtype = 'c' and c.relkind = 'c'))
    and not exists (select from pg_depend d where d.objid = t.oid and d.classid = 'pg_type'::regclass and d.deptype = 'e')
"""

Connection = psycopg.Connection[tuple[object, ...]]


def make_role(connection: Connection, name: str, password: str, memberships: tuple[str, ...]) -> None:
    """A role that may sign in with this password and is no superuser; made, or given the password anew. Needs a superuser's connection."""
    found = connection.execute("select from pg_roles where rolname = %s", [name]).fetchone()
    verb = sql.SQL("alter" if found is not None else "create")
    connection.execute(
        sql.SQL("{} role {} login nosuperuser nocreatedb nocreaterole noreplication password {}").format(
            verb, sql.Identifier(name), sql.Literal(password)
        )
    )
    for each in memberships:
        connection.execute(sql.SQL("grant {} to {}").format(sql.Identifier(each), sql.Identifier(name)))


def limit_role(connection: Connection, name: str) -> None:
    """Has each session of a role begin with the limits."""
    for setting, value in LIMITS.items():
        connection.execute(
            sql.SQL("alter role {} set {} = {}").format(
                sql.Identifier(name), sql.Identifier(setting), sql.Literal(value)
            )
        )


def give_all_to(connection: Connection, owner: str) -> int:
    """Gives everything in a database to its owner, in one transaction; how many things were another's.

    What a superuser made before there was an owner stays as it is in every other respect. Needs a superuser's connection, and nobody
    else at work. (REASSIGN OWNED is refused for a cluster's first superuser.)
    """
    with connection.transaction():
        found = connection.execute(_OBJECTS_OF_ANOTHER, {"owner": owner}).fetchall()
        for kind, name in found:
            # Kind and name come from the catalogue, which wrote the name as SQL writes it.
            statement = f"alter {kind} {name} owner to {owner}"
            connection.execute(statement.encode())
    return len(found)


def let_in(connection: Connection, role: str) -> bool:
    """Gives the service's role the rows of every table, now and of those to come; whether anything was to be given.

    Nothing that changes or empties a table, and no writing into the record of migrations. Needs the owner's connection.
    """
    row = connection.execute(_MISSING, {"role": role}).fetchone()
    if row is not None and row[0] == 0:
        return False
    found = connection.execute("select current_schema()").fetchone()
    names = {"role": sql.Identifier(role), "schema": sql.Identifier(str(found[0] if found else "public"))}
    for text in (
        "grant usage on schema {schema} to {role}",
        f"grant {_ROWS} on all tables in schema {{schema}} to {{role}}",
        "grant usage, select, update on all sequences in schema {schema} to {role}",
        f"alter default privileges in schema {{schema}} grant {_ROWS} on tables to {{role}}",
        "alter default privileges in schema {schema} grant usage, select, update on sequences to {role}",
        "revoke insert, update, delete on schema_migration from {role}",
    ):
        connection.execute(sql.SQL(text).format(**names))  # type: ignore[reportArgumentType]  our own words
    return True
