"""A PostgreSQL that is sick in many ways at once, each made for real, for doctors to be compared on."""

from __future__ import annotations

import contextlib
import importlib.util
import re
import sys
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg

from benchmarks.work import ROOT

SETTINGS = {
    "max_connections": "60",
    "work_mem": "1GB",
    "max_prepared_transactions": "10",
    "autovacuum_naptime": "2147483",
    "wal_level": "logical",
}
STATEMENTS = {"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.max": "1000"}

TABLES = """
create role boss superuser login;
create table events (id bigint, words text);
insert into events select n, repeat('x', 100) from generate_series(1, 60000) n;
create table customers (id integer primary key, name text);
insert into customers select n, 'c' || n from generate_series(1, 10000) n;
create table orders (id integer primary key, customer_id integer references customers, buyer integer references customers,
                     note text, paid_on date, pad text);
insert into orders select n, 1 + n % 10000, 1 + n % 10000, 'n' || n, null, md5(n::text) || repeat('x', 80)
from generate_series(1, 400000) n;
create index orders_paid_on on orders (paid_on);
create index orders_pad on orders (pad);
create table receipts (id integer primary key, customer_id integer not null, order_id integer);
insert into receipts select n, 1 + n % 10000, n from generate_series(1, 20000) n;
create index receipts_customer on receipts (customer_id);
create index receipts_customer_again on receipts (customer_id);
create index receipts_two on receipts (order_id, customer_id);
create index receipts_covered on receipts (order_id);
alter table receipts add constraint receipts_unproved foreign key (order_id) references orders not valid;
create table codes (id integer primary key, code text);
insert into codes select n, 'c' || n from generate_series(1, 20000) n;
create table bills (id serial primary key);
select setval('bills_id_seq', 2100000000);
create unlogged table baskets (id integer);
insert into baskets select generate_series(1, 1000);
create unlogged table rate_limit (key integer, expires_at timestamptz);
insert into rate_limit select n, now() - interval '1 h' from generate_series(1, 5000000) n;
create table leaflets (id integer);
grant insert, update, delete on leaflets to public;
create table counter (name text primary key, value integer not null);
insert into counter values ('a', 1), ('b', 1);
create table queued (id integer primary key, words text);
insert into queued select n, 'w' from generate_series(1, 1000) n;
create table rested (id integer primary key, words text) with (autovacuum_enabled = off);
insert into rested select n, 'w' from generate_series(1, 1000) n;
create table filled (id integer primary key, words text);
insert into filled select n, repeat('x', 100) from generate_series(1, 120000) n;
create table dead (id integer primary key, words text);
insert into dead select n, repeat('x', 100) from generate_series(1, 120000) n;
create table visit_log (id integer, token text);
insert into visit_log select n, md5(n::text) from generate_series(1, 2500000) n;
create index visit_log_token on visit_log (token);
delete from visit_log where id % 100 <> 0;
delete from filled where id % 20 <> 0;
""".strip().split(";\n")


LARGE = 100_000


def _smaller(statement: str, less: int) -> str:
    """The statement with its large tables so many times smaller."""

    def one(found: re.Match[str]) -> str:
        rows = int(found[1])
        return f"generate_series(1, {rows // less if rows >= LARGE else rows})"

    return re.sub(r"generate_series\(1, (\d+)\)", one, statement)


