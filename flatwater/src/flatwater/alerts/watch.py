"""Looking again and again, and telling what the alarms say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final, Protocol

from flatwater.alerts.alarms import Alarms, Alert
from flatwater.alerts.delivery import Delivery
from flatwater.baselines import SERVICE_LEVELS, Baseline, evaluate

log = logging.getLogger("flatwater.alerts")

EVERY_S: Final = 15.0
LOOK_S: Final = 10.0

Read = Callable[[], Awaitable[Mapping[str, float | None]]]


class Tells(Protocol):
    """Takes what is to be told: a `Delivery`, or whoever decides whether one hears of it."""

    def tell(self, alert: Alert) -> None: ...


async def keep_watch(
    read: Read,
    alarms: Alarms,
    delivery: Delivery,
    *,
    baselines: Iterable[Baseline] = SERVICE_LEVELS,
    every_s: float = EVERY_S,
    look_s: float = LOOK_S,
) -> None:
    """Watches every fifteen seconds until cancelled, whatever a look raises. In the background give `watch_once` to a supervisor.

    Run it in one process of the service, or every process tells the same.
    """
    levels = tuple(baselines)
    while True:
        try:
            await watch_once(read, alarms, delivery, baselines=levels, look_s=look_s)
        except Exception:
            log.exception("the service levels could not be looked at")
        await asyncio.sleep(every_s)


async def watch_once(
    read: Read,
    alarms: Alarms,
    delivery: Tells,
    *,
    baselines: Iterable[Baseline] = SERVICE_LEVELS,
    look_s: float = LOOK_S,
) -> None:
    """Judges what `read` returns, and tells what is to be told.

    A look that fails or takes longer than ten seconds saw nothing: all levels are not examined then, none is ok. *Errors*: what the
    look raised, after that was told.
    """
    levels = tuple(baselines)
    readings: Mapping[str, float | None] = {}
    try:
        async with asyncio.timeout(look_s):
            readings = await read()
    finally:
        for alert in alarms.consider(evaluate(readings, levels)):
            delivery.tell(alert)
