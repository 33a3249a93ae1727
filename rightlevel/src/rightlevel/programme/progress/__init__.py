"""Progress: how far testing is in each class and subject of a round, for whoever enters them.

Public: `class_progress`; `ClassProgress`. Figures for everybody are in `figures`; these count practice schools too and need no place.
"""

from rightlevel.programme.progress.actions import class_progress
from rightlevel.programme.progress.model import ClassProgress

__all__ = ["ClassProgress", "class_progress"]
