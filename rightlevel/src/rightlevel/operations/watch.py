"""Tells operators when a service level is left, and Prometheus everything the program counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from flatwater.alerts import Alarms, Channel, Delivery, Email, Log, Secret, Webhook, keep_watch
from flatwater.cache import Cache
from flatwater.clock import Clock
from flatwater.metrics import Metrics, sources
from flatwater.pool import Database
from flatwater.valkey import SharedCache, ValkeyRateLimiter
from rightlevel.operations.readings import Readings
from rightlevel.operations.vitals import Vitals
from rightlevel.settings import Settings


def channels_of(settings: Settings) -> list[Channel]:
    """Where alerts go: always the log, a webhook and an e-mail where they are set. *Errors*: ValueError for a wrong address."""
    channels: list[Channel] = [Log()]
    if settings.alert_webhook_secret:
        channels.append(Webhook(Secret(settings.alert_webhook_secret)))
    if settings.alert_mail_to:
        password = settings.alert_mail_secret
        channels.append(
            Email(
                settings.alert_mail_host,
                sender=settings.alert_mail_from,
                recipients=settings.alert_mail_to,
                user=settings.alert_mail_user or None,
                password=Secret(password) if password else None,
            )
        )
    return channels


@asynccontextmanager
async def alerting(readings: Readings, delivery: Delivery, clock: Clock) -> AsyncIterator[None]:
    """Judges the service levels every fifteen seconds while the block runs, and tells what is to be told."""
    async with delivery:
        task = asyncio.create_task(
            keep_watch(readings.levels, Alarms(clock=clock), delivery), name="service levels"
        )
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])


def declare_metrics(
    metrics: Metrics, database: Database, vitals: Vitals, readings: Readings, delivery: Delivery, caches: tuple[Cache[object], ...],
    second_levels: tuple[SharedCache[Any], ...] = (),
) -> None:  # fmt: skip
    """Declares everything that is counted here; each is read when somebody scrapes."""
    sources.pools(metrics, lambda: {"main": database.statistics()}, {"main": database.limits})
    sources.caches(metrics, lambda: [cache.statistics() for cache in caches])
    breakers = [database.breaker, *(each.breaker for each in second_levels)]
    breakers += [each.breaker for each in vitals.rates.stores.values() if isinstance(each, ValkeyRateLimiter)]
    sources.breakers(metrics, lambda: [each.statistics() for each in breakers])
    sources.process(metrics, vitals.process.latest)
    sources.garbage(metrics, vitals.garbage.standing)
    sources.shedding(metrics, vitals.shedder.standing)
    sources.service_levels(metrics, lambda: readings.latest.judgements if readings.latest else ())
    sources.alerts(metrics, delivery.statistics)
    sources.rate_limits(metrics, vitals.rates.statistics)
    sources.growth(metrics, vitals.budgets.growth.standing)
    if second_levels:
        sources.second_levels(
            metrics, lambda: [(each.first.name, each.statistics()) for each in second_levels]
        )
