"""A form that was sent when the session had ended: kept for whom it was made, until they have signed in again.

What is kept is sealed with a secret that only their browser holds: neither the table nor a copy of it says what was typed.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from hashlib import sha256
from typing import Final

from flatwater.clock import Clock
from flatwater.pool import Database
from flatwater.transaction import Session
from rightlevel.programme.accounts import keys_store, store
from rightlevel.programme.permissions import Actor

MAX_BYTES: Final = 256 * 1024
LIFE: Final = timedelta(minutes=30)
DEADLINE_S: Final = 5.0
SECRET_BYTES: Final = 32


async def hold_form(database: Database, person_id: int, content: bytes, clock: Clock) -> str | None:
    """Keeps what was sent for half an hour; the secret that opens it, or None for what is too big or whose person is no more.

    *Cost*: one statement; a person has three at most, the oldest goes.
    """
    if len(content) > MAX_BYTES:
        return None
    from nacl.secret import Aead  # 1 MB that only few requests need

    secret = secrets.token_urlsafe(SECRET_BYTES)
    sealed = bytes(Aead(_key(secret)).encrypt(content, str(person_id).encode()))

    async def keep(session: Session) -> bool:
        now = clock.now()
        return bool(
            await keys_store.do(
                session,
                "hold_form",
                secret_hash=store.digest(secret),
                person_id=person_id,
                content=sealed,
                expires_at=now + LIFE,
            )
        )

    return secret if await database.run(keep, deadline_s=DEADLINE_S, idempotent=True) else None


async def held_form(session: Session, actor: Actor, secret: str | None, clock: Clock) -> bytes | None:
    """What is kept for this very person under a secret; None for anybody else, and when its time is over. *Cost*: one statement."""
    if not secret or len(secret) > 100 or not secret.isascii():
        return None
    sealed = await keys_store.held_form(session, store.digest(secret), actor.person_id, clock.now())
    if sealed is None:
        return None
    from nacl.secret import Aead

    return Aead(_key(secret)).decrypt(sealed, str(actor.person_id).encode())


def _key(secret: str) -> bytes:
    return sha256(b"held form " + secret.encode()).digest()
