"""A script played once: for the tests that the simulation writes."""

from __future__ import annotations

import asyncio
import json

from simulation.player import Options, step_of
from simulation.shrinking import Shrinker
from simulation.stage import Stage


def replay(text: str, port: int = 20_200) -> str | None:
    """What differs when a script is played on today's program, in words; None when nothing does."""

    async def play() -> str | None:
        stage = Stage(port)
        try:
            await stage.open()
            shrinker = Shrinker(stage, 0, Options())
            found = await shrinker.replay([step_of(each) for each in json.loads(text)])
            await shrinker.close()
        finally:
            stage.close()
        return None if found is None else found.words

    return asyncio.run(play())
