"""`rightlevel serve`: the platform, until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flatwater.errors import Refused
from rightlevel.commands.running import EXIT_REFUSED, data_option, settings_for
from rightlevel.database.errors import DatabaseProblem
from rightlevel.settings import MEGABYTE, Settings

if TYPE_CHECKING:
    import uvicorn

DRAIN_S = 10


@click.command()
@click.option("--port", type=int, default=None, help="Where to listen (default: 8000).")
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

    `ready` is called once the platform is open. *Errors*: exits with 1 and a sentence when the folder is in use, the
    port is taken or the database does not start.
    """
    import uvicorn
    import uvloop

    from rightlevel.assembly import open_platform
    from rightlevel.web.app import build_app

    async def serving() -> None:
        async with open_platform(settings, say=click.echo) as platform:
            config = uvicorn.Config(
                build_app(lambda: nullcontext(platform)),
                host=settings.host,
                port=settings.port,
                log_level="warning",
                access_log=False,
                lifespan="on",
                timeout_graceful_shutdown=DRAIN_S,
                timeout_keep_alive=75,
                limit_concurrency=1_000,
                backlog=512,
                server_header=False,
                proxy_headers=False,
                h11_max_incomplete_event_size=32 * 1024,
            )
            gc.freeze()  # what is loaded by now stays; collections need not look at it again
            if ready is not None:
                ready()
            click.echo(
                f"RightLevel on http://{settings.host}:{settings.port} (data in {settings.data_folder})"
            )
            await _serve(config)
        click.echo("Stopped; everything is closed.")

    _refuse_taken_port(settings)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serving())
    except (Refused, DatabaseProblem) as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_REFUSED)


async def _serve(config: uvicorn.Config) -> None:
    """Serves until SIGTERM or SIGINT; a second one doesn't wait for requests.

    uvicorn raises the signal again when it is done, which would end this process before its database is shut down.
    """
    import uvicorn

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    server = Server(config)

    def end() -> None:
        server.force_exit = server.should_exit
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end)
    await server.serve()


def _refuse_taken_port(settings: Settings) -> None:
    """Exits with a sentence when the port can't be had, before a database is started for nothing."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            click.echo(
                f"Port {settings.port} can't be used: {error.strerror}. Choose another with --port.", err=True
            )
            sys.exit(EXIT_REFUSED)
