"""A form's rules without its words: what `web/static/form_engine.js` needs to show and hide questions without asking the server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Final, cast

from rightlevel.programme.forms.definition import Field, Form, to_json

KEPT: Final = frozenset(
    {
        "key",
        "type",
        "shown_when",
        "required_when",
        "options",
        "repeat",
        "fields",
        "is_given",
        "sections",
        "value",
        "valid_when",
        "pattern",
        "calculation",
    }
)


SHOWN_ELSEWHERE: Final = frozenset({"photo"})
"""The room that shows the form has a better place for it."""


SIMPLE_PATTERN: Final = re.compile(
    r"\^?(?:(?:[A-Za-z0-9 @_,:;/-]|\\[dw.+]|\[(?:[A-Za-z0-9 @_,:;.]|[A-Za-z0-9]-[A-Za-z0-9])+\])(?:\{[0-9]{1,2}(?:,[0-9]{1,2})?\}|[+*?])?)+\$?"
)
"""Patterns that RE2 and a browser read alike: without groups and choices, so that no browser can take long over them."""
MOST_OPEN_ENDS: Final = 2


def is_told(field: Field) -> bool:
    """Whether the page itself can tell that an answer doesn't fit; what it can't, the server says."""
    return field.valid_when is not None or _is_simple(field.pattern)


def _is_simple(pattern: str) -> bool:
    is_simple = SIMPLE_PATTERN.fullmatch(pattern) is not None
    return is_simple and sum(pattern.count(each) for each in "+*{") <= MOST_OPEN_ENDS


def rules_of(form: Form, given: Mapping[str, Any], today: date) -> dict[str, Any]:
    """The rules as JSON takes them, with what is answered elsewhere as `given`. *Shape*: as `to_json`, without labels, bounds, hints and patterns that only
    the server reads; `today` is the programme's day.

    *Cost*: one pass over the form; a quarter of its size.
    """
    rules = cast("dict[str, Any]", _bare({"sections": to_json(form).get("sections", ())}))
    elsewhere = {field.key for field in form.fields() if field.is_given or field.type in SHOWN_ELSEWHERE}
    return {
        **rules,
        "today": today.isoformat(),
        "given": {key: answer for key, answer in given.items() if key in elsewhere},
    }


def _bare(part: Any) -> Any:
    if isinstance(part, dict):
        found = cast("dict[str, Any]", part)
        # Choices that are always offered are of no concern to the engine.
        return {
            key: [_bare(each) for each in value if key != "options" or each.get("shown_when") is not None]
            if key in ("sections", "fields", "options")
            else value
            for key, value in found.items()
            if key in KEPT and (key != "pattern" or _is_simple(value))
        }
    return part
