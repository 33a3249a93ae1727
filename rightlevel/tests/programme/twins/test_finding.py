"""Twins are found by how names are written and sound; how often that is right is measured on rosters that nothing was chosen on."""

import pytest
from twin_set import SCRIPTS, TODAY, a_roster, true_pairs

from rightlevel.programme.twins import Child, find_pairs, likeness_of, read_name
from rightlevel.programme.twins.scoring import THRESHOLD

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
def test_most_twins_are_found_and_most_of_what_is_found_are_twins(script: str) -> None:
    """Among siblings, twins by birth and namesakes. *Source* of the bounds: docs/rules/twins.md, less a little."""
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
        ("Sok Bopha", "Bopha Sok"), ("Sok Bopha", "SokBopha"), ("Sok Bopha", "Sok Bopa"), ("សុខ បុប្ផា", "សុខ បុប្ភា"), ("សុខ បុប្ផា", "Sok Bopha"),
        ("पूजा शर्मा", "पुजा शर्मा"), ("पूजा शर्मा", "Pooja Sharma"), ("أحمد خان", "احمد خان"), ("فاطمة هاشمي", "Fatima Hashmi"),
    ],
)  # fmt: skip
def test_one_name_is_known_however_it_is_written(one: str, other: str) -> None:
    assert likely(one, other)


@pytest.mark.parametrize(
    ("one", "other", "more"),
    [
        ("Sok Bopha", "Sok Dara", {}), ("Sok Bopha", "Chea Bopha", {}), ("Sok Bopha", "Sok Bopha", {"sex": 2, "age": 12}),
        ("Sok Bopha", "Sok Bopa", {"grade": 5, "age": 12}), ("सुनील कुमार", "राहुल कुमार", {}), ("أحمد خان", "حسن خان", {}),
    ],
)  # fmt: skip
def test_siblings_and_strangers_are_no_twins(one: str, other: str, more: dict[str, int]) -> None:
    assert not likely(one, other, **more)


def test_names_that_very_many_share_are_told_as_not_examined() -> None:
    same = [Child(f"{number:04d}", read_name("Sok Bopha"), 1, 3, 1, None, 9) for number in range(80)]
    found = find_pairs(same, today=TODAY)
    assert found.not_examined > 0
