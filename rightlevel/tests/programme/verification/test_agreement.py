"""Agreement against published worked examples."""

import math

import pytest

from rightlevel.programme.verification.agreement import (
    LEAST_SHOWN,
    Z_95,
    Interval,
    Pair,
    agreement,
    share,
    weighted_kappa,
)


def pairs_of(table: list[list[int]]) -> list[Pair]:
    return [
        Pair(i + 1, j + 1, children)
        for i, row in enumerate(table)
        for j, children in enumerate(row)
        if children
    ]


# Husbands and wives on sexual fun: Hout, Duncan, Sobel (1987), in Agresti (1990), section 2.4.1; the figures are those that R's
# vcd::Kappa gives for its data set SexualFun with equal-spacing (linear) weights: 0.2374, standard error 0.07832.
SEXUAL_FUN = [[7, 7, 2, 3], [2, 8, 3, 7], [1, 5, 4, 9], [2, 8, 9, 14]]
# Two psychologists' diagnoses of 100 patients: Fleiss, Levin, Paik (2003), table 18.1; kappa is 0.68 where all differences weigh the same.
DIAGNOSES = [[75, 1, 4], [5, 4, 1], [0, 0, 10]]


def test_linear_weighted_kappa_is_that_of_the_published_example() -> None:
    kappa = weighted_kappa(pairs_of(SEXUAL_FUN), 4)
    assert kappa is not None
    assert kappa.value == pytest.approx(0.2374, abs=5e-5)
    assert (kappa.high - kappa.value) / Z_95 == pytest.approx(0.07832, abs=5e-6)


def test_on_two_levels_it_is_plain_kappa() -> None:
    """Collapsed to 'psychotic or not' of the diagnoses, where linear weights are none: kappa by hand is (0.90 - 0.696) / (1 - 0.696)."""
    table = [[75, 5], [5, 15]]
    kappa = weighted_kappa(pairs_of(table), 2)
    assert kappa is not None
    assert kappa.value == pytest.approx((0.90 - (0.8 * 0.8 + 0.2 * 0.2)) / (1 - 0.68), abs=1e-12)


def test_exact_and_within_one_are_shares_of_all() -> None:
    found = agreement(pairs_of(DIAGNOSES), 3)
    assert found.n == 100
    assert found.exact is not None
    assert found.within_one is not None
    assert (found.exact.value, found.within_one.value) == (0.89, 0.96)
    assert (found.higher, found.lower) == (0.06, 0.05)
    assert found.bias is not None
    assert found.bias.value == pytest.approx((1 + 4 * 2 + 1 - 5) / 100)


def test_wilsons_interval_is_the_published_one() -> None:
    """Newcombe (1998), table I: 81 of 263 gives 0.2553 to 0.3662, and 0 of 20 gives 0 to 0.1611."""
    found = share(81, 263)
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)
    assert share(0, 20) == Interval(0.0, 0.0, pytest.approx(0.1611, abs=5e-5))


def test_below_ten_nothing_is_shown() -> None:
    few = agreement([Pair(1, 1, LEAST_SHOWN - 1)], 7)
    assert (few.n, few.exact, few.within_one, few.kappa, few.bias, few.higher) == (
        9,
        None,
        None,
        None,
        None,
        None,
    )
    assert agreement([Pair(1, 1, 5), Pair(2, 2, 5)], 7).exact is not None


def test_everybody_at_one_level_has_no_kappa_and_full_agreement() -> None:
    found = agreement([Pair(3, 3, 40)], 7)
    assert found.kappa is None
    assert found.exact is not None
    assert found.exact.value == 1.0


def test_one_test_with_everybody_at_one_level_has_no_kappa_whatever_the_other_says() -> None:
    for table in ([[0, 0, 0], [3, 5, 4], [0, 0, 0]], [[0, 3, 0], [0, 5, 0], [0, 4, 0]]):
        found = agreement(pairs_of(table), 3)
        assert (found.n, found.kappa) == (12, None)
        assert found.exact is not None


def test_full_agreement_over_levels_is_one_and_full_reversal_is_below_zero() -> None:
    whole = weighted_kappa([Pair(rank, rank, 10) for rank in range(1, 8)], 7)
    turned = weighted_kappa([Pair(1, 7, 20), Pair(7, 1, 20)], 7)
    assert whole is not None
    assert turned is not None
    assert math.isclose(whole.value, 1.0)
    assert turned.value == pytest.approx(-1.0)


def test_a_rank_off_the_scale_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="scale of 6"):
        agreement([Pair(1, 7, 20)], 6)
