"""Growth is kept by endpoint, for no more endpoints and points than it may."""

from __future__ import annotations

from flatwater.monitors.endpoints import OTHERS, EndpointGrowth, Growth


def test_the_endpoint_that_grew_most_comes_first() -> None:
    growth = EndpointGrowth()
    growth.record("list_notes", Growth(100, 100, is_exact=True))
    growth.record("export", Growth(5_000, 4_000, is_exact=True), was_over_budget=True)
    growth.record("export", Growth(9_999, 6_000, is_exact=False))
    first, second = growth.standing()
    assert (first.name, first.requests, first.exact, first.growth_bytes) == ("export", 2, 1, 5_000)
    assert (first.largest_bytes, first.over_budget, first.growth_per_request_bytes) == (6_000, 1, 5_000.0)
    assert (second.name, second.growth_per_request_bytes) == ("list_notes", 100.0)


def test_ten_times_the_names_are_counted_together() -> None:
    growth = EndpointGrowth(names=20)
    for number in range(200):
        growth.record(f"endpoint_{number}", Growth(1, 1, is_exact=True))
    standing = growth.standing()
    assert len(standing) == 21
    assert next(each.requests for each in standing if each.name == OTHERS) == 180


def test_ten_times_the_points_leave_the_newest() -> None:
    growth = EndpointGrowth(points=12)
    for _ in range(120):
        growth.record("leaks", Growth(60, 60, is_exact=True))
        growth.mark()
    growth.mark()
    points = growth.points_of("leaks")
    assert points == [(float(each), 60.0 * each) for each in range(109, 121)]
    assert growth.points_of("nobody") == []


def test_an_endpoint_never_read_in_full_has_no_growth_per_request() -> None:
    growth = EndpointGrowth()
    growth.record("rare", Growth(7, 7, is_exact=False))
    assert growth.standing()[0].growth_per_request_bytes is None
    growth.mark()
    assert growth.points_of("rare") == []
