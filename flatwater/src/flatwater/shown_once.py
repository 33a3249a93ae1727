"""Secrets that come in or go out: what is shown once goes to whoever asked, what is declared `Secret` is read, and neither into anything kept.

A field of an answer that is declared `ShownOnce` is blank in the receipt of the write, so that the same write asked for again is answered
again, without it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, TypeAlias, get_args, get_type_hints

import msgspec


class _Mark:
    """Marks a field as shown once."""


ShownOnce: TypeAlias = Annotated[
    str, msgspec.Meta(description="Shown this once: empty where the same write is asked for again."), _Mark
]


class _IsSecret:
    """Marks a field as a secret that comes in."""


Secret: TypeAlias = Annotated[str, _IsSecret]
"""What only its owner may know, whatever its field is called: a password, a PIN, a code. It is read, and kept nowhere."""


@lru_cache(maxsize=1_024)
def secret_fields_of(kind: type[msgspec.Struct]) -> frozenset[str]:
    """The fields that come in as secrets, as they are called when they are sent. *Cost*: resolving annotations, once a type."""
    return frozenset(each.encode_name for each in msgspec.structs.fields(kind) if _is_secret(each.type))


def _is_secret(hint: Any) -> bool:
    return _IsSecret in getattr(hint, "__metadata__", ()) or any(map(_is_secret, get_args(hint)))


def without_shown_once(value: Any) -> Any:
    """The same value with every field that is shown once blank; the very value where it has none. *Cost*: nothing for types without any."""
    if not isinstance(value, msgspec.Struct):
        return value
    blank, inner = _fields_of(type(value))
    changed: dict[str, Any] = {name: "" for name in blank if getattr(value, name)}
    for name in inner:
        before = getattr(value, name)
        after = without_shown_once(before)
        if after is not before:
            changed[name] = after
    return msgspec.structs.replace(value, **changed) if changed else value


@lru_cache(maxsize=1_024)
def _fields_of(kind: type[msgspec.Struct]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The fields that are shown once, and those that may hold structs with such."""
    blank: list[str] = []
    inner: list[str] = []
    for name, hint in get_type_hints(kind, include_extras=True).items():
        if name not in kind.__struct_fields__:
            continue
        if _is_marked(hint):
            blank.append(name)
        elif any(
            isinstance(each, type) and issubclass(each, msgspec.Struct) for each in (hint, *get_args(hint))
        ):
            inner.append(name)
    return tuple(blank), tuple(inner)


def _is_marked(hint: Any) -> bool:
    return _Mark in getattr(hint, "__metadata__", ()) or any(_is_marked(each) for each in get_args(hint))
