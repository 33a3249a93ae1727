"""The slope: what it says of known lines, how often its interval holds, and what it refuses to say."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatwater.slope import MOST_POINTS, Point, TooFewPoints, fit_slope


def line(
    slope: float, *, points: int = 50, noise: float = 1.0, memory: float = 0.0, seed: int = 1
) -> list[Point]:
    """Points on a line with noise that remembers (an autoregression), as memory samples do."""
    draw, rest, made = random.Random(seed), 0.0, []
    for number in range(points):
        rest = memory * rest + draw.gauss(0, noise)
        made.append((float(number), 100 + slope * number + rest))
    return made


@settings(max_examples=25, deadline=None)
@given(st.floats(-50, 50), st.floats(0.1, 100))
def test_a_line_without_noise_gives_its_own_slope(slope: float, scale: float) -> None:
    points = [(x * scale, 5 + slope * x * scale) for x in range(20)]
    fitted = fit_slope(points, resamples=20)
    assert fitted.slope == pytest.approx(slope, abs=1e-6 + abs(slope) * 1e-6)


def test_a_few_wild_points_do_not_move_it() -> None:
    points = line(2.0, noise=0.1)
    for number in (5, 20, 33, 41):
        points[number] = (points[number][0], 1e6)
    assert fit_slope(points).slope == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize("memory", [0.0, 0.5])
def test_the_interval_holds_the_true_slope_about_as_often_as_it_says(memory: float) -> None:
    held = 0
    for seed in range(60):
        fitted = fit_slope(line(0.3, points=60, memory=memory, seed=seed), resamples=100, seed=seed)
        held += fitted.low <= 0.3 <= fitted.high
    assert held >= 60 * (0.85 if memory == 0 else 0.75)


def test_flat_growing_shrinking_and_what_can_not_be_told() -> None:
    assert fit_slope(line(0.0, noise=0.1)).verdict(0.1) == "flat"
    assert fit_slope(line(1.0, noise=0.1)).verdict(0.1) == "grows"
    assert fit_slope(line(-1.0, noise=0.1)).verdict(0.1) == "shrinks"
    assert fit_slope(line(0.0, noise=500.0)).verdict(0.1) == "cannot_tell", "noise is no proof of flatness"


def test_a_slope_of_many_points_costs_no_more_than_that_of_some() -> None:
    points = line(1.5, points=50_000, noise=1.0)
    fitted = fit_slope(points, resamples=50)
    assert fitted.points == 50_000
    assert fitted.slope == pytest.approx(1.5, abs=0.01)
    assert MOST_POINTS < 1_000


def test_the_same_seed_gives_the_same_interval() -> None:
    points = line(0.1, memory=0.5)
    assert fit_slope(points, seed=3) == fit_slope(points, seed=3)


@pytest.mark.parametrize("points", [[], [(1.0, 2.0)] * 7, [(1.0, float(n)) for n in range(20)]])
def test_too_few_points_are_refused(points: list[Point]) -> None:
    with pytest.raises(TooFewPoints):
        fit_slope(points)
