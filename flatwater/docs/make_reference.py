"""Writes reference.md from the docstrings: `python docs/make_reference.py` in the folder of flatwater. A test holds that it is what the source says."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import flatwater

BESIDE = (
    ("flatwater.adapters.sqlalchemy", ("watch_engine", "drop_by_commit")),
    ("flatwater.adapters.asyncpg", ("create_pool",)),
    ("flatwater.adapters.psycopg", ("watched_pool", "watch_connection", "watch_async_connection")),
    ("flatwater.adapters.psycopg2", ("connect", "watched_pool")),
    ("flatwater.adapters.session_limits", ("SessionLimits", "LimitsNotHeld")),
    ("flatwater.django", ("Middleware",)),
)
"""What is public beside `flatwater` itself, because it belongs to a library that not everybody has."""


def signature_of(thing: Any) -> str:
    """Names, types and defaults as the source says them; nothing where there is none."""
    try:
        given = str(inspect.signature(thing))
    except (TypeError, ValueError):
        return ""
    given = re.sub(r"(: |-> )'([^']*)'", r"\1\2", given)
    given = re.sub(r"<(?:function|class) '?([\w.]+?)'?(?: at 0x[0-9a-f]+)?>", r"\1", given)
    return re.sub(r"^\((?:self|cls)(?:, )?", "(", given)


def words_of(thing: Any) -> str:
    return inspect.cleandoc(thing.__doc__ or "")


def members_of(kind: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties that a class defines itself, in the source's order."""
    for name, member in vars(kind).items():
        if not name.startswith("_") and (callable(member) or isinstance(member, property | classmethod)):
            inner = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
            if inner is not None and words_of(inner):
                yield name, member


def described(name: str, thing: Any) -> Iterator[str]:
    is_error = isinstance(thing, type) and issubclass(thing, BaseException)
    yield f"### {name}"
    if not is_error:
        yield f"```\n{textwrap.shorten(name + signature_of(thing), 400)}\n```"
    yield words_of(thing)
    if isinstance(thing, type) and not is_error:
        for member_name, member in members_of(thing):
            if isinstance(member, property):
                yield f"- **{member_name}** – {one_line(words_of(member.fget))}"
            else:
                inner = getattr(member, "__func__", member)
                yield f"- **{member_name}**`{textwrap.shorten(signature_of(inner), 200)}` – {one_line(words_of(inner))}"


def one_line(words: str) -> str:
    return " ".join(words.split())


def reference() -> str:
    """The whole page."""
    parts = [
        "# Reference",
        "What may be imported and stays. Made of the docstrings by `docs/make_reference.py`. *Errors*, *Cost*, *Shape*, *Units*: what a signature can't say.",
        "## flatwater",
    ]
    for name in sorted(set(flatwater.__all__) - {"__version__"}):
        parts += described(name, getattr(flatwater, name))
    for module, names in BESIDE:
        parts.append(f"## {module}")
        for name in names:
            parts += described(name, getattr(import_module(module), name))
    return "\n\n".join(each for each in parts if each) + "\n"


if __name__ == "__main__":
    (Path(__file__).parent / "reference.md").write_text(reference())
