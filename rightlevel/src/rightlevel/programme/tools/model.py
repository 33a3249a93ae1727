"""What a tool is made of, and whether it can be tested with."""

from __future__ import annotations

import msgspec

from rightlevel.programme.errors import Fault
from rightlevel.programme.permissions import Subject
from rightlevel.programme.results.guided import MAX_ITEMS, Thresholds

TOOL_NUMBERS = (1, 2, 3, 4)
TASKS_OF: dict[Subject, tuple[str, ...]] = {
    "language": ("paragraph", "story", "fact_questions", "inference_questions", "words", "letters"),
    "math": ("subtractions", "division", "word_problem", "numbers_2digit", "numbers_1digit"),
}
"""What each subject's tool holds; the paragraph that is tried once more is the same one."""
LONGEST_TEXT = 1_000


class ToolItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing a child reads, works out or is asked; `answer` is for the tester alone."""

    text: str
    answer: str = ""


Content = dict[str, list[ToolItem]]


class Tool(msgspec.Struct, frozen=True):
    """One version of a tool: by task, what is shown."""

    id: int
    subject: str
    number: int
    language: str
    version: int
    content: Content


class ToolSearch(msgspec.Struct, frozen=True):
    """Tools of which subject and language; of all where none is told."""

    subject: Subject | None = None
    language: str | None = None


def items_of(tool: Tool, task: str, thresholds: Thresholds) -> list[ToolItem]:
    """What a child is shown at a task: as many items as its threshold asks for, or the text."""
    shown = tool.content["paragraph" if task == "paragraph_again" else task]
    threshold = thresholds[task]
    return shown[: 1 if threshold.most_mistakes is not None else threshold.items]


def content_faults(subject: Subject, content: Content, thresholds: Thresholds) -> list[Fault]:
    """What is wrong with what a tool shows: every task of its subject, with at least as many items as are asked."""
    faults = [
        Fault(task, "There is no such task", task[:40]) for task in content if task not in TASKS_OF[subject]
    ]
    for task in TASKS_OF[subject]:
        items = content.get(task, [])
        threshold = thresholds[task]
        needed = 1 if threshold.most_mistakes is not None else threshold.items
        if not needed <= len(items) <= MAX_ITEMS:
            faults.append(Fault(task, f"Between {needed} and {MAX_ITEMS} items", str(len(items))))
        if any(not item.text.strip() or len(item.text) > LONGEST_TEXT for item in items):
            faults.append(Fault(task, f"Between 1 and {LONGEST_TEXT} characters"))
    return faults
