"""`rightlevel serve`: the platform, until it is told to stop."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from rightlevel.commands.running import EXIT_REFUSED, data_option, settings_for
from rightlevel.settings import MEGABYTE, Settings

DRAIN_S = 10


@click.command()
@click.option("--port", type=int, default=None, help="Where to listen (default: 8000).")
@click.option("--host", default=None, help="Which address to listen on (default: 127.0.0.1).")
@click.option("--memory", "memory_mb", type=int, default=None, help="The budget for everything, in MB (default: 150).")
@data_option
def serve(port: int | None, host: str | None, memory_mb: int | None, data_folder: Path | None) -> None:
    """Run the platform on its own PostgreSQL (or the one of DATABASE_URL) until interrupted."""
    memory_bytes = None if memory_mb is None else memory_mb * MEGABYTE
    run_server(settings_for(data_folder, port=port, host=host, memory_bytes=memory_bytes))


def run_server(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT, then drains for up to ten seconds and closes everything in reverse.

    *Errors*: exits with 1 and a sentence when the folder is in use, the port is taken or the database does not start.
    """
    import uvicorn

    from rightlevel.web.app import build_app

    config = uvicorn.Config(
        build_app(settings),
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
    server = uvicorn.Server(config)
    click.echo(f"RightLevel on http://{settings.host}:{settings.port} (data in {settings.data_folder})")
    server.run()
    if not server.started:
        click.echo("It could not start; the reason is above.", err=True)
        sys.exit(EXIT_REFUSED)
