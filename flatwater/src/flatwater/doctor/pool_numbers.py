"""What an application's health page tells of its pool: the waits that no server sees."""

from __future__ import annotations

from typing import Final

import msgspec

from flatwater.doctor.model import NotExamined

HEALTH_S: Final = 1.0
MAX_HEALTH_BYTES: Final = 64 * 1024
MOST_ROUTES: Final = 6


class PoolNumbers(msgspec.Struct, frozen=True):
    """An application's own numbers of its pool, and how many requests of each route wait, where it tells."""

    numbers: dict[str, float]
    waiting_routes: dict[str, int] = {}

    @property
    def routes_in_words(self) -> str:
        """The routes of whom most wait: ": list_orders 3, home 1"; nothing where none is told."""
        most = sorted(self.waiting_routes.items(), key=lambda each: -each[1])[:MOST_ROUTES]
        return f" ({', '.join(f'{route[:40]} {count}' for route, count in most)})" if most else ""


class _Told(msgspec.Struct, frozen=True):
    waiting_routes: dict[str, int] = {}


def read_pool(url: str) -> PoolNumbers:
    """The page's numbers under `pool`, or all of its own where it has none. *Errors*: NotExamined when it does not answer in a second.

    A page that answers 503 because its service is ill still tells its numbers.
    """
    from urllib.error import HTTPError, URLError
    from urllib.request import urlopen

    try:
        try:
            answer = urlopen(url, timeout=HEALTH_S)  # noqa: S310  the scheme was checked, the address is the operator's
        except HTTPError as ill:
            answer = ill
        with answer:
            told = msgspec.json.decode(answer.read(MAX_HEALTH_BYTES), type=dict[str, object])
        pool = told.get("pool")
        found = msgspec.convert(pool, dict[str, object]) if isinstance(pool, dict) else told
        routes = msgspec.convert(found, _Told).waiting_routes
    except (URLError, TimeoutError, OSError, msgspec.MsgspecError) as error:
        raise NotExamined(f"The health page did not answer as one ({type(error).__name__}).") from error
    return PoolNumbers(
        {name: float(value) for name, value in found.items() if isinstance(value, int | float)}, routes
    )
