"""A clock with the programme's zone, and which zone that is."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

from flatwater.clock import Clock
from rightlevel.cldr import zones_of_territory
from rightlevel.programme.errors import Fault

_NAME = re.compile(r"UTC|[A-Z][A-Za-z]+(/[A-Z][A-Za-z0-9_+-]*){1,2}")
RULE = "A name of the IANA time zone database, such as Asia/Phnom_Penh"


class TimeZone(msgspec.Struct, frozen=True):
    """In which zone the programme's days are.

    *Shape*: `time_zone` is what holds; `chosen` is null while it comes from the country; `country_time_zones` are those of the place tree's
    country, none while there is no country or its code is no ISO 3166 code.
    """

    time_zone: str
    chosen: str | None
    country: str | None
    country_time_zones: tuple[str, ...]
    today: date


class ProgrammeClock:
    """The one clock of a running platform: the time of the clock it is made of, the days of the programme's zone."""

    def __init__(self, clock: Clock, zone: tzinfo = UTC) -> None:
        self._clock = clock
        self._zone = zone

    @property
    def zone(self) -> tzinfo:
        return self._zone

    def now(self) -> datetime:
        return self._clock.now()

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def is_news(self, chosen: str | None, country: str | None) -> bool:
        """Takes the zone as the database has it now; whether it is another one than before. *Cost*: none to speak of when it is not."""
        zone = ZoneInfo(name_of(chosen, country))
        was, self._zone = self._zone, zone
        return str(was) != str(zone)


def name_of(chosen: str | None, country: str | None) -> str:
    """The zone's name: the chosen one, else that of a country that has just one, else UTC until somebody chooses."""
    if chosen is not None:
        return chosen
    zones = zones_of(country)
    return zones[0] if len(zones) == 1 else "UTC"


def zones_of(country: str | None) -> tuple[str, ...]:
    """The zones of a country by its ISO 3166 code of two or three letters, in order of name. *Source*: CLDR, in Babel."""
    return () if country is None else _zones_of(country.strip().upper())


_zones_of = lru_cache(maxsize=8)(zones_of_territory)


def zone_faults(name: str | None) -> list[Fault]:
    """What is wrong with a zone that somebody chose; nothing is wrong with choosing none."""
    return [] if name is None or _is_known(name) else [Fault("time_zone", RULE, name[:60])]


def _is_known(name: str) -> bool:
    if _NAME.fullmatch(name) is None:
        return False
    try:
        ZoneInfo(name)
    except (
        OSError,
        ValueError,
        KeyError,
    ):  # a folder of zones, something that is no zone, nothing of that name
        return False
    return True
