"""The service levels: what a value is by them, and that what nobody saw is never well."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatwater.baselines import (
    SERVICE_LEVELS,
    VERDICTS,
    Baseline,
    BaselineBroken,
    Levels,
    Verdict,
    configured,
    evaluate,
    judge,
    worst,
)

LEVEL = {baseline.name: baseline for baseline in SERVICE_LEVELS}


@pytest.mark.parametrize(
    ("name", "value", "verdict"),
    [
        ("connections", 3, "ok"),
        ("connections", 5, "ok"),
        ("connections", 6, "off_target"),
        ("connections", 8, "off_target"),
        ("connections", 9, "warning"),
        ("connections", 15, "warning"),
        ("connections", 16, "critical"),
        ("memory_bytes", 499_999_999, "ok"),
        ("memory_bytes", 500_000_000, "off_target"),
        ("memory_bytes", 1_000_000_000, "off_target"),
        ("memory_bytes", 1_000_000_001, "warning"),
        ("memory_bytes", 2_000_000_001, "critical"),
        ("query_p95_s", 0.499, "ok"),
        ("query_p95_s", 0.5, "off_target"),
        ("query_p95_s", 2.001, "warning"),
        ("query_p95_s", 5.001, "critical"),
        ("query_p95_s", math.inf, "critical"),
        ("rate_limit_rows", 99_999, "ok"),
        ("rate_limit_rows", 100_000, "off_target"),
        ("rate_limit_rows", 500_001, "warning"),
        ("rate_limit_rows", 1_000_001, "critical"),
        ("cache_hit_rate", 0.71, "ok"),
        ("cache_hit_rate", 0.70, "off_target"),
        ("cache_hit_rate", 0.50, "off_target"),
        ("cache_hit_rate", 0.49, "warning"),
        ("cache_hit_rate", 0.30, "warning"),
        ("cache_hit_rate", 0.29, "critical"),
        ("idle_connections", 5, "ok"),
        ("idle_connections", 6, "warning"),
        ("idle_connections", 600, "warning"),
        ("longest_statement_s", 10.0, "ok"),
        ("longest_statement_s", 10.1, "warning"),
        ("idle_in_transaction", 0, "ok"),
        ("idle_in_transaction", 1, "warning"),
    ],
)
def test_a_value_is_judged_by_the_operators_levels(name: str, value: float, verdict: Verdict) -> None:
    assert judge(LEVEL[name], value).verdict == verdict


@pytest.mark.parametrize("value", [None, math.nan, -1.0])
@pytest.mark.parametrize("name", LEVEL)
def test_what_has_no_value_is_not_examined(name: str, value: float | None) -> None:
    judgement = judge(LEVEL[name], value)
    assert judgement.verdict == "not_examined"
    assert judgement.value is None
    assert "not examined" in judgement.sentence


def test_a_hit_rate_given_in_percent_is_not_taken_for_a_good_one() -> None:
    assert judge(LEVEL["cache_hit_rate"], 70.0).verdict == "not_examined"


def test_an_endless_count_is_no_count() -> None:
    assert judge(LEVEL["connections"], math.inf).verdict == "not_examined"


@given(
    st.sampled_from(SERVICE_LEVELS),
    st.floats(0, 1e12, allow_nan=False),
    st.floats(0, 1e12, allow_nan=False),
)
def test_a_worse_value_never_gets_a_better_verdict(baseline: Baseline, one: float, other: float) -> None:
    if baseline.unit == "ratio":
        one, other = one / 1e12, other / 1e12
    better, poorer = sorted((one, other), reverse=baseline.higher_is_better)
    assert VERDICTS.index(baseline.verdict(better)) <= VERDICTS.index(baseline.verdict(poorer))


@given(st.sampled_from(SERVICE_LEVELS), st.floats(0, 1, allow_nan=False), st.floats(0, 0.9))
def test_what_is_clear_of_the_warning_is_no_warning(baseline: Baseline, part: float, margin: float) -> None:
    value = part if baseline.unit == "ratio" else part * baseline.warning * 2
    if baseline.is_clear_of_warning(value, margin=margin):
        assert baseline.verdict(value) in ("ok", "off_target")


def test_every_level_is_evaluated_and_what_was_not_read_is_not_examined() -> None:
    judgements = {found.name: found for found in evaluate({"connections": 3, "query_p95_s": 6.0})}
    assert list(judgements) == list(LEVEL)
    assert judgements["connections"].verdict == "ok"
    assert judgements["query_p95_s"].verdict == "critical"
    assert {
        found.verdict for name, found in judgements.items() if name not in ("connections", "query_p95_s")
    } == {"not_examined"}


def test_a_misspelt_reading_is_refused() -> None:
    with pytest.raises(ValueError, match="conections"):
        evaluate({"conections": 3})


def test_the_worst_verdict_is_never_ok_where_something_was_not_examined() -> None:
    good = {name: (0.9 if level.higher_is_better else 0.0) for name, level in LEVEL.items()}
    assert worst(evaluate(good)) == "ok"
    assert worst(evaluate({**good, "memory_bytes": None})) == "not_examined"
    assert worst(evaluate({**good, "memory_bytes": None, "connections": 9})) == "warning"
    assert worst(evaluate({**good, "memory_bytes": 3e9, "connections": 9})) == "critical"
    assert worst([]) == "not_examined"


def test_levels_are_configurable_one_by_one() -> None:
    ours = {found.name: found for found in configured({"memory_bytes": Levels(target=150e6, warning=200e6)})}
    assert ours["memory_bytes"].verdict(210e6) == "warning"
    assert ours["memory_bytes"].critical == LEVEL["memory_bytes"].critical
    assert ours["connections"] == LEVEL["connections"]


@pytest.mark.parametrize(
    ("name", "levels"),
    [
        ("memory_bytes", Levels(warning=3e9)),
        ("cache_hit_rate", Levels(warning=0.8)),
        ("cache_hit_rate", Levels(target=70)),
        ("connections", Levels(target=-1)),
        ("connections", Levels(target=math.nan)),
        ("conections", Levels(target=1)),
    ],
)
def test_levels_that_cannot_be_judged_by_are_refused(name: str, levels: Levels) -> None:
    with pytest.raises(BaselineBroken):
        configured({name: levels})


def test_a_sentence_has_the_value_and_the_level_as_people_read_them() -> None:
    said = [
        found.sentence
        for found in evaluate({"memory_bytes": 2.29e9, "query_p95_s": 0.64, "cache_hit_rate": 0.42})
    ]
    assert "Memory of app and database (PSS): 2.29 GB, over the critical level of 2 GB." in said
    assert "Query P95: 640 ms, off the target of 500 ms; no warning yet." in said
    assert "Cache hit rate: 42 %, under the warning level of 50 %." in said
