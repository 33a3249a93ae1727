"""`flatwater audit`: what will not stay flat, in an application's source and, where asked, by driving it."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import click
import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from flatwater.audit.dynamic.client import AsgiApp
    from flatwater.audit.model import Report
    from flatwater.audit.rule import Rule

Form = Literal["table", "json", "sarif", "html"]
COULD_NOT_LOOK: Final = 3
TOKEN: Final = "FLATWATER_AUDIT_TOKEN"  # noqa: S105  the name of a variable
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_KEPT: Final = frozenset({"postgres", "template0", "template1"})
WIDTH: Final = 100
"""Columns where the output is no terminal."""


@click.command()
@click.argument("target", required=False, metavar="[MODULE:APP]")
@click.option(
    "--source",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Audit a folder of source, without importing it.",
)
@click.option(
    "--factory", "is_factory", is_flag=True, help="MODULE:APP is a function that makes the application."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "sarif", "html"]),
    default="table",
    show_default=True,
)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the report to a file.")
@click.option(
    "--rule", "names", multiple=True, metavar="NAME", help="Look by this rule only; may be given again."
)
@click.option("--explain", metavar="RULE", help="Tell a rule's reason and examples; 'all' lists the rules.")
@click.option("--drive", is_flag=True, help="Drive every endpoint too.")
@click.option(
    "--calls",
    type=click.IntRange(min=40),
    default=200,
    show_default=True,
    help="With --drive: calls an endpoint; fewer than 40 show nothing.",
)
@click.option(
    "--seed", type=int, default=1, show_default=True, help="With --drive: the seed of what is sent."
)
@click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="'NAME: VALUE'",
    help="With --drive: send this too; may be given again, is never printed.",
)
@click.option(
    "--openapi",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="With --drive: the OpenAPI document (JSON), where the application doesn't serve it.",
)
@click.option(
    "--writes",
    "database",
    metavar="DATABASE",
    help="With --drive: drive what changes data too, in the database of this name and no other; it is made for this and thrown away.",
)
@click.option(
    "--within",
    "within_s",
    type=click.FloatRange(min=1),
    metavar="SECONDS",
    help="With --drive: the time for all of it; what was driven by then is told. Ctrl-C does the same at once.",
)
@click.option(
    "--at-least",
    type=click.FloatRange(min=0, max=100),
    default=100.0,
    show_default=True,
    metavar="PERCENT",
    help="What must have been examined for an exit code of 0.",
)
def audit(
    target: str | None,
    *,
    source: Path | None,
    is_factory: bool,
    form: Form,
    output: Path | None,
    names: tuple[str, ...],
    explain: str | None,
    drive: bool,
    calls: int,
    seed: int,
    headers: tuple[str, ...],
    openapi: Path | None,
    database: str | None,
    within_s: float | None,
    at_least: float,
) -> None:
    """Find in an application what will not stay flat.

    The source is parsed; no handler runs unless --drive is given (with a bearer token from FLATWATER_AUDIT_TOKEN).
    Exits with 0 (nothing, or P3 only), 1 (a P2), 2 (a P1) or 3 (could not look, or not at all of it: see --at-least).
    """
    from flatwater.audit.rules import RULES

    if explain is not None:
        _explain(explain, RULES)
        return
    if (target is None) == (source is None):
        raise click.UsageError("Name MODULE:APP, or a folder with --source.")
    if drive and target is None:
        raise click.UsageError("--drive needs MODULE:APP, for source alone can't be driven.")
    asked = _Asked(
        calls, seed, _headers(headers), _document(openapi), _disposable(database), within_s=within_s
    )
    if not drive and (headers or openapi or database or within_s):
        raise click.UsageError("--header, --openapi, --writes and --within go with --drive.")
    rules = _chosen(names, RULES)
    report = _look(target, source, rules, is_factory=is_factory)
    if drive and target is not None:
        report = _driven(report, target, asked, is_factory=is_factory)
    report = msgspec.structs.replace(report, at_least=at_least / 100)
    _tell(report, form, output, rules)
    sys.exit(report.exit_code)


class _Asked(Struct, frozen=True):
    """How the application is to be driven."""

    calls: int
    seed: int
    headers: dict[str, str]
    openapi: dict[str, Any] | None
    database: str
    within_s: float | None = None


def _headers(given: tuple[str, ...]) -> dict[str, str]:
    """The headers to send, by name. What is in them may be secret, so no error repeats it."""
    token = os.environ.get(TOKEN)
    headers = {"authorization": f"Bearer {token}"} if token else {}
    for number, each in enumerate(given, 1):
        name, colon, value = each.partition(":")
        if not colon or not _NAME.fullmatch(name.strip()) or not value.strip().isprintable():
            raise click.UsageError(f"Header {number} is not of the form 'Name: value'.")
        headers[name.strip().lower()] = value.strip()
    return headers


def _document(file: Path | None) -> dict[str, Any] | None:
    if file is None:
        return None
    try:
        document = msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise click.UsageError(f"{file} is not JSON: {error}.") from error
    if not isinstance(document.get("paths"), dict):
        raise click.UsageError(f"{file} is no OpenAPI document: it has no paths.")
    return document


def _disposable(name: str | None) -> str:
    if name is not None and (not name.strip() or name in _KEPT):
        raise click.UsageError("--writes names a database that was made for this; every server has that one.")
    return name or ""


def _chosen(names: tuple[str, ...], rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    strange = set(names) - {each.name for each in rules}
    if strange:
        raise click.UsageError(f"No rule is called {', '.join(sorted(strange))}; --explain all lists them.")
    return tuple(each for each in rules if not names or each.name in names)


def _look(target: str | None, source: Path | None, rules: tuple[Rule, ...], *, is_factory: bool) -> Report:
    from flatwater.audit.static import NoApp, audit_app, audit_folder

    try:
        if source is not None:
            return audit_folder(source, rules=rules)
        return audit_app(target or "", is_factory=is_factory, rules=rules)
    except NoApp as error:
        click.echo(str(error), err=True)
        sys.exit(COULD_NOT_LOOK)


def _driven(report: Report, target: str, asked: _Asked, *, is_factory: bool) -> Report:
    """The report with what driving found; where the application can't be driven, that ends the command."""
    import asyncio

    from flatwater.audit.dynamic import (
        CouldNotStart,
        Driven,
        NoDocument,
        NotDisposable,
        Stop,
        drive_application,
    )
    from flatwater.audit.merging import with_driven
    from flatwater.audit.static import load_app, root_of

    app = cast("AsgiApp", load_app(target, is_factory=is_factory))

    async def drive() -> Driven:
        stop, loop = Stop(), asyncio.get_running_loop()
        for sign in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(sign, stop.ask)
        return await drive_application(
            app,
            openapi=asked.openapi,
            headers=asked.headers,
            calls=asked.calls,
            seed=asked.seed,
            writes=bool(asked.database),
            database=asked.database,
            root=root_of(target.partition(":")[0]),
            within_s=asked.within_s or float("inf"),
            stop=stop,
            tell=lambda number, count, route: click.echo(f"[{number + 1}/{count}] {route}", err=True),
        )

    try:
        driven = asyncio.run(drive())
    except (CouldNotStart, NoDocument, NotDisposable) as error:
        click.echo(str(error), err=True)
        sys.exit(COULD_NOT_LOOK)
    return with_driven(report, driven.findings, driven.unseen, [each.told for each in driven.readings])


