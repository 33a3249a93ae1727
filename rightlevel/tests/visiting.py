"""What the tests of visits share: a visit, and a few people."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import uuid4

import msgspec
from people import Cast

from flatwater.clock import Clock
from flatwater.transaction import Session
from rightlevel.programme.permissions import Actor
from rightlevel.programme.visits import SavedVisit, VisitWrite, save_visit

WHOLE: dict[str, Any] = {"session_ran": "no", "not_ran_reason": "holiday"}


def a_visit(cast: Cast, **more: Any) -> VisitWrite:
    write = VisitWrite(str(uuid4()), str(uuid4()), cast.school_a, "math", date(2026, 11, 20), WHOLE)
    return msgspec.structs.replace(write, **more)


async def sent_visit(
    session: Session, cast: Cast, clock: Clock, actor: Actor | None = None, **more: Any
) -> SavedVisit:
    return await save_visit(session, actor or cast.mentor, a_visit(cast, **more), clock, is_submitting=True)
