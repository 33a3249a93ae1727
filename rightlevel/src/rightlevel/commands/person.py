"""`rightlevel person`: the first admin, and anybody else, from the command line."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from flatwater.transaction import Session
from rightlevel.assembly import Platform
from rightlevel.commands.running import data_option, json_option, settings_for, with_platform
from rightlevel.programme.accounts import (
    NewPerson,
    create_person,
    find_person_by_username,
    generate_password,
    reset_password,
    reset_second_factor,
)
from rightlevel.programme.permissions import ROLES

DEADLINE_S = 10.0


@click.group()
def person() -> None:
    """Add users and give them passwords."""


@person.command()
@click.option("--role", type=click.Choice(ROLES), required=True)
@click.option("--username", required=True, help="Small letters, digits and . _ @ + -")
@click.option("--name", default=None, help="The name to show (default: the username).")
@click.option("--email", default=None)
@click.option("--language", type=click.Choice(["en", "km"]), default="en")
@data_option
@json_option
def add(
    role: str,
    username: str,
    name: str | None,
    email: str | None,
    language: str,
    data_folder: Path | None,
    *,
    as_json: bool,
) -> None:
    """Make an account with a generated password, which is printed once."""
    password = generate_password()
    new = NewPerson(username, name or username, role, email, language)

    async def work(platform: Platform) -> int:
        password_hash = await platform.passwords.hash(password)

        async def make(session: Session) -> int:
            return (await create_person(session, None, new, password_hash=password_hash)).id

        return await platform.database.run(make, deadline_s=DEADLINE_S)

    person_id = with_platform(settings_for(data_folder), work)
    _show({"id": person_id, "username": username, "role": role, "password": password}, as_json=as_json)


@person.command()
@click.option("--username", required=True)
@click.option(
    "--second-factor",
    is_flag=True,
    help="Take the two-step verification away too, when phone and recovery codes are lost.",
)
@data_option
@json_option
def reset(username: str, *, second_factor: bool, data_folder: Path | None, as_json: bool) -> None:
    """Give somebody a new generated password, printed once, and end all their sessions."""
    password = generate_password()

    async def work(platform: Platform) -> int:
        password_hash = await platform.passwords.hash(password)

        async def set_it(session: Session) -> int:
            found = await find_person_by_username(session, username)
            if second_factor:
                await reset_second_factor(session, None, found.id, platform.clock)
            return (
                await reset_password(
                    session, None, found.id, password_hash=password_hash, clock=platform.clock
                )
            ).id

        return await platform.database.run(set_it, deadline_s=DEADLINE_S)

    person_id = with_platform(settings_for(data_folder), work)
    _show({"id": person_id, "username": username, "password": password}, as_json=as_json)


def _show(values: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(values).decode())
        return
    for name, value in values.items():
        click.echo(f"{name:10} {value}")
    click.echo("The password is shown this once; only its hash is kept.")
