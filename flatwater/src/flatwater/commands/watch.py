"""`flatwater watch`: the live view, in plain ANSI so that it works over any ssh at 80 by 24."""

from __future__ import annotations

import sys
import time
from typing import Final, NoReturn

import click

from flatwater.commands.dsn_parameter import DsnParameter
from flatwater.doctor.look import CouldNotLook, Look
from flatwater.doctor.model import NotExamined
from flatwater.doctor.pool_numbers import read_pool
from flatwater.doctor.watching import Watch, frame

HOME_AND_CLEAR: Final = "\x1b[H\x1b[J"
OTHER_SCREEN: Final = "\x1b[?1049h\x1b[?25l"
SCREEN_BACK: Final = "\x1b[?25h\x1b[?1049l"


@click.command()
@click.argument("dsn", type=DsnParameter())
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
    require_address(healthz)
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


def require_address(healthz: str | None) -> None:
    """Passes for no address, or one that is spoken to by HTTP. *Errors*: UsageError."""
    if healthz is not None and not healthz.startswith(("http://", "https://")):
        raise click.UsageError("--healthz takes an http:// or https:// address.")


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
            # On a screen no line break follows: after the last of 24 lines it would push the first one out.
            click.echo((HOME_AND_CLEAR if screen else "") + frame(reading), nl=not screen)
            if number == looks:
                return
            time.sleep(interval_s)
            look.begin_again(())


def _pool(url: str) -> dict[str, float]:
    """The numbers that the application's health page tells of its pool; a page that does not answer counts as one too."""
    try:
        return {name[:20]: value for name, value in read_pool(url).numbers.items()}
    except NotExamined:
        return {"no answer": 0.0}
