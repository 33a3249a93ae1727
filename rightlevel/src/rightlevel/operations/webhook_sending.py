"""Sends what webhooks are told, by the host that is elected: each webhook's deliveries one after another, and no webhook waits for another.

What is to be sent stands in the database. It is taken for a while, sent, and settled; what a process took that died is sent again
when that while is over, with the same id, by which whoever receives it knows it again.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

import msgspec

from flatwater.clock import Clock
from flatwater.outward import NotAnswered, post, read_address
from flatwater.pool import Database
from flatwater.supervisor import Supervisor
from flatwater.transaction import Session
from rightlevel import __version__
from rightlevel.operations.hosts import Hosts
from rightlevel.programme.accounts import seal_of
from rightlevel.programme.webhooks import (
    GONE,
    Claimed,
    Named,
    claim_delivery,
    due_webhooks,
    pause_s,
    rounds_to_look_at,
    secrets_of,
    settle_delivery,
    signature_headers,
    tell_complete_schools,
)

log = logging.getLogger("rightlevel.operations")

EVERY_S: Final = 5.0
LOOK_EVERY_S: Final = 300.0
LOOK_LONGEST_S: Final = 280.0
DEADLINE_S: Final = 5.0
LOOK_DEADLINE_S: Final = 10.0
SENDING_S: Final = 10.0
LEASE: Final = timedelta(seconds=60)
"""Longer than a try and what is written before and after it may take."""
MOST_IN_A_ROW: Final = 100
"""Of one webhook in one turn; the next turn goes on."""
MOST_ERROR: Final = 300
ERRAND: Final = "webhook sending"


class Outcome(msgspec.Struct, frozen=True):
    """What became of one try."""

    status: int | None
    error: str | None
    retry_after_s: float | None = None

    @property
    def is_taken(self) -> bool:
        """Whether the receiver took it."""
        return self.status is not None and 200 <= self.status < 300


class WebhookSender:
    """Sends what is due. One connection at a time for each webhook, twenty at most in all."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        supervisor: Supervisor,
        named: Named,
        *,
        sending_s: float = SENDING_S,
    ) -> None:
        self._database = database
        self._clock = clock
        self._supervisor = supervisor
        self._named = named
        self._sending_s = sending_s
        self._busy: dict[int, asyncio.Task[None]] = {}
        self._random = random.Random()  # noqa: S311  # it spreads pauses, it keeps no secret

    async def turn(self) -> None:
        """Begins sending for each webhook with something due that is not being sent to already, and waits for none. *Cost*: one statement."""
        now = self._clock.now()

        async def due(session: Session) -> list[int]:
            return await due_webhooks(session, now)

        for webhook_id in await self._database.run(due, deadline_s=DEADLINE_S, idempotent=True):
            task = self._busy.get(webhook_id)
            if task is None or task.done():
                self._busy[webhook_id] = self._supervisor.errand(ERRAND, self._send_some(webhook_id))
        self._busy = {each: task for each, task in self._busy.items() if not task.done()}

    async def rest(self) -> None:
        """Waits until nothing is being sent."""
        await asyncio.gather(*self._busy.values())

    async def stop(self) -> None:
        """Gives up what is being sent: it is due again when its lease is over."""
        for task in self._busy.values():
            task.cancel()
        await asyncio.gather(*self._busy.values(), return_exceptions=True)

    async def _send_some(self, webhook_id: int) -> None:
        for _ in range(MOST_IN_A_ROW):
            claimed, secrets = await self._claim(webhook_id)
            if claimed is None:
                return
            outcome = await self._send(claimed, secrets)
            await self._settle(claimed, outcome)
            if not outcome.is_taken:
                return  # whoever does not answer now is asked once in a turn, not a thousand times

    async def _claim(self, webhook_id: int) -> tuple[Claimed | None, list[bytes]]:
        now = self._clock.now()

        async def claim(session: Session) -> tuple[Claimed | None, list[bytes]]:
            found = await claim_delivery(session, webhook_id, now, now + LEASE)
            return found, [] if found is None else secrets_of(await seal_of(session), found)

        return await self._database.run(claim, deadline_s=DEADLINE_S)

    async def _send(self, claimed: Claimed, secrets: list[bytes]) -> Outcome:
        body = claimed.body.encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"RightLevel/{__version__}",
            **signature_headers(claimed.message_id, self._clock.now(), body, secrets),
        }
        try:
            address = read_address(claimed.url)
            if not address.is_tls and not self._named.has(address):
                return Outcome(None, "http:// is only for hosts that RIGHTLEVEL_WEBHOOKS_INTERNAL names")
            answer = await post(
                address,
                body,
                headers=headers,
                reaches=lambda ip: self._named.reaches(address, ip),
                deadline_s=self._sending_s,
            )
        except (NotAnswered, ValueError) as error:
            return Outcome(None, str(error)[:MOST_ERROR])
        return Outcome(
            answer.status,
            None if 200 <= answer.status < 300 else f"answered {answer.status}",
            answer.retry_after_s,
        )

    async def _settle(self, claimed: Claimed, outcome: Outcome) -> None:
        values = self._settled(claimed, outcome)

        async def settle(session: Session) -> int:
            return await settle_delivery(session, values)

        await self._database.run(settle, deadline_s=DEADLINE_S, idempotent=True)

    def _settled(self, claimed: Claimed, outcome: Outcome) -> dict[str, Any]:
        now = self._clock.now()
        next_at = now + timedelta(
            seconds=pause_s(claimed.attempts, self._random.random(), outcome.retry_after_s)
        )
        is_over = outcome.is_taken or outcome.status == GONE or next_at > claimed.until_at
        state = "sent" if outcome.is_taken else "dead" if is_over else "waiting"
        if state == "dead":
            log.warning(
                "webhook %d: delivery %d was given up: %s", claimed.webhook_id, claimed.id, outcome.error
            )
        return {
            "delivery_id": claimed.id,
            "attempts": claimed.attempts,
            "leased_until": claimed.leased_until,
            "state": state,
            "next_at": now if is_over else next_at,
            "ended_at": now if is_over else None,
            "status": outcome.status,
            "error": outcome.error,
        }


