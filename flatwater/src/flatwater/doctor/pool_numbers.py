"""What an application's health page tells of its pool: the waits that no server sees."""

from __future__ import annotations

from typing import Final

import msgspec

from flatwater.doctor.model import NotExamined

HEALTH_S: Final = 1.0
MAX_HEALTH_BYTES: Final = 64 * 1024


def read_pool(url: str) -> dict[str, float]:
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
    except (URLError, TimeoutError, OSError, msgspec.DecodeError) as error:
        raise NotExamined(f"The health page did not answer as one ({type(error).__name__}).") from error
    pool = told.get("pool")
    numbers = msgspec.convert(pool, dict[str, object]) if isinstance(pool, dict) else told
    return {name: float(value) for name, value in numbers.items() if isinstance(value, int | float)}
