"""Duplicates are found by how names are written and sound; how often that is right is measured on rosters that nothing was chosen on."""

import tracemalloc

import pytest
from duplicate_set import SCRIPTS, TODAY, a_roster, true_pairs

from rightlevel.programme.duplicates import Child, find_pairs, likeness_of, read_name
from rightlevel.programme.duplicates.finding import MOST_UNDER_A_KEY, _Keys
from rightlevel.programme.duplicates.names import look_up_keys
from rightlevel.programme.duplicates.scoring import THRESHOLD

HELD_OUT = range(1000, 1012)
"""Weights and threshold were chosen on the seeds below 1000."""


def children_of(script: str, seed: int) -> list[Child]:
    return [
        Child(each.id, read_name(each.name), each.sex, each.grade, 1, each.birth_on, each.age)
        for each in a_roster(script, seed)
    ]


def measured(script: str) -> tuple[float, float]:
    """Precision and recall over the held-out rosters of a script."""
    right = found_in_all = there_in_all = 0
    for seed in HELD_OUT:
        found = {
            (each.first_id, each.second_id)
            for each in find_pairs(children_of(script, seed), today=TODAY).pairs
        }
        there = true_pairs(a_roster(script, seed))
        right, found_in_all, there_in_all = (
            right + len(found & there),
            found_in_all + len(found),
            there_in_all + len(there),
        )
    return right / found_in_all, right / there_in_all


@pytest.mark.parametrize("script", SCRIPTS)
def test_most_duplicates_are_found_and_most_of_what_is_found_are_duplicates(script: str) -> None:
    """Among siblings, twins by birth and namesakes. *Source* of the bounds: docs/rules/duplicates.md, less a little."""
    precision, recall = measured(script)
    assert recall >= 0.88, (precision, recall)
    assert precision >= 0.48, (precision, recall)


def likely(one: str, other: str, **more: int) -> bool:
    first = Child("a", read_name(one), 1, 3, 1, None, 9)
    second = Child(
        "b", read_name(other), more.get("sex", 1), more.get("grade", 3), 1, None, more.get("age", 9)
    )
    found = likeness_of(first, second, today=TODAY)
    return found is not None and found.weight >= THRESHOLD


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Sok Bopha", "Bopha Sok"),
        ("Sok Bopha", "SokBopha"),
        ("Sok Bopha", "Sok Bopa"),
        ("សុខ បុប្ផា", "សុខ បុប្ភា"),
        ("សុខ បុប្ផា", "Sok Bopha"),
        ("पूजा शर्मा", "पुजा शर्मा"),
        ("पूजा शर्मा", "Pooja Sharma"),
        ("أحمد خان", "احمد خان"),
        ("فاطمة هاشمي", "Fatima Hashmi"),
    ],
)
def test_one_name_is_known_however_it_is_written(one: str, other: str) -> None:
    assert likely(one, other)


@pytest.mark.parametrize(
    ("one", "other", "more"),
    [
        ("Sok Bopha", "Sok Dara", {}),
        ("Sok Bopha", "Chea Bopha", {}),
        ("Sok Bopha", "Sok Bopha", {"sex": 2, "age": 12}),
        ("Sok Bopha", "Sok Bopa", {"grade": 5, "age": 12}),
        ("सुनील कुमार", "राहुल कुमार", {}),
        ("أحمد خان", "حسن خان", {}),
    ],
)
def test_siblings_and_strangers_are_no_duplicates(one: str, other: str, more: dict[str, int]) -> None:
    assert not likely(one, other, **more)


def test_names_that_very_many_share_are_told_as_not_examined() -> None:
    same = [Child(f"{number:04d}", read_name("Sok Bopha"), 1, 3, 1, None, 9) for number in range(80)]
    found = find_pairs(same, today=TODAY)
    assert found.not_examined > 0


def test_the_likeliest_few_are_the_first_of_all_and_their_number_is_told() -> None:
    children = children_of("latin", 3)
    whole = find_pairs(children, today=TODAY)
    assert whole.total == len(whole.pairs) > 10
    few = find_pairs(children, today=TODAY, most=2)
    assert (few.pairs, few.total) == (whole.pairs[:2], whole.total)
    said = {(each.first_id, each.second_id) for each in whole.pairs[:3]}
    left = find_pairs(children, today=TODAY, apart=said)
    assert (left.pairs, left.total) == (whole.pairs[3:], whole.total - 3)


def test_each_pair_that_shares_a_key_is_compared_and_none_twice() -> None:
    """Against the plain way of looking it up: a list of children under each key."""
    children = children_of("khmer", 5)
    under: dict[str, list[int]] = {}
    for number, child in enumerate(children):
        for key in look_up_keys(child.name):
            under.setdefault(key, []).append(number)
    plain = {
        (one, other)
        for numbers in under.values()
        if len(numbers) <= MOST_UNDER_A_KEY
        for one in numbers
        for other in numbers
        if one < other
    }
    keys = _Keys(children)
    found = [(one, other) for one in range(len(children)) for other in keys.after(one)]
    assert len(found) == len(set(found))
    assert plain <= set(found)
    assert len(found) - len(plain) <= 2, "two keys of 44 bits hardly ever meet"
    assert keys.crowded == sum(len(numbers) > MOST_UNDER_A_KEY for numbers in under.values())


@pytest.mark.walk
def test_a_school_of_2500_takes_little_memory_to_look_through() -> None:
    children = [
        Child(each.id, read_name(each.name), each.sex, each.grade, 1, each.birth_on, each.age)
        for each in a_roster("latin", 7, children=2_500)
    ]
    tracemalloc.start()
    try:
        found = find_pairs(children, today=TODAY, most=100)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.total > 100
    assert peak < 8_000_000
