"""What a practice school starts with, and how much one may hold to be emptied at once."""

from __future__ import annotations

from typing import Final

import msgspec

MOST_CHILDREN: Final = 1_000
"""A practice school is for a class or two; the largest school of the programme has fewer children than this. Beyond it, it isn't emptied at once."""
MOST_VISITS: Final = 2_000
MOST_RESULTS: Final = 20_000
"""Every child in both subjects in ten rounds. With these three one reset takes a second or two."""
SECTION: Final = "A"


class PracticeChild(msgspec.Struct, frozen=True):
    """One invented child. *Units*: sex as ISO/IEC 5218 has it."""

    name: str
    sex: int


PRACTICE_CHILDREN: Final = tuple(
    PracticeChild(name, sex)
    for name, sex in (
        ("Anika Rao", 2),
        ("Bopha Chea", 2),
        ("ចាន់ សុខ", 1),
        ("Dara Lim", 1),
        ("Devi Sen", 2),
        ("ដារ៉ា ហេង", 1),
        ("Farah Khan", 2),
        ("Hari Nath", 1),
        ("Ishan Das", 1),
        ("Jaya Patil", 2),
        ("កុសល ម៉ៅ", 1),
        ("Kosal Prak", 1),
        ("Lata Verma", 2),
        ("ម៉ាលី ទេព", 2),
        ("Meera Iyer", 2),
        ("Omar Alam", 1),
        ("Phalla Ouk", 2),
        ("បុប្ផា ជា", 2),
        ("Ravi Kumar", 1),
        ("Rithy Mao", 1),
        ("Sokha Tep", 2),
        ("សុខា លឹម", 1),
        ("Vanna Heng", 1),
        ("Zara Shinde", 2),
    )
)
"""Made-up names in two scripts, twelve girls and twelve boys; nobody is meant."""


class PracticeReset(msgspec.Struct, frozen=True):
    """What a reset took away, and how many children stand in the practice class now."""

    school_id: int
    removed_children: int
    removed_results: int
    removed_visits: int
    removed_photos: int
    children: int


def code_of(number: int) -> str:
    """A practice child's code."""
    return f"P{number:02}"


def age_of(number: int, grade: int) -> int:
    """How old a practice child is: the usual age of the grade, and every fourth a year older."""
    return grade + 5 + (number % 4 == 0)
