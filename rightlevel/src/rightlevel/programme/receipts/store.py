"""The only file that knows the columns of write_receipt."""

from __future__ import annotations

from typing import Any

import msgspec

from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import Conflict

_queries = load_queries(__package__ or "")
_claim = _queries["claim_write"]
_read = _queries["read_receipt"]
_keep = _queries["keep_answer"]


class WriteIdReused(Conflict):
    """This write id was already used for something else. Make a new one for every new write, and whenever what is sent changes."""

    code = "write_id_reused"


class Receipt(msgspec.Struct, frozen=True):
    """Who wrote what under an id, and the answer."""

    person_id: int
    operation: str
    answer: Any


async def claim_write(session: Session, write_id: str, person_id: int, operation: str) -> Receipt | None:
    """None when the id is new (and now this transaction's), else what was answered. *Errors*: WriteIdReused.

    *Cost*: one statement, two for a repeat. A parallel repeat waits for the first to end, within the lock limit.
    """
    values = {"write_id": write_id, "person_id": person_id, "operation": operation}
    if await session.execute(_claim, values):
        return None
    receipt = await read_receipt(session, write_id, person_id, operation)
    if receipt is None:
        raise WriteIdReused
    return receipt


async def read_receipt(session: Session, write_id: str, person_id: int, operation: str) -> Receipt | None:
    """What was written under an id, or None. *Errors*: WriteIdReused when it was another's, or another deed. *Cost*: one statement."""
    receipt = await session.fetch_one(_read, {"write_id": write_id}, into=Receipt)
    if receipt is not None and (receipt.person_id != person_id or receipt.operation != operation):
        raise WriteIdReused
    return receipt


async def keep_answer(session: Session, write_id: str, answer: dict[str, Any]) -> None:
    """Keeps the answer for the next time the same write comes."""
    await session.execute(_keep, {"write_id": write_id, "answer": msgspec.json.encode(answer).decode()})
