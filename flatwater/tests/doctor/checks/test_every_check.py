"""What holds for every check together: on every version that is here, for any role, beside a lock, and in the table of the docs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flatwater.doctor.checks import ALL
from flatwater.doctor.look import Look
from flatwater.doctor.run import Doctor, Report

from .conftest import OwnServer, Ward, newest_binaries

TABLES = (
    "create table customer (id serial primary key, name text)",
    "create unlogged table rate_limit (id bigint primary key, expires_at timestamptz)",
    "create table orders (id bigint generated always as identity primary key, customer_id integer references customer) partition by range (id)",
    "create table orders_1 partition of orders for values from (1) to (1000)",
    "create materialized view names as select name from customer",
    'create table "Odd Näme" ("A b" int)',
)


def binaries() -> list[Path]:
    wheel = newest_binaries()
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    beside = wheel.parent.parent / "pginstall" / "bin"
    return [wheel, *([beside] if (beside / "initdb").exists() else []), *(each.parent for each in system)]


@pytest.fixture(scope="module", params=binaries(), ids=lambda each: each.parent.name)
def any_server(request: pytest.FixtureRequest) -> Iterator[OwnServer]:
    running = OwnServer(request.param, {})
    yield running
    running.remove()


def examine(conninfo: str) -> Report:
    with Look(conninfo, application="shop") as look:
        return Doctor().examine(look)


def test_every_check_works_on_every_version_that_is_here(any_server: OwnServer) -> None:
    ward = Ward(any_server, any_server.conninfo)
    try:
        for each in TABLES:
            ward.at.execute(each)
        report = examine(ward.conninfo)
        assert {each.check for each in report.findings} == {check.name for check in ALL}
        ailing = [each.saw for each in report.findings if each.severity == "not_examined"]
        words = ("itself is broken", "does not exist", "syntax", "longer than", "permission", "said nothing")
        assert not [saw for saw in ailing if any(word in saw for word in words)]
        assert len({each.key for each in report.findings}) == len(report.findings)
    finally:
        for name in ("names", "orders", "customer", "rate_limit", '"Odd Näme"'):
            kind = "materialized view" if name == "names" else "table"
            ward.at.execute(f"drop {kind} if exists {name} cascade")
        ward.end()


def test_a_role_without_rights_gets_what_it_may_see_and_no_broken_check(ward: Ward) -> None:
    ward.run(*TABLES, "create role nobody_much login")
    try:
        report = examine(f"{ward.conninfo} user=nobody_much")
        assert {each.check for each in report.findings} == {check.name for check in ALL}
        assert not [
            each for each in report.findings if "itself is broken" in each.saw or "said nothing" in each.saw
        ]
        refused = {each.check for each in report.findings if each.severity == "not_examined"}
        assert {"trust_authentication", "wal_and_slots", "sequences_near_end"} <= refused
    finally:
        ward.run("drop owned by nobody_much", "drop role nobody_much")


def test_a_lock_on_every_table_holds_up_no_check(ward: Ward) -> None:
    ward.run(*TABLES)
    holder = ward.open("migration")
    holder.execute("begin")
    holder.execute('lock table customer, rate_limit, orders, "Odd Näme" in access exclusive mode')
    report = examine(ward.conninfo)
    waited = {each.check for each in report.findings if "was not had within" in each.saw}
    # What a sequence stands at is kept in the sequence, which is not locked; the definition of an index takes its table's lock.
    assert waited == set()
    assert sum(report.took_ms.values()) < 5_000


def test_every_cure_says_what_undoes_it_and_what_is_not_sql_says_why(ward: Ward) -> None:
    ward.run(*TABLES, "insert into rate_limit select n, now() from generate_series(1, 1000) n")
    report = examine(ward.conninfo)
    for finding in report.findings:
        assert finding.why or finding.severity == "ok"
        for cure in finding.cures:
            assert cure.sql or cure.command or cure.explanation, finding
            if (cure.sql and "pg_reload_conf" not in cure.sql) or cure.command:
                assert cure.undo, (finding.key, cure)


def test_the_docs_name_every_check() -> None:
    page = Path(__file__).parents[4] / "docs" / "operators" / "doctor-coverage.md"
    text = page.read_text("utf-8")
    missing = [check.name for check in ALL if f"`{check.name}`" not in text]
    assert missing == []
