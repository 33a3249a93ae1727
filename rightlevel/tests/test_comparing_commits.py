"""The verdicts and fits of `make bench ARGS="compare …"`, on times whose truth is known."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.compare import compare_turns, growth_of


def times(middle: float, noise: float, seed: int, turns: int = 15) -> list[float]:
    draw = random.Random(seed)
    return [middle * draw.lognormvariate(0, noise) for _ in range(turns)]


@pytest.mark.parametrize(
    ("second", "noise", "word"),
    [
        (1.0, 0.005, "the same"),
        (1.3, 0.02, "slower"),
        (0.7, 0.02, "faster"),
        (1.06, 0.3, "can't be told"),
        (1.0, 0.5, "can't be told"),
    ],
)
def test_a_verdict_is_given_only_where_the_whole_interval_says_so(
    second: float, noise: float, word: str
) -> None:
    said = [
        compare_turns(times(0.01, noise, seed), times(0.01 * second, noise, seed + 500)).word
        for seed in range(20)
    ]
    assert said.count(word) >= 17, said
    wrong = {
        "the same": {"slower", "faster"},
        "slower": {"faster", "the same"},
        "faster": {"slower", "the same"},
    }.get(word, set())
    assert not wrong & set(said)


def test_what_falls_on_both_in_a_turn_falls_out() -> None:
    load = times(1.0, 0.6, 3)
    first = [0.01 * each for each in load]
    second = [0.0102 * each for each in load]
    assert compare_turns(first, second).word == "the same"


@pytest.mark.parametrize(
    ("power", "words"),
    [(0.0, "does not grow"), (1.0, "grows in step"), (1.6, "grows faster"), (0.5, "grows less")],
)
def test_growth_is_the_power_of_the_size(power: float, words: str) -> None:
    sizes = (10_000, 100_000, 1_000_000, 10_000_000)
    found = growth_of({size: times(0.001 * (size / 10_000) ** power, 0.05, size) for size in sizes})
    assert found.low - 0.02 <= power <= found.high + 0.02
    assert found.words.startswith(words)


def test_too_little_to_judge_by_is_said_so() -> None:
    with pytest.raises(ValueError, match="five turns"):
        compare_turns([1.0], [1.0])
    with pytest.raises(ValueError, match="two sizes"):
        growth_of({10_000: [1.0, 1.0]})
