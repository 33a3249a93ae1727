"""Duplicates: children entered twice, found by how their names are written and sound, made one with both histories, and two again.

Public: `find_duplicates`, `merge_duplicates`, `undo_merge_of_duplicates`, `dismiss_duplicates`, `list_merges`; `list_renames`,
`say_same_child`, `put_back_name`, `RenameStands`, `Rename` (a child under another child's name); `Merge`, `Merged`, `Duplicates`, `DuplicatesOfSchool`, `Record`; `find_alike` (new children like others); the pure
`find_pairs`, `likeness_of`, `read_name`.
"""

from rightlevel.programme.duplicates.actions import (
    dismiss_duplicates,
    find_duplicates,
    list_merges,
    merge_duplicates,
    undo_merge_of_duplicates,
)
from rightlevel.programme.duplicates.adding import LikelyDuplicate, StudentToAdd, add_student, find_alike
from rightlevel.programme.duplicates.finding import find_pairs
from rightlevel.programme.duplicates.model import (
    Duplicates,
    DuplicatesOfSchool,
    Merge,
    Merged,
    Record,
    Rename,
)
from rightlevel.programme.duplicates.names import read_name
from rightlevel.programme.duplicates.renames import (
    RenameStands,
    is_another_name,
    list_renames,
    put_back_name,
    say_same_child,
)
from rightlevel.programme.duplicates.scoring import Child, likeness_of

__all__ = [
    "LikelyDuplicate",
    "StudentToAdd",
    "add_student",
    "find_alike",
    "Child",
    "Merge",
    "Merged",
    "Record",
    "Rename",
    "RenameStands",
    "Duplicates",
    "DuplicatesOfSchool",
    "find_pairs",
    "find_duplicates",
    "is_another_name",
    "likeness_of",
    "list_merges",
    "list_renames",
    "merge_duplicates",
    "put_back_name",
    "read_name",
    "dismiss_duplicates",
    "say_same_child",
    "undo_merge_of_duplicates",
]
