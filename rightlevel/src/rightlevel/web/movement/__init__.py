"""The same children in two rounds: transition matrix, gains, attrition, who stands still, dose; as JSON, page and files."""

from __future__ import annotations

import msgspec

from flatwater.paging import PageLimit
from flatwater.transaction import Session
from rightlevel.programme import movement
from rightlevel.programme.movement.actions import By
from rightlevel.programme.permissions import Actor, May
from rightlevel.web.feature import Deeds
from rightlevel.web.movement import pages

BELOW = PageLimit(50)
CHILDREN = May("read", "student")


class MovementApartQuery(movement.MovementQuery, frozen=True, kw_only=True):
    """Whose movement, and by what it is told apart."""

    by: By


class MovementApart(msgspec.Struct, frozen=True):
    """The movement of each grade or sex, in order."""

    slices: list[movement.MovementSlice]


class DoseOfMoved(msgspec.Struct, frozen=True):
    """Lessons of those who improved, stayed and declined, in that order; who are none are not there."""

    doses: list[movement.Dose]


async def _apart(session: Session, actor: Actor, asked: MovementApartQuery) -> list[movement.MovementSlice]:
    """The same apart by grades or sexes."""
    return await movement.movement_apart(session, actor, asked, by=asked.by)


routes = Deeds("figures", "figure")
routes.answers(
    "read_movement",
    "GET /api/v1/movement",
    movement.read_movement,
    movement.MovementQuery,
    says="How the same children came from one round to a later one, beside all children of both.",
)
routes.answers(
    "read_movement_apart",
    "GET /api/v1/movement/breakdown",
    _apart,
    MovementApartQuery,
    gives=MovementApart,
    may=May("read", "small_cell"),
)
routes.answers(
    "list_movement_below",
    "GET /api/v1/movement/below",
    movement.movement_below,
    movement.MovementQuery,
    page=BELOW,
    says="The same for each place and school below a place.",
)
routes.answers(
    "list_moved_children",
    "GET /api/v1/movement/children",
    movement.moved_children,
    movement.MovedChildrenQuery,
    may=CHILDREN,
    page=BELOW,
    says="The children of a school, class or group with their levels in both rounds.",
)
routes.answers(
    "read_dose_of_moved",
    "GET /api/v1/movement/dose",
    movement.dose_of_moved,
    movement.MovementQuery,
    gives=DoseOfMoved,
    may=CHILDREN,
    says="Lessons between the two tests of those who improved, stayed or declined.",
)
routes.answers(
    "list_still_children",
    "GET /api/v1/standing-still",
    movement.still_children,
    movement.StillQuery,
    may=CHILDREN,
    page=BELOW,
    says="Children who have not risen for so many weeks.",
)
routes.include(pages.routes)
