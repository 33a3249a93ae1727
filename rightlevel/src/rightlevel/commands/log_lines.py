"""The service's log: one line an event on standard error, with time, level and who says it."""

from __future__ import annotations

import logging
import time

LOGGERS = ("rightlevel", "flatwater")
FORM = "%(asctime)sZ %(levelname)s %(name)s: %(message)s"


class _Line(logging.Formatter):
    converter = time.gmtime  # whoever reads two machines' logs side by side has one clock


def write_log_lines(level: str) -> None:
    """From now on what the service says is written, from this level on. Called twice, it only changes the level."""
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(level.upper())
        if not logger.handlers:
            handler = logging.StreamHandler()
            handler.setFormatter(_Line(FORM, "%Y-%m-%dT%H:%M:%S"))
            logger.addHandler(handler)
            logger.propagate = False
