"""Faults that are put in on purpose, to show that the simulation sees them."""

from __future__ import annotations


def plant_in_program(name: str) -> None:
    """Takes one safeguard out of the program in this process."""
    raise KeyError(name)
