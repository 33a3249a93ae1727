"""Seals what must be kept but not read out of a table: with the deployment's key, bound to whose it is.

The key is in the same database (table `signing_key`), made at first need: a table that is exported, printed or leaked alone
gives nothing away; a copy of the whole database holds both and is kept as a secret (docs/operators).
"""

from __future__ import annotations

import hmac
import secrets
from typing import Final

from flatwater.transaction import Session
from rightlevel.programme.accounts import keys_store

KEY_BYTES: Final = 32


class Seal:
    """Seals and opens with one key. *Source*: XChaCha20-Poly1305 of libsodium, its nonce drawn at random."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "Seal(...)"

    def close(self, content: bytes, *, of: str) -> bytes:
        """The content, sealed for one owner."""
        from nacl.secret import Aead  # 1 MB that only second factors need

        return bytes(Aead(self._key).encrypt(content, of.encode()))

    def open(self, sealed: bytes, *, of: str) -> bytes:
        """What was sealed for this owner. *Errors*: nacl's CryptoError for anything else."""
        from nacl.secret import Aead

        return Aead(self._key).decrypt(sealed, of.encode())

    def digest(self, text: str, *, of: str) -> bytes:
        """A hash of a short code that nobody can guess back without the key."""
        return hmac.digest(self._key, f"{of} {text}".encode(), "sha256")


async def seal_of(session: Session) -> Seal:
    """The deployment's seal. *Cost*: one statement, two where it is made. *Errors*: none where it may be made (a session that writes)."""
    key = await keys_store.sealing_key(session)
    if key is None:
        await keys_store.do(session, "make_sealing_key", value=secrets.token_bytes(KEY_BYTES))
        key = await keys_store.sealing_key(session)
    if key is None:
        raise AssertionError("the key that was just kept is there")
    return Seal(key)
