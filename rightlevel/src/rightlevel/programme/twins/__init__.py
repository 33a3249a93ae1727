"""Twins: children entered twice, found by how their names are written and sound, made one with both histories, and two again.

Public: `find_twins`, `merge_twins`, `unmerge_twins`, `say_not_twins`, `list_merges`; `list_renames`,
`say_same_child`, `put_back_name`, `RenameStands`, `Rename` (a child under another child's name); `Merge`, `Merged`, `Twins`, `TwinsOfSchool`, `Record`; the pure
`find_pairs`, `likeness_of`, `read_name`.
"""

from rightlevel.programme.twins.actions import (
    find_twins,
    list_merges,
    merge_twins,
    say_not_twins,
    unmerge_twins,
)
from rightlevel.programme.twins.finding import find_pairs
from rightlevel.programme.twins.model import Merge, Merged, Record, Rename, Twins, TwinsOfSchool
from rightlevel.programme.twins.names import read_name
from rightlevel.programme.twins.renames import (
    RenameStands,
    is_another_name,
    list_renames,
    put_back_name,
    say_same_child,
)
from rightlevel.programme.twins.scoring import Child, likeness_of

__all__ = [
    "Child",
    "Merge",
    "Merged",
    "Record",
    "Rename",
    "RenameStands",
    "Twins",
    "TwinsOfSchool",
    "find_pairs",
    "find_twins",
    "is_another_name",
    "likeness_of",
    "list_merges",
    "list_renames",
    "merge_twins",
    "put_back_name",
    "read_name",
    "say_not_twins",
    "say_same_child",
    "unmerge_twins",
]
