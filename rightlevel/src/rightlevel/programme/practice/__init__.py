"""Practice schools: they work like any other and count nowhere; one deed empties one and puts its practice class back.

Public: `reset_practice`, `PracticeReset`; `NotPractice`, `WasReal`, `TooMuchToReset`; `PRACTICE_CHILDREN`, `MOST_CHILDREN`.
"""

from rightlevel.programme.practice.actions import NotPractice, TooMuchToReset, WasReal, reset_practice
from rightlevel.programme.practice.model import MOST_CHILDREN, PRACTICE_CHILDREN, PracticeReset

__all__ = [
    "MOST_CHILDREN",
    "PRACTICE_CHILDREN",
    "NotPractice",
    "PracticeReset",
    "TooMuchToReset",
    "WasReal",
    "reset_practice",
]
