"""Flatwater's machinery under a simulated event loop: what must hold holds by every seed, and what is taken out is seen."""

from __future__ import annotations

import logging
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "simulated"))

from simulated_loop import SimulatedLoop, Stuck, simulate
from simulated_mutations import MUTATIONS
from simulated_worlds import WORLDS

FOLDER = Path(__file__).parent / "simulated"
FIXED = range(2026, 2046)
MOST_SEEDS = 600


@pytest.fixture(autouse=True)
def silent() -> Iterator[None]:
    """What the worlds do to it would be told a hundred times a second."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", WORLDS)
def test_what_must_hold_holds_by_fixed_seeds(name: str) -> None:
    for seed in FIXED:
        simulate(seed, WORLDS[name])


def test_what_must_hold_holds_by_a_fresh_seed() -> None:
    seed = secrets.randbelow(10**9)
    print(f"python flatwater/tests/simulated --seed {seed}")  # noqa: T201  shown when it fails
    for name in WORLDS:
        simulate(seed, WORLDS[name])


@pytest.mark.parametrize("name", WORLDS)
def test_a_seed_gives_the_same_run_bit_for_bit(name: str) -> None:
    digests = {simulate(77, WORLDS[name]) for _ in range(3)}
    assert len(digests) == 1
    assert digests != {simulate(78, WORLDS[name])}


def test_also_in_another_process_whose_hashes_are_others() -> None:
    said = {
        subprocess.run(
            [sys.executable, str(FOLDER), "--seed", "77"],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
            env={**os.environ, "PYTHONHASHSEED": number},
        ).stdout.rpartition("seeds 77")[0]
        for number in ("1", "2")
    }
    assert len(said) == 1
    assert said.pop().count("seed 77 in ") == len(WORLDS)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_safeguard_that_is_taken_out_is_seen(name: str) -> None:
    world, taken_out = MUTATIONS[name]
    with taken_out():
        for seed in range(MOST_SEEDS):
            try:
                simulate(seed, WORLDS[world])
            except Exception:
                break
        else:
            pytest.fail(f"nobody saw in {MOST_SEEDS} seeds that {name}")
    simulate(seed, WORLDS[world])  # and with the safeguard the same seed is well


def test_somebody_who_waits_for_ever_is_seen() -> None:
    async def world(loop: SimulatedLoop) -> None:
        await loop.create_future()

    with pytest.raises(Stuck):
        simulate(1, world)


def test_an_hour_takes_no_time() -> None:
    async def world(loop: SimulatedLoop) -> None:
        import asyncio

        await asyncio.sleep(3_600)
        assert loop.time() == 3_600

    simulate(1, world)
