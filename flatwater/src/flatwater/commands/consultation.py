"""What every doctor's command does alike: look, remember, accept, tell, and apply the safe cures that somebody says yes to."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
from msgspec import Struct

from flatwater.clock import SystemClock
from flatwater.commands.watch import require_address
from flatwater.doctor.acknowledged import Acknowledged, TooManyAcknowledged, acknowledge
from flatwater.doctor.fix import Deed, apply, safe_cures
from flatwater.doctor.look import CouldNotLook, Look
from flatwater.doctor.model import Cure, Finding
from flatwater.doctor.report import as_json, as_text, cure_as_text, deed_as_text
from flatwater.doctor.run import Report, take_snapshot
from flatwater.doctor.snapshot import Kept, SnapshotBroken, write_kept

COULD_NOT_LOOK: Final = 3

Examine = Callable[[Look, tuple[Acknowledged, ...]], Report]


class Asked(Struct, frozen=True):
    """What the command line asked of a doctor."""

    is_json: bool
    shows_all: bool
    is_strict: bool
    fixes: bool
    says_yes: bool
    key: str | None
    reason: str | None
    healthz: str | None


_OPTIONS: Final = (
    click.option(
        "--fix", "fixes", is_flag=True, help="Apply the safe cures, one by one, asking before each."
    ),
    click.option("--yes", "says_yes", is_flag=True, help="Answer yes to each cure."),
    click.option("--json", "is_json", is_flag=True, help="Print the report as JSON."),
    click.option("--all", "shows_all", is_flag=True, help="Include passing checks."),
    click.option(
        "--strict",
        "is_strict",
        is_flag=True,
        help="Exit with 3 if all is well but something could not be examined.",
    ),
    click.option(
        "--acknowledge", "key", metavar="KEY", help="Accept this finding for 90 days, unless it gets worse."
    ),
    click.option("--reason", help="Why it is accepted."),
    click.option(
        "--healthz",
        metavar="URL",
        help="The application's health page: who waits for a connection is joined to who holds them.",
    ),
)


def asks(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the options of every doctor, as one argument `asked`. *Errors*: UsageError for what doesn't go together."""

    @functools.wraps(command)
    def with_asked(*arguments: Any, **given: Any) -> Any:
        asked = Asked(**{name: given.pop(name) for name in Asked.__struct_fields__})
        if asked.key is not None and not asked.reason:
            raise click.UsageError(
                "Say why with --reason; a reason is what makes it accepted rather than overlooked."
            )
        require_address(asked.healthz)
        return command(*arguments, asked=asked, **given)

    for option in reversed(_OPTIONS):
        with_asked = option(with_asked)
    return with_asked


@contextmanager
def telling_why_not(asked: Asked) -> Iterator[None]:
    """Ends the program with COULD_NOT_LOOK and words, as JSON too where that was asked for, when the block could not look."""
    try:
        yield
    except (CouldNotLook, SnapshotBroken, TooManyAcknowledged) as error:
        if asked.is_json:
            click.echo(f'{{"worst": "not_examined", "exit_code": {COULD_NOT_LOOK}, "findings": []}}')
        click.echo(str(error), err=True)
        sys.exit(COULD_NOT_LOOK)


def consult(look: Look, path: Path, kept: Kept, examine: Examine, asked: Asked) -> tuple[int, Kept]:
    """One look: examined, remembered at `path`, told, and cured where asked; the exit code, and what is kept for the next look.

    *Errors*: UsageError when no finding has the key to accept; CouldNotLook, SnapshotBroken, TooManyAcknowledged.
    """
    report = examine(look, kept.acknowledged)
    kept = _accept(report, kept.after(take_snapshot(look)), asked)
    write_kept(path, kept)
    return _tell(look, report, asked), kept


def _tell(look: Look, report: Report, asked: Asked) -> int:
    deeds: list[Deed] | None = None
    if not asked.is_json:
        click.echo(as_text(report, colour=sys.stdout.isatty(), all_ok=asked.shows_all))
    if asked.fixes:
        deeds = []
        for deed in apply(look, report, lambda finding, cure: asked.says_yes or _ask(finding, cure)):
            deeds.append(deed)
            click.echo(deed_as_text(deed), err=asked.is_json)
        if not safe_cures(report):
            click.echo("Nothing to cure that belongs to the application.", err=asked.is_json)
    if asked.is_json:
        click.echo(as_json(report, deeds))
    unseen = any(each.severity == "not_examined" for each in report.findings)
    return COULD_NOT_LOOK if asked.is_strict and unseen and report.exit_code == 0 else report.exit_code


def _ask(finding: Finding, cure: Cure) -> bool:
    click.echo(cure_as_text(finding, cure), err=True)
    return click.confirm("Do it?", default=False, err=True)


def _accept(report: Report, kept: Kept, asked: Asked) -> Kept:
    if asked.key is None or asked.reason is None:
        return kept
    known = {each.key: each for each in (*report.findings, *report.acknowledged)}
    if asked.key not in known:
        raise click.UsageError(
            f"No finding has the key {asked.key!r} now; there are: {', '.join(sorted(known))}"
        )
    accepted = acknowledge(known[asked.key], asked.reason, kept.acknowledged, SystemClock().now())
    return Kept(kept.looks, accepted)
