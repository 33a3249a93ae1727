"""The guided test as a state machine: from what a child did so far to what to ask next, or the level reached.

Nothing is kept here: the steps taken are the state. *Source*: product.md section 3; the thresholds are data (setting `guided_test`).
"""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from rightlevel.programme.errors import Fault
from rightlevel.programme.permissions import Subject

Task = Literal[
    "paragraph",
    "paragraph_again",
    "story",
    "fact_questions",
    "inference_questions",
    "words",
    "letters",
    "subtractions",
    "division",
    "word_problem",
    "numbers_2digit",
    "numbers_1digit",
]
TASKS: tuple[Task, ...] = get_args(Task)
MAX_ITEMS = 20
MAX_STEPS = 8
"""No way through either test is longer: language takes five steps at most, mathematics three."""


class Threshold(msgspec.Struct, frozen=True):
    """What it takes to pass a task: `needed` of `items` right, or a text read with at most so many mistakes, fluently."""

    items: int = 1
    needed: int = 1
    most_mistakes: int | None = None


Thresholds = dict[str, Threshold]

THRESHOLDS: Thresholds = {
    "paragraph": Threshold(most_mistakes=3),
    "paragraph_again": Threshold(most_mistakes=3),
    "story": Threshold(most_mistakes=3),
    "fact_questions": Threshold(2, 2),
    "inference_questions": Threshold(2, 2),
    "words": Threshold(5, 4),
    "letters": Threshold(5, 4),
    "subtractions": Threshold(2, 2),
    "division": Threshold(1, 1),
    "word_problem": Threshold(1, 1),
    "numbers_2digit": Threshold(5, 4),
    "numbers_1digit": Threshold(5, 4),
}
"""What everyone starts with. *Source*: product.md section 3; both questions of a kind, for a story has two of each."""


class Step(msgspec.Struct, frozen=True):
    """What a child did at one task: how many items were right, or how a text was read."""

    task: str
    right: int | None = None
    mistakes: int | None = None
    is_fluent: bool | None = None


class Standing(msgspec.Struct, frozen=True):
    """Where a test stands: the task to ask next and what passes it, or the level that was reached."""

    subject: str
    next_task: str | None = None
    threshold: Threshold | None = None
    level: str | None = None


_FIRST: dict[Subject, Task] = {"language": "paragraph", "math": "subtractions"}
_AFTER: dict[tuple[str, bool], tuple[Task | None, str]] = {
    # (task, passed) → (what is asked next or nothing, the level if nothing)
    ("paragraph", True): ("story", ""),
    ("paragraph", False): ("words", ""),
    ("words", True): ("paragraph_again", ""),
    ("words", False): ("letters", ""),
    ("paragraph_again", True): ("story", ""),
    ("paragraph_again", False): (None, "word"),
    ("letters", True): (None, "letter"),
    ("letters", False): (None, "beginner"),
    ("story", True): ("fact_questions", ""),
    ("story", False): (None, "paragraph"),
    ("fact_questions", True): ("inference_questions", ""),
    ("fact_questions", False): (None, "story"),
    ("inference_questions", True): (None, "comprehension2"),
    ("inference_questions", False): (None, "comprehension1"),
    ("subtractions", True): ("division", ""),
    ("subtractions", False): ("numbers_2digit", ""),
    ("division", True): ("word_problem", ""),
    ("division", False): (None, "subtraction"),
    ("word_problem", True): (None, "word_problems"),
    ("word_problem", False): (None, "division"),
    ("numbers_2digit", True): (None, "number_2digit"),
    ("numbers_2digit", False): ("numbers_1digit", ""),
    ("numbers_1digit", True): (None, "number_1digit"),
    ("numbers_1digit", False): (None, "beginner"),
}


def has_passed(step: Step, threshold: Threshold) -> bool:
    """Whether a task was done with comfort."""
    if threshold.most_mistakes is not None:
        return bool(step.is_fluent) and (step.mistakes or 0) <= threshold.most_mistakes
    return (step.right or 0) >= threshold.needed


def stand_after(
    subject: Subject, steps: list[Step], thresholds: Thresholds
) -> tuple[Standing, tuple[Fault, ...]]:
    """Where the test stands after these steps, and what is wrong with them: a task out of turn, or counts that can't be."""
    task: Task | None = _FIRST[subject]
    level = ""
    for number, step in enumerate(steps[: MAX_STEPS + 1]):
        field = f"steps.{number}"
        if task is None:
            return Standing(subject, level=level), (
                Fault(field, "The test was over before this step", step.task[:40]),
            )
        if step.task != task:
            return _asking(subject, task, thresholds), (
                Fault(f"{field}.task", f"What comes here is: {task}", step.task[:40]),
            )
        faults = _step_faults(field, step, thresholds[task])
        if faults:
            return _asking(subject, task, thresholds), faults
        task, level = _AFTER[task, has_passed(step, thresholds[task])]
    return (_asking(subject, task, thresholds) if task else Standing(subject, level=level)), ()


def _asking(subject: Subject, task: Task, thresholds: Thresholds) -> Standing:
    return Standing(subject, task, thresholds[task])


def _step_faults(field: str, step: Step, threshold: Threshold) -> tuple[Fault, ...]:
    if threshold.most_mistakes is not None:
        if step.is_fluent is None:
            return (
                Fault(
                    f"{field}.is_fluent", "Say whether it was read fluently, like sentences (true or false)"
                ),
            )
        if step.mistakes is not None and not 0 <= step.mistakes <= 1_000:
            return (Fault(f"{field}.mistakes", "Between 0 and 1000", str(step.mistakes)[:20]),)
        return ()
    if step.right is None or not 0 <= step.right <= threshold.items:
        return (Fault(f"{field}.right", f"Between 0 and {threshold.items}", str(step.right)[:20]),)
    return ()


def guided_faults(
    subject: Subject, level: str | None, steps: list[Step], thresholds: Thresholds
) -> tuple[Fault, ...]:
    """What is wrong with a level that is said to come of these steps."""
    standing, faults = stand_after(subject, steps, thresholds)
    if faults:
        return faults
    if standing.level is None:
        return (Fault("steps", f"The test is not over; what comes next is: {standing.next_task}"),)
    if standing.level != level:
        return (Fault("level", f"These steps lead to: {standing.level}", (level or "")[:40]),)
    return ()


def threshold_faults(given: Thresholds) -> tuple[Fault, ...]:
    """What is wrong with thresholds that a programme sets: every task must be there and be possible to pass and to fail."""
    faults = [Fault(task, "There is no such task", task[:40]) for task in given if task not in TASKS]
    for task in TASKS:
        threshold = given.get(task)
        if threshold is None:
            faults.append(Fault(task, "This task needs a threshold"))
        elif (threshold.most_mistakes is None) != (THRESHOLDS[task].most_mistakes is None):
            faults.append(Fault(task, "A text is judged by mistakes, everything else by how many are right"))
        elif not (1 <= threshold.needed <= threshold.items <= MAX_ITEMS):
            faults.append(Fault(task, f"Between 1 and {MAX_ITEMS} items, and no more needed than there are"))
        elif threshold.most_mistakes is not None and not 0 <= threshold.most_mistakes <= 50:
            faults.append(Fault(task, "Between 0 and 50 mistakes", str(threshold.most_mistakes)[:20]))
    return tuple(faults)
