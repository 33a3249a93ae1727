"""The levels of reading and mathematics: scales as values, the one that the program brings, and those that a process has learned.

A published scale never changes, so what a process knows of one it knows for ever; which scale a round is measured by stands in the round.
*Source*: product.md section 3; the first scale is that of the TaRL programme of Cambodia, whose rungs up to `story` and `division` are ASER's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from functools import cached_property
from typing import Final, Literal, get_args

import msgspec

from rightlevel.programme.errors import Fault, Invalid
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
TASKS_ASKED: dict[Subject, tuple[Task, ...]] = {"language": TASKS[:7], "math": TASKS[7:]}
"""What a guided test may ask in a subject; the second paragraph is the first once more."""


TEXTS: Final[frozenset[str]] = frozenset({"paragraph", "paragraph_again", "story"})
"""Tasks that are one text, judged by the mistakes in reading it."""
MAX_ITEMS = 20
MAX_TIMED_ITEMS = 100
"""*Source*: RTI International, EGRA Toolkit, 2nd edition, 2016: a grid of 100 letters, of which a child reads what it can in a minute."""
TIMED: frozenset[str] = frozenset({"words", "letters", "numbers_2digit", "numbers_1digit"})
"""Tasks that may be a timed subtest: their items are read, not worked out or asked."""
LEAST_SECONDS, MOST_SECONDS = 10, 300
MAX_STEPS = 8
"""No way through a test is longer: the program's own takes five steps at most in language, three in mathematics."""


class Level(msgspec.Struct, frozen=True):
    """One rung: its rank (1 is the lowest), its code, its name in English, its colour, and what it is called in other languages.

    The name is the catalogue's key where the program brings the rung, so that a translation is made once; a rung made in the editor brings its own.
    """

    rank: int
    code: str
    name: str
    colour: str
    labels: dict[str, str] = {}


class Threshold(msgspec.Struct, frozen=True):
    """What it takes to pass a task: `needed` of `items` right, or a text read with at most so many mistakes, fluently.

    With `seconds` it is a timed subtest: the child reads as many of the items as it can in that time, and those not reached are not wrong.
    """

    items: int = 1
    needed: int = 1
    most_mistakes: int | None = None
    seconds: int | None = None


Thresholds = dict[str, Threshold]


def most_items(threshold: Threshold) -> int:
    """How many items a task may have at most."""
    return MAX_ITEMS if threshold.seconds is None else MAX_TIMED_ITEMS


def threshold_fault(task: str, threshold: Threshold) -> Fault | None:
    """What is wrong with what passes a task: it must be possible to pass and to fail."""
    if (threshold.most_mistakes is not None) != (task in TEXTS):
        return Fault(task, "A text is judged by mistakes, everything else by how many are right")
    if not (1 <= threshold.needed <= threshold.items <= most_items(threshold)):
        rule = f"Between 1 and {most_items(threshold)} items, and no more needed than there are"
        return Fault(task, rule)
    if threshold.seconds is not None and task not in TIMED:
        return Fault(task, "Only what is read item by item can be timed")
    if threshold.seconds is not None and not LEAST_SECONDS <= threshold.seconds <= MOST_SECONDS:
        return Fault(task, f"Between {LEAST_SECONDS} and {MOST_SECONDS} seconds", str(threshold.seconds))
    if threshold.most_mistakes is not None and not 0 <= threshold.most_mistakes <= 50:
        return Fault(task, "Between 0 and 50 mistakes", str(threshold.most_mistakes)[:20])
    return None


class Onward(msgspec.Struct, frozen=True):
    """Where a task leads: to the task asked next, or to the level that was reached."""

    task: str | None
    level: str | None


class Fork(msgspec.Struct, frozen=True):
    """Where a task leads, done with comfort or not, and the level that it is about."""

    passed: Onward
    failed: Onward
    tests: str


