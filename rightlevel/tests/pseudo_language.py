"""A language that nobody speaks, to find what is not translated and what has no room."""

from __future__ import annotations

from typing import Any

from rightlevel.web.language import Language

OPENS, CLOSES = "⟦", "⟧"


class Pseudo(Language):
    """Khmer's place taken by marks around whatever is asked for; `longer` by so many words, and from right to left where asked."""

    def __init__(self, *, longer: int = 0, direction: str = "ltr") -> None:
        super().__init__("km", {}, lambda _n: 0)
        self.direction = direction
        self._more = " long" * longer

    def gettext(self, text: str, /, **values: Any) -> str:
        marked = f"{OPENS}{text}{self._more}{CLOSES}"
        return marked.format(**values) if values else marked

    def ngettext(self, one: str, many: str, n: int, /, **values: Any) -> str:
        return self.gettext(many, n=self.number(n), **values)

    def knows(self, text: str) -> bool:
        return True
