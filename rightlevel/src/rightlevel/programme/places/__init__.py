"""Places: the tree from country to village, on which schools hang.

Public: `list_places`, `read_place`, `way_to_place`, `create_place`, `change_place`, `close_place`, `reopen_place`, `delete_place`,
`restore_place`; `Place`, `PlaceRow`, `NewPlace`, `PlaceChange`.
"""

from rightlevel.programme.places.actions import (
    PlaceClosed,
    PlaceFollowed,
    PlaceHasPast,
    change_place,
    close_place,
    create_place,
    delete_place,
    list_places,
    read_place,
    reopen_place,
    restore_place,
    way_to_place,
)
from rightlevel.programme.places.model import (
    KINDS,
    NewPlace,
    Place,
    PlaceChange,
    PlaceKind,
    PlaceName,
    PlaceRow,
    kinds_below,
)

__all__ = [
    "KINDS",
    "NewPlace",
    "Place",
    "PlaceChange",
    "PlaceClosed",
    "PlaceFollowed",
    "PlaceHasPast",
    "PlaceKind",
    "PlaceName",
    "PlaceRow",
    "change_place",
    "close_place",
    "create_place",
    "delete_place",
    "kinds_below",
    "list_places",
    "read_place",
    "reopen_place",
    "restore_place",
    "way_to_place",
]
