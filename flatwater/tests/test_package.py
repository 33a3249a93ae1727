"""What is published: the wheel as it is built, the public names, and the README whose code runs as it is printed."""

from __future__ import annotations

import ast
import asyncio
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from psycopg.conninfo import conninfo_to_dict
from running_server import RunningServer

import flatwater

ROOT = Path(__file__).parents[1]
SOURCE = Path(flatwater.__file__).parent
PUBLIC = {
    "BreakerOpen",
    "Budget",
    "Cache",
    "CircuitBreaker",
    "Database",
    "Guard",
    "GuardLimits",
    "Invalidation",
    "Ledger",
    "Limited",
    "Limits",
    "Page",
    "PageLimit",
    "PageRequest",
    "RateClass",
    "Refused",
    "Watched",
    "WsgiGuard",
    "__version__",
    "answer_to",
    "load_queries",
}
"""Whoever takes a name out of this breaks somebody's program; it goes with a new major version only."""


def test_the_public_names_are_these_and_each_is_there_with_its_words() -> None:
    assert set(flatwater.__all__) == PUBLIC
    assert set(dir(flatwater)) == PUBLIC
    for name in PUBLIC - {"__version__"}:
        assert getattr(flatwater, name).__doc__, name
    with pytest.raises(AttributeError, match="no public name"):
        flatwater.nothing_of_the_kind  # noqa: B018


def test_types_see_the_same_names_as_programs() -> None:
    tree = ast.parse((SOURCE / "__init__.py").read_text())
    guarded = next(each for each in tree.body if isinstance(each, ast.If))
    seen = {alias.asname for each in guarded.body if isinstance(each, ast.ImportFrom) for alias in each.names}
    assert seen == PUBLIC - {"__version__"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the source and unpacked where nothing of the project stands beside it."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(
        ROOT, folder / "source", ignore=shutil.ignore_patterns("tests", "*.egg-info", "__pycache__", "build")
    )
    build = "from setuptools import build_meta; print(build_meta.build_wheel('..'))"
    done = subprocess.run(
        [sys.executable, "-c", build],
        cwd=folder / "source",
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    assert wheel.name == f"flatwater-{flatwater.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(folder / "site")
    return folder / "site"


def in_wheel(installed: Path, *words: str, code: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *(["-c", code] if code else ["-m", "flatwater", *words])]
    return subprocess.run(
        command,
        cwd=installed,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_wheel_holds_all_that_it_needs(installed: Path, server: RunningServer) -> None:
    metadata = next(installed.glob("*.dist-info/METADATA")).read_text()
    assert "License-File: LICENSE" in metadata
    assert metadata.count("Classifier: ") >= 10
    assert "Who holds the connections" in metadata
    entry_points = next(installed.glob("*.dist-info/entry_points.txt")).read_text()
    assert "[pytest11]\nflatwater = flatwater.pytest_plugin" in entry_points
    where = in_wheel(installed, code="import flatwater; print(flatwater.__file__)").stdout.strip()
    assert where.startswith(str(installed)), "it is the wheel that is tried"
    version = in_wheel(installed, "--version")
    assert flatwater.__version__ in version.stdout, version.stderr
    doctor = in_wheel(installed, "doctor", server.conninfo, "--snapshot", str(installed / "kept.json"))
    assert doctor.returncode == 2, doctor.stderr
    assert "fsync" in doctor.stdout
    named = ", ".join(sorted(PUBLIC - {"__version__"}))
    assert in_wheel(installed, code=f"from flatwater import {named}").returncode == 0


WITHOUT = """
import sys
class Away:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {away!r}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Away())
{what}
"""
OPTIONAL = {
    "starlette",
    "python_multipart",
    "multipart",
    "prometheus_client",
    "rich",
    "uvicorn",
    "redis",
    "sqlalchemy",
    "asyncpg",
    "psycopg2",
    "django",
    "flask",
    "pytest",
}


def test_nothing_public_needs_a_framework_or_another_driver(installed: Path) -> None:
    named = ", ".join(sorted(PUBLIC - {"__version__"}))
    what = f"from flatwater import {named}\nimport flatwater.adapters.asyncpg, flatwater.adapters.sqlalchemy, flatwater.adapters.psycopg2\n"
    what += "import flatwater.doctor.run, flatwater.audit.static, flatwater.django"
    done = in_wheel(installed, code=WITHOUT.format(away=OPTIONAL, what=what))
    assert done.returncode == 0, done.stderr


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _own_names(tree: ast.Module) -> set[str]:
    """What a file itself puts on its instances or defines."""
    own = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in {"self", "cls"}
    }
    own |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    return own


def _reaches_in(tree: ast.Module) -> Iterator[ast.AST]:
    """Private names of others: as an attribute, as a word for `getattr` and its kind, or imported."""
    own = _own_names(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                pass
            case ast.Attribute(attr=name) if _is_private(name) and name not in own:
                yield node
            case ast.Call(
                func=ast.Name(id="getattr" | "setattr" | "hasattr" | "delattr"),
                args=[ast.expr(), ast.Constant(value=str(name)), *_],
            ) if _is_private(name) and name not in own:
                yield node
            case ast.ImportFrom(module=str(module), names=names) if not module.startswith("flatwater"):
                if any(map(_is_private, [*module.split("."), *(each.name for each in names)])):
                    yield node
            case ast.Import(names=names):
                if any(_is_private(part) for each in names for part in each.name.split(".")):
                    yield node
            case ast.Constant(value=str(text)) if re.fullmatch(r"(?:\w+\.)+_[a-z]\w*", text):
                yield node  # a module for import_module, a path for a look-up
            case _:
                pass


def test_nothing_reaches_into_anothers_private_names() -> None:
    found = [
        f"{file.relative_to(SOURCE)}:{getattr(node, 'lineno', 0)}: {ast.unparse(node)}"
        for file in sorted(SOURCE.rglob("*.py"))
        for node in _reaches_in(ast.parse(file.read_text()))
    ]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "pool._waiting",
        "from psycopg._preparing import Prepare",
        "from psycopg import _queries",
        "import psycopg._copy",
        "getattr(cursor, '_close')",
        "setattr(connection, '_prepared', 1)",
        "import_module('psycopg._copy')",
    ],
)
def test_each_way_into_anothers_private_names_is_seen(code: str) -> None:
    assert list(_reaches_in(ast.parse(code)))


