"""Who may write, read once more in the very transaction that writes, for the few routes that have work to do before it begins.

Hashing a password or making a photo small takes a while, and no connection is held meanwhile. What was allowed when the request came in
is asked again, past every cache, beside the write: whoever lost the school, the role or the session since then writes nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from flatwater.answers import answer_with, kept_of
from flatwater.asgi import NotAllowed, NotSignedIn
from flatwater.transaction import Session
from rightlevel.programme.permissions import Actor
from rightlevel.web.application import AnsweredBefore, claimed, read_actor, remember_in
from rightlevel.web.request import WRITE_S, Request, actor_of

T = TypeVar("T")
R = TypeVar("R")


async def actor_again(request: Request, session: Session) -> Actor:
    """Who is calling, as they are now, read in this transaction. *Errors*: NotSignedIn, NotAllowed. *Cost*: one statement."""
    before = actor_of(request)
    actor = await read_actor(request, session, scopes=None)
    if actor is None or actor.person_id != before.person_id:
        raise NotSignedIn
    if not request.endpoint.who.allows(actor):
        raise NotAllowed
    return actor


def keeping(request: Request, answer: Callable[[T], object]) -> Callable[[Session, T], Awaitable[None]]:
    """What a deed that opens its own transaction does last in it: keeps what `answer` makes of it, for this very write coming again.

    So no stop of the program lies between the deed and its receipt. *Errors*: AnsweredBefore, which takes the deed back: another was faster.
    """

    async def keep(session: Session, made: T) -> None:
        known = await claimed(request, session, request.actor)
        if known is not None:
            raise AnsweredBefore(known)
        result = answer(made)
        await remember_in(request, session, request.actor, kept_of(result, answer_with(result)))

    return keep


async def with_secret(
    request: Request,
    secret: str,
    deed: Callable[[Session, Actor, str], Awaitable[T]],
    answer: Callable[[T], R],
) -> R:
    """A deed that keeps the hash of a fresh secret: hashed while no connection is held, then done as `write_as` does it.

    *Errors*: those of `write_as`. *Cost*: one hash, some 50 ms of a processor.
    """
    hashed = await request.app.passwords.hash(secret)
    return await write_as(
        request, lambda session, actor: deed(session, actor, hashed), deadline_s=WRITE_S, answer=answer
    )


async def write_as(
    request: Request,
    work: Callable[[Session, Actor], Awaitable[T]],
    *,
    deadline_s: float,
    answer: Callable[[T], R],
    is_kept: bool = True,
) -> R:
    """Runs the work in a transaction, with whoever is calling as they are in it, and gives what `answer` makes of it.

    The same write coming again is answered as it was: its receipt, without what is shown once, is kept in that very transaction (not of what
    is streamed: `is_kept`). *Errors*: NotSignedIn, NotAllowed, the work's own, and AnsweredBefore, which the application turns into that answer.
    """

    async def settle(session: Session) -> R:
        actor = await actor_again(request, session)
        known = await claimed(request, session, actor) if is_kept else None
        if known is not None:
            raise AnsweredBefore(known)
        result = answer(await work(session, actor))
        if is_kept:
            await remember_in(request, session, actor, kept_of(result, answer_with(result)))
        return result

    return await request.database.run(settle, deadline_s=deadline_s)
