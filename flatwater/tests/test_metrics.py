"""Metrics within a ceiling, and files for Prometheus and Grafana that use only names which are exported."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from flatwater.alerts import Delivery, Log
from flatwater.baselines import SERVICE_LEVELS, VERDICTS, evaluate
from flatwater.cache import Cache
from flatwater.circuit_breaker import CircuitBreaker
from flatwater.clock import StandingClock
from flatwater.latency import LatencyHistogram
from flatwater.load_shedding import LoadShedder
from flatwater.metrics import CONTENT_TYPE, OTHER, Labels, MetricRefused, Metrics, RequestMetrics, sources
from flatwater.monitors import GarbageMonitor, ProcessMonitor
from flatwater.pool import Database
from flatwater.rate_limit import MemoryRateLimiter, RateLimits
from flatwater.supervisor import Supervisor

pytestmark = pytest.mark.anyio

OBSERVABILITY = files("flatwater") / "observability"
PAGE = Path(__file__).parents[2] / "docs" / "operators" / "metrics.md"


def samples(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Everything in the exposition, as a reader of the text format sees it."""
    text = metrics.exposition().decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return samples(metrics).get((name, frozenset(labels.items())))


def test_a_counter_a_gauge_and_a_histogram_are_read_as_they_were_counted() -> None:
    metrics = Metrics()
    counter = metrics.counter("things_total", "Things.", ("colour",))
    gauge = metrics.gauge("warmth_celsius", "Warmth.")
    histogram = metrics.histogram("wait_seconds", "Waits.", bounds=(0.1, 1.0))
    counter.add(("red",))
    counter.add(("red",), 2)
    counter.add(('a "quoted"\\ line\nbreak',))
    gauge.set(3)
    gauge.set(-4.5)
    for seconds in (0.05, 0.1, 0.5, 7):
        histogram.observe(seconds)
    assert value(metrics, "things_total", colour="red") == 3
    assert value(metrics, "things_total", colour='a "quoted"\\ line\nbreak') == 1
    assert value(metrics, "warmth_celsius") == -4.5
    assert [value(metrics, "wait_seconds_bucket", le=bound) for bound in ("0.1", "1.0", "+Inf")] == [2, 3, 4]
    assert value(metrics, "wait_seconds_sum") == pytest.approx(7.65)
    assert value(metrics, "wait_seconds_count") == 4
    assert CONTENT_TYPE.startswith("text/plain; version=0.0.4")


def test_what_is_above_the_ceiling_is_other_and_counted_and_nothing_is_lost() -> None:
    metrics = Metrics(label_sets=3)
    counter = metrics.counter("asked_total", "Asked.", ("path", "method"))
    for step in range(1000):
        counter.add((f"/{step}", "GET"))
    counter.add(("/0", "GET"))
    found = {labels: count for (name, labels), count in samples(metrics).items() if name == "asked_total"}
    assert len(found) == 4
    assert value(metrics, "asked_total", path="/0", method="GET") == 2
    assert value(metrics, "asked_total", path=OTHER, method=OTHER) == 997
    assert sum(found.values()) == 1001
    assert value(metrics, "flatwater_label_sets_refused_total", metric="asked_total") == 997


def test_the_ceiling_is_two_hundred_unless_told_otherwise() -> None:
    metrics = Metrics()
    gauge = metrics.gauge("size", "Size.", ("which",))
    for step in range(300):
        gauge.set(step, (str(step),))
    assert sum(name == "size" for name, _ in samples(metrics)) == 201


def test_a_source_keeps_the_label_sets_it_had_first_and_adds_the_others_up() -> None:
    metrics = Metrics(label_sets=2)
    counts: dict[Labels, float] = {("a",): 1, ("b",): 2}
    metrics.source("counted_total", "Counted.", "counter", lambda: counts, labels=("which",))
    metrics.source("held", "Held.", "gauge", lambda: counts, labels=("which",))
    metrics.exposition()
    counts = {("d",): 8, ("c",): 4, ("b",): 2, ("a",): 1}
    assert value(metrics, "counted_total", which="b") == 2
    assert value(metrics, "counted_total", which=OTHER) == 12
    assert value(metrics, "held", which=OTHER) == 8
    assert value(metrics, "counted_total", which="c") is None


