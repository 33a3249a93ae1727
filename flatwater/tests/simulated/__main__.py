"""Simulates flatwater's machinery: `python flatwater/tests/simulated --seconds 10 [--seed 7] [--mutations]`.

Prints seeds, seeds a second and, with --mutations, which safeguards that were taken out were seen and after how many seeds.
Exits with 1 and the seed when something that must hold did not.
"""

from __future__ import annotations

import argparse
import logging
import secrets
import sys
import time
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parent))

from simulated_loop import simulate
from simulated_mutations import MUTATIONS
from simulated_worlds import WORLDS

MOST_SEEDS = 3_000


def caught_after(name: str, first_seed: int, most: int = MOST_SEEDS) -> int | None:
    """How many seeds it took until the world saw what was taken out; None when none did."""
    world, taken_out = MUTATIONS[name]
    with taken_out():
        for number in range(most):
            try:
                simulate(first_seed + number, WORLDS[world])
            except BaseException as error:  # a safeguard that is gone may show in any way
                if isinstance(error, KeyboardInterrupt):
                    raise
                return number + 1
    return None


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--seconds", type=float, default=10.0)
    words.add_argument("--seed", type=int, default=None, help="run this seed only, in every world")
    words.add_argument("--mutations", action="store_true")
    asked = words.parse_args()
    logging.disable(logging.CRITICAL)  # what the worlds do to it would be told a hundred times a second
    first = asked.seed if asked.seed is not None else secrets.randbelow(10**9)
    began, seeds = time.perf_counter(), 0
    while True:
        for name, world in WORLDS.items():
            try:
                digest = simulate(first + seeds, world)
            except Exception as error:
                click.echo(f"seed {first + seeds} in {name}: {type(error).__name__}: {error}")
                return 1
            if asked.seed is not None:
                click.echo(f"seed {first} in {name}: {digest[:16]}")
        seeds += 1
        if asked.seed is not None or time.perf_counter() - began > asked.seconds:
            break
    took_s = time.perf_counter() - began
    runs = seeds * len(WORLDS)
    click.echo(
        f"seeds {first} to {first + seeds - 1} in {len(WORLDS)} worlds: {runs} runs in {took_s:.1f} s, {runs / took_s:.0f} a second, {runs / took_s * 60:,.0f} a minute; nothing broke"
    )
    if asked.mutations:
        missed = 0
        for name in MUTATIONS:
            after = caught_after(name, first)
            missed += after is None
            click.echo(
                f"  taken out: {name}: "
                + (f"seen after {after} seeds" if after else f"NOT SEEN in {MOST_SEEDS} seeds")
            )
        click.echo(f"{len(MUTATIONS) - missed} of {len(MUTATIONS)} safeguards that were taken out were seen")
        return 1 if missed else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
