"""Progress: how many children of each class have a result in a round, for whoever enters them.

Public: `class_progress`; `ClassProgress`. Figures for everybody are in `figures`; these count practice schools too and need no place.
"""

from rightlevel.programme.progress.actions import class_progress
from rightlevel.programme.progress.model import ClassProgress

__all__ = ["ClassProgress", "class_progress"]
