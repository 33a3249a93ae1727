"""Packs: what a phone needs of its owner's own work to go on without a network, bounded.

Public: `read_pack`; `Pack` and what is in it.
"""

from rightlevel.programme.packs.actions import read_pack
from rightlevel.programme.packs.model import (
    MOST_CHILDREN,
    MOST_GROUPS,
    MOST_SCHOOLS,
    Pack,
    PackChild,
    PackClass,
    PackDeeds,
    PackForm,
    PackGroup,
    PackResult,
    PackRetest,
    PackSchool,
    PackVisit,
)

__all__ = [
    "MOST_CHILDREN",
    "MOST_GROUPS",
    "MOST_SCHOOLS",
    "Pack",
    "PackChild",
    "PackClass",
    "PackDeeds",
    "PackForm",
    "PackGroup",
    "PackResult",
    "PackRetest",
    "PackSchool",
    "PackVisit",
    "read_pack",
]
