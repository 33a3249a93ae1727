"""Regular expressions of forms, by an engine whose time grows with the text only (RE2), whatever a form says.

*Source*: github.com/google/re2; a backtracking engine takes minutes for `(a+)+$`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Protocol, cast

MAX_MEMORY_BYTES: Final = 1 << 20


class _Pattern(Protocol):
    def search(self, text: str) -> object | None: ...


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> _Pattern:
    import re2

    options = re2.Options()
    options.max_mem = MAX_MEMORY_BYTES
    options.log_errors = False
    return cast("_Pattern", re2.compile(pattern, options))


def is_pattern(pattern: str) -> bool:
    """Whether the engine can read this."""
    import re2

    try:
        _compiled(pattern)
    except re2.error:
        return False
    return True


def fits(pattern: str, text: str) -> bool:
    """Whether a text has the form that a pattern says. As in XPath the pattern is looked for anywhere; ^ and $ hold it to the ends."""
    return _compiled(pattern).search(text) is not None