class Scale(msgspec.Struct, frozen=True, dict=True):
    """One version of a scale: its rungs from the lowest, how the guided test climbs them, and which rungs the figures speak of.

    `goal` is the rung of the headline indicator (reads a story, does division), `near` the one below it that is told too, and `low` the highest
    of those counted as not there yet. `thresholds` are None where those of the whole programme hold; `bands` are which rungs learn together,
    none where the programme's split holds. A name of a scale and its versions is one scale; rungs of the same codes in the same order are the
    same ladder.
    """

    key: str
    subject: Subject
    name: str
    version: int
    levels: tuple[Level, ...]
    first: str
    after: dict[str, Fork]
    goal: str
    near: str
    low: str
    thresholds: Thresholds | None = None
    bands: tuple[tuple[str, ...], ...] = ()

    @cached_property
    def ranks(self) -> dict[str, int]:
        """The rank of each code."""
        return {level.code: level.rank for level in self.levels}

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(self.ranks)

    def __iter__(self) -> Iterator[Level]:
        return iter(self.levels)

    def __len__(self) -> int:
        return len(self.levels)

    def __getitem__(self, at: int) -> Level:
        return self.levels[at]

    @property
    def top(self) -> int:
        """The highest rank."""
        return len(self.levels)

    @property
    def is_own(self) -> bool:
        """Whether it was made in the product, and is not the one that the program brings."""
        return self.key not in (FIRST_KEYS["language"], FIRST_KEYS["math"])

    def level_at(self, code: str) -> Level | None:
        """The rung of a code, or None where there is none."""
        rank = self.ranks.get(code)
        return None if rank is None else self.levels[rank - 1]

    def code_at(self, rank: int | None) -> str | None:
        """The code at a rank, or None where there is none."""
        return self.levels[rank - 1].code if rank is not None and 1 <= rank <= len(self.levels) else None

    def is_same_ladder(self, other: Scale) -> bool:
        """Whether ranks of both mean the same: the same codes in the same order."""
        return self.key == other.key or self.codes == other.codes


def _onward(to: str) -> Onward:
    return Onward(to, None) if to in TASKS else Onward(None, to)


FIRST_KEYS: Final[dict[Subject, str]] = {
    "language": "00000000-0000-7000-8000-000000000001",
    "math": "00000000-0000-7000-8000-000000000002",
}
LANGUAGE = (
    Level(1, "beginner", "Beginner", "#b2182b"),
    Level(2, "letter", "Letters", "#ef8a62"),
    Level(3, "word", "Words", "#fddbc7"),
    Level(4, "paragraph", "Paragraph", "#d1e5f0"),
    Level(5, "story", "Story", "#67a9cf"),
    Level(6, "comprehension1", "Comprehension 1", "#2f79b5"),
    Level(7, "comprehension2", "Comprehension 2", "#134a7c"),
)
MATH = (
    Level(1, "beginner", "Beginner", "#b2182b"),
    Level(2, "number_1digit", "1-digit numbers", "#ef8a62"),
    Level(3, "number_2digit", "2-digit numbers", "#fddbc7"),
    Level(4, "subtraction", "Subtraction", "#d1e5f0"),
    Level(5, "division", "Division", "#67a9cf"),
    Level(6, "word_problems", "Word problems", "#2f79b5"),
)
_FORKS: Final[dict[Subject, dict[str, tuple[str, str, str]]]] = {
    # task → (where it leads when passed, where when not, the level that it is about)
    "language": {
        "paragraph": ("story", "words", "paragraph"),
        "paragraph_again": ("story", "word", "paragraph"),
        "story": ("fact_questions", "paragraph", "story"),
        "fact_questions": ("inference_questions", "story", "comprehension1"),
        "inference_questions": ("comprehension2", "comprehension1", "comprehension2"),
        "words": ("paragraph_again", "letters", "word"),
        "letters": ("letter", "beginner", "letter"),
    },
    "math": {
        "subtractions": ("division", "numbers_2digit", "subtraction"),
        "division": ("word_problem", "subtraction", "division"),
        "word_problem": ("word_problems", "division", "word_problems"),
        "numbers_2digit": ("number_2digit", "numbers_1digit", "number_2digit"),
        "numbers_1digit": ("number_1digit", "beginner", "number_1digit"),
    },
}
# A task and a rung of one name ("story" and "paragraph" asked, and reached) are told apart here, where a failed task leads to the rung.
_RUNGS_OF_TASKS: Final = {
    ("story", False): Onward(None, "paragraph"),
    ("fact_questions", False): Onward(None, "story"),
    ("word_problem", False): Onward(None, "division"),
}