README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_readme_has_code_for_each_of_these() -> None:
    assert len(BLOCKS) >= 7
    for each in (
        "watch_engine",
        "create_pool",
        "Guard(",
        "WsgiGuard(",
        "CircuitBreaker(",
        "Cache",
        "Database(",
    ):
        assert any(each in block for block in BLOCKS), each


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split("\n\n")[1].splitlines()[0][:40])
def test_the_code_of_the_readme_runs_as_it_is_printed(
    server: RunningServer, block: str, tmp_path: Path
) -> None:
    (tmp_path / "printed.py").write_text(block)
    host = conninfo_to_dict(server.conninfo)["host"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "printed.py"],
        cwd=tmp_path,
        env={
            **os.environ,
            "DATABASE_URL": f"postgresql://postgres@/postgres?host={host}",
            "SQLALCHEMY_URL": f"postgresql+psycopg://postgres@/postgres?host={host}",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", [each for each in BLOCKS if "app = " in each], ids=["asgi", "wsgi"])
def test_the_applications_of_the_readme_answer(block: str) -> None:
    names: dict[str, Any] = {}
    exec(compile(block, "README.md", "exec"), names)  # noqa: S102  our own words
    app = names["app"]
    if "flask" in names:
        with httpx.Client(transport=httpx.WSGITransport(app), base_url="http://x") as client:
            assert client.get("/").text == "home"
        app.close()
        return

    async def ask() -> str:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
            return (await client.get("/")).text

    assert asyncio.run(ask()) == "home"


def test_the_words_of_the_table_name_what_is_there() -> None:
    for name in re.findall(r"`flatwater\.([a-z_.]+)`", README):
        home = SOURCE / name.replace(".", "/")
        assert (
            home.with_suffix(".py").exists() or home.is_dir() or (home.parent.with_suffix(".py")).exists()
        ), name


def test_the_reference_is_what_the_docstrings_say() -> None:
    made: dict[str, Any] = {"__name__": "make_reference"}
    file = ROOT / "docs" / "make_reference.py"
    exec(compile(file.read_text(), str(file), "exec"), made)  # noqa: S102  our own
    assert (ROOT / "docs" / "reference.md").read_text() == made["reference"](), (
        "python flatwater/docs/make_reference.py"
    )
    for name in PUBLIC - {"__version__"}:
        assert f"### {name}\n" in made["reference"]()
