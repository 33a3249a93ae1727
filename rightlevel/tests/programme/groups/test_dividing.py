"""Groups follow from levels: every child once, evenly, nobody lost. Pure, tried with any school there could be."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightlevel.programme.groups import LatestLevel, divide
from rightlevel.programme.groups.model import band_of, ranks_of, split_faults

LANGUAGE = [[1, 2], [3], [4, 5, 6, 7]]
SPLIT = [["beginner", "letter"], ["word"], ["paragraph", "story", "comprehension1", "comprehension2"]]

schools = st.lists(st.tuples(st.one_of(st.none(), st.integers(1, 7)), st.integers(3, 5)), max_size=200).map(
    lambda rows: [
        LatestLevel(f"{at:05}", f"child {at}", grade, rank, None, is_check=False)
        for at, (rank, grade) in enumerate(rows)
    ]
)
targets = st.integers(5, 60)
teachers = st.lists(st.integers(1, 999), max_size=12, unique=True)


@settings(deadline=None, max_examples=200)
@given(schools, targets, teachers)
def test_every_child_is_in_exactly_one_group_or_listed_as_untested(
    children: list[LatestLevel], target: int, teacher_ids: list[int]
) -> None:
    division = divide(children, LANGUAGE, target_size=target, teacher_ids=teacher_ids)
    placed = Counter([*division.untested, *(each for group in division.groups for each in group.student_ids)])
    assert placed == Counter(child.student_id for child in children)
    assert division.untested == [child.student_id for child in children if child.rank is None]


@settings(deadline=None, max_examples=200)
@given(schools, targets, teachers)
def test_a_group_holds_one_bands_children_and_sizes_differ_by_at_most_one(
    children: list[LatestLevel], target: int, teacher_ids: list[int]
) -> None:
    ranks = {child.student_id: child.rank for child in children}
    division = divide(children, LANGUAGE, target_size=target, teacher_ids=teacher_ids)
    sizes: dict[int, list[int]] = {}
    for group in division.groups:
        assert group.student_ids, "no group is empty"
        assert {band_of(ranks[each] or 0, LANGUAGE) for each in group.student_ids} == {group.band}
        sizes.setdefault(group.band, []).append(len(group.student_ids))
    for each in sizes.values():
        assert max(each) - min(each) <= 1


@settings(deadline=None, max_examples=200)
@given(schools, targets, teachers)
def test_groups_are_led_evenly_and_none_exceeds_the_target_while_somebody_is_free(
    children: list[LatestLevel], target: int, teacher_ids: list[int]
) -> None:
    division = divide(children, LANGUAGE, target_size=target, teacher_ids=teacher_ids)
    led = Counter(group.teacher_id for group in division.groups)
    if not teacher_ids:
        assert set(led) <= {None}
        assert all(len(group.student_ids) <= target for group in division.groups)
        return
    assert set(led) <= set(teacher_ids)
    counts = [led[each] for each in teacher_ids]
    assert max(counts) - min(counts) <= 1
    if min(counts) == 0:
        assert all(len(group.student_ids) <= target for group in division.groups), (
            "a free teacher and too full a group"
        )


def test_children_of_several_levels_of_a_band_are_spread_over_its_groups() -> None:
    children = [LatestLevel(f"{at:02}", "", 3, 1 + at % 2, None, is_check=False) for at in range(20)]
    division = divide(children, LANGUAGE, target_size=10)
    assert [len(group.student_ids) for group in division.groups] == [10, 10]
    for group in division.groups:
        assert sum(int(each) % 2 for each in group.student_ids) == 5


@pytest.mark.parametrize(
    "bands",
    [SPLIT[:2], [*SPLIT, []], [SPLIT[1], SPLIT[0], SPLIT[2]], [*SPLIT, ["word"]], [["nonsense"], *SPLIT]],
)
def test_a_split_holds_every_level_once_and_in_order(bands: list[list[str]]) -> None:
    assert split_faults("language", bands)
    assert not split_faults("language", SPLIT)


def test_the_bands_are_the_ones_of_the_programme() -> None:
    assert ranks_of("language", SPLIT) == LANGUAGE
