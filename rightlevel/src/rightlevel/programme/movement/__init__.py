"""Movement: how the same children came from one round to a later one.

Public: `read_movement`, `movement_apart`, `movement_below`, `moved_children`, `still_children`, `dose_of_moved`; `MovementQuery`,
`MovedChildrenQuery`, `StillQuery`, `Movement`, `MovementSlice`, `UnitMovement`, `MovedChild`, `StillChild`, `Dose`.
"""

from rightlevel.programme.movement.actions import (
    dose_of_moved,
    moved_children,
    movement_apart,
    movement_below,
    read_movement,
    still_children,
)
from rightlevel.programme.movement.model import (
    FATES,
    MOST_WEEKS,
    Dose,
    MovedChild,
    MovedChildrenQuery,
    Movement,
    MovementQuery,
    MovementSlice,
    StillChild,
    StillQuery,
    UnitMovement,
)

__all__ = [
    "FATES",
    "MOST_WEEKS",
    "Dose",
    "MovedChild",
    "MovedChildrenQuery",
    "Movement",
    "MovementQuery",
    "MovementSlice",
    "StillChild",
    "StillQuery",
    "UnitMovement",
    "dose_of_moved",
    "moved_children",
    "movement_apart",
    "movement_below",
    "read_movement",
    "still_children",
]
