"""What a check of the doctor is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from flatwater.doctor.look import Look
from flatwater.doctor.model import Finding


class Check(Protocol):
    """One thing to look at. It yields at least one finding; "ok" ones say what was looked at, with numbers.

    *Errors*: NotExamined where it could not look; findings yielded before that are kept.
    """

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def why(self) -> str: ...

    def look(self, look: Look) -> Iterable[Finding]: ...
