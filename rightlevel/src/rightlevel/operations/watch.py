"""Tells operators when a service level is left, and Prometheus everything the program counts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from flatwater.alerts import Alarms, Alert, Channel, Delivery, Email, Log, Secret, Webhook, watch_once
from flatwater.alerts.watch import EVERY_S
from flatwater.cache import Cache
from flatwater.clock import Clock
from flatwater.errors import Refused
from flatwater.metrics import Metrics, sources
from flatwater.pool import Database
from flatwater.supervisor import Supervisor
from flatwater.valkey import SharedCache, ValkeyRateLimiter
from rightlevel.operations.hosts import Hosts, levels_of_all, where_it_is
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


class OneVoice:
    """Tells what the alarms say where this host is the one that tells. Every host judges, so that whoever is elected next knows what stands."""

    def __init__(self, readings: Readings, hosts: Hosts, delivery: Delivery, clock: Clock) -> None:
        self._readings = readings
        self._hosts = hosts
        self._delivery = delivery
        self._alarms = Alarms(clock=clock)
        self._was_elected = True

    async def turn(self) -> None:
        """Looks, tells the other hosts, judges, and tells people what is to be told. *Errors*: what the look raised."""
        await watch_once(self._read, self._alarms, self)

    async def _read(self) -> dict[str, float | None]:
        reading = await self._readings.take()
        try:
            hosts = await self._hosts.tell(reading)
        except (
            Refused
        ):  # the look says what is wrong with the database; who is to tell of it is settled already
            hosts = ()
        if self._hosts.is_elected and not self._was_elected:
            self._alarms.remind()  # another told of them; whether it came to telling all nobody knows
        self._was_elected = self._hosts.is_elected
        return levels_of_all(reading, hosts)

    def tell(self, alert: Alert) -> None:
        """Hands an alert on, with the hosts it is about where there are several."""
        if not self._hosts.is_elected:
            return
        hosts = self._hosts.known
        where = where_it_is(alert.name, self._latest(alert.name), hosts)
        if where:
            alert = msgspec.structs.replace(alert, sentence=f"{alert.sentence} On {where}.")
        self._delivery.tell(alert)

    def _latest(self, name: str) -> float | None:
        latest = self._readings.latest
        return None if latest is None else levels_of_all(latest, self._hosts.known)[name]


@asynccontextmanager
async def alerting(
    readings: Readings, hosts: Hosts, delivery: Delivery, clock: Clock, supervisor: Supervisor
) -> AsyncIterator[None]:
    """Judges the service levels every fifteen seconds while the block runs; the host that is elected tells what is to be told."""
    voice = OneVoice(readings, hosts, delivery, clock)
    async with delivery:
        loop = supervisor.every(
            "service levels",
            voice.turn,
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
