"""Trials: schools drawn at random into two ways of working, and how much more the same children moved under one than under the other.

Public: `draw_trial`, `list_trials`, `read_trial`, `list_trial_schools`, `read_out`; `NewTrial`, `Trial`, `TrialSchool`, `ReadOutQuery`, `ReadOut`,
`WhyNot`.
"""

from rightlevel.programme.trials.actions import (
    draw_trial,
    list_trial_schools,
    list_trials,
    read_out,
    read_trial,
)
from rightlevel.programme.trials.drawing import LEAST_SCHOOLS, MOST_SCHOOLS
from rightlevel.programme.trials.model import NewTrial, ReadOut, ReadOutQuery, Trial, TrialSchool, WayTold
from rightlevel.programme.trials.reading import WhyNot

__all__ = [
    "LEAST_SCHOOLS",
    "MOST_SCHOOLS",
    "NewTrial",
    "ReadOut",
    "ReadOutQuery",
    "Trial",
    "TrialSchool",
    "WayTold",
    "WhyNot",
    "draw_trial",
    "list_trial_schools",
    "list_trials",
    "read_out",
    "read_trial",
]
