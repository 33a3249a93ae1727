"""Finds in a Python service's source what grows, waits without end or gets slow with the data, and drives it to measure.

The code is flatwater's; this distribution gives it a name and a command of its own, to be run beside anything (`uvx flatwater-audit`, `pipx run flatwater-audit`).
"""

from __future__ import annotations

import click

from flatwater.audit.model import Finding, Report, Verdict
from flatwater.audit.static import NoApp, audit_app, audit_folder
from flatwater.commands.audit import audit as _command

__version__ = "0.1.0"
__all__ = ["Finding", "NoApp", "Report", "Verdict", "__version__", "audit_app", "audit_folder", "main"]


def main() -> None:
    """The command, as `flatwater audit` is it."""
    click.version_option(__version__, prog_name="flatwater-audit")(_command)
    _command(prog_name="flatwater-audit")
