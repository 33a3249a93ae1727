"""What a tool is made of, and whether it can be tested with."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import msgspec

from rightlevel.programme.errors import Fault
from rightlevel.programme.permissions import Subject
from rightlevel.programme.results.guided import MAX_ITEMS, MAX_TIMED_ITEMS, TIMED, Thresholds

TOOL_NUMBERS = (1, 2, 3, 4)
TASKS_OF: dict[Subject, tuple[str, ...]] = {
    "language": ("paragraph", "story", "fact_questions", "inference_questions", "words", "letters"),
    "math": ("subtractions", "division", "word_problem", "numbers_2digit", "numbers_1digit"),
}
"""What each subject's tool holds; the paragraph that is tried once more is the same one."""
ANSWERED: Final = frozenset(
    {"fact_questions", "inference_questions", "subtractions", "division", "word_problem"}
)
"""Tasks whose answers the tester is told."""
OF_ITS_OWN: Final = frozenset({"paragraph", "story"})
"""Texts that no other tool has: a child who is tested again reads another one."""
LONGEST_TEXT = 1_000
LONGEST_ANSWER = 200
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}")


class ToolItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing a child reads, works out or is asked; `answer` is for the tester alone."""

    text: str
    answer: str = ""


Content = dict[str, list[ToolItem]]


class Tool(msgspec.Struct, frozen=True):
    """One version of a tool: by task, what is shown."""

    id: int
    subject: Subject
    number: int
    language: str
    version: int
    content: Content


class NewTool(msgspec.Struct, frozen=True):
    """A version of a tool to be added. `follows` is the version that it was made from, the newest; 0 where the tool is new."""

    subject: Subject
    number: int
    language: str
    content: Content
    follows: int = 0


class ToolVersion(msgspec.Struct, frozen=True):
    """One version in a tool's history."""

    id: int
    version: int
    published_at: datetime


class ToolSearch(msgspec.Struct, frozen=True):
    """Tools of which subject and language; of all where none is told."""

    subject: Subject | None = None
    language: str | None = None


def items_of(tool: Tool, task: str, thresholds: Thresholds) -> list[ToolItem]:
    """What a child is shown at a task: as many items as its threshold asks for (of a timed subtest, the whole grid), or the text."""
    shown = tool.content["paragraph" if task == "paragraph_again" else task]
    threshold = thresholds[task]
    return shown[: 1 if threshold.most_mistakes is not None else threshold.items]


def tool_faults(new: NewTool, thresholds: Thresholds, others: Sequence[Tool]) -> list[Fault]:
    """What is wrong with a version that is to be added, beside the tools of its subject and language that there are."""
    faults = content_faults(new.subject, new.content, thresholds)
    if new.number not in TOOL_NUMBERS:
        faults.append(Fault("number", "Between 1 and 4", str(new.number)))
    if not _LANGUAGE.fullmatch(new.language):
        faults.append(Fault("language", "A language code, for example km", new.language[:20]))
    taken = {
        _folded(item.text)
        for other in others
        if other.number != new.number
        for task in OF_ITS_OWN
        for item in other.content.get(task, [])
    }
    faults += [
        Fault(task, "Another tool has this text", item.text[:60])
        for task in sorted(OF_ITS_OWN & new.content.keys())
        for item in new.content[task]
        if _folded(item.text) in taken
    ]
    return faults


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def content_faults(subject: Subject, content: Content, thresholds: Thresholds) -> list[Fault]:
    """What is wrong with what a tool shows: every task of its subject, with at least as many items as are asked, none of them twice."""
    faults = [
        Fault(task, "There is no such task", task[:40]) for task in content if task not in TASKS_OF[subject]
    ]
    for task in TASKS_OF[subject]:
        items = content.get(task, [])
        threshold = thresholds[task]
        needed = 1 if threshold.most_mistakes is not None else threshold.items
        most = 1 if threshold.most_mistakes is not None else MAX_TIMED_ITEMS if task in TIMED else MAX_ITEMS
        if not needed <= len(items) <= most:
            faults.append(Fault(task, f"Between {needed} and {most} items", str(len(items))))
        faults += _item_faults(task, items)
    return faults


def _item_faults(task: str, items: Sequence[ToolItem]) -> Iterator[Fault]:
    for item in items:
        if not item.text.strip() or len(item.text) > LONGEST_TEXT:
            yield Fault(task, f"Between 1 and {LONGEST_TEXT} characters", item.text[:60])
        if len(item.answer) > LONGEST_ANSWER:
            yield Fault(task, f"An answer has at most {LONGEST_ANSWER} characters", item.answer[:60])
        if task in ANSWERED and not item.answer.strip():
            yield Fault(task, "Each needs its answer", item.text[:60])
    # A grid to read against the clock shows a letter more than once.
    most = 1 if len(items) <= MAX_ITEMS else len(items)
    for text, times in Counter(_folded(item.text) for item in items).items():
        if times > most:
            yield Fault(task, "The same text stands here twice", text[:60])