def test_a_source_that_cannot_be_read_is_missing_counted_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    metrics = Metrics()
    is_gone = True

    def read() -> Mapping[Labels, float]:
        if is_gone:
            raise OSError("gone")
        return {(): 5}

    metrics.source("seen", "Seen.", "gauge", read)
    metrics.gauge("beside", "Beside.").set(1)
    for _ in range(3):
        metrics.exposition()
    assert value(metrics, "seen") is None
    assert value(metrics, "beside") == 1
    assert value(metrics, "flatwater_metric_source_failures_total", metric="seen") == 6
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    is_gone = False
    assert value(metrics, "seen") == 5


@pytest.mark.parametrize("name", ["Things_total", "things", "things-a_total", "", "_total", "1_total"])
def test_a_counter_with_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(MetricRefused):
        Metrics().counter(name, "Things.")


@pytest.mark.parametrize("labels", [("a", "a"), ("le",), ("__name__",), ("A",), ("a-b",)])
def test_bad_labels_are_refused(labels: tuple[str, ...]) -> None:
    with pytest.raises(MetricRefused):
        Metrics().counter("things_total", "Things.", labels)


def test_a_gauge_is_not_called_total() -> None:
    with pytest.raises(MetricRefused):
        Metrics().gauge("things_total", "Things.")


def test_a_name_is_taken_once_in_all_its_series() -> None:
    metrics = Metrics()
    metrics.histogram("wait_seconds", "Waits.")
    metrics.gauge("size_count", "Sizes.")
    for clash in ("wait_seconds_count", "wait_seconds_bucket", "size_count"):
        with pytest.raises(MetricRefused, match="already"):
            metrics.gauge(clash, "Clash.")
    with pytest.raises(MetricRefused, match="already"):
        metrics.histogram("size", "Clash.")
    with pytest.raises(MetricRefused, match="already"):
        metrics.histogram("wait_seconds", "Clash.")


@pytest.mark.parametrize("broken", [-1.0, float("nan")])
def test_what_would_spoil_a_sum_for_good_is_refused(broken: float) -> None:
    metrics = Metrics()
    with pytest.raises(ValueError, match="only grows"):
        metrics.counter("things_total", "Things.").add(amount=broken)
    with pytest.raises(ValueError, match="not negative"):
        metrics.histogram("wait_seconds", "Waits.").observe(broken)


def test_labels_of_another_number_are_refused() -> None:
    with pytest.raises(ValueError, match="colour"):
        Metrics().counter("things_total", "Things.", ("colour",)).add(("red", "big"))


def test_requests_are_counted_by_route_method_and_class_and_a_made_up_method_is_one() -> None:
    metrics, latency = Metrics(), LatencyHistogram()
    requests = RequestMetrics(metrics, latency=latency)
    requests.observe("/schools/{id}", "GET", 200, 0.02)
    requests.observe("/schools/{id}", "GET", 204, 0.3)
    requests.observe("/schools/{id}", "GET", 503, 0.001)
    for step in range(50):
        requests.observe("none", f"HACK{step}", 700, 0.001)
    name = "http_server_request_duration_seconds_count"
    labels = {"http_route": "/schools/{id}", "http_request_method": "GET"}
    assert value(metrics, name, **labels, http_response_status_class="2xx") == 2
    assert value(metrics, name, **labels, http_response_status_class="5xx") == 1
    made_up = {"http_route": "none", "http_request_method": "_OTHER", "http_response_status_class": "other"}
    assert value(metrics, name, **made_up) == 50
    assert latency.count() == 53


