"""Reads how far classes are."""

from __future__ import annotations

from collections.abc import Sequence

from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.progress.model import ClassProgress

_class_progress = load_queries(__package__ or "")["class_progress"]
MOST_ROWS = 10_000


async def read_class_progress(
    session: Session, school_ids: Sequence[int], round_id: int
) -> list[ClassProgress]:
    values = {"school_ids": list(school_ids), "round_id": round_id, "rows": MOST_ROWS}
    return await session.fetch_all(_class_progress, values, into=ClassProgress)