def _tell(report: Report, form: Form, output: Path | None, rules: tuple[Rule, ...]) -> None:
    from flatwater.audit.page import as_html
    from flatwater.audit.report import as_json
    from flatwater.audit.sarif import as_sarif

    if form == "table":
        _print(report, output)
        return
    text = {"json": as_json, "html": as_html}[form](report) if form != "sarif" else as_sarif(report, rules)
    if output is None:
        click.echo(text)
    else:
        output.write_text(text, encoding="utf-8")


def _print(report: Report, output: Path | None) -> None:
    from contextlib import nullcontext

    from rich.console import Console

    from flatwater.audit.report import as_table

    with output.open("w", encoding="utf-8") if output else nullcontext(sys.stdout) as stream:
        console = Console(file=stream, width=None if stream.isatty() else WIDTH, highlight=False)
        for each in as_table(report):
            console.print(each)


def _explain(name: str, rules: tuple[Rule, ...]) -> None:
    chosen = [each for each in rules if name in {"all", each.name}]
    if not chosen:
        raise click.UsageError(f"No rule is called {name}; --explain all lists them.")
    for each in chosen:
        if name == "all":
            click.echo(f"{each.priority} {each.name:30} {each.change}")
        else:
            click.echo(
                f"{each.priority} {each.name}\n\n{each.reason}\n{each.change}\n\nBad:\n{each.bad}\nGood:\n{each.good}"
            )
