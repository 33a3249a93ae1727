"""Progress: what came of the children of each class in a round, for whoever enters them.

Public: `class_progress`, `together`; `ClassProgress`, `Tally`. Figures for everybody are in `figures`; these count practice schools too and need no place.
"""

from rightlevel.programme.progress.actions import class_progress
from rightlevel.programme.progress.model import ClassProgress, Tally, together

__all__ = ["ClassProgress", "Tally", "class_progress", "together"]
