"""From a long script that shows a difference to the shortest that still does: whole kinds first, then schools and children, then ever smaller parts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from simulation.deeds import KINDS, Deed
from simulation.model.things import Groundless
from simulation.player import Difference, Options, Player, Step
from simulation.stage import Run, Stage

MOST_S = 150.0
MOST_REPLAYS = 160
MOST_STORIES = 14


class Shrinker:
    """Plays shorter and shorter scripts on fresh copies of the template."""

    def __init__(
        self,
        stage: Stage,
        seed: int,
        options: Options,
        plant: str = "",
        sql: str = "",
        most_s: float = MOST_S,
    ) -> None:
        self._stage = stage
        self._seed = seed
        self._options = options
        self._plant = plant
        self._sql = sql
        self._until = time.monotonic() + most_s
        self.replays = 0
        self.ended_by_errors = 0
        self._ready: asyncio.Task[Run] | None = None

    async def replay(self, script: list[Step]) -> Difference | None:
        """The first difference that a script shows."""
        self.replays += 1
        run = await (self._ready or self._prepare())
        # While this one is played the next is started.
        self._ready = asyncio.create_task(self._prepare())
        try:
            player = Player(self._stage, run, self._seed, self._options)
            await player.play([replace(step, deeds=list(step.deeds)) for step in script])
        except Groundless:
            return None  # what was left out made something that an accepted deed is about
        finally:
            await run.throw_away()
        return player.differences[0] if player.differences else None

    async def _prepare(self) -> Run:
        run = self._stage.new_run(processes=1, plant=self._plant, sql=self._sql)
        await run.start()
        return run

    async def close(self) -> None:
        """Throws away the run that was prepared and not needed."""
        if self._ready is not None:
            await (await self._ready).throw_away()
            self._ready = None

    async def shrink(
        self, script: list[Step], difference: Difference, found_by: str
    ) -> tuple[list[Step], Difference]:
        """The shortest script found within the time that shows a difference of the same sort, and that difference."""
        kept = [step for step in script[:-1] if step.sort != "look"] + [
            replace(script[-1], only=found_by, fault="", narrow=difference.where)
        ]
        best = difference
        if (found := await self.replay(kept)) is None or found.sort != difference.sort:
            kept = script
        else:
            best = found
        # What touches no figure first, all at once: half of a programme is of such kinds, and every replay after it is the quicker.
        kept, best = await self._without(kept, _of_plain_kinds(kept), best)
        for parts in (_by_kind, _by_school):
            kept, best = await self._fewer(kept, parts(kept), best)
        for part in _all_but_one_child(kept)[:MOST_STORIES]:
            if self._is_over():
                return kept, best
            before = len(_keys(kept))
            kept, best = await self._without(kept, part, best)
            if len(_keys(kept)) < before:
                break
        for parts in (_by_child, _by_deed):
            kept, best = await self._fewer(kept, parts(kept), best)
        return _tidy(kept), best

    async def _fewer(
        self, script: list[Step], groups: list[set[int]], best: Difference
    ) -> tuple[list[Step], Difference]:
        """Takes groups of deeds out, first half of them at once, then ever fewer."""
        size = max(1, len(groups) // 2)
        while groups:
            # The last first: what a difference needs least often stands right before it.
            for start in range(((len(groups) - 1) // size) * size, -1, -size):
                if self._is_over():
                    return script, best
                part = set().union(*groups[start : start + size])
                script, best = await self._without(script, part, best)
            if size == 1:
                break
            left = set(_keys(script))
            groups = [each & left for each in groups if each & left]
            size = max(1, min(size // 2, len(groups) // 2))
        return script, best

    def _is_over(self) -> bool:
        return time.monotonic() > self._until or self.replays >= MOST_REPLAYS

    async def _without(
        self, script: list[Step], part: set[int], best: Difference
    ) -> tuple[list[Step], Difference]:
        if not part & set(_keys(script)):
            return script, best
        shorter = _tidy(
            [replace(step, deeds=[each for each in step.deeds if each.key not in part]) for step in script]
        )
        try:
            found = await self.replay(shorter)
        except (LookupError, RuntimeError):
            # A deed without what was left out may end in an error of the driver's: it shows nothing, and that is told.
            self.ended_by_errors += 1
            return script, best
        if found is not None and found.sort == best.sort:
            return shorter, found
        return script, best


def _deeds(script: list[Step]) -> list[Deed]:
    return [each for step in script for each in step.deeds]


def _keys(script: list[Step]) -> list[int]:
    return [each.key for each in _deeds(script)]


def _grouped(script: list[Step], name: Callable[[Deed], object]) -> list[set[int]]:
    groups: dict[object, set[int]] = {}
    for each in _deeds(script):
        groups.setdefault(name(each), set()).add(each.key)
    return sorted(groups.values(), key=len, reverse=True)


def _of_plain_kinds(script: list[Step]) -> set[int]:
    return {each.key for each in _deeds(script) if KINDS[each.kind].is_plain}


def _by_kind(script: list[Step]) -> list[set[int]]:
    return _grouped(script, lambda deed: deed.kind)


def _by_school(script: list[Step]) -> list[set[int]]:
    schools = sorted({str(each.given["school"]) for each in _deeds(script) if each.kind == "enrol"})
    return [
        {
            each.key
            for each in _deeds(script)
            if each.given.get("school") == school or f"school {each.key}" == school
        }
        for school in schools
    ]


def _by_child(script: list[Step]) -> list[set[int]]:
    """For each child the deed that enrolled it and those that are about it alone."""
    groups: dict[str, set[int]] = {each.uuid(): {each.key} for each in _deeds(script) if each.kind == "enrol"}
    for each in _deeds(script):
        child = each.given.get("child") or each.given.get("gone")
        if child in groups:
            groups[child].add(each.key)
    return list(groups.values())


def _all_but_one_child(script: list[Step]) -> list[set[int]]:
    """For each child of whom there is a story: all deeds that are about other children only. Most differences are about one child."""
    deeds = _deeds(script)
    enrolled = {each.uuid(): each.key for each in deeds if each.kind == "enrol"}
    about = {each.key: {child for child in enrolled if child in str(each.given)} for each in deeds}
    stories = {child: sum(1 for each in deeds if child in about[each.key]) for child in enrolled}
    parts: list[set[int]] = []
    for child in sorted((each for each in stories if stories[each]), key=lambda each: -stories[each]):
        others = {key for other, key in enrolled.items() if other != child}
        parts.append(others | {key for key, children in about.items() if children and child not in children})
    return parts


def _by_deed(script: list[Step]) -> list[set[int]]:
    return [{each} for each in _keys(script)]


def _tidy(script: list[Step]) -> list[Step]:
    """Without empty waves, and without days on which nothing is done."""
    kept: list[Step] = []
    for step in script:
        if step.sort == "wave" and not step.deeds and not step.fault:
            continue
        if step.sort == "day" and kept and kept[-1].sort == "day":
            kept.pop()
        kept.append(step)
    return kept
