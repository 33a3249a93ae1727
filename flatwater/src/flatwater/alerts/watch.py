"""Looking again and again, and telling what the alarms say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

from flatwater.alerts.alarms import Alarms
from flatwater.alerts.delivery import Delivery
from flatwater.baselines import SERVICE_LEVELS, Baseline, evaluate

log = logging.getLogger("flatwater.alerts")

EVERY_S: Final = 15.0
LOOK_S: Final = 10.0


async def keep_watch(
    read: Callable[[], Awaitable[Mapping[str, float | None]]],
    alarms: Alarms,
    delivery: Delivery,
    *,
    baselines: Iterable[Baseline] = SERVICE_LEVELS,
    every_s: float = EVERY_S,
    look_s: float = LOOK_S,
) -> None:
    """Judges what `read` returns, every fifteen seconds until cancelled, and tells what is to be told.

    A look that fails or takes longer than ten seconds saw nothing: all levels are not examined then, none is ok.
    Run it in one process of the service, or every process tells the same.
    """
    levels = tuple(baselines)
    while True:
        try:
            async with asyncio.timeout(look_s):
                judgements = evaluate(await read(), levels)
        except Exception:
            log.exception("the service levels could not be looked at")
            judgements = evaluate({}, levels)
        for alert in alarms.consider(judgements):
            delivery.tell(alert)
        await asyncio.sleep(every_s)
