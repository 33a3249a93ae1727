"""Rounds: baseline, midline and endline of a school year; open or not, and what is different for one school.

Public: `list_rounds`, `read_round`, `create_round`, `change_round`, `set_round_state`, `delete_round`, `restore_round`, `set_school_dates`,
`lock_school`, `unlock_school`, `list_round_schools`, `current_round`; `Round`, `NewRound`, `RoundChange`, `RoundSchool`.
"""

from rightlevel.programme.rounds.actions import (
    change_round,
    create_round,
    current_round,
    delete_round,
    list_round_schools,
    list_rounds,
    lock_school,
    read_round,
    restore_round,
    set_round_state,
    set_school_dates,
    unlock_school,
)
from rightlevel.programme.rounds.model import KINDS, NewRound, Round, RoundChange, RoundSchool

__all__ = [
    "KINDS", "NewRound", "Round", "RoundChange", "RoundSchool", "change_round", "create_round", "current_round", "delete_round",
    "list_round_schools", "list_rounds", "lock_school", "read_round", "restore_round", "set_round_state", "set_school_dates",
    "unlock_school",
]  # fmt: skip
