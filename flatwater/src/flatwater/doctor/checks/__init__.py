"""Every check, in the order in which a report tells what it looked at. One file each; a new one is named here."""

from __future__ import annotations

from typing import Final

from flatwater.doctor.checks import (
    application_memory,
    backend_memory,
    blocking,
    connections,
    diagnosis,
    lock_queues,
    long_statements,
    settings_for_memory,
    timeouts_unset,
    trend,
)
from flatwater.doctor.model import Check

ALL: Final[tuple[Check, ...]] = (
    diagnosis.CHECK,
    connections.CHECK,
    blocking.CHECK,
    lock_queues.CHECK,
    long_statements.CHECK,
    timeouts_unset.CHECK,
    settings_for_memory.CHECK,
    backend_memory.CHECK,
    application_memory.CHECK,
    # The last: it follows the numbers that those above it left.
    trend.CHECK,
)
