"""Rounds: baseline, midline and endline of a school year; open or not, and what is different for one school.

Public: `list_rounds`, `read_round`, `create_round`, `change_round`, `set_round_state`, `delete_round`, `restore_round`, `set_school_dates`,
`set_dates_of_schools`, `set_dates_of_place`, `lock_school`, `unlock_school`, `list_round_schools`, `current_round`; freezing (`rounds_to_seal`, `seal_some_schools`, `seal_round`,
`read_snapshot`, `check_snapshot`, `amending`, `read_open_retests`, `list_amendments`); `Round`, `NewRound`, `RoundChange`, `RoundSchool`.
"""

from rightlevel.programme.rounds.actions import (
    ResultsOutside,
    change_round,
    create_round,
    current_round,
    delete_round,
    list_round_schools,
    list_rounds,
    lock_school,
    read_round,
    restore_round,
    round_has_results,
    set_dates_of_place,
    set_dates_of_schools,
    set_round_state,
    set_school_dates,
    unlock_school,
)
from rightlevel.programme.rounds.freezing import (
    amending,
    check_snapshot,
    check_snapshot_of,
    list_amendments,
    read_snapshot,
    read_snapshot_part,
    rounds_to_seal,
    seal_round,
    seal_some_schools,
)
from rightlevel.programme.rounds.model import (
    KINDS,
    Amendment,
    DatesAnswer,
    NewRound,
    Round,
    RoundChange,
    RoundSchool,
    SchoolDates,
    Snapshot,
    SnapshotCheck,
)
from rightlevel.programme.rounds.open_retests import OpenRetests, RetestsOpen, read_open_retests

__all__ = [
    "KINDS", "Amendment", "DatesAnswer", "NewRound", "OpenRetests", "ResultsOutside", "RetestsOpen", "Round", "RoundChange", "RoundSchool", "SchoolDates", "Snapshot", "SnapshotCheck",
    "amending", "change_round", "check_snapshot", "check_snapshot_of", "create_round", "current_round", "delete_round", "round_has_results", "list_amendments", "list_round_schools",
    "list_rounds", "lock_school", "read_open_retests", "read_round", "read_snapshot", "read_snapshot_part", "restore_round", "rounds_to_seal",
    "seal_round", "seal_some_schools",
    "set_dates_of_place", "set_dates_of_schools", "set_round_state", "set_school_dates", "unlock_school",
]  # fmt: skip
