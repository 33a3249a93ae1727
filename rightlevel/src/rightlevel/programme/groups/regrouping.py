"""When a child should change its group: pure, and damped so that one shaky test moves nobody to and fro.

*Source*: product.md section 5; how often children are flagged stands in docs/developers/regrouping.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from rightlevel.programme.groups.model import band_of

Kind = Literal["up", "down", "recheck"]


class Suggestion(msgspec.Struct, frozen=True):
    """Up or down to a band, or test again before anything is done (then `to_band` is where the test points)."""

    kind: Kind
    to_band: int


def suggest(
    band: int, ranks: Sequence[int], band_ranks: list[list[int]], *, came: int = 0
) -> Suggestion | None:
    """What the re-tests since a child joined its group say; None to leave it where it is.

    `ranks` are those re-tests, oldest first; `came` is the way it moved to get here (1 up, -1 down, 0 neither). One band up is
    suggested at once. A jump of two, a drop, and going back the way the child came are only suggested when two re-tests in a row
    agree on the direction; the first asks for a re-check. So nobody flips back within two checks unless a re-check confirms it.
    """
    if not ranks:
        return None
    seen = [band_of(rank, band_ranks) for rank in ranks[-2:]]
    to = seen[-1]
    if to == band:
        return None
    way = 1 if to > band else -1
    is_confirmed = len(seen) == 2 and (seen[0] - band) * way > 0
    if is_confirmed:
        # The nearer of the two: what both re-tests say at least.
        return Suggestion("up" if way > 0 else "down", min(seen) if way > 0 else max(seen))
    if to == band + 1 and came >= 0:
        return Suggestion("up", to)
    return Suggestion("recheck", to)
