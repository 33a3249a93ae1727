"""Receipts: a write's client-made id and its answer, so that the same request again is answered again and writes nothing.

Public: `claim_write`, `read_receipt`, `keep_answer`, `Receipt`, `WriteIdReused`.
"""

from rightlevel.programme.receipts.store import (
    Receipt,
    WriteIdReused,
    claim_write,
    keep_answer,
    read_receipt,
)

__all__ = ["Receipt", "WriteIdReused", "claim_write", "keep_answer", "read_receipt"]
