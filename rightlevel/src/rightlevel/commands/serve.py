"""`rightlevel serve`: the platform, until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from pathlib import Path

import click

from flatwater.errors import Refused
from rightlevel.commands.log_lines import write_log_lines
from rightlevel.commands.running import EXIT_REFUSED, data_option, settings_for
from rightlevel.database.errors import DatabaseProblem
from rightlevel.settings import MEGABYTE, Settings

RELOAD = signal.SIGUSR2
"""Has the service replaced by a fresh copy of itself. Not SIGHUP: a terminal that is closed sends that too."""


@click.command()
@click.option("--port", type=click.IntRange(1, 65_535), default=None, help="Where to listen (default: 8000).")
@click.option("--host", default=None, help="Which address to listen on (default: 127.0.0.1).")
@click.option(
    "--memory", "memory_mb", type=int, default=None, help="The budget for everything, in MB (default: 150)."
)
@data_option
def serve(port: int | None, host: str | None, memory_mb: int | None, data_folder: Path | None) -> None:
    """Run the platform on its own PostgreSQL (or the one of DATABASE_URL) until interrupted."""
    memory_bytes = None if memory_mb is None else memory_mb * MEGABYTE
    run_server(settings_for(data_folder, port=port, host=host, memory_bytes=memory_bytes))


def run_server(settings: Settings, ready: Callable[[], None] | None = None) -> None:
    """Serves until SIGTERM or SIGINT, then drains for up to ten seconds and closes everything in reverse.

    A process whose memory stays above its allowance is replaced by a fresh one on the same socket; no request is lost.
    `ready` is called once the platform is open. *Errors*: exits with 1 and a sentence when the folder is in use, the
    port is taken, the database does not start or the memory budget can't hold.
    """
    from flatwater.allocator import keep_little
    from flatwater.recycling import reexecute
    from flatwater.serving import ServiceNotStarted, new_event_loop
    from rightlevel.operations.memory_plan import BudgetCannotHold

    keep_little()  # before there is a second thread: what the allocator gave one by then it does not take back

    write_log_lines(settings.log_level)
    signal.signal(RELOAD, signal.SIG_IGN)  # until it can be heard; by itself it would end the process
    with _listen(settings) as listener:
        try:
            with asyncio.Runner(loop_factory=new_event_loop()) as runner:
                mark = runner.run(_serving(settings, listener, ready))
        except (Refused, DatabaseProblem, ServiceNotStarted, BudgetCannotHold) as error:
            click.echo(str(error), err=True)
            sys.exit(EXIT_REFUSED)
        finally:
            signal.signal(RELOAD, signal.SIG_IGN)
        if mark is not None:
            reexecute(listener, mark)


async def _serving(
    settings: Settings, listener: socket.socket, ready: Callable[[], None] | None
) -> str | None:
    """Serves; the mark for the process that takes over, or None when this was told to stop."""
    from flatwater.allocator import forget_files
    from flatwater.monitors import tuned
    from flatwater.serving import ServingLimits, serve
    from rightlevel.assembly import open_platform
    from rightlevel.web.app import build_app

    loop = asyncio.get_running_loop()
    heard: asyncio.Future[None] = loop.create_future()
    # Heard from the first moment on: who asks while the platform is being opened has it replaced as soon as it is open.
    loop.add_signal_handler(RELOAD, lambda: heard.done() or heard.set_result(None))
    forget_files()  # before the budget is judged by what there is: loading has touched 20 MB of libraries that nobody reads again
    with ExitStack() as held:
        async with open_platform(settings, say=click.echo) as platform:
            held.enter_context(tuned())  # what is loaded by now stays; collections need not look at it again
            if ready is not None:
                ready()
            click.echo(
                f"RightLevel on http://{settings.host}:{settings.port} (data in {settings.data_folder})"
            )
            app = build_app(lambda: nullcontext(platform))
            forget_files()
            heard.add_done_callback(lambda _: platform.vitals.recycler.renew())
            limits = ServingLimits(
                drain_s=settings.drain_s,
                keep_alive_s=settings.keep_alive_s,
                connections=settings.http_connections,
                trusted_peers=settings.trusted_proxies,
            )
            ending = await serve(app, listener, limits=limits, recycler=platform.vitals.recycler)
            mark = platform.vitals.recycler.mark
    if ending == "recycle":
        return mark
    click.echo("Stopped; everything is closed.")
    return None


def _listen(settings: Settings) -> socket.socket:
    """The socket to serve on. Exits with a sentence when it can't be had, before a database is started for nothing."""
    from flatwater.recycling import listening_socket

    try:
        return listening_socket(settings.host, settings.port)
    except OSError as error:
        if isinstance(error, socket.gaierror):
            click.echo(
                f"{settings.host} is no address of this machine. Choose another with --host.", err=True
            )
            sys.exit(EXIT_REFUSED)
        reason = os.strerror(error.errno) if error.errno else str(error)
        click.echo(
            f"Port {settings.port} of {settings.host} can't be used: {reason}. Choose another with --port.",
            err=True,
        )
        sys.exit(EXIT_REFUSED)
    except OverflowError:
        click.echo(
            f"There is no port {settings.port}; they go from 1 to 65535. Choose another with --port.",
            err=True,
        )
        sys.exit(EXIT_REFUSED)
