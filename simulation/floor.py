"""How fast the program itself is under this driver, with nothing chosen, judged or compared: what deeds a second are to be read beside."""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import Any

from simulation.deeds import uuid_of
from simulation.model.things import LEVELS
from simulation.player import Options, Player, Step
from simulation.stage import FIRST_DAY, Stage

SECONDS = 8.0
AT_ONCE = 24
WARM_S = 2.0


async def run_floor(asked: argparse.Namespace) -> int:
    """Prints how many requests a second two processes answer: one that does nothing, one that reads, one that writes a result."""
    stage = Stage(asked.port)
    try:
        await stage.open()
        run = stage.new_run()
        try:
            await run.start()
            player = Player(
                stage,
                run,
                1,
                Options(schools=asked.schools, children=max(asked.children, AT_ONCE), faults=False),
            )
            await player.take(Step("day", day=FIRST_DAY.isoformat()))
            await player.make_world()
            print(f"floor: {AT_ONCE} requests at once, two processes, {SECONDS:g} s each", flush=True)
            for name, ask in (
                ("GET /version", _version),
                ("GET /api/v1/students/{id}", _child),
                ("POST /api/v1/results", _result),
            ):
                await _rate(player, ask, WARM_S)
                rate, refused = await _rate(player, ask, SECONDS)
                print(f"  {name:28} {rate:6.0f} a second, {refused} refused", flush=True)
        finally:
            await run.throw_away()
    finally:
        stage.close()
    return 0


async def _rate(player: Player, ask: Any, seconds: float) -> tuple[float, int]:
    """Requests answered a second by as many clients at once, each with a child of its own; and how many were refused."""
    children = [player.world.ids[each.id] for each in player.world.p.children.values()]
    until = time.perf_counter() + seconds
    began, done, refused = time.perf_counter(), 0, 0

    async def client(number: int) -> None:
        nonlocal done, refused
        versions: dict[str, int] = {}
        turn = 0
        while time.perf_counter() < until:
            turn += 1
            is_done = await ask(player, number, turn, children[number], versions)
            done += is_done
            refused += not is_done

    await asyncio.gather(*(client(number) for number in range(AT_ONCE)))
    return done / (time.perf_counter() - began), refused


async def _version(player: Player, number: int, _turn: int, _child: str, _versions: dict[str, int]) -> bool:
    return (await player.run.client.ask(number, "GET", "/version", {})).is_done


async def _child(player: Player, number: int, _turn: int, child: str, _versions: dict[str, int]) -> bool:
    return (await player.run.api(_who(number), "GET", f"/api/v1/students/{child}", which=number)).is_done


async def _result(player: Player, number: int, turn: int, child: str, versions: dict[str, int]) -> bool:
    """The first of a child is written, the others change it."""
    known = versions.get(child)
    if known is None:
        found = await player.run.api("coordinator1", "GET", f"/api/v1/students/{child}/results?limit=10")
        known = next((row["version"] for row in found.json()["items"]), None)
    write = uuid_of("floor", number, turn, time.perf_counter())
    body = {
        "id": write,
        "student_id": child,
        "round_id": player.world.ids[next(iter(player.world.p.rounds))],
        "subject": "math",
        "tested_on": FIRST_DAY.isoformat(),
        "outcome": "assessed",
        "level": LEVELS["math"][turn % len(LEVELS["math"])],
        "version": known,
    }
    answer = await player.run.api(_who(number), "POST", "/api/v1/results", body, which=number, key=write)
    told = answer.json() if answer.is_done else {}
    is_done = told.get("code") in ("saved", "changed")
    if is_done:
        versions[child] = told["version"]
    return is_done


def _who(number: int) -> str:
    return f"coordinator{1 + number % 2}"
