"""Puts in one planted fault after another and sees that each is found; the table that is published with every run."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace

from simulation.planted import IN_DATABASE, NAMES, NEEDS
from simulation.player import Options, Player, Step
from simulation.stage import Stage

BOUND = 1_500
"""Within so many deeds each planted fault is found."""
QUICK = ("a list that stops at a page", "an aggregate not taken back on deletion")
"""Those that every run of the tests puts in: one in the program, one in the database."""
OPTIONS = Options(days=7, schools=3, children=5, deeds_a_day=70, lost=0.15, pages=0.1, faults=False)


@dataclass
class Caught:
    """What became of one planted fault. `control` is what differs without it: nothing, where the program is sound."""

    name: str
    sort: str
    deeds: int
    seconds: float
    seed: int
    control: str

    @property
    def is_caught(self) -> bool:
        return bool(self.sort) and not self.control

    @property
    def line(self) -> str:
        if self.control:
            return f"  {self.name:42} NOT SHOWN: without it, too: {self.control}"
        if not self.sort:
            return f"  {self.name:42} NOT FOUND in {self.deeds} deeds"
        return f"  {self.name:42} found after {self.deeds:5} deeds, {self.seconds:4.1f} s, seed {self.seed}: {self.sort}"


async def caught(
    stage: Stage,
    name: str,
    first_seed: int,
    bound: int = BOUND,
    ignore: frozenset[str] = frozenset(),
    options: Options = OPTIONS,
) -> Caught:
    """Plays programmes with the fault in them until it is found or the bound is reached, then the same deeds without it."""
    options = replace(options, only=frozenset(NEEDS[name]), ignore=ignore)
    began, deeds, seed, sort = time.monotonic(), 0, first_seed, ""
    script: list[Step] = []
    while deeds < bound:
        player = await _played(stage, seed, options, name, IN_DATABASE.get(name, ""))
        deeds += player.deeds
        if player.differences:
            sort, script = player.differences[0].sort, player.script
            break
        seed += 1
    seconds = time.monotonic() - began
    control = (await _played(stage, seed, options, "", "", script)).differences if sort else []
    return Caught(name, sort, deeds, seconds, seed, control[0].sort if control else "")


async def _played(
    stage: Stage, seed: int, options: Options, plant: str, sql: str, script: list[Step] | None = None
) -> Player:
    """One programme: made up from the seed, or a script once more."""
    run = stage.new_run(plant=plant, sql=sql)
    try:
        await run.start()
        player = Player(stage, run, seed, options)
        if script is None:
            await player.invent()
        else:
            await player.play(script)
    finally:
        await run.throw_away()
    return player


async def run_planted(asked: argparse.Namespace) -> int:
    """Every planted fault, or the one that was named."""
    names = (asked.plant,) if asked.plant else NAMES
    seed = asked.seed if asked.seed is not None else 1
    stage = Stage(asked.port)
    found: list[Caught] = []
    try:
        await stage.open()
        print("safeguards removed and caught", flush=True)
        for name in names:
            found.append(await caught(stage, name, seed, ignore=frozenset(asked.ignore)))
            print(found[-1].line, flush=True)
    finally:
        stage.close()
    missed = [each.name for each in found if not each.is_caught]
    print(
        f"{len(found) - len(missed)} of {len(found)} found, each within {BOUND} deeds"
        + (f"; not found: {', '.join(missed)}" if missed else "")
    )
    return 1 if missed else 0
