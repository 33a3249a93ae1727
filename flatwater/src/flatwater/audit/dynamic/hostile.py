"""How one endpoint takes what nobody sane sends: a page of 10^9, a deep offset, a huge body, a client that leaves, wrong types."""

from __future__ import annotations

import tracemalloc
from typing import Final, Literal

import msgspec

from flatwater.audit.dynamic.asking import Asker, Call, longest_list
from flatwater.audit.dynamic.client import AppClient, Leaving, Raised
from flatwater.audit.dynamic.tally import settle, tallied

Hostility = Literal["huge_page", "deep_offset", "big_body", "leaves_at_once", "leaves_after_a_piece", "wrong"]

LEAVE_S: Final = 1.0
"""How long work may go on for a client that has left. *Source*: our own; a cancel at the server takes half a second."""


class HostileReading(msgspec.Struct, frozen=True):
    """What one hostile call came to.

    *Shape*: `rows` are those of the answer's list where it could be read, else those that the driver held; `survived` says
    what went on after the client had left.
    """

    kind: Hostility
    says: str
    status: int
    rows: int = 0
    peak_bytes: int = 0
    taken_bytes: int = 0
    sent_bytes: int = 0
    raised: Raised | None = None
    survived: str = ""


async def be_hostile(client: AppClient, asker: Asker, good: Call, patience_s: float) -> list[HostileReading]:
    """Every hostile call that this operation can be given, one after the other; of wrong types those that broke something."""
    found: list[HostileReading] = []
    if (call := asker.huge_page()) is not None:
        found.append(await _paged(client, "huge_page", call, patience_s))
    if (call := asker.deep_offset()) is not None:
        found.append(await _paged(client, "deep_offset", call, patience_s))
    if (call := asker.big_body()) is not None:
        found.append(await _big(client, call, patience_s))
    found.append(await _left(client, "leaves_at_once", good, "at_once", patience_s))
    found.append(await _left(client, "leaves_after_a_piece", good, "after_a_piece", patience_s))
    for call in asker.faulty():
        answer = await client.ask(call)
        if answer.status == 500 or answer.raised is not None:
            found.append(HostileReading("wrong", call.says, answer.status, raised=answer.raised))
    return found


async def _paged(client: AppClient, kind: Hostility, call: Call, patience_s: float) -> HostileReading:
    with tallied() as tally:
        answer = await client.ask(call, keeps=True)
    await settle(tally, patience_s)
    await tally.take_back()
    is_whole = 0 < answer.body_bytes == len(answer.kept)
    rows = rows_of(answer.kept) if is_whole else tally.rows
    return HostileReading(kind, call.says, answer.status, rows, raised=answer.raised)


async def _big(client: AppClient, call: Call, patience_s: float) -> HostileReading:
    tracemalloc.start(1)
    try:
        with tallied() as tally:
            answer = await client.ask(call)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    await settle(tally, patience_s)
    await tally.take_back()
    return HostileReading(
        kind="big_body",
        says=call.says,
        status=answer.status,
        rows=0,
        peak_bytes=peak,
        taken_bytes=answer.taken_bytes,
        sent_bytes=len(call.body),
        raised=answer.raised,
    )


async def _left(
    client: AppClient, kind: Hostility, call: Call, leaving: Leaving, patience_s: float
) -> HostileReading:
    with tallied() as tally:
        answer = await client.ask(call, leaving=leaving, patience_s=LEAVE_S)
    await settle(tally, patience_s)
    survived = "a connection that was not given back" if await tally.take_back() else ""
    if answer.ending == "worked_on":
        survived = f"work that went on for {LEAVE_S:.0f} s"
    return HostileReading(kind, call.says, answer.status, survived=survived)


def rows_of(body: bytes) -> int:
    """The rows in a JSON answer; none in what is no JSON."""
    try:
        return len(longest_list(msgspec.json.decode(body)))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return 0
