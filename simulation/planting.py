"""Puts in one planted fault after another and sees that each is found; the table that is published with every run."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

from simulation.planted import IN_DATABASE, NAMES
from simulation.player import Options, Player
from simulation.stage import Stage

BOUND = 3_000
"""Within so many deeds each planted fault is found."""
QUICK = (
    "a list that stops at a page",
    "a figure by today's grade",
    "an aggregate not taken back on deletion",
)
"""Those that every run of the tests puts in: one of a list, one of a cell, one of an aggregate."""


@dataclass
class Caught:
    """What became of one planted fault."""

    name: str
    sort: str
    deeds: int
    seconds: float
    seed: int

    @property
    def line(self) -> str:
        told = (
            f"found after {self.deeds:5} deeds, {self.seconds:5.1f} s, seed {self.seed}: {self.sort}"
            if self.sort
            else f"NOT FOUND in {self.deeds} deeds"
        )
        return f"  {self.name:42} {told}"


async def caught(stage: Stage, name: str, options: Options, first_seed: int, bound: int = BOUND) -> Caught:
    """Plays programmes with the fault in them until it is found or the bound is reached."""
    began, deeds, seed = time.monotonic(), 0, first_seed
    while deeds < bound:
        run = stage.new_run(plant=name, sql=IN_DATABASE.get(name, ""))
        try:
            await run.start()
            player = Player(stage, run, seed, options)
            await player.invent()
        finally:
            await run.throw_away()
        deeds += player.deeds
        if player.differences:
            return Caught(name, player.differences[0].sort, deeds, time.monotonic() - began, seed)
        seed += 1
    return Caught(name, "", deeds, time.monotonic() - began, seed)


async def run_planted(asked: argparse.Namespace) -> int:
    """Every planted fault (or the one that was named), and first the same programme without any."""
    names = (asked.plant,) if asked.plant else NAMES
    seed = asked.seed if asked.seed is not None else 1
    options = Options(
        days=8,
        schools=4,
        deeds_a_day=150,
        faults=False,
        without=frozenset(filter(None, asked.without.split(","))),
    )
    stage = Stage(asked.port)
    found: list[Caught] = []
    try:
        await stage.open()
        print("safeguards removed and caught", flush=True)
        for name in names:
            found.append(await caught(stage, name, options, seed))
            print(found[-1].line, flush=True)
    finally:
        stage.close()
    missed = [each.name for each in found if not each.sort]
    print(
        f"{len(found) - len(missed)} of {len(found)} found, each within {BOUND} deeds"
        + (f"; not found: {', '.join(missed)}" if missed else "")
    )
    return 1 if missed else 0
