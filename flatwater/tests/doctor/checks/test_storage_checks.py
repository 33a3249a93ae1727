"""Room that is lost: bloat, dead rows, late vacuums, stale statistics, tables without bound."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from flatwater import tables
from flatwater.doctor.checks.bloat import Bloat
from flatwater.doctor.checks.cache_hit_ratio import CacheHitRatio
from flatwater.doctor.checks.hot_updates import HotUpdates
from flatwater.doctor.checks.largest_tables import LargestTables
from flatwater.doctor.checks.sequences_near_end import SequencesNearEnd
from flatwater.doctor.checks.stale_statistics import StaleStatistics
from flatwater.doctor.checks.unbounded_tables import ANY, UnboundedTables
from flatwater.doctor.checks.vacuum import Vacuum

FILLED = (
    "create table filled (id integer primary key, words text)",
    "insert into filled select n, repeat('x', 100) from generate_series(1, 120000) n",
)


def test_a_bloated_table_is_found_explained_and_cured(ward) -> None:
    ward.run(*FILLED, "delete from filled where id % 20 <> 0", "vacuum (analyze) filled")
    found = ward.see(Bloat())
    finding = found["bloat/public.filled"]
    assert finding.severity == "warning"
    assert 15 < finding.numbers["ratio"] < 25
    assert finding.numbers["wasted_bytes"] > 10 << 20
    ward.cure(finding.cures[0])
    assert "bloat/public.filled" not in ward.see(Bloat())
    assert ward.see(Bloat())["bloat/all"].severity == "ok"


def test_a_table_as_large_as_its_rows_is_not_called_bloated(ward) -> None:
    ward.run(*FILLED, "analyze filled")
    found = ward.see(Bloat(ratio=1.3, least_bytes=1 << 20))
    assert set(found) == {"bloat/all"}, found
    assert "2 largest" not in found["bloat/all"].saw or found["bloat/all"].numbers["estimated"] >= 1


def test_an_index_that_lost_its_rows_is_found_and_built_again(ward) -> None:
    ward.run(*FILLED, "delete from filled where id % 100 <> 0", "vacuum (analyze) filled")
    check = Bloat(ratio=5.0, least_bytes=1 << 20)
    finding = ward.see(check)["bloat/index public.filled_pkey"]
    assert finding.cures[0].sql == 'reindex index concurrently "public"."filled_pkey";'
    ward.cure(finding.cures[0])
    assert "bloat/index public.filled_pkey" not in ward.see(check)


def test_dead_rows_are_found_and_vacuumed_only_by_the_application_that_owns_them(ward) -> None:
    ward.run("create role clerk login", *FILLED, "alter table filled owner to clerk", "analyze filled")
    ward.run("delete from filled where id <= 40000")
    key = "bloat/dead rows of public.filled"
    assert ward.see(Bloat())[key].numbers["dead_rows"] == 40_000
    assert not any(cure.is_safe for cure in ward.see(Bloat(), "shop")[key].cures)
    ward.open("shop/list_orders", user="clerk").execute("select 1")
    finding = ward.see(Bloat(), "shop")[key]
    assert finding.cures[0].is_safe
    ward.cure(finding.cures[0])
    assert key not in ward.see(Bloat())
    ward.run("drop owned by clerk", "drop role clerk")


def test_a_large_table_nobody_analyzed_is_not_examined_rather_than_well(ward) -> None:
    ward.run(*FILLED)
    found = ward.see(Bloat())
    assert found["bloat/not examined"].severity == "not_examined"
    assert "public.filled" in found["bloat/not examined"].saw


def test_a_late_vacuum_is_found_and_cured(ward) -> None:
    ward.run(*FILLED, "analyze filled")
    assert ward.loud(Vacuum()) == set()
    ward.run("delete from filled where id <= 60000")
    finding = ward.see(Vacuum())["vacuum/late public.filled"]
    assert finding.severity == "warning"
    assert finding.numbers == {"dead_rows": 60_000, "due_at_rows": 24_050}
    ward.cure(finding.cures[0])
    assert ward.loud(Vacuum()) == set()


def test_who_keeps_a_late_vacuum_from_its_work_is_named(ward) -> None:
    ward.run(*FILLED, "analyze filled")
    reader = ward.open("reports/monthly")
    reader.execute("begin isolation level repeatable read")
    reader.execute("select count(*) from filled")
    ward.run("delete from filled where id <= 60000", "create table other (id int)", "vacuum filled")
    finding = ward.see(Vacuum())["vacuum/held back"]
    assert "session reports/monthly" in finding.saw
    reader.execute("commit")
    ward.run("vacuum filled")
    assert ward.loud(Vacuum()) == set()


def test_a_table_without_autovacuum_is_found_and_given_it_back(ward) -> None:
    ward.run(*FILLED, "alter table filled set (autovacuum_enabled = off)", "analyze filled")
    finding = ward.see(Vacuum())["vacuum/off public.filled"]
    ward.cure(finding.cures[0])
    assert ward.loud(Vacuum()) == set()


def test_autovacuum_off_for_the_server_is_critical(ward) -> None:
    ward.run("alter system set autovacuum = off", "select pg_reload_conf()")
    try:
        _until(ward, "current_setting('autovacuum') = 'off'")
        finding = ward.see(Vacuum())["vacuum/autovacuum"]
        assert finding.severity == "critical"
        ward.cure(*finding.cures)
        _until(ward, "current_setting('autovacuum') = 'on'")
        assert ward.loud(Vacuum()) == set()
    finally:
        ward.run("alter system reset autovacuum", "select pg_reload_conf()")


def test_stale_statistics_are_found_and_cured(ward) -> None:
    ward.run(*FILLED)
    finding = ward.see(StaleStatistics())["stale_statistics/public.filled"]
    assert finding.severity == "notice", "autovacuum may be on its way"
    assert "never analyzed" in finding.saw
    before = replace(ward.left, at=ward.left.at - timedelta(minutes=6))
    again = ward.see(StaleStatistics(), history=(before,))["stale_statistics/public.filled"]
    assert again.severity == "warning", "and did not come"
    ward.cure(finding.cures[0])
    assert ward.loud(StaleStatistics()) == set()
    ward.run("update filled set words = 'y' where id <= 60000")
    assert ward.loud(StaleStatistics()) == set(), "it was analyzed a moment ago"
    late = ward.see(StaleStatistics(patience_s=0.0))["stale_statistics/public.filled"]
    assert late.severity == "warning"


def test_over_a_million_rate_limit_rows_are_critical_and_the_sweep_takes_them_out(ward) -> None:
    ward.run(
        "create unlogged table rate_limit (id integer, expires_at timestamptz)",
        "insert into rate_limit select n, now() - interval '1 h' from generate_series(1, 1200000) n",
        "insert into rate_limit select n, now() + interval '1 h' from generate_series(1, 10) n",
    )
    finding = ward.see(UnboundedTables())["unbounded_tables/public.rate_limit"]
    assert finding.severity == "critical"
    assert "more than 1,000,000 rows" in finding.saw, "counted as far as critical, never estimated"
    assert "more than 1,000,000 rows expires_at has passed" in finding.saw
    assert not any(cure.is_safe for cure in finding.cures), (
        "nobody's rows are deleted without a person's word"
    )
    ward.cure(*finding.cures)
    assert ward.value("select count(*) from rate_limit") == 10
    assert "unbounded_tables/public.rate_limit" not in ward.see(UnboundedTables())
    room = ward.see(Bloat())["bloat/public.rate_limit"]
    assert room.numbers["wasted_bytes"] > 40 << 20, "the rows are gone and their room is not"
    ward.cure(room.cures[0])
    assert ward.loud(Bloat()) == set()


KINDS = {
    "flatwater_rate_limit": (
        tables.RATE_LIMIT,
        "insert into flatwater_rate_limit select 'x', n::text, {at} from {rows}",
        "arrival_at has passed",
    ),
    "rate_limits": (
        "create table rate_limits (id bigint, key text, created_at timestamptz)",
        "insert into rate_limits select n, 'k', {at} - interval '1 day' from {rows}",
        "created_at has passed 1 day ago",
    ),
    "reset_tokens": (
        "create table reset_tokens (id bigint, created_at timestamptz, expires_at timestamptz)",
        "insert into reset_tokens select n, now(), {at} from {rows}",
        "expires_at has passed",
    ),
    "user_sessions": (
        "create table user_sessions (id bigint, created_at timestamp, last_seen_at timestamp)",
        "insert into user_sessions select n, now(), {at} - interval '30 days' from {rows}",
        "last_seen_at has passed 30 days ago",
    ),
    "jobs": (
        "create table jobs (id bigint, created_at timestamptz, finished_at timestamptz)",
        "insert into jobs select n, now(), {at} - interval '7 days' from {rows}",
        "finished_at has passed 7 days ago",
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_rows_past_their_end_are_counted_and_the_cure_takes_out_those_and_no_others(ward, name: str) -> None:
    made, added, words = KINDS[name]
    ward.run(made, added.format(at="now() - interval '1 hour'", rows="generate_series(1, 120000) n"))
    ward.run(added.format(at="now() + interval '1 hour'", rows="generate_series(200001, 200030) n"))
    finding = ward.see(UnboundedTables())[f"unbounded_tables/public.{name}"]
    assert finding.numbers["past"] == 120_000, "counted, not estimated"
    assert f"120,000 rows {words}" in finding.saw
    ward.cure(*finding.cures)
    assert ward.value(f"select count(*) from {name}") == 30
    assert f"unbounded_tables/public.{name}" not in ward.see(UnboundedTables())


def test_what_is_held_at_a_time_is_not_past_because_it_was(ward) -> None:
    ward.run(
        "create table training_sessions (id bigint, starts_at timestamptz, ends_at timestamptz)",
        "insert into training_sessions select n, now(), now() - interval '1 year' from generate_series(1, 20000) n",
        "create table accounts_tokens (id bigint, locked_until timestamptz)",
        "insert into accounts_tokens select n, now() - interval '1 year' from generate_series(1, 20000) n",
    )
    found = ward.see(UnboundedTables())
    assert "unbounded_tables/public.training_sessions" not in found
    assert "unbounded_tables/public.accounts_tokens" not in found


ANY_KINDS = {
    "magic": "expires_at timestamptz",
    "verifications": '"expiresAt" timestamp',
    "cached_thing": "expiry date",
    "kept_prices": "valid_until timestamptz",
    "uploads": "delete_after timestamptz",
}


def test_rows_past_their_end_in_mass_are_told_of_a_table_of_any_name(ward) -> None:
    for name, column in ANY_KINDS.items():
        past, later = "now() - interval '3 days'", "now() + interval '3 days'"
        ward.run(f"create table {name} (id bigint, {column})")
        ward.run(f"insert into {name} select n, {past} from generate_series(1, 15000) n")
        ward.run(f"insert into {name} select n, {later} from generate_series(1, 100) n")
    found = ward.see(UnboundedTables())
    for name in ANY_KINDS:
        finding = found[f"unbounded_tables/public.{name}"]
        assert (finding.severity, finding.numbers["past"]) == ("notice", 15_000)
        assert "history" in finding.cures[0].explanation
        assert not any(each.is_safe for each in finding.cures)
        ward.cure(*finding.cures[1:])
        assert ward.value(f"select count(*) from {name}") == 100
    assert ward.loud(UnboundedTables()) == set()


def test_seven_hundred_thousand_rows_past_their_end_are_a_warning_whatever_their_table_is_called(
    ward,
) -> None:
    ward.run("create table magic (id bigint, owner text, expires_at timestamptz)")
    ward.run(
        "insert into magic select n, 'somebody', now() - interval '40 days' from generate_series(1, 700000) n"
    )
    finding = ward.see(UnboundedTables())["unbounded_tables/public.magic"]
    assert finding.severity == "warning"
    assert "700,000 rows expires_at has passed 1 day ago" in finding.saw
    assert "critical" not in finding.saw


def test_what_is_taken_out_in_time_or_speaks_of_something_in_the_row_is_not_told(ward) -> None:
    ward.run(
        "create table swept (id bigint, expires_at timestamptz)",
        "insert into swept select n, now() - interval '3 days' from generate_series(1, 12000) n",
        "insert into swept select n, now() + interval '3 days' from generate_series(1, 13000) n",
        "create table today (id bigint, expires_at timestamptz)",
        "insert into today select n, now() - interval '3 hours' from generate_series(1, 12000) n",
        "create table people (id bigint, password_expires_at timestamptz, reset_expires timestamptz, expiry_told_at timestamptz)",
        "insert into people select n, now() - interval '1 year' from generate_series(1, 12000) n",
        "create table meetings (id bigint, ends_at timestamptz)",
        "insert into meetings select n, now() - interval '1 year' from generate_series(1, 12000) n",
    )
    assert ward.loud(UnboundedTables()) == set()


def test_of_a_large_table_the_oldest_pages_tell_whether_it_is_counted(
    ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flatwater.doctor.checks.unbounded_tables.PROBED_PAGES", 50)
    monkeypatch.setattr("flatwater.doctor.checks.unbounded_tables.MOST_PROBED", 2)
    rows = "select n, now() + interval '{}' from generate_series(1, {}) n"
    for name, first, then in (("old", "-3 days", "3 days"), ("young", "3 days", "-3 days")):
        ward.run(f"create table {name} (id bigint, expires_at timestamptz)")
        ward.run(
            f"insert into {name} {rows.format(first, 30000)}",
            f"insert into {name} {rows.format(then, 20000)}",
        )
    less = replace(ANY, notice=5_000)
    found = ward.see(UnboundedTables(any=less))
    assert found["unbounded_tables/public.old"].numbers["past"] == 30_000
    assert "unbounded_tables/public.young" not in found
    ward.run(
        "create table small (id bigint, expires_at timestamptz)",
        "insert into small select n, now() from generate_series(1, 6000) n",
    )
    assert "public.small" in ward.see(UnboundedTables(any=less))["unbounded_tables/not counted"].saw


def test_an_estimate_is_believed_neither_when_it_says_too_many_nor_when_it_says_too_few(ward) -> None:
    ward.run(
        "create table request_limits (id integer, expires_at timestamptz) with (autovacuum_enabled = false)",
        "insert into request_limits select n, now() from generate_series(1, 1200000) n",
        "analyze request_limits",
        "delete from request_limits where id > 2",
    )
    assert ward.value("select reltuples from pg_class where oid = 'request_limits'::regclass") > 1_000_000
    assert "unbounded_tables/public.request_limits" not in ward.see(UnboundedTables())
    ward.run(
        "truncate request_limits",
        "analyze request_limits",
        "insert into request_limits select n, now() from generate_series(1, 600000) n",
    )
    assert ward.see(UnboundedTables())["unbounded_tables/public.request_limits"].numbers["rows"] == 600_000


def test_rate_limit_rows_are_graded_by_the_service_levels(ward) -> None:
    ward.run("create table request_limits (id integer)")
    budget = UnboundedTables().budgets[0]
    tenth = replace(budget, notice=100, warning=500, critical=1_000)
    seen: list[str] = []
    for rows in (100, 1, 400, 500):
        ward.run(f"insert into request_limits select 1 from generate_series(1, {rows})")
        finding = ward.see(UnboundedTables(budgets=(tenth,))).get("unbounded_tables/public.request_limits")
        seen.append("ok" if finding is None else finding.severity)
    assert seen == ["ok", "notice", "warning", "critical"]


def test_an_unlogged_table_is_told(ward) -> None:
    ward.run("create unlogged table visits (id integer)", "insert into visits values (1)")
    finding = ward.see(UnboundedTables())["unbounded_tables/unlogged public.visits"]
    assert finding.severity == "notice"
    ward.cure(finding.cures[0])
    assert ward.loud(UnboundedTables()) == set()


def test_growth_between_two_looks_is_told_with_its_rate(ward) -> None:
    ward.run(*FILLED)
    check = UnboundedTables()
    first = ward.see(check)
    assert "no look before" in first["unbounded_tables/all"].saw
    an_hour_ago = replace(ward.left, at=ward.left.at - timedelta(hours=1))
    assert ward.loud(check, history=(an_hour_ago,)) == set()
    ward.run("insert into filled select n, repeat('x', 100) from generate_series(200001, 260000) n")
    finding = ward.see(check, history=(an_hour_ago,))["unbounded_tables/growing public.filled"]
    assert "in 1.0 h" in finding.saw
    assert 0.05 < finding.numbers["doubles_days"] < 0.3
    long_ago = replace(ward.left, at=ward.left.at - timedelta(days=90), numbers=an_hour_ago.numbers)
    assert ward.loud(check, history=(long_ago,)) == set()


def test_the_largest_tables_are_told_with_their_indexes(ward) -> None:
    ward.run(*FILLED, "create index on filled (words, id)", "create table small (id integer)")
    found = ward.see(LargestTables())
    assert found["largest_tables/all"].saw.index("public.filled") < found["largest_tables/all"].saw.index(
        "public.small"
    )
    assert found["largest_tables/all"].numbers["size_bytes"] > 15 << 20
    heavy = ward.see(LargestTables(index_ratio=0.5, least_bytes=1 << 20))
    assert heavy["largest_tables/indexes of public.filled"].severity == "notice"


def test_a_locked_table_is_left_out_and_counted_instead_of_waited_for(ward) -> None:
    ward.run(*FILLED)
    holder = ward.open("migration")
    holder.execute("begin")
    holder.execute("lock table filled in access exclusive mode")
    found = ward.see(LargestTables())["largest_tables/all"]
    assert found.severity == "ok"
    assert "public.filled" not in found.saw
    assert found.numbers["locked"] >= 1
    for check in (Bloat(), UnboundedTables()):
        assert all(each.severity != "not_examined" for each in ward.see(check).values())


def test_a_sequence_near_the_end_of_its_column_is_found_and_widened(ward) -> None:
    ward.run(
        "create table bill (id serial primary key)",
        "create table visit (id integer generated always as identity primary key)",
        "select setval('bill_id_seq', 2100000000)",
        "select setval('visit_id_seq', 1900000000)",
        "create sequence loose as smallint",
        "select setval('loose', 32000)",
    )
    found = ward.see(SequencesNearEnd())
    assert found["sequences_near_end/public.bill_id_seq"].severity == "critical"
    assert found["sequences_near_end/public.visit_id_seq"].severity == "warning"
    assert found["sequences_near_end/public.loose"].numbers["left"] == 767
    for each in found.values():
        ward.cure(*each.cures)
    assert ward.loud(SequencesNearEnd()) == set()
    ward.run("select setval('bill_id_seq', 3000000000)", "insert into bill default values")


def test_a_sequence_this_role_may_not_read_is_not_examined(ward) -> None:
    ward.run("create role blind login", "create sequence hidden")
    found = ward.see(SequencesNearEnd(), role="blind")
    finding = found["sequences_near_end/unreadable"]
    assert finding.severity == "not_examined"
    assert "sequences_near_end/all" not in found, "nothing was looked at, so nothing is well"
    ward.cure(finding.cures[0])
    assert ward.see(SequencesNearEnd(), role="blind")["sequences_near_end/all"].severity == "ok"
    ward.run("drop owned by blind", "drop role blind")


def test_a_cold_cache_is_told_and_too_few_reads_are_not_judged(ward) -> None:
    ward.run("create table read (id integer)", "insert into read select generate_series(1, 50000)")
    assert "cache_hit_ratio/not examined" in ward.see(CacheHitRatio())
    for _ in range(3):
        ward.run("select count(*) from read")
    always = CacheHitRatio(least_blocks=100, least=2.0)
    assert ward.see(always)["cache_hit_ratio/tables"].severity == "notice"
    assert ward.see(CacheHitRatio(least_blocks=100, least=0.0))["cache_hit_ratio/tables"].severity == "ok"


def test_updates_that_all_leave_their_page_are_told(ward) -> None:
    ward.run(
        *FILLED, "create index on filled (words)", "update filled set words = words || 'y' where id <= 12000"
    )
    finding = ward.see(HotUpdates())["hot_updates/public.filled"]
    assert finding.numbers["beside"] == 0
    assert finding.numbers["elsewhere"] > 0.9
    ward.cure(finding.cures[0])
    assert ward.value("select reloptions::text from pg_class where relname = 'filled'") == "{fillfactor=80}"


def _until(ward, condition: str) -> None:
    import time

    until = time.monotonic() + 10
    while not ward.value(f"select {condition}"):
        assert time.monotonic() < until, condition
        time.sleep(0.02)


def test_a_table_that_the_application_was_granted_by_its_owner_is_the_applications(ward) -> None:
    ward.run(
        "create role clerk login",
        "create role keeper",
        *FILLED,
        "alter table filled owner to keeper",
        "analyze filled",
    )
    ward.run("delete from filled where id <= 40000")
    key = "bloat/dead rows of public.filled"
    ward.open("shop/list_orders", user="clerk").execute("select 1")
    assert not any(cure.is_safe for cure in ward.see(Bloat(), "shop")[key].cures), "it may not even write it"
    ward.run("grant select, insert, update on filled to clerk")
    assert ward.see(Bloat(), "shop")[key].cures[0].is_safe
    ward.run("drop owned by clerk", "drop role clerk", "drop owned by keeper", "drop role keeper")
