"""The static audit: gathers an application's files and routes, and lets every rule look at each file."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Final, cast

import msgspec

from flatwater.audit.app import App
from flatwater.audit.ignores import OF_NOTHING, WITHOUT_REASON, sift
from flatwater.audit.model import Finding, Ignored, Report, Unseen, Verdict, in_order
from flatwater.audit.routes import load_routes, routes_in, routes_of
from flatwater.audit.rule import Rule
from flatwater.audit.rules import RULES
from flatwater.audit.source import Module, SourceBroken, dotted_name, read_module

MAX_FILES: Final = 4_000
MAX_SOURCE_BYTES: Final = 24 * 1024 * 1024
"""Source in all. A parsed file takes about thirty times its text, so this keeps an audit under 1 GB; the rest is told as not examined."""

_NOT_OURS: Final = frozenset(
    {"site-packages", "dist-packages", "node_modules", ".venv", "venv", "__pycache__", ".git"}
)
_NOT_SERVING: Final = frozenset(
    {"tests", "test", "testing", "docs", "doc", "examples", "tutorials", "migrations", "alembic", "build"}
)


class NoApp(Exception):
    """The application that was named can't be found or imported."""


def load_app(target: str, *, is_factory: bool = False) -> object:
    """The application that `module:app` names; importing it runs its modules, and no handler.

    *Errors*: NoApp, saying what could not be imported or found.
    """
    name, _, attribute = target.partition(":")
    if not name or not attribute:
        raise NoApp(f"{target!r} is not of the form module:app")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found: object = import_module(name)
    except Exception as error:
        raise NoApp(f"{name} can't be imported: {type(error).__name__}: {error}") from error
    for part in attribute.split("."):
        found = getattr(found, part, None)
        if found is None:
            raise NoApp(f"{name} has no {attribute}")
    if is_factory:
        if not callable(found) or _needs(found):
            raise NoApp(f"{target} can't be called without arguments")
        found = cast("Callable[[], object]", found)()
    return found


def _needs(factory: Callable[..., object]) -> bool:
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(factory).parameters.values()
    return any(each.default is each.empty and each.kind not in kinds for each in parameters)


def audit_app(target: str, *, is_factory: bool = False, rules: Iterable[Rule] = RULES) -> Report:
    """What the rules find in an importable application's own source. *Errors*: NoApp."""
    app = load_app(target, is_factory=is_factory)
    load_routes(app)
    files = sorted(_files_of_app(target.partition(":")[0]).items())
    root = root_of(target.partition(":")[0])
    modules, unseen = _parsed(((file, root, name) for name, file in files))
    handlers, strange = routes_of(app, modules)
    if not handlers:
        unseen.append(
            Unseen(target, "no route of it was found, so rules about requests said nothing; try --source")
        )
    return _examined(target, App(modules.values(), handlers), unseen, strange, tuple(rules))


def audit_folder(folder: Path, *, rules: Iterable[Rule] = RULES) -> Report:
    """What the rules find in a folder of source, which is parsed and not imported; routes are those its source declares."""
    folder = folder.resolve()
    files = islice(_python_in(folder), MAX_FILES + 1)
    modules, unseen = _parsed((file, folder, None) for file in files)
    handlers = routes_in(modules.values())
    if not handlers:
        unseen.append(
            Unseen(folder.name, "no route was found in its source, so rules about requests said nothing")
        )
    return _examined(folder.name, App(modules.values(), handlers), unseen, [], tuple(rules))


def root_of(name: str) -> Path:
    """The folder that an imported module's package lies in; paths in reports are relative to it. *Errors*: NoApp."""
    module = sys.modules[name.partition(".")[0]]
    file = getattr(module, "__file__", None)
    paths = list(getattr(module, "__path__", []))
    if file is None and not paths:
        raise NoApp(f"{name} has no source file")
    return (Path(paths[0]) if paths else Path(file or "")).resolve().parent


def _files_of_app(name: str) -> dict[str, Path]:
    """The audited files by module name: the whole package, and what was imported from beside it."""
    root = root_of(name)
    found: dict[str, Path] = {}
    package = sys.modules[name.partition(".")[0]]
    for folder in list(getattr(package, "__path__", []))[:1]:
        for file in islice(_python_in(Path(folder).resolve()), MAX_FILES + 1):
            found[dotted_name(file.relative_to(root).as_posix())] = file
    for other, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and file.endswith(".py") and _is_beside(Path(file).resolve(), root):
            found.setdefault(other, Path(file).resolve())
    return found


