"""Places and schools moved, split and merged, with everything that was counted staying where it was counted.

Public: `preview_boundary_change`, `change_boundaries`, `list_boundary_changes`, `undo_boundary_change`; `preview_school_merge`, `merge_school`,
`preview_school_split`, `split_school`, `list_school_changes`, `undo_school_change`; their values and errors.
"""

from rightlevel.programme.boundaries.model import (
    BoundaryChange,
    BoundaryPlan,
    BoundaryPreview,
    ClassGoing,
    Followed,
    Part,
    RoundOfChange,
    SchoolChanged,
    SchoolMerge,
    SchoolPreview,
    SchoolSplit,
    SchoolUndone,
)
from rightlevel.programme.boundaries.places import (
    BoundaryStands,
    BoundaryUndone,
    TooMuchToMove,
    change_boundaries,
    list_boundary_changes,
    preview_boundary_change,
    undo_boundary_change,
)
from rightlevel.programme.boundaries.schools import (
    SchoolChangeStands,
    SchoolChangeUndone,
    TooManyToMove,
    list_school_changes,
    merge_school,
    preview_school_merge,
    preview_school_split,
    split_school,
    undo_school_change,
)

__all__ = [
    "BoundaryChange",
    "BoundaryPlan",
    "BoundaryPreview",
    "BoundaryStands",
    "BoundaryUndone",
    "ClassGoing",
    "Followed",
    "Part",
    "RoundOfChange",
    "SchoolChangeStands",
    "SchoolChangeUndone",
    "SchoolChanged",
    "SchoolMerge",
    "SchoolPreview",
    "SchoolSplit",
    "SchoolUndone",
    "TooManyToMove",
    "TooMuchToMove",
    "change_boundaries",
    "list_boundary_changes",
    "list_school_changes",
    "merge_school",
    "preview_boundary_change",
    "preview_school_merge",
    "preview_school_split",
    "split_school",
    "undo_boundary_change",
    "undo_school_change",
]
