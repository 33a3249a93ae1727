"""What a mapping's source makes of cells before the field's own converter sees them: joined, looked up, transformed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rightlevel.programme.exchange.mapping import TRANSFORMS, Source, value_key
from rightlevel.programme.exchange.values import Convert, Wrong


def rule_broken(convert: Callable[[Any], object], key: Any) -> list[str]:
    """The rule that a cell (or several) breaks, if it breaks one."""
    try:
        convert(key)
    except Wrong as wrong:
        return [wrong.rule]
    return []


def shown(key: Any, joint: str) -> str:
    """A cell, or several joined, as people are shown them."""
    return key if isinstance(key, str) else joint.join(key)


def with_source(source: Source, convert: Convert) -> Callable[[Any], str]:
    """The converter of a field after its source's joining, values and transforms."""
    joint, values = source.joint, source.values
    transforms = [TRANSFORMS[name] for name in source.transforms]
    if len(source.columns) < 2 and values is None and not transforms:
        return convert

    def whole(key: Any) -> str:
        text = key.strip() if isinstance(key, str) else _joined(key, joint, source.columns)
        if values is not None and text:
            found = values.get(value_key(text))
            if found is None:
                raise Wrong(f"One of the values in the mapping: {', '.join(values)}")
            text = found
        for transform in transforms:
            text = transform(text)
        return convert(text)

    return whole


def _joined(parts: tuple[str, ...], joint: str, names: tuple[str, ...]) -> str:
    stripped = [part.strip() for part in parts]
    if all(stripped):
        return joint.join(stripped)
    if any(stripped):
        empty = ", ".join(name for name, part in zip(names, stripped, strict=True) if not part)
        raise Wrong(f"A part of this is empty: {empty}")
    return ""
