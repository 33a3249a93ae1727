"""Tells operators when a service level is left, and Prometheus everything the program counts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from flatwater.alerts import Alarms, Channel, Delivery, Email, Log, Secret, Webhook, watch_once
from flatwater.alerts.watch import EVERY_S
from flatwater.cache import Cache
from flatwater.clock import Clock
from flatwater.metrics import Metrics, sources
from flatwater.pool import Database
from flatwater.supervisor import Supervisor
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
async def alerting(
    readings: Readings, delivery: Delivery, clock: Clock, supervisor: Supervisor
) -> AsyncIterator[None]:
    """Judges the service levels every fifteen seconds while the block runs, and tells what is to be told."""
    alarms = Alarms(clock=clock)
    async with delivery:
        loop = supervisor.every(
            "service levels",
            lambda: watch_once(readings.levels, alarms, delivery),
            period_s=EVERY_S,
            first_after_s=0.0,
        )
        try:
            yield
        finally:
            await loop.stop()


def declare_metrics(
    metrics: Metrics,
    database: Database,
    vitals: Vitals,
    readings: Readings,
    delivery: Delivery,
    caches: tuple[Cache[object], ...],
    supervisor: Supervisor,
    second_levels: tuple[SharedCache[Any], ...] = (),
) -> None:
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
    sources.loops(metrics, supervisor.standings, supervisor.errands)
    if second_levels:
        sources.second_levels(
            metrics, lambda: [(each.first.name, each.statistics()) for each in second_levels]
        )
