"""`rightlevel token`: bearer tokens for programs."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from flatwater.transaction import Session
from rightlevel.assembly import Platform
from rightlevel.commands.running import data_option, json_option, settings_for, with_platform
from rightlevel.programme.accounts import TokenMade, create_token, find_person_by_username
from rightlevel.programme.permissions import TokenReach

DEADLINE_S = 10.0


@click.group()
def token() -> None:
    """Make API tokens."""


@token.command()
@click.option("--person", "username", required=True, help="Whose rights the token has.")
@click.option("--label", default="command line")
@click.option("--days", default=90, show_default=True, help="How long it lives.")
@click.option(
    "--reads-only", is_flag=True, help="It changes nothing; such a token may stand in a live address."
)
@data_option
@json_option
def create(
    username: str, label: str, days: int, data_folder: Path | None, *, reads_only: bool, as_json: bool
) -> None:
    """Make a token for /api/v1, printed once."""

    async def work(platform: Platform) -> TokenMade:
        async def make(session: Session) -> TokenMade:
            person = await find_person_by_username(session, username)
            reach = TokenReach(may_write=not reads_only)
            return await create_token(
                session, None, person, label=label, days=days, clock=platform.clock, reach=reach
            )

        return await platform.database.run(make, deadline_s=DEADLINE_S)

    made = with_platform(settings_for(data_folder), work)
    if as_json:
        click.echo(msgspec.json.encode({**msgspec.to_builtins(made), "username": username}).decode())
    else:
        click.echo(
            f"token      {made.token}\nexpires    {made.expires_at:%Y-%m-%d}\nSend it as: Authorization: Bearer TOKEN"
        )
