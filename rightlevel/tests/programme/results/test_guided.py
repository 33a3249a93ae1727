"""The guided test: every way through it ends at the highest level reached with comfort, and no step comes out of turn."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightlevel.programme.levels import SCALES
from rightlevel.programme.permissions import Subject
from rightlevel.programme.results.guided import (
    MAX_STEPS,
    TASKS,
    THRESHOLDS,
    Step,
    Threshold,
    guided_faults,
    stand_after,
    threshold_faults,
)


def a_step(task: str, *, passed: bool) -> Step:
    threshold = THRESHOLDS[task]
    if threshold.most_mistakes is not None:
        return Step(task, is_fluent=True, mistakes=3 if passed else 4)
    return Step(task, right=threshold.needed if passed else threshold.needed - 1)


LANGUAGE_WAYS: list[tuple[list[tuple[str, bool]], str]] = [
    (
        [("paragraph", True), ("story", True), ("fact_questions", True), ("inference_questions", True)],
        "comprehension2",
    ),
    (
        [("paragraph", True), ("story", True), ("fact_questions", True), ("inference_questions", False)],
        "comprehension1",
    ),
    ([("paragraph", True), ("story", True), ("fact_questions", False)], "story"),
    ([("paragraph", True), ("story", False)], "paragraph"),
    ([("paragraph", False), ("words", True), ("paragraph_again", False)], "word"),
    ([("paragraph", False), ("words", True), ("paragraph_again", True), ("story", False)], "paragraph"),
    ([("paragraph", False), ("words", False), ("letters", True)], "letter"),
    ([("paragraph", False), ("words", False), ("letters", False)], "beginner"),
]
MATH_WAYS: list[tuple[list[tuple[str, bool]], str]] = [
    ([("subtractions", True), ("division", True), ("word_problem", True)], "word_problems"),
    ([("subtractions", True), ("division", True), ("word_problem", False)], "division"),
    ([("subtractions", True), ("division", False)], "subtraction"),
    ([("subtractions", False), ("numbers_2digit", True)], "number_2digit"),
    ([("subtractions", False), ("numbers_2digit", False), ("numbers_1digit", True)], "number_1digit"),
    ([("subtractions", False), ("numbers_2digit", False), ("numbers_1digit", False)], "beginner"),
]
WAYS: list[tuple[Subject, list[tuple[str, bool]], str]] = [
    *(("language", way, level) for way, level in LANGUAGE_WAYS),
    *(("math", way, level) for way, level in MATH_WAYS),
]


@pytest.mark.parametrize(("subject", "way", "level"), WAYS)
def test_the_level_is_the_highest_reached_with_comfort(
    subject: Subject, way: list[tuple[str, bool]], level: str
) -> None:
    steps = [a_step(task, passed=passed) for task, passed in way]
    for number, (task, _) in enumerate(way):
        standing, faults = stand_after(subject, steps[:number], THRESHOLDS)
        assert (standing.next_task, standing.level, faults) == (task, None, ())
        assert standing.threshold == THRESHOLDS[task]
    standing, faults = stand_after(subject, steps, THRESHOLDS)
    assert (standing.next_task, standing.level, faults) == (None, level, ())
    assert guided_faults(subject, level, steps, THRESHOLDS) == ()


@pytest.mark.parametrize(("subject", "way", "level"), WAYS)
def test_another_level_than_the_steps_lead_to_is_refused(
    subject: Subject, way: list[tuple[str, bool]], level: str
) -> None:
    steps = [a_step(task, passed=passed) for task, passed in way]
    for other in (each.code for each in SCALES[subject] if each.code != level):
        assert [fault.field for fault in guided_faults(subject, other, steps, THRESHOLDS)] == ["level"]
    assert guided_faults(subject, level, steps[:-1], THRESHOLDS)[0].field == "steps"
    assert guided_faults(subject, level, [*steps, steps[-1]], THRESHOLDS)[0].field == f"steps.{len(steps)}"


@pytest.mark.parametrize(("subject", "way", "level"), WAYS)
def test_every_step_out_of_turn_is_refused(subject: Subject, way: list[tuple[str, bool]], level: str) -> None:
    for number, task in product(range(len(way)), TASKS):
        if task == way[number][0]:
            continue
        steps = [a_step(name, passed=passed) for name, passed in way[:number]]
        standing, faults = stand_after(subject, [*steps, a_step(task, passed=True)], THRESHOLDS)
        assert [fault.field for fault in faults] == [f"steps.{number}.task"], (level, task)
        assert standing.next_task == way[number][0]


@pytest.mark.parametrize(
    ("step", "field"),
    [
        (Step("paragraph"), "steps.0.is_fluent"),
        (Step("paragraph", is_fluent=True, mistakes=-1), "steps.0.mistakes"),
        (Step("paragraph", is_fluent=True, mistakes=5_000), "steps.0.mistakes"),
        (Step("nonsense", right=1), "steps.0.task"),
    ],
)
def test_a_step_that_can_not_be_is_refused_by_its_field(step: Step, field: str) -> None:
    assert [fault.field for fault in stand_after("language", [step], THRESHOLDS)[1]] == [field]


@pytest.mark.parametrize("right", [None, -1, 3])
def test_more_right_than_there_are_is_refused(right: int | None) -> None:
    _, faults = stand_after("math", [Step("subtractions", right=right)], THRESHOLDS)
    assert [fault.field for fault in faults] == ["steps.0.right"]


def test_reading_without_fluency_is_not_comfort() -> None:
    standing, _ = stand_after("language", [Step("paragraph", is_fluent=False, mistakes=0)], THRESHOLDS)
    assert standing.next_task == "words"


def test_thresholds_are_data() -> None:
    stricter = {**THRESHOLDS, "words": Threshold(10, 9)}
    steps = [a_step("paragraph", passed=False), Step("words", right=8)]
    assert stand_after("language", steps, stricter)[0].next_task == "letters"
    assert threshold_faults(stricter) == ()


@pytest.mark.parametrize(
    ("given_", "field"),
    [
        ({**THRESHOLDS, "dance": Threshold()}, "dance"),
        ({task: each for task, each in THRESHOLDS.items() if task != "words"}, "words"),
        ({**THRESHOLDS, "words": Threshold(5, 6)}, "words"),
        ({**THRESHOLDS, "words": Threshold(50, 6)}, "words"),
        ({**THRESHOLDS, "words": Threshold(most_mistakes=3)}, "words"),
        ({**THRESHOLDS, "story": Threshold(5, 4)}, "story"),
        ({**THRESHOLDS, "story": Threshold(most_mistakes=-1)}, "story"),
    ],
)
def test_thresholds_that_can_not_be_are_refused(given_: dict[str, Threshold], field: str) -> None:
    assert [fault.field for fault in threshold_faults(given_)] == [field]


IN_A_MINUTE = {**THRESHOLDS, "letters": Threshold(100, 40, seconds=60)}


@pytest.mark.parametrize(
    ("given_", "is_right"),
    [
        ({"letters": Threshold(100, 40, seconds=60)}, True),
        ({"words": Threshold(50, 20, seconds=60), "numbers_1digit": Threshold(20, 10, seconds=30)}, True),
        ({"letters": Threshold(101, 40, seconds=60)}, False),
        ({"letters": Threshold(50, 40)}, False),
        ({"letters": Threshold(20, 10, seconds=5)}, False),
        ({"letters": Threshold(20, 10, seconds=301)}, False),
        ({"subtractions": Threshold(2, 2, seconds=60)}, False),
        ({"fact_questions": Threshold(2, 2, seconds=60)}, False),
    ],
)
def test_only_what_is_read_item_by_item_is_timed_and_its_grid_is_bounded(
    given_: dict[str, Threshold], is_right: bool
) -> None:
    assert (threshold_faults({**THRESHOLDS, **given_}) == ()) is is_right


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (Step("letters", right=41, items=[True] * 41 + [False] * 9, took_s=60), "letter"),
        (Step("letters", right=40, took_s=31), "letter"),
        (Step("letters", right=39, items=[True] * 39 + [False], took_s=60), "beginner"),
        (Step("letters", right=40), "letter"),  # without a script nobody tells the time
        (Step("letters", right=40, items=[True] * 41, took_s=60), "steps.2.items"),
        (Step("letters", right=100, items=[True] * 100 + [False], took_s=60), "steps.2.items"),
        (Step("letters", right=101, items=[True] * 101, took_s=60), "steps.2.right"),
        (Step("letters", right=50, took_s=62), "steps.2.took_s"),
    ],
)
def test_a_timed_subtest_counts_what_was_right_in_its_time(step: Step, said: str) -> None:
    before = [a_step("paragraph", passed=False), a_step("words", passed=False)]
    standing, faults = stand_after("language", [*before, step], IN_A_MINUTE)
    assert (standing.level if not faults else faults[0].field) == said


STEPS = st.builds(
    Step,
    task=st.sampled_from([*TASKS, "?"]),
    right=st.none() | st.integers(-1, 6),
    mistakes=st.none() | st.integers(-1, 6),
    is_fluent=st.none() | st.booleans(),
)


@given(subject=st.sampled_from(["language", "math"]), steps=st.lists(STEPS, max_size=MAX_STEPS + 3))
def test_whatever_is_sent_ends_in_a_level_a_task_or_a_fault(subject: Any, steps: list[Step]) -> None:
    standing, _ = stand_after(subject, steps, THRESHOLDS)
    assert (standing.level is None) != (standing.next_task is None)


@pytest.mark.parametrize(
    ("step", "field"),
    [
        (Step("paragraph", is_fluent=True, items=[True]), "items"),
        (Step("subtractions", right=1, items=[True]), "items"),
        (Step("subtractions", right=1, items=[True, True]), "items"),
        (Step("subtractions", right=1, took_s=-1), "took_s"),
        (Step("subtractions", right=1, took_s=7_201), "took_s"),
    ],
)
def test_items_must_be_as_many_as_there_are_and_as_many_right_as_told(step: Step, field: str) -> None:
    subject: Subject = "language" if step.task == "paragraph" else "math"
    _, faults = stand_after(subject, [step], THRESHOLDS)
    assert [each.field for each in faults] == [f"steps.0.{field}"]


def test_items_and_time_are_kept_as_they_were() -> None:
    step = Step("subtractions", right=1, items=[False, True], took_s=40)
    standing, faults = stand_after("math", [step], THRESHOLDS)
    assert (standing.next_task, faults) == ("numbers_2digit", ())
