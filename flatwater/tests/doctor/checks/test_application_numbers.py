"""What an application tells of itself: its processes, its statements' times, where its memory grew."""

from __future__ import annotations

import os

from flatwater.doctor.application_numbers import ApplicationNumbers
from flatwater.doctor.check import Check
from flatwater.doctor.checks.application_memory import ApplicationMemory
from flatwater.doctor.checks.endpoint_growth import EndpointGrowth
from flatwater.doctor.checks.slow_statements import SlowStatements
from flatwater.doctor.checks.statements_forgotten import StatementsForgotten
from flatwater.doctor.look import Look
from flatwater.doctor.model import Finding, NotExamined
from flatwater.monitors.endpoints import EndpointStanding
from flatwater.statement_times import QueryTimes

FAST = QueryTimes("orders.sql: list_orders", 900, 9.0, 0.2)
SLOW = QueryTimes("orders.sql: sum_orders", 20, 60.0, 7.0)
RARE = QueryTimes("orders.sql: close_year", 3, 60.0, 30.0)


def see(ward, check: Check, told: ApplicationNumbers | None) -> dict[str, Finding]:
    found: list[Finding] = []
    with Look(ward.conninfo, application="shop", application_numbers=lambda: told) as look:
        try:
            found.extend(check.look(look))
        except NotExamined as reason:
            found.append(Finding(check.name, "not examined", "not_examined", str(reason), ""))
    return {each.key: each for each in found}


def test_where_the_server_keeps_no_statistics_the_applications_own_times_are_judged(ward) -> None:
    well = see(ward, SlowStatements(), ApplicationNumbers(for_s=7_200, statements=(FAST, RARE)))
    assert set(well) == {"slow_statements/all"}
    assert well["slow_statements/all"].severity == "ok"
    assert (
        "2 statements looked at by the times that the application itself took of them for 2.0 hours"
        in well["slow_statements/all"].saw
    )
    slow = see(ward, SlowStatements(), ApplicationNumbers(statements=(FAST, SLOW, RARE)))
    assert {key: each.severity for key, each in slow.items()} == {
        "slow_statements/orders.sql: sum_orders": "warning"
    }
    assert slow["slow_statements/orders.sql: sum_orders"].numbers == {
        "mean_ms": 3000.0,
        "calls": 20,
        "total_ms": 60_000,
    }


def test_nothing_is_advised_that_this_server_does_not_have(ward) -> None:
    offered = ward.value("select count(*) from pg_available_extensions where name = 'pg_stat_statements'")
    told = see(ward, SlowStatements(), None)["not examined"].saw
    forgotten = see(ward, StatementsForgotten(), None)["not examined"].saw
    if offered:
        assert "create extension" in told
        assert "none to install" not in forgotten
    else:
        assert "create extension" not in told
        assert "shared_preload_libraries" not in told
        assert "has none to install" in forgotten


def test_growth_is_told_by_endpoint_and_judged_only_after_enough_requests_were_followed(ward) -> None:
    calm = EndpointStanding("list_orders", 90_000, 60, 0.0, 4_000, 0)
    leaking = EndpointStanding("add_order", 30_000, 60, 12.0, 4_000, 0)
    new = EndpointStanding("new_page", 900_000, 19, 12.0, 4_000, 0)
    found = see(ward, EndpointGrowth(), ApplicationNumbers(endpoints=(calm, leaking, new)))
    assert {key: each.severity for key, each in found.items()} == {"endpoint_growth/add_order": "warning"}
    assert "12 blocks each" in found["endpoint_growth/add_order"].saw
    well = see(ward, EndpointGrowth(), ApplicationNumbers(endpoints=(calm, new)))
    assert well["endpoint_growth/all"].severity == "ok"
    for nothing in (None, ApplicationNumbers(), ApplicationNumbers(endpoints=(new,))):
        assert set(see(ward, EndpointGrowth(), nothing)) == {"not examined"}


def test_a_process_that_tells_of_itself_is_examined_though_its_connections_come_by_socket(ward) -> None:
    ward.open("shop/list_orders").execute("select 1")
    assert "come by socket" in see(ward, ApplicationMemory(), ApplicationNumbers())["not examined"].saw
    found = see(ward, ApplicationMemory(), ApplicationNumbers(process_ids=(os.getpid(),)))
    seen = found["application_memory/shop"]
    assert seen.severity == "ok"
    assert f"pid {os.getpid()} " in seen.saw
    assert "with 1 connections" in seen.saw
    assert isinstance(seen.numbers["pss_bytes"], int)
    assert seen.numbers["pss_bytes"] > 10_000_000
