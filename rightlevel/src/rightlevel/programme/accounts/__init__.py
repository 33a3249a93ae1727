"""Accounts: people, their passwords, sessions and tokens; who is asking, and with what reach.

Public: sign-in and sessions (`sign_in`, `sign_out`, `list_sessions`, `revoke_session`, `change_password`), people
(`create_person`, `list_people`, `read_person`, `change_person`, `set_active`, `delete_person`, `restore_person`, `reset_password`, `choose_language`),
tokens (`create_token`, `list_tokens`, `revoke_token`), `actor_by_session`, `actor_by_token`, and what is assigned to whom (`Scopes`, `forget_assignments`).
"""

from rightlevel.programme.accounts.model import (
    NewPerson,
    Person,
    PersonChange,
    SessionRow,
    SignedIn,
    TokenMade,
    TokenRow,
)
from rightlevel.programme.accounts.passwords import PasswordHasher, generate_password
from rightlevel.programme.accounts.people import (
    change_person,
    choose_language,
    create_person,
    delete_person,
    list_people,
    read_person,
    reset_password,
    restore_person,
    set_active,
)
from rightlevel.programme.accounts.scopes import Scopes, forget_assignments
from rightlevel.programme.accounts.sign_in import (
    SignInLocked,
    SignInRefused,
    change_password,
    sign_in,
    sign_out,
)
from rightlevel.programme.accounts.store import (
    actor_by_session,
    actor_by_token,
    find_person_by_username,
    touch_sessions,
)
from rightlevel.programme.accounts.tokens import (
    create_token,
    list_sessions,
    list_tokens,
    revoke_session,
    revoke_token,
)

__all__ = [
    "NewPerson", "PasswordHasher", "Person", "PersonChange", "Scopes", "SessionRow", "SignInLocked", "SignInRefused", "SignedIn", "TokenMade", "TokenRow",
    "actor_by_session", "actor_by_token", "change_password", "change_person", "choose_language", "create_person", "create_token", "delete_person", "find_person_by_username", "forget_assignments",
    "generate_password", "list_people", "list_sessions", "list_tokens", "read_person", "reset_password", "restore_person",
    "revoke_session", "revoke_token", "set_active", "sign_in", "sign_out", "touch_sessions",
]  # fmt: skip
