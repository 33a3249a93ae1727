"""Deeds under way: a new one begins as soon as there is room and nothing under way touches its things, and they are settled in the order in which they began.

So what the model knows when a deed is made up does not depend on which answer came first: one seed gives the same deeds again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulation.deeds import EVERYTHING, KINDS, Deed

if TYPE_CHECKING:
    from simulation.player import Player, Told


@dataclass
class UnderWay:
    """A deed that has begun: what the model says of it, and what no other may touch meanwhile."""

    deed: Deed
    verdict: str
    touched: set[object]
    task: asyncio.Task[Told | None]


@dataclass(frozen=True)
class Shown:
    """Names that were shown to somebody with no right to them then; `until`: when the last deed that was under way then is settled."""

    who: str
    names: frozenset[bytes]
    asked: str
    until: int


class Window:
    """The deeds of one programme that are under way, `size` at most."""

    def __init__(self, player: Player, size: int) -> None:
        self._player = player
        self._size = size
        self._under_way: deque[UnderWay] = deque()
        self._touched: deque[tuple[int, set[object]]] = deque(maxlen=2 * size)
        self._suspects: list[Shown] = []
        self.begun = 0
        self.settled = 0

    def __len__(self) -> int:
        return len(self._under_way)

    def may_join(self, deed: Deed, touched: set[object]) -> bool:
        """Whether a deed touches nothing of what is under way. Whose rights change acts in no other deed meanwhile."""
        if EVERYTHING in touched and self._under_way:
            return False
        return not any(
            EVERYTHING in each.touched
            or touched & each.touched
            or each.deed.who in touched
            or deed.who in each.touched
            for each in self._under_way
        )

    async def make_room_for(self, deed: Deed, touched: set[object]) -> None:
        """Settles, from the first on, what a deed has to wait for."""
        while len(self._under_way) >= self._size or not self.may_join(deed, touched):
            await self.settle_first()

    def begin(
        self, deed: Deed, touched: set[object], perform: Callable[[Deed], Coroutine[Any, Any, Told | None]]
    ) -> None:
        """Begins a deed for which there is room. *Errors*: NothingThere, Groundless, where there is nothing that it could be about."""
        verdict = KINDS[deed.kind].judge(self._player.world, deed)
        self.begun += 1
        self._under_way.append(UnderWay(deed, verdict, touched, asyncio.create_task(perform(deed))))

    async def settle_first(self) -> None:
        """Waits for the deed that began first, compares it and does it in the model."""
        first = self._under_way[0]
        told = await first.task
        self._under_way.popleft()
        self._touched.append((self.settled, first.touched))
        self.settled += 1
        if told is not None:
            self._player.settled(first.deed, first.verdict, told)
        self.judge_names()

    async def settle_all(self) -> None:
        """Waits for everything that is under way."""
        while self._under_way:
            await self.settle_first()

    async def give_up(self) -> None:
        """Lets go of what is under way, when a programme ends by a difference."""
        for each in self._under_way:
            each.task.cancel()
        await asyncio.gather(*(each.task for each in self._under_way), return_exceptions=True)
        self._under_way.clear()

    # Names -----------------------------------------------------------------------------------------------------------

    def shown(self, who: str, names: set[bytes], asked: str, since: int) -> None:
        """Looks at the names in an answer to somebody who is no leader; `since`: how many deeds were settled when it was asked for.

        A name is shown wrongly when there was no right to it when it came, and none comes with what is under way. What was changed while the
        question was on its way may have been as it was: that is not judged.
        """
        changed = {one for number, touched in self._touched if number >= since for one in touched}
        wrong = self._player.without_right(who, names, but=changed)
        if wrong:
            self._suspects.append(Shown(who, frozenset(wrong), asked, self.begun))

    def judge_names(self) -> None:
        """Tells of what was shown without a right, once nothing is under way that may have given one."""
        left: list[Shown] = []
        for each in self._suspects:
            wrong = self._player.without_right(each.who, set(each.names), but=set())
            if wrong and self.settled >= each.until:
                self._player.differ(
                    "a name shown to somebody without a right",
                    "no name",
                    [name.decode() for name in sorted(wrong)[:3]],
                    where=f"{each.who}, {each.asked}",
                )
            elif wrong:
                left.append(Shown(each.who, frozenset(wrong), each.asked, each.until))
        self._suspects = left
