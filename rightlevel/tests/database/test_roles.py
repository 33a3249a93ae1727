"""The service works as a role that reaches rows and nothing else; what a superuser made before there was one is handed over."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from rightlevel.database.errors import ServerDidNotStart
from rightlevel.database.migrations import migrate
from rightlevel.database.roles import LIMITS, OWNER, SERVICE
from rightlevel.database.server import AttachedServer, PrivateServer, existing_server, with_database

BUDGET = 150_000_000


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServer]:
    server = PrivateServer(tmp_path_factory.mktemp("own"), BUDGET)
    migrate(server.start(), server.service_role)
    yield server
    server.stop()


def rights(conninfo: str) -> tuple[object, ...]:
    with psycopg.connect(conninfo) as connection:
        found = connection.execute(
            "select current_user::text, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls from pg_roles where rolname = current_user"
        ).fetchone()
    assert found is not None
    return found


def test_neither_the_service_nor_the_owner_is_a_superuser(own: PrivateServer) -> None:
    assert rights(own.service_conninfo) == (SERVICE, False, False, False, False)
    assert rights(own.conninfo) == (OWNER, False, False, False, False)


REFUSED = {
    "make a table": "create table mine (a int)",
    "drop a table": "drop table result",
    "change a table": "alter table person add column a int",
    "empty a table": "truncate result",
    "switch triggers off": "set session_replication_role = replica",
    "become the owner": f"set role {OWNER}",
    "read the server's files": "copy setting from '/etc/passwd'",
    "run a program": "copy setting from program 'true'",
    "change the server": "alter system set work_mem = '1GB'",
    "rewrite the record of migrations": "delete from schema_migration",
    "read passwords of roles": "select rolpassword from pg_authid",
}


@pytest.mark.parametrize("statement", REFUSED.values(), ids=REFUSED.keys())
def test_the_service_may_not(own: PrivateServer, statement: str) -> None:
    with (
        psycopg.connect(own.service_conninfo, autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement.encode())


def test_the_service_may_read_and_write_the_rows_of_every_table_also_of_those_to_come(
    own: PrivateServer,
) -> None:
    with psycopg.connect(own.conninfo, autocommit=True) as owner:
        owner.execute("create table made_later (id bigint generated always as identity, a text)")
        tables = [
            str(row[0])
            for row in owner.execute(
                "select tablename from pg_tables where schemaname = 'public' order by 1"
            ).fetchall()
        ]
    assert len(tables) > 60
    with psycopg.connect(own.service_conninfo) as service:
        for table in tables:
            service.execute(f"select from {table} limit 1".encode())
            if table != "schema_migration":
                service.execute(f"delete from {table} where false".encode())
        service.execute("insert into made_later (a) values ('x')")
        service.execute("create temporary table staged (a int)")
        service.execute("lock table result in exclusive mode")


def test_each_session_of_the_service_begins_with_the_limits(own: PrivateServer) -> None:
    with psycopg.connect(own.service_conninfo) as connection:
        for setting, value in LIMITS.items():
            assert connection.execute("select current_setting(%s)", [setting]).fetchone() == (value,)


def test_another_command_attaches_as_the_same_roles(own: PrivateServer) -> None:
    folder = own._root  # type: ignore[reportPrivateUsage]
    attached = AttachedServer(folder)
    assert rights(attached.service_conninfo)[0] == SERVICE
    assert rights(attached.conninfo)[0] == OWNER
    for each in (folder / "postgres").glob("password*"):
        assert each.stat().st_mode & 0o077 == 0


def test_a_folder_of_the_time_before_goes_over_with_everything_in_it(tmp_path: Path) -> None:
    server = PrivateServer(tmp_path, BUDGET)
    migrate(server.start())
    with psycopg.connect(server.superuser_conninfo(), autocommit=True) as old:
        # As it was: everything belongs to the superuser, and there is no other role.
        old.execute(
            "insert into school_year (name, starts_on, ends_on) values ('A', '2026-01-01', '2026-12-31')"
        )
        old.execute("create view a_view as select 1 as a")
        for role in (OWNER, SERVICE):
            old.execute(f"reassign owned by {role} to rightlevel")
            old.execute(f"drop owned by {role}")
            old.execute(f"drop role {role}")
    server.stop()
    for each in (tmp_path / "postgres").glob("password-*"):
        each.unlink()

    said: list[str] = []
    again = PrivateServer(tmp_path, BUDGET, said.append)
    try:
        migrate(again.start(), again.service_role)
        assert any("no superuser" in each for each in said)
        with psycopg.connect(again.service_conninfo) as service:
            assert service.execute("select name from school_year").fetchone() == ("A",)
            assert service.execute("select a from a_view").fetchone() == (1,)
            service.execute("update school_year set name = 'D'")
        with psycopg.connect(again.superuser_conninfo()) as connection:
            left = connection.execute(
                "select count(*) from pg_class where relnamespace = 'public'::regnamespace and relowner <> %s::regrole",
                [OWNER],
            ).fetchone()
            assert left == (0,)
            assert connection.execute(
                "select count(*) from pg_proc where pronamespace = 'public'::regnamespace and proowner <> %s::regrole",
                [OWNER],
            ).fetchone() == (0,)
        with psycopg.connect(again.conninfo) as owner:
            owner.execute("alter table school_year add column later int")
    finally:
        again.stop()

    third: list[str] = []
    quiet = PrivateServer(tmp_path, BUDGET, third.append)
    quiet.start()
    quiet.stop()
    assert third == [], "what was handed over once is not handed over again"


def test_a_lost_password_is_made_anew(tmp_path: Path) -> None:
    server = PrivateServer(tmp_path, BUDGET)
    server.start()
    server.stop()
    (tmp_path / "postgres" / f"password-{SERVICE}").unlink()
    again = PrivateServer(tmp_path, BUDGET)
    try:
        again.start()
        assert rights(again.service_conninfo)[0] == SERVICE
    finally:
        again.stop()


def test_on_a_server_elsewhere_owner_and_service_may_be_two(own: PrivateServer) -> None:
    found = existing_server(
        {"DATABASE_URL": own.service_conninfo, "RIGHTLEVEL_OWNER_DATABASE_URL": own.conninfo}
    )
    assert found is not None
    assert found.start() == own.conninfo
    assert found.service_role == SERVICE
    one = existing_server({"DATABASE_URL": own.conninfo})
    assert one is not None
    one.start()
    assert one.service_role is None
    two = existing_server(
        {
            "DATABASE_URL": own.service_conninfo,
            "RIGHTLEVEL_OWNER_DATABASE_URL": with_database(own.superuser_conninfo(), "postgres"),
        }
    )
    assert two is not None
    with pytest.raises(ServerDidNotStart, match="must be one"):
        two.start()


def test_both_ways_lead_to_one_schema_and_past_a_pooler(own: PrivateServer) -> None:
    def starts(**environment: str) -> str:
        found = existing_server(environment, has_pooler="pooler" in environment)
        assert found is not None
        return found.start()

    elsewhere = make_conninfo(own.service_conninfo, options="-csearch_path=elsewhere")
    owner = own.conninfo
    with pytest.raises(
        ServerDidNotStart, match="leads to the schema public and DATABASE_URL to : it must be one"
    ):
        starts(DATABASE_URL=elsewhere, RIGHTLEVEL_OWNER_DATABASE_URL=owner)
    with pytest.raises(
        ServerDidNotStart, match="leads to the schema public and DATABASE_URL to : it must be one"
    ):
        starts(DATABASE_URL=elsewhere, RIGHTLEVEL_OWNER_DATABASE_URL=owner, pooler="yes")
    with pytest.raises(ServerDidNotStart, match="past it with RIGHTLEVEL_OWNER_DATABASE_URL"):
        starts(DATABASE_URL=own.service_conninfo, pooler="yes")
    named = make_conninfo(
        own.service_conninfo, options="-csearch_path=public", target_session_attrs="read-write"
    )
    assert starts(DATABASE_URL=named, RIGHTLEVEL_OWNER_DATABASE_URL=owner) == owner
    assert starts(DATABASE_URL=named, RIGHTLEVEL_OWNER_DATABASE_URL=owner, pooler="yes") == owner
