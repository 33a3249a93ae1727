"""Where planted faults go is still there: a fault that is planted beside the program would never be found, and nobody would know why."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from simulation.deeds import KINDS
from simulation.planted import IN_DATABASE, IN_PROGRAM, NAMES, NEEDS
from simulation.planting import QUICK
from simulation.rooms import __all__ as rooms

ROOT = Path(__file__).resolve().parents[2]
PLANT = "from simulation.planted import NAMES, plant_in_program\nfor name in NAMES: plant_in_program(name)\nprint(len(NAMES))"


def test_every_planted_fault_finds_its_place_in_the_program() -> None:
    done = subprocess.run([sys.executable, "-c", PLANT], capture_output=True, check=True, cwd=ROOT)
    assert int(done.stdout) == len(NAMES) >= 10


def test_every_planted_fault_says_which_deeds_it_is_looked_for_with() -> None:
    assert rooms
    assert set(NEEDS) == set(NAMES) == set(IN_PROGRAM) | set(IN_DATABASE)
    assert set(QUICK) <= set(NAMES)
    assert {each for names in NEEDS.values() for each in names} <= KINDS.keys()
