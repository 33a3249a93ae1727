"""Indexes that are missing, unused, twice there, broken or empty; and keys that are not there."""

from __future__ import annotations

import threading

import psycopg
import pytest

from flatwater.doctor.checks.duplicate_indexes import DuplicateIndexes
from flatwater.doctor.checks.invalid_indexes import InvalidIndexes
from flatwater.doctor.checks.missing_indexes import MissingIndexes
from flatwater.doctor.checks.missing_keys import MissingKeys
from flatwater.doctor.checks.null_indexes import NullIndexes
from flatwater.doctor.checks.unused_indexes import UnusedIndexes

ORDERS = (
    "create table customer (id integer primary key, name text)",
    "create table orders (id integer primary key, customer_id integer not null references customer, paid_on date, note text)",
    "insert into customer select n, 'c' || n from generate_series(1, 1000) n",
    "insert into orders select n, 1 + n % 1000, null, 'n' || n from generate_series(1, 30000) n",
    "analyze",
)


def test_a_foreign_key_without_index_is_found_with_the_statement_that_builds_it(ward) -> None:
    ward.run(*ORDERS, "insert into customer values (0, 'gone')", "delete from customer where id = 0")
    finding = ward.see(MissingIndexes())["missing_indexes/public.orders.orders_customer_id_fkey"]
    assert finding.severity == "warning"
    assert (
        finding.cures[0].sql
        == 'create index concurrently "orders_customer_id_idx" on "public"."orders" ("customer_id");'
    )
    assert "lock_timeout" in finding.cures[0].explanation
    ward.cure(finding.cures[0])
    assert ward.loud(MissingIndexes()) == set()
    ward.at.execute(finding.cures[0].undo)
    assert ward.loud(MissingIndexes()) == {finding.key}


@pytest.mark.parametrize(
    ("index", "serves"),
    [
        ("(b, a, c)", True),
        ("(a, c, b)", False),
        ("(a, b) where c > 0", False),
        ("(c, a, b)", False),
        ("(a, b) where a is not null", True),
        ("(b, a) where b is not null", True),
        ("(a, b) where c is not null", False),
        ("(a)", False),
    ],
)
def test_a_foreign_key_is_served_by_an_index_that_begins_with_its_columns_in_any_order(
    ward, index: str, serves: bool
) -> None:
    ward.run(
        "create table above (a int, b int, primary key (a, b))",
        "create table below (id int primary key, a int, b int, c int, foreign key (a, b) references above on delete cascade)",
        f"create index on below {index}",
    )
    assert (ward.loud(MissingIndexes()) == set()) == serves


def test_an_index_that_names_the_row_by_a_part_of_the_key_serves_it(ward) -> None:
    ward.run(
        "create table above (id int primary key, school int, unique (id, school))",
        "create table below (id int primary key, above int, school int, foreign key (above, school) references above (id, school) on delete cascade)",
        "create index on below (school)",
    )
    assert ward.loud(MissingIndexes()) == {"missing_indexes/public.below.below_above_school_fkey"}
    ward.run("create index on below (above) where above is not null")
    assert ward.loud(MissingIndexes()) == set()


def test_a_key_that_nothing_looks_up_is_counted_and_no_index_is_advised_until_rows_above_go(ward) -> None:
    ward.run(*ORDERS)
    found = ward.see(MissingIndexes())
    assert (found["missing_indexes/at rest"].severity, found["missing_indexes/at rest"].numbers) == (
        "ok",
        {"keys": 1},
    )
    assert not any(each.cures for each in found.values())
    ward.run("insert into customer values (0, 'gone')", "delete from customer where id = 0")
    assert ward.loud(MissingIndexes()) == {"missing_indexes/public.orders.orders_customer_id_fkey"}


def test_what_a_partial_index_holds_is_told_beside_the_key_it_does_not_serve(ward) -> None:
    ward.run(
        *ORDERS,
        "create index orders_paid on orders (customer_id) where paid_on is not null",
        "insert into customer values (0, 'gone')",
        "delete from customer where id = 0",
    )
    found = ward.see(MissingIndexes())["missing_indexes/public.orders.orders_customer_id_fkey"]
    assert "orders_paid (where (paid_on IS NOT NULL))" in found.saw


def test_a_table_read_whole_again_and_again_is_found_with_the_column_its_statements_compare(ward) -> None:
    ward.run(*ORDERS, "create index on orders (customer_id)")
    reader = ward.open("shop/find_orders")
    for _ in range(60):
        reader.execute("select o.id from orders o where o.note = 'n77' and o.customer_id > 0", prepare=False)
    reader.execute("select pg_stat_force_next_flush()")
    reader.execute("select o.id from orders o where o.note = 'n77'")
    finding = ward.see(MissingIndexes())["missing_indexes/public.orders"]
    assert finding.numbers["scans"] >= 60
    assert finding.numbers["column"] == "note"
    ward.cure(finding.cures[0])
    plan = ward.at.execute("explain select o.id from orders o where o.note = 'n77'").fetchall()
    assert "orders_note_idx" in str(plan)
    ward.run("select pg_stat_reset()")
    for _ in range(60):
        reader.execute("select o.id from orders o where o.note = 'n77'")
    reader.execute("select pg_stat_force_next_flush()")
    reader.execute("select 1")
    assert ward.loud(MissingIndexes()) == set()


def test_unused_indexes_are_not_judged_in_a_window_that_is_too_short(ward) -> None:
    ward.run(*ORDERS, "create index orders_note on orders (note)")
    found = ward.see(UnusedIndexes())
    assert "35 are wanted" in found["unused_indexes/not examined"].saw


