import inspect
from http import HTTPStatus

import pytest

from flatwater import errors

REFUSALS = [
    each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, errors.Refused)
]


@pytest.mark.parametrize("kind", REFUSALS, ids=lambda kind: kind.__name__)
def test_every_refusal_says_one_sentence_to_the_person_who_reads_it(kind: type[errors.Refused]) -> None:
    text = str(kind())
    assert text.endswith(".")
    assert "\n" not in text
    assert "  " not in text


def test_every_refusal_has_a_code_of_its_own_and_a_status_that_is_one() -> None:
    assert len({kind.code for kind in REFUSALS}) == len(REFUSALS)
    assert all(HTTPStatus(kind.status) >= 400 for kind in REFUSALS)


def test_a_refusal_can_say_when_to_ask_again_without_changing_the_others() -> None:
    assert errors.TooMany(retry_after_s=7.5).retry_after_s == 7.5
    assert errors.TooMany().retry_after_s == 1.0
    assert errors.TooBig().retry_after_s is None
    assert str(errors.TooBig("At most 5 bytes.")) == "At most 5 bytes."
