"""The guided test as a state machine: from what a child did so far to what to ask next, or the level reached.

Nothing is kept here: the steps taken are the state. *Source*: product.md section 3; the thresholds are data, in versions (guided_rules), and a
result is judged by the version that its test was run with.
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
MAX_TIMED_ITEMS = 100
"""*Source*: RTI International, EGRA Toolkit, 2nd edition, 2016: a grid of 100 letters, of which a child reads what it can in a minute."""
TIMED: frozenset[str] = frozenset({"words", "letters", "numbers_2digit", "numbers_1digit"})
"""Tasks that may be a timed subtest: their items are read, not worked out or asked."""
LEAST_SECONDS, MOST_SECONDS = 10, 300
MAX_TOOK_S = 7_200
"""Two hours: a page that was left open says nothing of a child."""
MAX_STEPS = 8
"""No way through either test is longer: language takes five steps at most, mathematics three."""


class Threshold(msgspec.Struct, frozen=True):
    """What it takes to pass a task: `needed` of `items` right, or a text read with at most so many mistakes, fluently.

    With `seconds` it is a timed subtest: the child reads as many of the items as it can in that time, and those not reached are not wrong.
    """

    items: int = 1
    needed: int = 1
    most_mistakes: int | None = None
    seconds: int | None = None


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

TESTED: dict[Task, str] = {
    "paragraph": "paragraph",
    "paragraph_again": "paragraph",
    "story": "story",
    "fact_questions": "comprehension1",
    "inference_questions": "comprehension2",
    "words": "word",
    "letters": "letter",
    "subtractions": "subtraction",
    "division": "division",
    "word_problem": "word_problems",
    "numbers_2digit": "number_2digit",
    "numbers_1digit": "number_1digit",
}
"""The level that each task is about: where a test stands on the ladder."""


class Onward(msgspec.Struct, frozen=True):
    """Where a task leads: to the task asked next, or to the level that was reached."""

    task: str | None
    level: str | None


class Fork(msgspec.Struct, frozen=True):
    """Where a task leads, done with comfort or not, and the level that it is about."""

    passed: Onward
    failed: Onward
    tests: str


class GuidedRules(msgspec.Struct, frozen=True):
    """The whole test as data, for a device that runs it by itself: what comes first in a subject, what after each task, and what passes it."""

    first: dict[str, str]
    after: dict[str, Fork]
    thresholds: Thresholds
    version: int = 0
    """That of the programme's own thresholds; 0 while it has none."""


def rules_with(thresholds: Thresholds, version: int = 0) -> GuidedRules:
    """The rules of the test with a programme's own thresholds."""

    def onward(task: Task, *, passed: bool) -> Onward:
        to, level = _AFTER[task, passed]
        return Onward(to, level or None)

    after = {
        task: Fork(onward(task, passed=True), onward(task, passed=False), TESTED[task]) for task in TASKS
    }
    return GuidedRules({str(each): task for each, task in _FIRST.items()}, after, thresholds, version)


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
        elif not (1 <= threshold.needed <= threshold.items <= most_items(threshold)):
            rule = f"Between 1 and {most_items(threshold)} items, and no more needed than there are"
            faults.append(Fault(task, rule))
        elif threshold.seconds is not None and task not in TIMED:
            faults.append(Fault(task, "Only what is read item by item can be timed"))
        elif threshold.seconds is not None and not LEAST_SECONDS <= threshold.seconds <= MOST_SECONDS:
            faults.append(
                Fault(task, f"Between {LEAST_SECONDS} and {MOST_SECONDS} seconds", str(threshold.seconds))
            )
        elif threshold.most_mistakes is not None and not 0 <= threshold.most_mistakes <= 50:
            faults.append(Fault(task, "Between 0 and 50 mistakes", str(threshold.most_mistakes)[:20]))
    return tuple(faults)


def most_items(threshold: Threshold) -> int:
    """How many items a task may have at most."""
    return MAX_ITEMS if threshold.seconds is None else MAX_TIMED_ITEMS
