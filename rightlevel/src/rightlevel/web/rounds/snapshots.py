"""What is kept of a frozen round, and what was corrected since."""

from __future__ import annotations

from flatwater.contract import Raw
from rightlevel.programme import rounds
from rightlevel.programme.permissions import May
from rightlevel.web.feature import Deeds, Filters
from rightlevel.web.request import Request, actor_of
from rightlevel.web.rounds.schools import RoundAndSchool

CHECK_S = 120.0
"""A check reads a whole round: a country's takes about a minute."""
TEXT = "text/plain; charset=utf-8"


routes = Deeds("rounds", "round")
routes.answers(
    "read_one_snapshot",
    "GET /api/v1/rounds/{id}/snapshot",
    rounds.read_snapshot,
    says="A frozen round's snapshot: when, how many results, their hash.",
)
routes.answers(
    "check_one_snapshot",
    "GET /api/v1/rounds/{id}/snapshot/check",
    rounds.check_snapshot_of,
    may="freeze",
    deadline_s=CHECK_S,
    says="Whether a snapshot is whole, and comes out of the live rows and their amendments bit for bit.",
)
routes.answers(
    "list_all_amendments",
    "GET /api/v1/rounds/{id}/amendments",
    rounds.list_amendments,
    Filters,
    may="freeze",
)


@routes.get("/api/v1/rounds/{id}/snapshot/schools/{school_id}", May("freeze", "round"), media=(TEXT,))
async def read_one_part(request: Request, *, path: RoundAndSchool) -> Raw:
    """One school's results as they were frozen, a line each."""
    content = await rounds.read_snapshot_part(request.session, actor_of(request), path.id, path.school_id)
    return Raw(content.encode(), TEXT)
