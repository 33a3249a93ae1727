"""Groups: children of a school across classes by their latest valid level, quick re-tests between rounds, and what those suggest.

Public: `propose_groups`, `accept_groups`, `drop_proposal`, `read_groups`, `read_group`, `list_ungrouped`, `list_groupings`, `groups_led_by`, `groups_in_use`,
`set_group_teacher`, `move_child`; `read_split`, `change_split`; `enter_checks`, `list_checks`, `list_all_checks`, `suggestions`, `accept_suggestion`;
the pure rules `divide` and `suggest`; the values that these take and give.
"""

from rightlevel.programme.groups.actions import (
    accept_groups,
    change_split,
    drop_proposal,
    groups_in_use,
    groups_led_by,
    list_groupings,
    list_ungrouped,
    move_child,
    propose_groups,
    read_group,
    read_groups,
    read_split,
    set_group_teacher,
)
from rightlevel.programme.groups.checks import (
    accept_suggestion,
    enter_checks,
    list_all_checks,
    list_checks,
    suggestions,
)
from rightlevel.programme.groups.dividing import Division, divide
from rightlevel.programme.groups.model import (
    MAX_CHECKS,
    USUAL_TARGET,
    CheckAnswer,
    CheckWrite,
    Grouping,
    GroupPage,
    GroupRow,
    LatestLevel,
    LevelCheck,
    Member,
    NewGrouping,
    SchoolGroups,
    Suggested,
    Teacher,
    Ungrouped,
)
from rightlevel.programme.groups.regrouping import Suggestion, suggest

__all__ = [
    "MAX_CHECKS",
    "USUAL_TARGET",
    "CheckAnswer",
    "CheckWrite",
    "Division",
    "GroupPage",
    "GroupRow",
    "Grouping",
    "LatestLevel",
    "LevelCheck",
    "Member",
    "NewGrouping",
    "SchoolGroups",
    "Suggested",
    "Suggestion",
    "Teacher",
    "Ungrouped",
    "accept_groups",
    "accept_suggestion",
    "change_split",
    "divide",
    "drop_proposal",
    "enter_checks",
    "groups_in_use",
    "groups_led_by",
    "list_all_checks",
    "list_checks",
    "list_groupings",
    "list_ungrouped",
    "move_child",
    "propose_groups",
    "read_group",
    "read_groups",
    "read_split",
    "set_group_teacher",
    "suggest",
    "suggestions",
]