def test_what_writes_the_text_is_loaded_with_the_first_exposition() -> None:
    program = (
        "import sys\n"
        "from flatwater.metrics import Metrics\n"
        "metrics = Metrics()\n"
        "assert 'prometheus_client' not in sys.modules\n"
        "metrics.exposition()\n"
        "assert 'prometheus_client' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.fixture
async def whole(database: Database) -> AsyncIterator[Metrics]:
    """Every source there is, with something to read in each."""
    clock = StandingClock(datetime(2026, 11, 23, tzinfo=UTC))
    metrics = Metrics()
    RequestMetrics(metrics).observe("/schools", "GET", 200, 0.02)
    cache = Cache[str]("schools", entries=10, size_bytes=10_000, ttl_s=60)

    async def load() -> str:
        return "loaded"

    for _ in range(3):
        await cache.get("a", load)
    rates = RateLimits(MemoryRateLimiter())
    breaker, garbage = CircuitBreaker("database"), GarbageMonitor()
    monitor = ProcessMonitor(clock, garbage=garbage)
    monitor.sample()
    shedder = LoadShedder(10**9, lambda: 10**8, clock, pool_statistics=database.statistics)
    delivery = Delivery([Log()])
    async with database.read(deadline_s=5):
        pass
    sources.pools(metrics, lambda: {"main": database.statistics()}, {"main": database.limits})
    sources.caches(metrics, lambda: [cache.statistics()])
    sources.rate_limits(metrics, rates.statistics)
    sources.breakers(metrics, lambda: [breaker.statistics()])
    sources.process(metrics, monitor.latest)
    sources.garbage(metrics, garbage.standing)
    sources.shedding(metrics, shedder.standing)
    sources.service_levels(metrics, lambda: evaluate({"connections": 9, "cache_hit_rate": 0.9}))
    sources.alerts(metrics, delivery.statistics)
    async with Supervisor(clock) as supervisor:
        sources.loops(metrics, supervisor.standings, supervisor.errands)
        supervisor.every("sweeping", load, period_s=60.0).turned()
        await supervisor.errand("telling", load())
        yield metrics


async def test_the_sources_tell_what_the_parts_count(whole: Metrics, database: Database) -> None:
    pool = {"db_client_connection_pool_name": "main"}
    idle = value(whole, "db_client_connection_count", **pool, db_client_connection_state="idle")
    used = value(whole, "db_client_connection_count", **pool, db_client_connection_state="used")
    assert (idle or 0) + (used or 0) == database.statistics().connections > 0
    assert value(whole, "db_client_connection_max", **pool) == database.limits.connections
    assert value(whole, "flatwater_pool_acquired_total", **pool) == database.statistics().acquired > 0
    assert value(whole, "flatwater_cache_lookups_total", cache="schools", result="hit") == 2
    assert value(whole, "flatwater_cache_lookups_total", cache="schools", result="miss") == 1
    assert value(whole, "flatwater_breaker_state", upstream="database", state="closed") == 1
    assert value(whole, "flatwater_breaker_state", upstream="database", state="open") == 0
    assert (value(whole, "process_memory_usage_bytes") or 0) > 1_000_000
    assert value(whole, "process_thread_count") is not None
    assert value(whole, "flatwater_alerts_sent_total", channel="log") == 0


async def test_the_service_levels_tell_value_verdict_and_limits(whole: Metrics) -> None:
    assert value(whole, "flatwater_service_level_value", level="connections") == 9
    assert value(whole, "flatwater_service_level_value", level="memory_bytes") is None
    assert value(whole, "flatwater_service_level_verdict", level="connections", verdict="warning") == 1
    assert value(whole, "flatwater_service_level_verdict", level="connections", verdict="ok") == 0
    assert value(whole, "flatwater_service_level_verdict", level="memory_bytes", verdict="not_examined") == 1
    assert value(whole, "flatwater_service_level_limit", level="connections", bound="critical") == 15
    assert value(whole, "flatwater_service_level_limit", level="idle_connections", bound="critical") is None


async def test_every_declared_metric_can_be_read(whole: Metrics) -> None:
    read = {name for name, _ in samples(whole)}
    only_when_wrong = {"flatwater_label_sets_refused_total", "flatwater_metric_source_failures_total"}
    # What a machine does not tell is missing.
    optional = {
        name
        for name in whole.names()
        if name.startswith(("flatwater_process", "flatwater_memory", "flatwater_pool_queue"))
    }
    assert read <= whole.names()
    assert whole.names() - read <= only_when_wrong | optional
    assert not any(name == "flatwater_metric_source_failures_total" for name, _ in samples(whole))


WORDS = frozenset(
    [
        "by",
        "without",
        "sum",
        "max",
        "min",
        "rate",
        "increase",
        "or",
        "and",
        "unless",
        "histogram_quantile",
        "topk",
        "absent",
        "on",
        "ignoring",
    ]
)
SELECTOR = re.compile(r"([a-z_:][a-z0-9_:]*)\{([^}]*)\}|([a-z_:][a-z0-9_:]*)")


def used(expression: str) -> Iterator[tuple[str, str]]:
    """The metrics of an expression, each with what stands in its braces."""
    grouped = re.sub(r"\b(by|without)\s*\([^)]*\)", " ", expression)
    for match in SELECTOR.finditer(re.sub(r"\[[^\]]*\]", "", grouped)):
        name = match[1] or match[3]
        if name not in WORDS:
            yield name, match[2] or ""


def grouping(expression: str) -> set[str]:
    return {
        name.strip() for found in re.findall(r"\bby\s*\(([^)]*)\)", expression) for name in found.split(",")
    }


def rules() -> list[dict[str, Any]]:
    content = yaml.safe_load((OBSERVABILITY / "alert-rules.yml").read_text())
    return [rule for group in content["groups"] for rule in group["rules"]]


def expressions() -> list[str]:
    dashboard = json.loads((OBSERVABILITY / "grafana-dashboard.json").read_text())
    targets = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    variables = [
        re.sub(r"label_values\((.*), \w+\)", r"\1", found["definition"])
        for found in dashboard["templating"]["list"]
        if found["type"] == "query"
    ]
    return [*targets, *variables, *(str(rule["expr"]) for rule in rules())]


def test_the_reader_of_expressions_sees_names_and_braces() -> None:
    expression = 'topk(3, sum by (le, job) (rate(a_total{x="by",y=~"b|c"}[5m]))) / max(b_bytes) > 0.95'
    assert list(used(expression)) == [("a_total", 'x="by",y=~"b|c"'), ("b_bytes", "")]
    assert grouping(expression) == {"le", "job"}


async def test_dashboard_and_alert_rules_use_only_what_is_exported(whole: Metrics) -> None:
    labels: dict[str, set[str]] = {name: set() for name in whole.names()}
    for name, found in samples(whole):
        labels[name] |= {label for label, _ in found}
    for name in ("flatwater_label_sets_refused_total", "flatwater_metric_source_failures_total"):
        labels[name] = {"metric"}
    for name in ("flatwater_shed_requests_total",):
        labels[name] |= {"priority", "cause"}
    assert len(expressions()) > 60
    for expression in expressions():
        names = [name for name, _ in used(expression)]
        assert names, expression
        for name, braces in used(expression):
            assert name in whole.names(), expression
            asked = set(re.findall(r"(\w+)\s*(?:=|!=|=~|!~)\s*\"", braces)) | grouping(expression)
            assert asked <= labels[name] | {"job", "instance"}, expression


def test_every_service_level_has_an_alert_for_each_of_its_levels_and_no_alert_is_of_another() -> None:
    asked: set[tuple[str, str]] = set()
    for rule in rules():
        severity = rule["labels"]["severity"]
        for name, braces in used(str(rule["expr"])):
            level = re.search(r'level="(\w+)"', braces)
            if name == "flatwater_service_level_verdict" and level:
                assert rule["labels"]["service_level"] == level[1]
                verdicts = re.search(r'verdict=~?"([\w|]+)"', braces)
                assert verdicts is not None
                assert severity in verdicts[1].split("|")
                assert set(verdicts[1].split("|")) <= set(VERDICTS)
                asked.add((level[1], str(severity)))
    due = {(level.name, "warning") for level in SERVICE_LEVELS}
    due |= {(level.name, "critical") for level in SERVICE_LEVELS if level.critical is not None}
    assert asked == due


def test_every_service_level_is_on_the_dashboard_with_its_limits() -> None:
    text = (OBSERVABILITY / "grafana-dashboard.json").read_text()
    for level in SERVICE_LEVELS:
        assert (
            f'flatwater_service_level_value{{job=~\\"$job\\",instance=~\\"$instance\\",level=\\"{level.name}\\"}}'
            in text
        )


def test_every_alert_says_what_and_what_to_do() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))
    for rule in rules():
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert set(rule["annotations"]) == {"summary", "description"}


async def test_the_operators_page_lists_what_is_exported(whole: Metrics) -> None:
    if not PAGE.exists():
        pytest.skip("the operators' pages are not beside this copy of flatwater")
    listed = set(re.findall(r"^\| `([a-z0-9_]+)` \|", PAGE.read_text(), flags=re.MULTILINE))
    exported = {re.sub(r"(duration_seconds)_(bucket|sum|count)$", r"\1", name) for name in whole.names()}
    assert listed == exported
