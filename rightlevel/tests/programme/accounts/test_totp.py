"""The second factor's arithmetic against the published vectors."""

from __future__ import annotations

import pytest

from rightlevel.programme.accounts import totp

SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("step", "code"),
    list(
        enumerate(
            [
                "755224",
                "287082",
                "359152",
                "969429",
                "338314",
                "254676",
                "287922",
                "162583",
                "399871",
                "520489",
            ]
        )
    ),
)
def test_the_vectors_of_rfc_4226(step: int, code: str) -> None:
    assert totp.code_at(SECRET, step) == code


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"),
        (1_111_111_109, "07081804"),
        (1_111_111_111, "14050471"),
        (1_234_567_890, "89005924"),
        (2_000_000_000, "69279037"),
        (20_000_000_000, "65353130"),
    ],
)
def test_the_sha_1_vectors_of_rfc_6238_in_six_digits(seconds: int, code: str) -> None:
    assert totp.code_at(SECRET, totp.step_at(seconds)) == code[-6:]


def test_a_code_is_good_one_step_around_and_no_further() -> None:
    now = 1_234_567_890
    step = totp.step_at(now)
    assert totp.step_of(SECRET, totp.code_at(SECRET, step - 1), now) == step - 1
    assert totp.step_of(SECRET, totp.code_at(SECRET, step + 1), now) == step + 1
    assert totp.step_of(SECRET, totp.code_at(SECRET, step - 2), now) is None
    assert totp.step_of(SECRET, "", now) is None
    assert totp.step_of(SECRET, "០០០០០០", now) is None


def test_the_address_for_apps_says_whose_it_is() -> None:
    address = totp.address_of(SECRET, issuer="RightLevel", account="sok@x")
    assert address.startswith("otpauth://totp/RightLevel%3Asok%40x?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&")
    assert totp.shown(SECRET).replace(" ", "") in address
