"""What a name may be made of, wherever people or places or things are named."""

from __future__ import annotations

from typing import Final

from flatwater.unseen import JOINING, LINE_ENDS, STEERING, TURNING, WIDTHLESS, any_of, without
from rightlevel.programme.errors import Fault

_UNSEEN: Final = any_of(STEERING, LINE_ENDS, TURNING, WIDTHLESS)
"""Of what nobody sees only what joins letters stays: Khmer and Indic scripts are written with it, and the key by which names are found leaves it out."""
_SEEN: Final = without(JOINING, TURNING, WIDTHLESS)
WITHOUT_UNSEEN: Final = "Without line breaks and marks that can’t be seen"


def unseen_faults(**names: str) -> list[Fault]:
    """A fault for each name that holds what can't be seen."""
    return [
        Fault(field, WITHOUT_UNSEEN, _UNSEEN.sub("·", name)[:80])
        for field, name in names.items()
        if _UNSEEN.search(name.strip()) or nothing_seen(name)
    ]


def nothing_seen(name: str) -> bool:
    """Whether somebody wrote something of which nothing can be seen."""
    return bool(name.strip()) and not name.translate(_SEEN).strip()
