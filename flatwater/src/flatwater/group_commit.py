"""Group commit: what arrives together is done in one transaction, and each has its own outcome.

Who comes while fewer groups than may are under way begins at once and waits for nobody; who comes later waits for one of them to end, and then goes
with all that came meanwhile. So groups form by themselves where it is busy, without a timer, and a lone one is never held up.

A group is only the fast way for what is plain. Whatever isn't (somebody is refused, holds a lock, sends what can't be read, or the whole group came
to nothing) has no outcome here: its sender does it alone, after the group, in a transaction of its own as if there were no groups. So one that
is refused holds up none, and everything that can go wrong is told by the one way that tells it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, Generic, TypeVar

import msgspec

from flatwater.errors import (
    CommitUnknown,
    DatabaseFull,
    DatabaseUnavailable,
    DeadlineExceeded,
    PoolFull,
    PoolTimeout,
    Refused,
)
from flatwater.supervisor import beside
from flatwater.transaction import ConstraintViolated, Serialization, ValueRefused

log = logging.getLogger("flatwater.group_commit")

MOST_AT_ONCE: Final = 32
MOST_WAITING: Final = 256
LEAST_LEFT_S: Final = 1.0
"""Whoever has less time than this left goes alone, so that a group is not cut short for one."""

ItemT = TypeVar("ItemT")
OutcomeT = TypeVar("OutcomeT")
RefusedT = TypeVar("RefusedT", bound=Refused)

TOLD_TO_EACH: Final = (PoolFull, PoolTimeout, DatabaseUnavailable, DatabaseFull, CommitUnknown)
"""What ends a group and would end each of its members by itself too: nobody tries again for it."""

EXPECTED: Final = (Refused, ConstraintViolated, Serialization, ValueRefused)
"""What may end a group and is no mistake of ours: each of its members is told alone, if it meets it again."""
TELL_AGAIN_S: Final = 60.0


class GroupStatistics(msgspec.Struct, frozen=True):
    """What became of those who came. `alone` are those without an outcome, `dissolved` the groups that came to nothing."""

    groups: int
    members: int
    largest: int
    alone: int
    dissolved: int


class _Seat(Generic[ItemT, OutcomeT]):
    """One who came, until the answer is there."""

    __slots__ = ("item", "lane", "outcome", "until_s", "was_taken")

    def __init__(
        self, item: ItemT, lane: str, until_s: float, outcome: asyncio.Future[OutcomeT | None]
    ) -> None:
        self.item = item
        self.lane = lane
        self.until_s = until_s
        self.outcome = outcome
        self.was_taken = False


class GroupCommit(Generic[ItemT, OutcomeT]):
    """Forms the groups of one kind of work. For one event loop.

    `work` does the items of a group in one transaction within so many seconds and gives an outcome for each, in their order; none (None)
    for what is to be done alone. At most `groups` are under way at once, of `most` members, and `waiting` wait.
    """

    def __init__(
        self,
        work: Callable[[Sequence[ItemT], float], Awaitable[Sequence[OutcomeT | None]]],
        *,
        groups: int,
        most: int = MOST_AT_ONCE,
        waiting: int = MOST_WAITING,
    ) -> None:
        self._work = work
        self._may_run = groups
        self._most = most
        self._may_wait = waiting
        self._running = 0
        self._queue: deque[_Seat[ItemT, OutcomeT]] = deque()
        self._lanes: set[str] = set()
        self._groups = 0
        self._members = 0
        self._largest = 0
        self._alone = 0
        self._dissolved = 0
        self._told_at_s = float("-inf")

    def statistics(self) -> GroupStatistics:
        return GroupStatistics(self._groups, self._members, self._largest, self._alone, self._dissolved)

    @asynccontextmanager
    async def seat(self, item: ItemT, *, lane: str, until_s: float) -> AsyncIterator[OutcomeT | None]:
        """The outcome of an item, once what its group did is committed; None to whoever has to do it alone, within this block.

        Two of one `lane` (a phone) are never under way at the same time, alone included, and go in the order in which they came. `until_s` is the
        loop's time at which nobody waits for it any more: a group goes on without who left it.

        *Errors*: PoolFull where too many wait; DeadlineExceeded for one that was not begun; CommitUnknown for one that was; what ended the group.
        """
        if len(self._queue) >= self._may_wait:
            raise PoolFull
        seat = _Seat[ItemT, OutcomeT](item, lane, until_s, asyncio.get_running_loop().create_future())
        self._queue.append(seat)
        self._begin()
        try:
            yield await self._outcome_of(seat)
        finally:
            if seat.was_taken:
                self._lanes.discard(lane)
                self._begin()

    async def _outcome_of(self, seat: _Seat[ItemT, OutcomeT]) -> OutcomeT | None:
        limit = asyncio.timeout_at(seat.until_s)
        try:
            async with limit:
                return await seat.outcome
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise (CommitUnknown if seat.was_taken else DeadlineExceeded) from error

    def _begin(self) -> None:
        """Begins one more group if there is somebody for it and fewer than may are under way.

        It takes its members when its turn of the loop comes, so all who came in this one go together.
        """
        if self._running < self._may_run and any(seat.lane not in self._lanes for seat in self._queue):
            self._running += 1
            beside(self._run(), name="flatwater group commit")

    def _taken(self) -> list[_Seat[ItemT, OutcomeT]]:
        """The next group: in the order in which they came, one of a lane. Who left meanwhile is let go."""
        now_s = asyncio.get_running_loop().time()
        taken: list[_Seat[ItemT, OutcomeT]] = []
        left: deque[_Seat[ItemT, OutcomeT]] = deque()
        for seat in self._queue:
            if seat.outcome.done():
                continue
            if len(taken) >= self._most or seat.lane in self._lanes:
                left.append(seat)
                continue
            self._lanes.add(seat.lane)
            seat.was_taken = True
            if seat.until_s - now_s < LEAST_LEFT_S:
                self._alone += 1
                seat.outcome.set_result(None)
            else:
                taken.append(seat)
        self._queue = left
        return taken

    async def _run(self) -> None:
        try:
            while taken := self._taken():
                self._begin()  # more may have come than one group takes
                await self._do(taken)
        finally:
            self._running -= 1
            self._begin()

    async def _do(self, taken: list[_Seat[ItemT, OutcomeT]]) -> None:
        self._groups += 1
        self._members += len(taken)
        self._largest = max(self._largest, len(taken))
        loop = asyncio.get_running_loop()
        # Half of the time that is left, so that what comes to nothing can still be done alone.
        within_s = (min(seat.until_s for seat in taken) - loop.time()) / 2
        try:
            outcomes = await self._work([seat.item for seat in taken], within_s)
        except TOLD_TO_EACH as error:
            for seat in taken:
                if not seat.outcome.done():
                    seat.outcome.set_exception(_same(error))
            return
        except EXPECTED as error:
            log.info("a group of %d is done one by one: %s", len(taken), error or type(error).__name__)
            self._dissolved += 1
            outcomes = [None] * len(taken)
        except Exception as error:  # noqa: BLE001  written down here, and each goes alone
            self._tell(error)
            self._dissolved += 1
            outcomes = [None] * len(taken)
        except BaseException:
            for seat in taken:
                seat.outcome.cancel()
            raise
        for seat, outcome in zip(taken, outcomes, strict=True):
            self._alone += outcome is None
            if not seat.outcome.done():
                seat.outcome.set_result(outcome)

    def _tell(self, error: Exception) -> None:
        """A mistake of ours, which nobody alone may meet: it would only make everything slower. Written down once a minute."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._told_at_s >= TELL_AGAIN_S:
            self._told_at_s = now_s
            log.error("groups are done one by one for an unexpected error", exc_info=error)


def _same(error: RefusedT) -> RefusedT:
    """The error once more, for somebody else: one that is raised in many places gathers the traces of all."""
    return type(error)(str(error), retry_after_s=error.retry_after_s)
