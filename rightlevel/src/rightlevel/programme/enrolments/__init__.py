"""Enrolment: moves, consent, a school's roll-over into the next year, and erasing who a child was.

Public: `transfer_student`, `give_consent`, `withdraw_consent`; `preview_roll_over`, `children_to_move`, `roll_over_school`,
`list_roll_overs`, `undo_roll_over`; `erase_identity`; `read_past_enrolment`, `amend_past_enrolment`, `PastAmendment`, `PastAmended`; `Transfer`, `Consent`, `Withdrawal`, `RollOverPlan`, `RollOverPreview`, `ClassFate`,
`OpenRound`, `RollOver`, `Undone`, `MovingChild`, `YearName`; `CodeTaken`, `NewYearMissing`, `NothingToRollOver`, `PreviewOutdated`, `RollOverStands`, `RoundIsOpen`,
`AlreadyUndone`, `ClassAway`, `MergedAway`, `AlreadyErased`; `free_code`, `next_grades`.
"""

from rightlevel.programme.enrolments.amending import (
    PastAmended,
    PastAmendment,
    amend_past_enrolment,
    read_past_enrolment,
)
from rightlevel.programme.enrolments.erasure import AlreadyErased, MergedAway, erase_identity
from rightlevel.programme.enrolments.model import (
    ClassFate,
    Consent,
    MovingChild,
    OpenRound,
    RollOver,
    RollOverPlan,
    RollOverPreview,
    Transfer,
    Undone,
    Withdrawal,
    YearName,
    free_code,
    next_grades,
)
from rightlevel.programme.enrolments.moves import CodeTaken, give_consent, transfer_student, withdraw_consent
from rightlevel.programme.enrolments.roll_over import (
    AlreadyUndone,
    ClassAway,
    NewYearMissing,
    NothingToRollOver,
    PreviewOutdated,
    RollOverStands,
    RoundIsOpen,
    children_to_move,
    list_roll_overs,
    preview_roll_over,
    roll_over_school,
    undo_roll_over,
)

__all__ = [
    "AlreadyErased",
    "AlreadyUndone",
    "ClassAway",
    "ClassFate",
    "CodeTaken",
    "Consent",
    "MergedAway",
    "MovingChild",
    "NewYearMissing",
    "NothingToRollOver",
    "OpenRound",
    "PastAmended",
    "PastAmendment",
    "PreviewOutdated",
    "RollOver",
    "RollOverPlan",
    "RollOverPreview",
    "RollOverStands",
    "RoundIsOpen",
    "Transfer",
    "Undone",
    "Withdrawal",
    "YearName",
    "amend_past_enrolment",
    "children_to_move",
    "erase_identity",
    "free_code",
    "give_consent",
    "list_roll_overs",
    "next_grades",
    "preview_roll_over",
    "read_past_enrolment",
    "roll_over_school",
    "transfer_student",
    "undo_roll_over",
    "withdraw_consent",
]
