"""Places: frozen values and the rules of the tree."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, get_args

import msgspec

from rightlevel.programme.errors import Fault
from rightlevel.programme.names import unseen_faults

PlaceKind = Literal["country", "province", "district", "commune", "village", "cluster"]
KINDS: tuple[PlaceKind, ...] = get_args(PlaceKind)
DEPTH: dict[str, int] = {"country": 0, "province": 1, "district": 2, "commune": 3, "cluster": 3, "village": 4}
"""How deep a kind stands. A level may be left out, never turned round: a district may hang on its country."""


class PlaceName(msgspec.Struct, frozen=True):
    """A place on the way from the country down."""

    id: int
    kind: str
    name_local: str
    name_latin: str


class PlaceRow(msgspec.Struct, frozen=True):
    """One place in a list."""

    id: int
    parent_id: int | None
    kind: str
    code: str
    name_local: str
    name_latin: str
    version: int
    is_closed: bool


class KeptPlace(msgspec.Struct, frozen=True):
    """What is kept of one place."""

    id: int
    parent_id: int | None
    kind: str
    code: str
    name_local: str
    name_latin: str
    version: int
    is_deleted: bool
    closed_at: datetime | None = None
    close_reason: str | None = None


class Place(KeptPlace, frozen=True):
    """One place with the way to it, the country first and itself last; a closed one says why, and which places follow it."""

    lineage: list[PlaceName] = []
    followed_by: list[PlaceName] = []
    follows: list[PlaceName] = []


class NewPlace(msgspec.Struct, frozen=True):
    """What a place needs. Only countries have no parent; their code is ISO 3166."""

    kind: str
    code: str
    name_local: str
    name_latin: str = ""
    parent_id: int | None = None


class PlaceChange(msgspec.Struct, frozen=True):
    """What may change about a place; what is None stays. A place does not move."""

    version: int
    code: str | None = None
    name_local: str | None = None
    name_latin: str | None = None


def kinds_below(kind: str) -> list[str]:
    """The kinds that may hang on this one."""
    return [each for each in KINDS if DEPTH[each] > DEPTH[kind]]


def place_faults(
    kind: str, parent_kind: str | None, code: str, name_local: str, name_latin: str
) -> list[Fault]:
    """Everything wrong with a place."""
    faults: list[Fault] = []
    if kind not in KINDS:
        faults.append(Fault("kind", f"One of: {', '.join(KINDS)}", kind))
    elif (kind == "country") != (parent_kind is None):
        faults.append(Fault("parent_id", "Every place but a country hangs on another place"))
    elif parent_kind is not None and DEPTH[kind] <= DEPTH[parent_kind]:
        faults.append(Fault("kind", "This kind of place does not hang on that one", kind))
    if not 1 <= len(code.strip()) <= 60:
        faults.append(Fault("code", "Between 1 and 60 characters", code[:80]))
    if not 1 <= len(name_local.strip()) <= 200:
        faults.append(Fault("name_local", "Between 1 and 200 characters", name_local[:80]))
    if len(name_latin) > 200:
        faults.append(Fault("name_latin", "At most 200 characters", name_latin[:80]))
    faults += unseen_faults(name_local=name_local, name_latin=name_latin)
    return faults
