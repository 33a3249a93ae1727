from hypothesis import given
from hypothesis import strategies as st

from rightlevel.programme.verification.sampling import (
    MAX_DRAWN,
    Precision,
    Stratum,
    allocate,
    precision_faults,
    sample_size,
)


def test_the_size_is_that_of_the_textbook() -> None:
    """Cochran (1977), section 4.4: 5 % at 95 %, p = 0.5, gives 385 without end and 278 of 1,000; 3 % gives 1,068."""
    assert sample_size(Precision(), 10**9) == 385
    assert sample_size(Precision(), 1_000) == 278
    assert sample_size(Precision(margin=0.03), 10**9) == 1_068
    assert sample_size(Precision(margin=0.01), 10**9) == 9_604


def test_of_a_few_all_are_drawn_and_of_none_none() -> None:
    assert sample_size(Precision(), 12) == 12
    assert sample_size(Precision(), 0) == 0
    assert sample_size(Precision(margin=0.01, confidence=0.99), 10**9) == MAX_DRAWN


def test_what_is_expected_to_agree_more_needs_fewer() -> None:
    assert sample_size(Precision(expected=0.9), 10**9) == 139


def test_a_precision_that_can_not_be_is_refused_by_its_field() -> None:
    faults = precision_faults(Precision(margin=0.001, confidence=0.5, expected=0.2))
    assert [fault.field for fault in faults] == ["margin", "confidence", "expected"]


STRATA = st.lists(
    st.builds(Stratum, school_id=st.integers(1, 30), rank=st.integers(1, 7), children=st.integers(1, 200)),
    min_size=1,
    max_size=60,
    unique_by=lambda each: (each.school_id, each.rank),
)


@given(strata=STRATA, size=st.integers(0, 500))
def test_every_stratum_gives_its_share_and_no_more_than_it_has(strata: list[Stratum], size: int) -> None:
    whole = sum(each.children for each in strata)
    drawn = allocate(strata, size)
    assert sum(drawn.values()) == min(size, whole)
    for each in strata:
        share = each.children * min(size, whole) / whole
        assert abs(drawn.get((each.school_id, each.rank), 0) - share) < 1
        assert drawn.get((each.school_id, each.rank), 0) <= each.children


@given(strata=STRATA, size=st.integers(0, 500))
def test_the_order_in_which_strata_come_changes_nothing(strata: list[Stratum], size: int) -> None:
    assert allocate(strata, size) == allocate(list(reversed(strata)), size)
