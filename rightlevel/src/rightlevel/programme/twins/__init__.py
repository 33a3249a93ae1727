"""Twins: children entered twice, found by how their names are written and sound, made one with both histories, and two again.

Public: `find_twins`, `merge_twins`, `unmerge_twins`, `say_not_twins`, `list_merges`; `Merge`, `Merged`, `Twins`, `TwinsOfSchool`, `Record`; the pure
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
from rightlevel.programme.twins.model import Merge, Merged, Record, Twins, TwinsOfSchool
from rightlevel.programme.twins.names import read_name
from rightlevel.programme.twins.scoring import Child, likeness_of

__all__ = [
    "Child", "Merge", "Merged", "Record", "Twins", "TwinsOfSchool", "find_pairs", "find_twins", "likeness_of", "list_merges", "merge_twins",
    "read_name", "say_not_twins", "unmerge_twins",
]  # fmt: skip
