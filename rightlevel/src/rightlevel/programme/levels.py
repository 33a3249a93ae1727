"""The levels of reading and mathematics: one vocabulary; every other spelling is refused at the edge.

*Source*: product.md section 3; the scale of the TaRL programme of Cambodia, whose rungs up to `story` and `division` are ASER's.
"""

from __future__ import annotations

import msgspec

from rightlevel.programme.errors import Fault, Invalid
from rightlevel.programme.permissions import Subject


class Level(msgspec.Struct, frozen=True):
    """One rung: its rank (1 is the lowest), its code, its name in English (the catalogue's key) and its colour."""

    rank: int
    code: str
    name: str
    colour: str


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
SCALES: dict[Subject, tuple[Level, ...]] = {"language": LANGUAGE, "math": MATH}
_RANKS = {(subject, level.code): level.rank for subject, scale in SCALES.items() for level in scale}


def rank_of(subject: Subject, code: str) -> int:
    """The rank of a level by its code. *Errors*: Invalid, naming the codes there are."""
    rank = _RANKS.get((subject, code))
    if rank is None:
        codes = ", ".join(level.code for level in SCALES[subject])
        raise Invalid(faults=(Fault("level", f"One of: {codes}", code),))
    return rank


def level_of(subject: Subject, rank: int) -> Level:
    """The level at a rank. *Errors*: IndexError outside the scale, which the database's checks keep out."""
    if rank < 1:
        raise IndexError(rank)
    return SCALES[subject][rank - 1]
