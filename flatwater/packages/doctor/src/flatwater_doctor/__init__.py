"""Looks at a PostgreSQL server, says what is wrong with it, why that matters, and the exact command that cures it.

The code is flatwater's; this distribution gives it a name and a command of its own, to be run beside anything (`uvx flatwater-doctor`, `pipx run flatwater-doctor`).
"""

from __future__ import annotations

import click

from flatwater.commands.doctor import doctor as _command
from flatwater.doctor.look import CouldNotLook, Look
from flatwater.doctor.model import Cure, Finding
from flatwater.doctor.run import Doctor, Report

__version__ = "0.1.0"
__all__ = ["CouldNotLook", "Cure", "Doctor", "Finding", "Look", "Report", "__version__", "main"]


def main() -> None:
    """The command, as `flatwater doctor` is it."""
    click.version_option(__version__, prog_name="flatwater-doctor")(_command)
    _command(prog_name="flatwater-doctor")