async def look_for_complete_schools(database: Database, clock: Clock) -> int:
    """How many schools were told to be complete since the last look. *Cost*: one statement where nobody asked; else one for 500 schools."""
    told = 0
    for round_ in await database.run(rounds_to_look_at, deadline_s=LOOK_DEADLINE_S):
        after_id = 0
        while True:

            async def look(session: Session, round_: Any = round_, after_id: int = after_id) -> Any:
                return await tell_complete_schools(session, round_, after_id=after_id, now=clock.now())

            looked = await database.run(look, deadline_s=LOOK_DEADLINE_S)
            told += looked.told
            if not looked.schools:
                break
            after_id = looked.last_id
    return told


@asynccontextmanager
async def telling_webhooks(
    database: Database, clock: Clock, hosts: Hosts, supervisor: Supervisor, internal: tuple[str, ...]
) -> AsyncIterator[None]:
    """Sends what webhooks are told while the block runs, and looks for complete schools, where this host is elected."""
    sender = WebhookSender(database, clock, supervisor, Named(internal))

    async def send() -> None:
        if hosts.is_elected:
            await sender.turn()

    async def look() -> None:
        if hosts.is_elected:
            await look_for_complete_schools(database, clock)

    loops = (
        supervisor.every("webhooks", send, period_s=EVERY_S),
        supervisor.every("complete schools", look, period_s=LOOK_EVERY_S, turn_s=LOOK_LONGEST_S),
    )
    try:
        yield
    finally:
        for loop in loops:
            await loop.stop()
        await sender.stop()
