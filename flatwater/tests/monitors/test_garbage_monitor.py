"""Collections are counted with their pauses; tuning is undone after its block."""

from __future__ import annotations

import gc
import logging

import pytest

from flatwater.monitors.garbage import (
    LONG_PAUSES_KEPT,
    PAUSE_BOUNDS_S,
    YOUNG_THRESHOLD,
    GarbageMonitor,
    tuned,
)


def test_a_collection_is_counted_with_its_pause_and_what_it_found() -> None:
    with GarbageMonitor() as monitor:
        before = monitor.standing()
        ring: list[object] = []
        ring.append(ring)
        del ring
        gc.collect()
        after = monitor.standing()
    assert after.collections[2] == before.collections[2] + 1
    assert sum(after.pauses) == sum(after.collections)
    assert after.collected > before.collected
    assert 0 < after.pause_s_max <= after.pause_s_total
    assert monitor.take_recent_max_s() > 0
    assert monitor.take_recent_max_s() == 0


def test_a_monitor_entered_twice_counts_once_and_until_it_is_left_twice() -> None:
    callbacks = len(gc.callbacks)
    with GarbageMonitor() as monitor:
        with monitor:
            gc.collect()
        gc.collect()
        assert monitor.standing().collections[2] == 2
    assert len(gc.callbacks) == callbacks


def test_nothing_is_counted_outside_the_block() -> None:
    with GarbageMonitor() as monitor:
        pass
    before = monitor.standing()
    gc.collect()
    assert monitor.standing() == before


def test_a_pause_falls_into_its_bin() -> None:
    monitor = GarbageMonitor()
    for bound in PAUSE_BOUNDS_S:
        monitor.count(0, bound)
    monitor.count(2, 1.0)
    assert monitor.standing().pauses == (1,) * (len(PAUSE_BOUNDS_S) + 1)
    assert monitor.standing().pause_s_max == 1.0


def test_a_long_pause_gets_one_line_and_a_short_one_none(caplog: pytest.LogCaptureFixture) -> None:
    monitor = GarbageMonitor()
    monitor.count(2, 0.051)
    monitor.count(2, 0.049)
    monitor.log_long_pauses()
    monitor.log_long_pauses()
    assert [each.getMessage() for each in caplog.records] == [
        "collecting garbage of generation 2 held everything up for 51 ms"
    ]


def test_ten_times_the_long_pauses_that_are_kept_are_counted_but_not_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    monitor = GarbageMonitor()
    for _ in range(10 * LONG_PAUSES_KEPT):
        monitor.count(2, 0.06)
    assert monitor.standing().long_pauses == 10 * LONG_PAUSES_KEPT
    monitor.log_long_pauses()
    assert len(caplog.records) == LONG_PAUSES_KEPT


def test_tuning_is_seen_nests_and_is_undone(caplog: pytest.LogCaptureFixture) -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    with caplog.at_level(logging.INFO), tuned():
        assert gc.get_threshold() == (YOUNG_THRESHOLD, *before[1:])
        set_aside = gc.get_freeze_count()
        assert set_aside > frozen
        with tuned():
            assert gc.get_freeze_count() == set_aside
        assert gc.get_threshold()[0] == YOUNG_THRESHOLD
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
    assert len(caplog.records) == 1
