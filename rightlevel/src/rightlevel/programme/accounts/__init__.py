"""Accounts: people, their passwords, second factors, PINs, sessions, tokens and devices; who is asking, and with what reach.

Public: sign-in and sessions (`sign_in`, `finish_sign_in`, `sign_in_by_pin`, `sign_out`, `list_sessions`, `revoke_session`,
`end_other_sessions`, `change_password`), people (`create_person`, `list_people`, `read_person`, `change_person`, `set_active`,
`delete_person`, `restore_person`, `reset_password`, `choose_language`), one-time codes (`reset_with_code`, `choose_password_with_code`),
the second factor (`second_factor`), PINs (`pins`), devices of schools (`devices`), tokens (`create_token`, `list_tokens`, `revoke_token`,
`list_tokens_of`, `revoke_token_of`), `actor_by_session`, `actor_by_token`, and what is assigned to whom (`Scopes`, `forget_assignments`).
"""

from rightlevel.programme.accounts.devices import (
    DeviceLimit,
    LinkCode,
    LinkRefused,
    PinRefused,
    known_device,
    link_device,
    list_devices,
    make_link_code,
    names_here,
    revoke_device,
    sign_in_by_pin,
)
from rightlevel.programme.accounts.entry import SignInLocked
from rightlevel.programme.accounts.held_forms import held_form, hold_form
from rightlevel.programme.accounts.model import (
    DeviceRow,
    NameHere,
    NewPerson,
    OpenSession,
    Person,
    PersonChange,
    SchoolDevice,
    SignedIn,
    TokenMade,
    TokenRow,
)
from rightlevel.programme.accounts.passwords import PasswordHasher, generate_code, generate_password
from rightlevel.programme.accounts.people import (
    change_person,
    choose_language,
    create_person,
    delete_person,
    list_people,
    read_person,
    require_still,
    reset_password,
    restore_person,
    set_active,
)
from rightlevel.programme.accounts.pins import (
    choose_pin,
    generate_pin,
    has_pin,
    remove_pin,
    reset_pin,
)
from rightlevel.programme.accounts.resets import (
    CodeMade,
    CodeRefused,
    choose_password_with_code,
    give_code,
    reset_with_code,
)
from rightlevel.programme.accounts.scopes import Scopes, end_assignments_of, forget_assignments
from rightlevel.programme.accounts.second_factor import (
    Confirmed,
    Enrolment,
    FactorState,
    WrongCode,
    begin_second_factor,
    confirm_second_factor,
    enrolment_begun,
    factor_state,
    finish_sign_in,
    remove_second_factor,
    renew_recovery_codes,
    reset_second_factor,
    set_admins_need_second_factor,
)
from rightlevel.programme.accounts.sign_in import (
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
    RESOURCES,
    create_token,
    end_other_sessions,
    list_sessions,
    list_tokens,
    list_tokens_of,
    revoke_session,
    revoke_token,
    revoke_token_of,
)

__all__ = [
    "CodeMade", "CodeRefused", "Confirmed", "DeviceLimit", "DeviceRow", "Enrolment", "FactorState", "LinkCode", "LinkRefused", "NameHere",
    "NewPerson", "PasswordHasher", "Person", "PersonChange", "PinRefused", "RESOURCES", "SchoolDevice", "Scopes", "OpenSession", "SignInLocked",
    "SignInRefused", "SignedIn", "TokenMade", "TokenRow", "WrongCode", "actor_by_session", "actor_by_token", "begin_second_factor", "change_password", "end_assignments_of",
    "change_person", "choose_language", "choose_password_with_code", "choose_pin", "confirm_second_factor", "create_person", "create_token",
    "delete_person", "end_other_sessions", "enrolment_begun", "factor_state", "find_person_by_username", "finish_sign_in", "forget_assignments",
    "generate_code", "generate_password", "generate_pin", "give_code", "has_pin", "held_form", "hold_form", "known_device", "link_device", "list_devices", "list_people",
    "list_sessions", "list_tokens", "list_tokens_of", "make_link_code", "names_here", "read_person", "remove_pin", "remove_second_factor",
    "renew_recovery_codes", "require_still", "reset_password", "reset_pin", "reset_second_factor", "reset_with_code", "restore_person", "revoke_device",
    "revoke_session", "revoke_token", "revoke_token_of", "set_active", "set_admins_need_second_factor", "sign_in", "sign_in_by_pin", "sign_out",
    "touch_sessions",
]  # fmt: skip
