"""What waits for somebody today, as counts."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from rightlevel.programme.permissions import Subject
from rightlevel.programme.progress import ClassProgress
from rightlevel.programme.rounds import Round

MOST_COUNTED: Final = 99
"""What waits is counted up to here; more is told as more, never as a number that was guessed."""

TaskKind: TypeAlias = Literal[
    "take_exercise",
    "take_attendance",
    "test_children",
    "look_again",
    "move_children",
    "visit",
    "finish_visit",
    "follow_up",
    "hand_over",
    "retest",
    "hand_in",
    "approve",
    "decide_request",
    "decide_retest",
    "plan_visits",
    "enter_results",
    "assign_teacher",
    "assign_mentor",
    "mend_file",
    "find_baseline",
]


class Task(msgspec.Struct, frozen=True):
    """One kind of thing to do, and how many of them wait; `is_more`: more than were counted.

    `first` names the first of them, where that helps: a group, a class, a child or a school. The ids say where it is done. `is_of_many`: the
    count is of more than the school and subject that are named, which are where to begin.
    """

    kind: TaskKind
    count: int
    is_more: bool = False
    first: str = ""
    subject: Subject | None = None
    round_id: int | None = None
    school_id: int | None = None
    class_id: int | None = None
    grade: int | None = None
    group_id: int | None = None
    is_of_many: bool = False


class Today(msgspec.Struct, frozen=True):
    """What somebody has to do, the most urgent first: today, and in the days that follow. What is done is gone from it."""

    now: tuple[Task, ...]
    soon: tuple[Task, ...]


class Day(msgspec.Struct, frozen=True):
    """Somebody's tasks, and what they were found in, so that a page that shows it needn't read it again.

    `progress` is of `looked_at`, schools that the person holds; both are empty for whoever leads.
    """

    tasks: Today
    round: Round | None
    looked_at: frozenset[int] = frozenset()
    progress: tuple[ClassProgress, ...] = ()


class GroupToTeach(msgspec.Struct, frozen=True):
    """A group whose attendance was not taken today."""

    group_id: int
    school_id: int
    school_name: str
    subject: Subject
    band: int
    number: int


class Waiting(msgspec.Struct, frozen=True):
    """What waits for whoever leads, each counted up to MOST_COUNTED + 1."""

    overdue: int
    faulty_files: int
    untested: int
