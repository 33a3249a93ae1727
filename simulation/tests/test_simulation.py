"""The simulated programme for 45 seconds: fixed seeds, a fresh one, and a few planted faults."""

from __future__ import annotations

import asyncio
import time
from random import SystemRandom

import pytest
from simulation.planting import QUICK, caught
from simulation.player import Difference, Options, Player
from simulation.stage import Stage

FIXED = (7, 11)
SECONDS = 45.0
OPTIONS = Options(days=5, schools=3, children=5, deeds_a_day=110)


async def _played(stage: Stage, seed: int, until: float) -> Player:
    run = stage.new_run()
    try:
        await run.start()
        player = Player(stage, run, seed, OPTIONS)
        player.until = until
        await player.invent()
    finally:
        await run.throw_away()
    return player


def test_nothing_differs_on_fixed_seeds_and_a_fresh_one(capsys: pytest.CaptureFixture[str]) -> None:
    async def play() -> list[tuple[int, Difference]]:
        found: list[tuple[int, Difference]] = []
        stage = Stage(20_800)
        try:
            await stage.open()
            until = time.monotonic() + SECONDS
            for seed in (*FIXED, SystemRandom().randrange(1_000_000)):
                player = await _played(stage, seed, until)
                found += [(seed, each) for each in player.differences]
                with capsys.disabled():
                    print(
                        f"\nsimulated programme, seed {seed}: {player.deeds} deeds, {player.counts['comparisons']} comparisons"
                    )
        finally:
            stage.close()
        return found

    found = asyncio.run(play())
    assert not found, "\n".join(f"make simulate ARGS='--seed {seed}': {each.words}" for seed, each in found)


def test_planted_faults_are_found(capsys: pytest.CaptureFixture[str]) -> None:
    async def play() -> list[str]:
        missed: list[str] = []
        stage = Stage(20_850)
        try:
            await stage.open()
            for name in QUICK:
                told = await caught(stage, name, first_seed=1)
                with capsys.disabled():
                    print(f"\n{told.line}")
                if not told.is_caught:
                    missed.append(told.line)
        finally:
            stage.close()
        return missed

    assert not asyncio.run(play())
