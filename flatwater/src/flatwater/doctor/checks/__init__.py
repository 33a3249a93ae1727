"""Every check, in the order in which a report tells what it looked at. One file each; a new one is named here."""

from __future__ import annotations

from typing import Final

from flatwater.doctor.model import Check

ALL: Final[tuple[Check, ...]] = ()
