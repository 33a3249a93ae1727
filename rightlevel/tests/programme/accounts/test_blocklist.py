"""Passwords that are guessed first are refused, and people's own words are not."""

import pytest

from rightlevel.programme.accounts.model import password_faults

ABOUT = ("sok.dara", "Sok Dara", "sok@example.org")


@pytest.mark.parametrize(
    "password",
    [
        "rightlevel",
        "RightLevel",
        "rightlevel2026",
        "R1ghtL3vel!",
        "teacher123",
        "Teacher2026!",
        "password1234",
        "P@ssw0rd2026",
        "PASSWORD!!",
        "teachermentor",
        "1234567890",
        "0987654321",
        "qwertyuiop",
        "qwertyasdf",
        "abcdefghij",
        "asdfghjkl123",
        "iloveyou123",
        "khmerteacher",
        "cambodia2026",
        "sokdarasokdara",
        "sokdara2026",
        "SokDara!!!!",
        "1243124312",
        "abcdabcdabcd",
        "letmein1234",
        "football123",
        "princess2024",
        "school-school",
        "drowssap1234",
    ],
)
def test_what_is_guessed_first_is_refused(password: str) -> None:
    (fault,) = password_faults(password, ABOUT)
    assert (fault.field, fault.rule) == ("password", "Too easy to guess: add words that nobody expects")
    assert not fault.value, "a password is never said again"


@pytest.mark.parametrize(
    "password",
    [
        "reading-under-the-mango-tree",
        "three words in a row",
        "a new long password",
        "mango rain bicycle",
        "ខ្ញុំចូលចិត្តស្វាយ ៣ ដើម",
        "correct horse battery",
        "teacher with seven umbrellas",
        "kd8f-mm3q-zt7w-p2ya",
    ],
)
def test_words_that_nobody_expects_are_taken(password: str) -> None:
    assert password_faults(password, ABOUT) == []
