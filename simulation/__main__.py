"""`python -m simulation`: the simulated programme. Exits 0 when nothing differs."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from random import SystemRandom

from simulation.deeds import KINDS as DEEDS
from simulation.player import Difference, Options, Player, Step
from simulation.reporting import Report, write_test
from simulation.shrinking import Shrinker
from simulation.stage import Stage


def parse(arguments: list[str]) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m simulation", description=__doc__)
    parser.add_argument(
        "--seed", type=int, default=None, help="the first seed (default: a fresh one, printed)"
    )
    parser.add_argument(
        "--seeds", type=int, default=None, help="how many programmes (default: as many as fit in the minutes)"
    )
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--days", type=int, default=14, help="days of a programme")
    parser.add_argument("--schools", type=int, default=5)
    parser.add_argument("--children", type=int, default=9, help="children of a school at the beginning")
    parser.add_argument("--deeds", type=int, default=150, help="deeds a day")
    parser.add_argument(
        "--hosts",
        type=int,
        default=0,
        help="so many hosts, each with a data folder of its own (default: two processes on one)",
    )
    parser.add_argument("--no-shrink", action="store_true", help="print the difference as it was found")
    parser.add_argument("--shrink-seconds", type=float, default=150.0)
    parser.add_argument("--no-faults", action="store_true", help="kill nothing")
    parser.add_argument(
        "--go-on",
        action="store_true",
        help="after a difference go on with the next seed, and pass over its sort",
    )
    parser.add_argument("--swarm", action="store_true", help="each programme with a random part of the deeds")
    parser.add_argument("--without", default="", help="kinds of deeds left out, with commas")
    parser.add_argument(
        "--only", default="", help="kinds of deeds beside those that make the scene, with commas"
    )
    parser.add_argument(
        "--ignore",
        action="append",
        default=[],
        help="a sort of difference to pass over (as printed; may be given again)",
    )
    parser.add_argument(
        "--planted", action="store_true", help="put in every planted fault in turn and see that it is found"
    )
    parser.add_argument("--plant", default="", help="only this planted fault")
    parser.add_argument(
        "--floor", action="store_true", help="how fast the program is with nothing judged or compared"
    )
    parser.add_argument("--port", type=int, default=20_100)
    parser.add_argument(
        "--tests",
        type=Path,
        default=Path("simulation/found"),
        help="where a shortest sequence is written as a test",
    )
    parser.add_argument(
        "--report", type=Path, default=None, help="a file for the differences found, as Markdown"
    )
    return parser.parse_args(arguments)


async def play_seed(
    stage: Stage, seed: int, options: Options, *, hosts: int = 0, plant: str = "", sql: str = ""
) -> Player:
    """One programme from a seed."""
    run = stage.new_run(processes=hosts or 2, hosts=bool(hosts), plant=plant, sql=sql)
    try:
        await run.start()
        player = Player(stage, run, seed, options)
        await player.invent()
    finally:
        await run.throw_away()
    return player


async def simulate(asked: argparse.Namespace) -> int:
    """Programme after programme until the time is over, or until something differs."""
    first = asked.seed if asked.seed is not None else SystemRandom().randrange(1_000_000)
    known: dict[str, list[frozenset[str]]] = {}
    options = Options(
        days=asked.days,
        schools=asked.schools,
        deeds_a_day=asked.deeds,
        children=asked.children,
        faults=not asked.no_faults,
        swarm=asked.swarm,
        without=frozenset(filter(None, asked.without.split(","))),
        known=known,
        ignore=frozenset(asked.ignore),
        only=frozenset(filter(None, asked.only.split(","))),
    )
    print(f"simulated programme: seeds from {first}, {asked.minutes:g} minutes", flush=True)
    report = Report()
    stage = Stage(asked.port)
    try:
        await stage.open()
        until = time.monotonic() + asked.minutes * 60
        seed = first
        while time.monotonic() < until and (asked.seeds is None or seed < first + asked.seeds):
            began = time.monotonic()
            player = await play_seed(stage, seed, options, hosts=asked.hosts)
            report.add(player, time.monotonic() - began)
            for difference in player.differences[:1]:
                print(f"\nseed {seed}: {difference.words}", flush=True)
                script, shortest = await shortened(stage, seed, options, player, difference, asked)
                report.found(seed, script, shortest)
                culprits = culprits_of(script)
                known.setdefault(difference.sort, []).append(culprits)
                if difference.deed is not None or not culprits or asked.no_shrink:
                    options = replace(options, ignore=options.ignore | {difference.sort})
            if asked.report:
                asked.report.write_text(report.markdown(), "utf-8")
            if player.differences and not asked.go_on:
                break
            seed += 1
    finally:
        stage.close()
    print(report.words(first, seed))
    return 0 if report.is_clean else 1


def culprits_of(script: list[Step]) -> frozenset[str]:
    """The kinds of deeds in a shortest sequence that are not in every programme."""
    plain = {"test", "test_many", "grid", "step_round"}
    kinds = {each.kind for step in script for each in step.deeds}
    return frozenset(each for each in kinds if each not in plain and not DEEDS[each].is_setup)


async def shortened(
    stage: Stage,
    seed: int,
    options: Options,
    player: Player,
    difference: Difference,
    asked: argparse.Namespace,
) -> tuple[list[Step], Difference]:
    """The shortest sequence, printed and written out as a test; the whole one first, in case this is ended."""
    script = player.script
    write_test(asked.tests, seed, script, difference)
    if not asked.no_shrink:
        shrinker = Shrinker(stage, seed, options, most_s=asked.shrink_seconds)
        before = sum(len(step.deeds) for step in script)
        try:
            script, difference = await shrinker.shrink(script, difference, player.found_by)
        finally:
            await shrinker.close()
        after = sum(len(step.deeds) for step in script)
        lost = f", {shrinker.ended_by_errors} of them ended by an error" if shrinker.ended_by_errors else ""
        print(f"  shortened from {before} deeds to {after} in {shrinker.replays} replays{lost}:", flush=True)
        for step in script:
            for deed in step.deeds:
                print(f"    {deed.words}")
        print(f"  {difference.words}", flush=True)
    path = write_test(asked.tests, seed, script, difference)
    print(f"  as a test: {path}", flush=True)
    return script, difference


def main() -> None:
    """Runs what was asked for."""
    asked = parse(sys.argv[1:])
    # Told to stop, it takes its server and its processes down with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if asked.planted or asked.plant:
        from simulation.planting import run_planted

        sys.exit(asyncio.run(run_planted(asked)))
    if asked.floor:
        from simulation.floor import run_floor

        sys.exit(asyncio.run(run_floor(asked)))
    sys.exit(asyncio.run(simulate(asked)))


if __name__ == "__main__":
    main()
