"""What stands in a receipt whose answer held something that had to be forgotten."""

from __future__ import annotations

import msgspec


def answer_instead() -> str:
    """The answer that the same write gets from now on: it was done, what it said is gone, and nothing is written again."""
    told = {
        "type": "about:blank",
        "title": "Gone",
        "status": 410,
        "code": "forgotten",
        "detail": "This was saved. What was answered then has been erased since.",
    }
    kept = {
        "status": 410,
        "content": msgspec.json.encode(told).decode(),
        "content_type": "application/problem+json",
        "location": "",
    }
    return msgspec.json.encode(kept).decode()
