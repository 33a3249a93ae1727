"""`flatwater watch`: the live view, in plain ANSI so that it works over any ssh at 80 by 24."""

from __future__ import annotations

import sys
import time
from typing import Final, NoReturn

import click
import msgspec

from flatwater.doctor.look import CouldNotLook, Look
from flatwater.doctor.model import NotExamined
from flatwater.doctor.watching import Watch, frame

HOME_AND_CLEAR: Final = "\x1b[H\x1b[J"
OTHER_SCREEN: Final = "\x1b[?1049h\x1b[?25l"
SCREEN_BACK: Final = "\x1b[?25h\x1b[?1049l"
HEALTH_S: Final = 1.0
MAX_HEALTH_BYTES: Final = 64 * 1024


@click.command()
@click.argument("dsn")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.5),
    default=2.0,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option("--looks", type=click.IntRange(min=1), help="Stop after so many looks.")
@click.option("--healthz", metavar="URL", help="The application's health page; its pool's numbers are shown.")
def watch(dsn: str, *, interval: float, looks: int | None, healthz: str | None) -> None:
    """Watch the PostgreSQL server at DSN: connections, statements, locks, memory, pool and slope. Ctrl-C ends it."""
    if healthz is not None and not healthz.startswith(("http://", "https://")):
        raise click.UsageError("--healthz takes an http:// or https:// address.")
    screen = sys.stdout.isatty()
    try:
        if screen:
            click.echo(OTHER_SCREEN, nl=False)
        _watch(dsn, interval, looks, healthz, screen=screen)
    except KeyboardInterrupt:
        return
    except (CouldNotLook, NotExamined) as error:
        _give_up(error, screen=screen)
    finally:
        if screen:
            click.echo(SCREEN_BACK, nl=False)


def _give_up(error: Exception, *, screen: bool) -> NoReturn:
    if screen:
        click.echo(SCREEN_BACK, nl=False)
    click.echo(str(error), err=True)
    sys.exit(3)


def _watch(dsn: str, interval_s: float, looks: int | None, healthz: str | None, *, screen: bool) -> None:
    watching = Watch()
    with Look(dsn) as look:
        number = 0
        while True:
            number += 1
            hang_up = look.within(10.0)
            try:
                reading = watching.read(look, _pool(healthz) if healthz else None)
            finally:
                hang_up.cancel()
            click.echo((HOME_AND_CLEAR if screen else "") + frame(reading))
            if number == looks:
                return
            time.sleep(interval_s)
            look.begin_again(())


def _pool(url: str) -> dict[str, float]:
    """The numbers that the application's health page tells of its pool; a page that does not answer counts as one too."""
    from urllib.error import URLError
    from urllib.request import urlopen

    try:
        with urlopen(url, timeout=HEALTH_S) as answer:  # noqa: S310  the scheme was checked, the address is the operator's
            told = msgspec.json.decode(answer.read(MAX_HEALTH_BYTES), type=dict[str, object])
    except (URLError, TimeoutError, OSError, msgspec.DecodeError) as error:
        return {f"no answer ({type(error).__name__})": 0.0}
    pool = told.get("pool")
    numbers = msgspec.convert(pool, dict[str, object]) if isinstance(pool, dict) else told
    return {name[:20]: float(value) for name, value in numbers.items() if isinstance(value, int | float)}
