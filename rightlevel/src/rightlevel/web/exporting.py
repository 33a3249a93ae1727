"""A file that is begun and streamed, whichever page or program asks for it."""

from __future__ import annotations

from datetime import date
from typing import Final

from flatwater.clock import today
from flatwater.contract import Streamed
from flatwater.transaction import Session
from rightlevel.programme.accounts import actor_by_token
from rightlevel.programme.errors import NotFound
from rightlevel.programme.exports import ExportAsk, begin_export
from rightlevel.programme.permissions import Actor
from rightlevel.web.application import is_secure, learn
from rightlevel.web.authority import write_as
from rightlevel.web.request import WRITE_S, Request, actor_of

MEDIA: Final = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "jsonl": "application/jsonl; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
KINDS: Final = tuple(MEDIA.values())


async def stream_export(request: Request, ask: ExportAsk) -> Streamed:
    """A file that is begun and streamed, whoever asks for it. *Errors*: ExportsBusy, Forbidden, OutOfScope, Invalid."""
    exports = request.app.exports
    exports.require_room()

    async def begin(session: Session, actor: Actor) -> str:
        return await begin_export(session, actor, ask, request.clock)

    export_id = await write_as(request, begin, deadline_s=WRITE_S, answer=lambda made: made, is_kept=False)
    return streamed(request, actor_of(request), export_id, ask)


def streamed(request: Request, actor: Actor, export_id: str, ask: ExportAsk) -> Streamed:
    """The answer that sends a file which was begun."""
    headers = {
        "content-disposition": f'attachment; filename="{file_name(ask, today(request.clock))}"',
        "link": f'</api/v1/exports/{export_id}>; rel="describedby"',
        "cache-control": "private, no-store",
    }
    return Streamed(request.app.exports.stream(actor, export_id, ask), MEDIA[ask.format], headers)


def file_name(ask: ExportAsk, day: date) -> str:
    """Such as `results-2026-11-23.csv`."""
    kind = "-de-identified" if ask.is_deidentified else ""
    return f"{ask.what}{kind}-{day}.{ask.format}"


async def live_holder(request: Request, session: Session, secret: str) -> Actor:
    """Whose live address it is, with the rights of now. *Errors*: NotFound for a token that is none, has ended, or could write."""
    actor = await actor_by_token(session, secret, request.app.clock, address=request.address)
    # An address is passed on, pasted and kept: one that could write is none.
    if actor is None or actor.token is None or actor.token.may_write:
        raise NotFound
    await learn(session, request.app, actor)
    return actor


def own_address(request: Request) -> str:
    """Under which scheme and host this program was asked, for addresses that others keep."""
    return f"{'https' if is_secure(request) else 'http'}://{request.headers.get('host', '')}"
