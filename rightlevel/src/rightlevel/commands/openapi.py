"""`rightlevel openapi`: the document without a running server."""

from __future__ import annotations

import click


@click.command()
def openapi_command() -> None:
    """Print the OpenAPI document."""
    from rightlevel.web.app import all_routes
    from rightlevel.web.document import document

    click.echo(document(all_routes()).decode())
