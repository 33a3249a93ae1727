"""Taps that arrive together, by whichever way, share a transaction."""

from __future__ import annotations

from typing import Final

from flatwater.contract import SharedWork
from rightlevel.programme.results import enter_together

TAPS: Final = SharedWork("results_together", enter_together)
