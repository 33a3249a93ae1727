"""Each setting is documented with its default, can be set, and nothing is documented that is no setting."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from rightlevel.assembly import limits_of
from rightlevel.settings import Settings, read_settings

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "operators" / "settings.md"
ROW = re.compile(r"^\| `(RIGHTLEVEL_\w+)` \| (?:`([^`]*)`)? ?\| (.+) \|$", re.MULTILINE)
NOT_OF_THE_STRUCT = {"RIGHTLEVEL_OWNER_DATABASE_URL"}
"""Read beside DATABASE_URL, by the database room."""
FIELDS = {f"RIGHTLEVEL_{each.name.upper()}": each for each in msgspec.structs.fields(Settings)}


def as_written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)


def test_the_page_names_every_setting_with_its_default() -> None:
    told = {name: default for name, default, _ in ROW.findall(PAGE.read_text("utf-8"))}
    assert told.keys() - NOT_OF_THE_STRUCT == FIELDS.keys()
    assert {name: told[name] for name in FIELDS} == {
        name: as_written(each.default) for name, each in FIELDS.items()
    }


def test_no_page_names_a_setting_that_there_is_not() -> None:
    for page in sorted(DOCS.rglob("*.md")):
        named = set(re.findall(r"\bRIGHTLEVEL_[A-Z_]+[A-Z]\b", page.read_text("utf-8")))
        assert named <= FIELDS.keys() | NOT_OF_THE_STRUCT, page


SAMPLES = {
    "log_level": "warning",
    "audit_archive": "false",
    "trusted_origins": "https://a.example,https://b.example",
    "alert_mail_to": "a@x,b@x",
    "cookie_is_secure": "true",
    "pooler": "keeps_statements",
    "trusted_proxies": "10.0.0.0/8,127.0.0.1",
}


@pytest.mark.parametrize("variable", FIELDS)
def test_every_setting_can_be_set_by_its_variable(variable: str) -> None:
    field = FIELDS[variable]
    default = field.default
    sample = SAMPLES.get(field.name) or (
        "true" if isinstance(default, bool) else "7" if isinstance(default, int | float) else "elsewhere"
    )
    read = getattr(read_settings({variable: sample}), field.name)
    assert read != default
    if isinstance(default, tuple):
        assert read == tuple(sample.split(","))
    elif isinstance(default, bool):
        assert read is (sample == "true")
    else:
        assert read == type(default)(sample)


def test_the_pool_takes_its_size_and_time_outs_from_the_settings() -> None:
    chosen = read_settings(
        {
            "RIGHTLEVEL_POOL_CONNECTIONS": "5",
            "RIGHTLEVEL_POOL_WAITING": "9",
            "RIGHTLEVEL_CONNECT_S": "1",
            "RIGHTLEVEL_ACQUIRE_S": "2",
            "RIGHTLEVEL_STATEMENT_S": "3",
            "RIGHTLEVEL_LOCK_S": "4",
            "RIGHTLEVEL_IDLE_IN_TRANSACTION_S": "5",
            "RIGHTLEVEL_IDLE_CLOSE_S": "6",
            "RIGHTLEVEL_NETWORK_SILENCE_S": "7",
        }
    )
    limits = limits_of(chosen)
    assert (limits.connections, limits.waiting, limits.connect_s, limits.acquire_s) == (5, 9, 1.0, 2.0)
    assert (limits.statement_s, limits.lock_s, limits.idle_in_transaction_s) == (3.0, 4.0, 5.0)
    assert (limits.idle_close_s, limits.network_silence_s) == (6.0, 7.0)


def test_a_wrong_form_is_said_with_its_variable() -> None:
    with pytest.raises(ValueError, match="wrong form"):
        read_settings({"RIGHTLEVEL_POOL_CONNECTIONS": "many"})