def _is_beside(file: Path, root: Path) -> bool:
    """Whether a file is the service's own: under the same folder, and in no folder of installed packages."""
    if not file.is_relative_to(root) or root.name in _NOT_OURS:
        return False
    if file.is_relative_to(Path(sys.base_prefix) / "lib"):
        return False
    return not _NOT_OURS & set(file.relative_to(root).parts)


def _python_in(folder: Path) -> Iterator[Path]:
    """The folder's Python that serves: tests, migrations, examples and what was installed are left out."""
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(
            each for each in folders if each not in _NOT_OURS and _serves(each) and not each.startswith(".")
        )
        for file in sorted(files):
            if (
                file.endswith(".py")
                and not file.startswith(("test_", "mock_", "fake_"))
                and file not in {"conftest.py", "setup.py", "tests.py", "migrations.py"}
            ):
                yield Path(here, file)


def _serves(folder: str) -> bool:
    plain = folder.strip("_")
    return plain not in _NOT_SERVING and not plain.endswith(("_tests", "_mock", "_mocks"))


def _parsed(files: Iterable[tuple[Path, Path, str | None]]) -> tuple[dict[str, Module], list[Unseen]]:
    modules: dict[str, Module] = {}
    unseen: list[Unseen] = []
    left_bytes = MAX_SOURCE_BYTES
    left_out = 0
    for file, root, name in files:
        if left_bytes <= 0 or len(modules) >= MAX_FILES:
            left_out += 1
            continue
        try:
            module = read_module(file, root, name)
        except SourceBroken as error:
            unseen.append(Unseen(file.name, str(error)))
            continue
        modules[module.name] = module
        left_bytes -= len(module.text)
    if left_out:
        unseen.append(
            Unseen(f"{left_out} files or more", "the source is larger than one audit reads; audit its parts")
        )
    return modules, unseen


def _examined(
    subject: str, app: App, unseen: list[Unseen], strange: list[Unseen], rules: tuple[Rule, ...]
) -> Report:
    known = frozenset(each.name for each in RULES) | {OF_NOTHING, WITHOUT_REASON}
    findings: list[Finding] = []
    ignored: list[Ignored] = []
    for module in app.modules.values():
        try:
            found = [each for rule in rules for each in rule.look(module, app)]
        except RecursionError:
            unseen.append(Unseen(module.path, "an expression in it is nested too deep"))
            continue
        kept, accepted = sift(module, found, known)
        findings += kept
        ignored += accepted
    ordered = _once(in_order(findings), rules)
    return Report(
        subject=subject,
        findings=ordered,
        verdicts=verdicts(app, ordered, strange),
        ignored=tuple(ignored),
        unseen=tuple(unseen),
        files=len(app.modules),
        rules=len(rules),
    )


def _once(findings: tuple[Finding, ...], rules: tuple[Rule, ...]) -> tuple[Finding, ...]:
    """One fault told once: a missing setting gravely at its first place only, and a query without a limit not as a list without a page too."""
    read = {
        (each.where.path, each.where.symbol)
        for each in findings
        if each.rule == "query-without-limit" and each.priority != "P3"
    }
    settings = {each.name for each in rules if each.is_one_setting}
    told: dict[str, int] = {
        name: sum(each.rule == name and each.priority != "P3" for each in findings) for name in settings
    }
    kept: list[Finding] = []
    first: set[str] = set()
    for each in findings:
        if each.rule == "unpaged-list" and (each.where.path, each.where.symbol) in read:
            continue
        if each.rule in settings and each.priority != "P3":
            if each.rule in first:
                kept.append(msgspec.structs.replace(each, priority="P3"))
                continue
            first.add(each.rule)
            if told[each.rule] > 1:
                saw = f"{each.saw} So it is at {told[each.rule]} places, which one setting mends."
                kept.append(msgspec.structs.replace(each, saw=saw))
                continue
        kept.append(each)
    return in_order(kept)


def verdicts(app: App, findings: Iterable[Finding], strange: Iterable[Unseen]) -> tuple[Verdict, ...]:
    """What is said of each route: the gravest of the findings its handling passes, clean, or not examined and why."""
    by_route: dict[str, list[Finding]] = {}
    for each in findings:
        passing = {route.name for route in app.routes_passing(each.where.path, each.where.symbol)}
        if each.route:
            passing.add(each.route)
        for name in passing:
            by_route.setdefault(name, []).append(each)
    said: list[Verdict] = []
    for route in app.routes:
        found = by_route.get(route.name, [])
        said.append(
            Verdict(route.name, found[0].priority if found else "clean", tuple(each.key for each in found))
        )
    said += [Verdict(each.what, "not_examined", reason=each.why) for each in strange]
    return tuple(said)