class Sick:
    """Sessions and tables of a shop that nobody looks after; `less` times less of all, to see only that it can be made."""

    def __init__(self, less: int = 1) -> None:
        self._less = less
        self._module = _own_server()
        self.server = self._start()
        self.database = self.server.conninfo
        self._opened: list[psycopg.Connection[Any]] = []
        self.at = self.open("ward", user="postgres")
        self.has_statements = bool(
            self.at.execute("select 1 from pg_settings where name = 'pg_stat_statements.max'").fetchone()
        )
        if self.has_statements:
            self.at.execute("create extension pg_stat_statements")
        self._queue: list[psycopg.Connection[Any]] = []
        self.began = time.monotonic()

    def _start(self) -> Any:
        found = sorted(Path("/usr/lib/postgresql").glob("*/lib/pg_stat_statements.so"))
        binaries = [
            each.parent.parent / "bin" for each in found if (each.parent.parent / "bin/initdb").exists()
        ]
        if binaries:
            return self._module.OwnServer(binaries[-1], {**SETTINGS, **STATEMENTS})
        return self._module.OwnServer(self._module.newest_binaries(), SETTINGS)

    def open(self, name: str, user: str = "boss") -> psycopg.Connection[Any]:
        opened = psycopg.connect(self.database, user=user, application_name=name, autocommit=True)
        self._opened.append(opened)
        return opened

    def lay_tables(self) -> None:
        self.at.execute("select pg_create_physical_replication_slot('gone', true)")
        for statement in TABLES:
            self.at.execute(_smaller(statement, self._less))
        for statement in (
            "vacuum (analyze) visit_log",
            "vacuum (analyze) filled",
            "vacuum (analyze) orders",
            "analyze customers",
            "analyze receipts",
            "analyze codes",
            "analyze dead",
            "analyze rate_limit",
            "create table fresh (id integer primary key, words text)",
            "insert into fresh select n, repeat('x', 100) from generate_series(1, 120000) n",
            "delete from dead where id <= 60000",
        ):
            self.at.execute(statement)  # type: ignore[arg-type]
        self.at.execute("insert into codes values (20001, 'c1')")
        with contextlib.suppress(psycopg.errors.UniqueViolation):
            self.at.execute("create unique index concurrently codes_once on codes (code)")
        self._flush()

    def idle(self) -> None:
        """Twelve connections that were leaked; they rest from now on."""
        for _ in range(12):
            self.open("shop").execute("select 1")

    def work(self) -> None:
        """Reads without index, slow statements, sorts that spill, a table that grows."""
        reader = self.open("shop/find_orders")
        for number in range(120):
            reader.execute("select count(*) from orders where note = %s", [f"n{number}"])
        slow = [threading.Thread(target=self._slowly, args=(self.open(f"shop/report{n}"),)) for n in range(4)]
        for each in slow:
            each.start()
        for each in slow:
            each.join()
        sorter = self.open("shop/export")
        sorter.execute("set work_mem = '64kB'")
        for _ in range(
            max(1, 40 // self._less)
        ):  # 1.2 GiB: the doctor calls it trouble from 1 GiB in an hour
            sorter.execute("select n from generate_series(1, 1000000) n order by -n offset 999999")
        self.at.execute("insert into events select n, repeat('x', 100) from generate_series(60001, 160000) n")
        for each in self._opened:
            if (
                each.info.get_parameters()
                .get("application_name", "")
                .startswith(("shop/find", "shop/report", "shop/export"))
            ):
                each.close()
        self._flush()

    def _slowly(self, connection: psycopg.Connection[Any]) -> None:
        for _ in range(max(1, 26 // self._less)):
            connection.execute("select pg_sleep(0.6), count(*) from customers")

    def hold(self) -> None:
        """What is going wrong at this moment: a forgotten transaction, two who wait for it, a long statement, a lost preparation."""
        self.at.execute("begin; update counter set value = 2 where name = 'b'; prepare transaction 'lost'")
        forgotten = self.open("shop/pay")
        forgotten.execute("begin")
        forgotten.execute("update counter set value = 2 where name = 'a'")
        forgotten.execute("select count(*) from queued")
        for _ in range(2):
            self._begin("shop/ship", "update counter set value = 3 where name = 'a'")
        self._begin("shop/statistics", "select pg_sleep(1200), 'statistics'")

    def queue_up(self) -> None:
        """A change of a table that waits for the forgotten transaction, and three who only read and wait behind it."""
        self._queue = [self._begin("migration", "alter table queued add note text")]
        time.sleep(0.5)
        self._queue += [self._begin("shop/list", "select count(*) from queued") for _ in range(3)]
        time.sleep(5.0 / self._less)

    def let_queue_go(self) -> None:
        for each in self._queue:
            self.at.execute("select pg_terminate_backend(%s, 2000)", [each.info.backend_pid])

    def _begin(self, name: str, statement: str) -> psycopg.Connection[Any]:
        opened = self.open(name)
        opened.pgconn.send_query(statement.encode())
        opened.pgconn.flush()
        return opened

    def _flush(self) -> None:
        if self.at.info.server_version >= 150_000:
            self.at.execute("select pg_stat_force_next_flush()")
            self.at.execute("select 1")

    def remove(self) -> None:
        for each in self._opened:
            each.close()
        self.server.remove()


def _own_server() -> ModuleType:
    """The tests' own way to start a server that may be made sick."""
    place = ROOT / "flatwater/tests/doctor/checks/conftest.py"
    spec = importlib.util.spec_from_file_location("benchmarks_sick_server", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