def _forks(subject: Subject) -> dict[str, Fork]:
    return {
        task: Fork(_onward(up), _RUNGS_OF_TASKS.get((task, False)) or _onward(down), tests)
        for task, (up, down, tests) in _FORKS[subject].items()
    }


SCALES: dict[Subject, Scale] = {
    "language": Scale(
        FIRST_KEYS["language"],
        "language",
        "TaRL",
        1,
        LANGUAGE,
        first="paragraph",
        after=_forks("language"),
        goal="story",
        near="paragraph",
        low="letter",
    ),
    "math": Scale(
        FIRST_KEYS["math"],
        "math",
        "TaRL",
        1,
        MATH,
        first="subtractions",
        after=_forks("math"),
        goal="division",
        near="subtraction",
        low="number_1digit",
    ),
}
"""The scale that the program brings, by subject: what every round is measured by unless another is chosen."""

MOST_KNOWN: Final = 200
"""Scales in one process: a programme publishes at most 60 of each subject; a process that serves several databases in turn (the tests do) keeps
the newest. *Cost*: some 4 kB each."""
_known: dict[str, Scale] = {scale.key: scale for scale in SCALES.values()}


def learn_scale(scale: Scale) -> None:
    """Keeps a published scale for this process."""
    if len(_known) >= MOST_KNOWN:
        del _known[next(key for key in _known if key not in FIRST_KEYS.values())]
    _known[scale.key] = scale


def scale_at(key: str) -> Scale:
    """The scale of a key. *Errors*: LookupError for one that this process was not told of."""
    return _known[key]


def knows_scale(key: str) -> bool:
    """Whether this process was told of a scale."""
    return key in _known


class Measured(msgspec.Struct, frozen=True):
    """Which rounds are measured by another scale than the program's own, by (round, subject), and which scale is taught by now: that of the newest
    round that was opened, by subject where it is not the program's own."""

    rounds: dict[tuple[int, str], str] = {}
    now: dict[str, str] = {}


NOTHING_ELSE: Final = Measured()
measured: ContextVar[Measured] = ContextVar("measured", default=NOTHING_ELSE)
"""What whoever works now knows of it: set with who is asking, from what the platform has learned."""


def scale_of_round(round_id: int, subject: Subject) -> Scale:
    """What a round is measured by in a subject."""
    key = measured.get().rounds.get((round_id, subject))
    return SCALES[subject] if key is None else _known[key]


def scale_now(subject: Subject) -> Scale:
    """What a subject is taught by at present: what the newest round that was opened is measured by."""
    key = measured.get().now.get(subject)
    return SCALES[subject] if key is None else _known[key]


def known_scales(subject: Subject) -> list[Scale]:
    """Every scale of a subject that this process knows, the program's own first."""
    return [scale for scale in _known.values() if scale.subject == subject]


def rank_of(subject: Subject, code: str, scale: Scale | None = None) -> int:
    """The rank of a level by its code, in the program's own scale unless another is told. *Errors*: Invalid, naming the codes there are."""
    there = scale or SCALES[subject]
    rank = there.ranks.get(code)
    if rank is None:
        raise Invalid(faults=(Fault("level", f"One of: {', '.join(there.codes)}", code),))
    return rank


def level_of(subject: Subject, rank: int, scale: Scale | None = None) -> Level:
    """The level at a rank. *Errors*: IndexError outside the scale, which the database's checks keep out."""
    if rank < 1:
        raise IndexError(rank)
    return (scale or SCALES[subject]).levels[rank - 1]