def test_what_was_hardly_read_is_named_even_before_it_may_be_judged(ward) -> None:
    ward.run(*ORDERS, "create index orders_note on orders (note)")
    found = ward.see(UnusedIndexes(least_bytes=1 << 17))
    assert set(found) == {"unused_indexes/not examined"}
    assert "Hardly read so far: public.orders_note (" in found["unused_indexes/not examined"].saw
    assert "Hardly" not in ward.see(UnusedIndexes(least_bytes=1 << 30))["unused_indexes/not examined"].saw


def test_an_unused_index_is_found_dropped_and_built_again_by_the_undo(ward) -> None:
    ward.run(
        *ORDERS,
        "create index orders_note on orders (note)",
        "create unique index orders_rule on orders (note, id)",
    )
    check = UnusedIndexes(least_days=0.0, least_bytes=1 << 17)
    found = ward.see(check)
    assert set(found) == {"unused_indexes/public.orders_note"}, "an index that keeps a rule is never unused"
    cure = found["unused_indexes/public.orders_note"].cures[0]
    ward.cure(cure)
    assert ward.loud(check) == set()
    ward.at.execute(cure.undo)
    assert ward.value("select indisvalid from pg_index where indexrelid = 'orders_note'::regclass")
    ward.run("set enable_seqscan = off", "set enable_bitmapscan = off")
    for number in range(25):
        ward.run(f"select id from orders where note = 'n{number}'")
    assert ward.loud(check) == set()


def test_duplicate_indexes_are_those_another_covers_and_none_else(ward) -> None:
    ward.run(
        *ORDERS,
        "create index first_of_two on orders (customer_id)",
        "create index two on orders (customer_id, note)",
        "create index same_as_both on orders (customer_id, note)",
        "create index other_order on orders (note desc, customer_id)",
        "create index part_of_it on orders (customer_id) where paid_on is null",
        "create index by_hash on orders using hash (customer_id)",
        "create unique index a_rule on orders (id, customer_id)",
        "create index like_the_key on orders (id)",
        "create index other_words on orders (note text_pattern_ops)",
    )
    found = ward.see(DuplicateIndexes())
    assert set(found) == {
        f"duplicate_indexes/public.{name}" for name in ("first_of_two", "same_as_both", "like_the_key")
    }
    assert found["duplicate_indexes/public.same_as_both"].numbers["covered_by"] == "two"
    cures = [each.cures[0] for each in found.values()]
    ward.cure(*cures)
    assert ward.loud(DuplicateIndexes()) == set()
    for cure in cures:
        ward.at.execute(cure.undo)
    assert len(ward.loud(DuplicateIndexes())) == 3


def test_an_invalid_index_of_a_failed_build_is_found_dropped_and_built_again(ward) -> None:
    ward.run(*ORDERS, "update orders set note = 'twice' where id in (1, 2)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        ward.at.execute("create unique index concurrently orders_note_once on orders (note)")
    finding = ward.see(InvalidIndexes())["invalid_indexes/public.orders_note_once"]
    assert finding.severity == "warning"
    assert "twice" in finding.cures[1].explanation
    drop, again = finding.cures
    ward.cure(drop)
    assert ward.loud(InvalidIndexes()) == set()
    ward.run("update orders set note = 'once' where id = 2")
    ward.cure(again)
    assert ward.loud(InvalidIndexes()) == set()
    assert ward.value("select indisvalid from pg_index where indexrelid = 'orders_note_once'::regclass")


def test_an_index_that_is_being_built_is_not_called_invalid(ward) -> None:
    ward.run(*ORDERS)
    holder = ward.open("shop")
    holder.execute("begin")
    holder.execute("update orders set note = 'x' where id = 1")
    builder = ward.open("migration")
    work = threading.Thread(
        target=builder.execute, args=("create index concurrently slow_one on orders (note)",)
    )
    work.start()
    try:
        while not ward.value(
            "select exists (select 1 from pg_stat_progress_create_index where index_relid <> 0)"
        ):
            assert work.is_alive()
        found = ward.see(InvalidIndexes())["invalid_indexes/all"]
        assert found.numbers["building"] == 1
    finally:
        holder.execute("commit")
        work.join(20)


def test_a_rule_that_was_never_proved_is_found_and_proved(ward) -> None:
    ward.run(*ORDERS, "alter table orders add constraint noted check (note <> '') not valid")
    finding = ward.see(InvalidIndexes())["invalid_indexes/rule public.orders.noted"]
    ward.cure(finding.cures[0])
    assert ward.loud(InvalidIndexes()) == set()


def test_an_index_over_a_column_that_is_mostly_empty_gets_a_condition(ward) -> None:
    ward.run(*ORDERS, 'create index "by Paid" on orders (paid_on)', "analyze")
    check = NullIndexes(least_bytes=1 << 15)
    finding = ward.see(check)["null_indexes/public.by Paid"]
    assert finding.numbers["empty_share"] == 1.0
    ward.cure(*finding.cures)
    ward.run("analyze")
    assert ward.loud(check) == set()
    definition = ward.value("select indexdef from pg_indexes where indexname = 'by Paid_not_null'")
    assert definition.endswith("WHERE (paid_on IS NOT NULL)")


def test_tables_without_a_key_and_columns_without_a_rule_are_told(ward) -> None:
    ward.run(
        *ORDERS,
        "create table receipt (number integer not null, orders_id integer, customer_id integer references customer)",
        "create unique index on receipt (number)",
        "create index on receipt (customer_id)",
        "insert into receipt values (1, 1, 1)",
    )
    found = ward.see(MissingKeys())
    assert set(found) == {"missing_keys/public.receipt", "missing_keys/public.receipt.orders_id"}
    for each in found.values():
        ward.cure(each.cures[0])
    assert ward.loud(MissingKeys()) == set()
    for each in found.values():
        ward.at.execute(each.cures[0].undo)
