"""Recounts every figure from its rows: the kept counts must agree exactly, and can be rewritten where they do not."""

from __future__ import annotations

import msgspec

from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.audit import write_audit

_queries = load_queries(__package__ or "", "reconcile.sql")
_places = load_queries(__package__ or "", "reconcile_places.sql")
_work = load_queries(__package__ or "", "reconcile_work.sql")
MAX_SHOWN = 100
COMPARISONS = (
    "compare_results",
    "compare_movement",
    "compare_enrolled",
    "compare_seats",
    "compare_standing",
    "compare_cells",
    "compare_stints",
)
"""What is compared: counts of results, of the same children in two rounds, of children and of seats, then results and stints themselves, which a repair leaves as they are."""

OF_PLACES = ("compare_places", "compare_place_movement", "compare_place_seats", "compare_memberships")
"""The same of places, by where schools stood; and where they stood itself."""

OF_WORK = ("compare_untested", "compare_held", "compare_mentors", "compare_visits", "compare_place_schools")
"""What is kept so that lists and figures of work don't grow with the country: schools without results, who holds schools, visits by month."""


class Reconciliation(msgspec.Struct, frozen=True):
    """How many counts were compared and how many differ; the first hundred of those in words."""

    compared: int
    different: int
    differences: list[str]
    is_repaired: bool = False


class _Comparison(msgspec.Struct, frozen=True):
    compared: int
    different: int
    differences: list[str]


async def reconcile(session: Session, *, repair: bool = False) -> Reconciliation:
    """Every kept count beside its rows; with `repair` all are written anew in the session's transaction if any differs.

    Places are counted by where each school stood, from its memberships. Those themselves are not repaired: what they should say stands in the audit.
    *Cost*: reads every result and child once, a few hundred MB a second; a repair holds writers back meanwhile.
    """
    if repair:
        await session.execute(_queries["lock_rows"], {})
    found = await _compare(session)
    if not repair or not found.different:
        return found
    # Not above: the doctor's process loads this file, and imports weigh more than all of it.
    from rightlevel.programme.exchange import add_waiting_counts, make_waiting_counts

    await session.execute(_queries["empty_counts"], {})
    await make_waiting_counts(session)
    for name in ("results", "enrolled", "rolls"):
        await session.execute(_queries[f"count_{name}_again"], {})
    await add_waiting_counts(session)
    for name in ("movement", "standing", "untested", "held", "visits"):
        await session.execute(_queries[f"count_{name}_again"], {})
    await write_audit(session, None, "repair", "figure", after={"different": found.different})
    return msgspec.structs.replace(found, is_repaired=True)


async def _compare(session: Session) -> Reconciliation:
    parts: list[_Comparison] = []
    compared = (
        *(_queries[name] for name in COMPARISONS),
        *(_places[name] for name in OF_PLACES),
        *(_work[name] for name in OF_WORK),
    )
    for query in compared:
        part = await session.fetch_one(query, {}, into=_Comparison)
        if part is None:
            raise LookupError(f"{query.name} gave no row")
        parts.append(part)
    differences = [each for part in parts for each in part.differences]
    return Reconciliation(
        sum(part.compared for part in parts), sum(part.different for part in parts), differences[:MAX_SHOWN]
    )
