"""The guided test as a state machine: from what a child did so far to what to ask next, or the level reached.

Nothing is kept here: the steps taken are the state. *Source*: product.md section 3; the thresholds are data, in versions (guided_rules), and a
result is judged by the version that its test was run with.
"""

from __future__ import annotations

import msgspec

from rightlevel.programme.errors import Fault
from rightlevel.programme.levels import (
    LEAST_SECONDS,
    MAX_ITEMS,
    MAX_STEPS,
    MAX_TIMED_ITEMS,
    MOST_SECONDS,
    SCALES,
    TASKS,
    TIMED,
    Fork,
    Onward,
    Scale,
    Threshold,
    Thresholds,
    most_items,
    threshold_fault,
)
from rightlevel.programme.permissions import Subject

__all__ = [
    "LEAST_SECONDS",
    "MAX_ITEMS",
    "MAX_STEPS",
    "MAX_TIMED_ITEMS",
    "MOST_SECONDS",
    "TASKS",
    "TIMED",
    "Fork",
    "Onward",
    "Threshold",
    "Thresholds",
    "most_items",
]

MAX_TOOK_S = 7_200
"""Two hours: a page that was left open says nothing of a child."""

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


class NewRules(msgspec.Struct, frozen=True):
    """What passes each task from now on. `follows` is the version that it was made from, the newest; 0 for the first."""

    thresholds: Thresholds
    follows: int = 0


class Step(msgspec.Struct, frozen=True):
    """What a child did at one task: how many items were right, or how a text was read.

    `items` says of each item shown, in order, whether it was right; `right` must be their number. Of a timed subtest they go as far as the
    child came, and `took_s` is what the reading took: `right` * 60 / `took_s` is right in a minute. *Units*: `took_s` is in seconds.
    """

    task: str
    right: int | None = None
    mistakes: int | None = None
    is_fluent: bool | None = None
    items: list[bool] | None = None
    took_s: int | None = None


class Standing(msgspec.Struct, frozen=True):
    """Where a test stands: the task to ask next and what passes it, or the level that was reached."""

    subject: str
    next_task: str | None = None
    threshold: Threshold | None = None
    level: str | None = None


class GuidedRules(msgspec.Struct, frozen=True):
    """The whole test as data, for a device that runs it by itself: what comes first in a subject, what after each task, and what passes it."""

    first: dict[str, str]
    after: dict[str, Fork]
    thresholds: Thresholds
    version: int = 0
    """That of the programme's own thresholds; 0 while it has none."""


def rules_with(
    thresholds: Thresholds, version: int = 0, scales: tuple[Scale, ...] = tuple(SCALES.values())
) -> GuidedRules:
    """The rules of the test with a programme's own thresholds, by the program's own scales or others; a scale's own thresholds go before."""
    after: dict[str, Fork] = {}
    for scale in scales:
        after |= scale.after
    first = {str(scale.subject): scale.first for scale in scales}
    return GuidedRules(first, after, thresholds_by(scales, thresholds), version)


def thresholds_by(scales: tuple[Scale, ...], thresholds: Thresholds) -> Thresholds:
    """What passes each task where some scales are measured by: a programme's thresholds, and before them those of a scale that has its own."""
    own = dict(thresholds)
    for scale in scales:
        own |= scale.thresholds or {}
    return own


def has_passed(step: Step, threshold: Threshold) -> bool:
    """Whether a task was done with comfort."""
    if threshold.most_mistakes is not None:
        return bool(step.is_fluent) and (step.mistakes or 0) <= threshold.most_mistakes
    return (step.right or 0) >= threshold.needed


def stand_after(
    subject: Subject, steps: list[Step], thresholds: Thresholds, scale: Scale | None = None
) -> tuple[Standing, tuple[Fault, ...]]:
    """Where the test stands after these steps, and what is wrong with them: a task out of turn, or counts that can't be."""
    scale = scale or SCALES[subject]
    thresholds = thresholds_by((scale,), thresholds)
    task: str | None = scale.first
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
        fork = scale.after[task]
        onward = fork.passed if has_passed(step, thresholds[task]) else fork.failed
        task, level = onward.task, onward.level or ""
    return (_asking(subject, task, thresholds) if task else Standing(subject, level=level)), ()


def _asking(subject: Subject, task: str, thresholds: Thresholds) -> Standing:
    return Standing(subject, task, thresholds[task])


def _step_faults(field: str, step: Step, threshold: Threshold) -> tuple[Fault, ...]:
    if step.took_s is not None and not 0 <= step.took_s <= MAX_TOOK_S:
        return (Fault(f"{field}.took_s", f"Between 0 and {MAX_TOOK_S}", str(step.took_s)[:20]),)
    if threshold.most_mistakes is not None:
        if step.is_fluent is None:
            return (
                Fault(
                    f"{field}.is_fluent", "Say whether it was read fluently, like sentences (true or false)"
                ),
            )
        if step.items is not None:
            return (Fault(f"{field}.items", "A text has no items"),)
        if step.mistakes is not None and not 0 <= step.mistakes <= 1_000:
            return (Fault(f"{field}.mistakes", "Between 0 and 1000", str(step.mistakes)[:20]),)
        return ()
    if step.right is None or not 0 <= step.right <= threshold.items:
        return (Fault(f"{field}.right", f"Between 0 and {threshold.items}", str(step.right)[:20]),)
    if threshold.seconds is not None:
        return _timed_faults(field, step, threshold.seconds, threshold.items)
    if step.items is not None and (len(step.items) != threshold.items or sum(step.items) != step.right):
        rule = f"What was right and wrong of {threshold.items} items, as many right as told"
        return (Fault(f"{field}.items", rule, str(len(step.items))),)
    return ()


def _timed_faults(field: str, step: Step, seconds: int, items: int) -> tuple[Fault, ...]:
    """Of a timed subtest that was not past its time; a second more is a tap that came late."""
    if step.took_s is not None and step.took_s > seconds + 1:
        return (Fault(f"{field}.took_s", f"At most {seconds} seconds", str(step.took_s)[:20]),)
    if step.items is not None and (len(step.items) > items or sum(step.items) != step.right):
        rule = f"What was right and wrong of at most {items} items, as many right as told"
        return (Fault(f"{field}.items", rule, str(len(step.items))),)
    return ()


def guided_faults(
    subject: Subject, level: str | None, steps: list[Step], thresholds: Thresholds, scale: Scale | None = None
) -> tuple[Fault, ...]:
    """What is wrong with a level that is said to come of these steps."""
    standing, faults = stand_after(subject, steps, thresholds, scale)
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
        elif fault := threshold_fault(task, threshold):
            faults.append(fault)
    return tuple(faults)
