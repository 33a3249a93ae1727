"""Verification: an independent re-test by somebody else, blind and with another tool; what becomes of it, and how well tests agree.

Public: re-tests (`save_retests`, `verification_queue`, `read_verification`), decisions (`resolve`, `resolve_many`, `return_to_teacher`,
`answer_returned`, `withdraw`, `list_returned`), samples (`plan_draw`, `draw_sample`, `list_draws`), `read_agreement`.
"""

from rightlevel.programme.verification.actions import (
    NobodyToReturnTo,
    answer_returned,
    list_returned,
    read_verification,
    resolve,
    resolve_many,
    return_to_teacher,
    save_retests,
    verification_queue,
    withdraw,
)
from rightlevel.programme.verification.agreement import Agreement, Interval, Pair
from rightlevel.programme.verification.draws import draw_sample, list_draws, plan_draw, read_agreement
from rightlevel.programme.verification.model import (
    MAX_RETESTS,
    STATES,
    AgreementOf,
    Decision,
    DecisionAnswer,
    Draw,
    NewDraw,
    Plan,
    QueueRow,
    Retest,
    RetestAnswer,
    Returned,
    Verification,
)

__all__ = [
    "MAX_RETESTS",
    "NobodyToReturnTo",
    "STATES",
    "Agreement",
    "AgreementOf",
    "Decision",
    "DecisionAnswer",
    "Draw",
    "Interval",
    "NewDraw",
    "Pair",
    "Plan",
    "QueueRow",
    "Retest",
    "RetestAnswer",
    "Returned",
    "Verification",
    "answer_returned",
    "draw_sample",
    "list_draws",
    "list_returned",
    "plan_draw",
    "read_agreement",
    "read_verification",
    "resolve",
    "resolve_many",
    "return_to_teacher",
    "save_retests",
    "verification_queue",
    "withdraw",
]
