"""Time-based one-time passwords: six digits that change every thirty seconds. *Source*: RFC 4226 (HOTP), RFC 6238 (TOTP)."""

from __future__ import annotations

import base64
import hmac
import secrets
from typing import Final
from urllib.parse import quote

SECRET_BYTES: Final = 20
"""*Source*: RFC 4226, requirement R6: 160 bits are recommended."""
DIGITS: Final = 6
STEP_S: Final = 30
STEPS_AROUND: Final = 1
"""Clocks may differ by one step either way. *Source*: RFC 6238, section 5.2: at most one step for delays."""
MODULUS: Final = 10**DIGITS


def new_secret() -> bytes:
    """A fresh secret."""
    return secrets.token_bytes(SECRET_BYTES)


def code_at(secret: bytes, step: int) -> str:
    """The code of a time step. *Source*: RFC 4226, section 5.3, with SHA-1 as every authenticator app knows it."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % MODULUS:0{DIGITS}d}"


def step_at(seconds: float) -> int:
    """The time step of a moment. *Units*: seconds since 1970."""
    return int(seconds) // STEP_S


def step_of(secret: bytes, code: str, seconds: float) -> int | None:
    """The step whose code this is, now or one step around; None for any other code. Takes as long either way."""
    found: int | None = None
    now = step_at(seconds)
    for step in range(now - STEPS_AROUND, now + STEPS_AROUND + 1):
        if hmac.compare_digest(code_at(secret, step).encode(), code.encode()):
            found = step
    return found


def shown(secret: bytes) -> str:
    """The secret as people type it: base32 in groups of four."""
    text = base64.b32encode(secret).decode().rstrip("=")
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def address_of(secret: bytes, *, issuer: str, account: str) -> str:
    """What the QR code holds for an authenticator app. *Source*: the key URI format that these apps share."""
    name = quote(f"{issuer}:{account}", safe="")
    text = base64.b32encode(secret).decode().rstrip("=")
    return (
        f"otpauth://totp/{name}?secret={text}&issuer={quote(issuer, safe='')}&digits={DIGITS}&period={STEP_S}"
    )
