"""Connection strings as people have them; whatever is wrong with one, its password is not repeated."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from psycopg.conninfo import make_conninfo

from flatwater.commands import main
from flatwater.doctor.look import CouldNotLook, Look
from flatwater.dsn import NotADsn, connecting, read_dsn, session_settings, setting_each
from flatwater.pool import Database

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("postgresql://u:p@h/db", "postgresql://u:p@h/db"),
        ("postgres://u@h/db?sslmode=require", "postgresql://u@h/db?sslmode=require"),
        ("postgresql+asyncpg://u:p@h:6432/db", "postgresql://u:p@h:6432/db"),
        ("postgresql+psycopg2://u@/db?host=/run/pg", "postgresql://u@/db?host=/run/pg"),
        ("POSTGRESQL+psycopg://h", "postgresql://h"),
        ("host=h dbname=db", "host=h dbname=db"),
        ("", ""),
    ],
)
def test_it_is_read_with_any_driver(given: str, read: str) -> None:
    assert read_dsn(given) == read


WRONG = {
    f"mysql://u:{SECRET}@h/db": "is for mysql",
    f"sqlite:///{SECRET}.db": "is for sqlite",
    f"postgresql+asyncpg://u:{SECRET}@h/db?ssl=require": "no option ssl",
    f"postgresql://u:{SECRET}%zz@h/db": "%40",
    f"postgresql://u:{SECRET}@[h/db": "%40",
    f"{SECRET}": "neither an address nor",
    f"host=h password='{SECRET}": "neither an address nor",
    f"host=h pasword={SECRET}": "no option pasword",
}


@pytest.mark.parametrize("dsn", WRONG)
def test_what_is_wrong_is_said_and_the_password_is_not(dsn: str) -> None:
    with pytest.raises(NotADsn, match=WRONG[dsn]) as found:
        read_dsn(dsn)
    assert SECRET not in str(found.value)
    assert found.value.__cause__ is None
    with pytest.raises(NotADsn):
        Database(dsn)
    with pytest.raises(CouldNotLook), Look(dsn):
        pass


@pytest.mark.parametrize("dsn", WRONG)
@pytest.mark.parametrize("command", ["doctor", "watch"])
def test_a_command_says_a_sentence(command: str, dsn: str) -> None:
    ended = CliRunner().invoke(main, [command, dsn])
    assert ended.exit_code == 3
    assert WRONG[dsn] in ended.output
    assert SECRET not in ended.output
    assert "Traceback" not in ended.output


def test_ours_stand_behind_what_a_string_asks_for_and_win() -> None:
    limits = {"statement_timeout": "7000"}
    asked = connecting("host=a options='-csearch_path=school -c statement_timeout=0'", limits)
    assert asked == {"options": "-csearch_path=school -c statement_timeout=0 -c statement_timeout=7000"}
    assert connecting("host=a", {}, pooler=True) == {"options": ""}


def test_a_server_that_takes_writes_is_asked_for_in_words_that_a_read_only_session_can_meet() -> None:
    for asked, becomes in (("read-write", "primary"), ("any", None), ("prefer-standby", None)):
        settings = connecting(f"postgresql://a,b/x?target_session_attrs={asked}", {})
        assert settings.get("target_session_attrs") == becomes


def test_the_environment_counts_where_the_string_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c search_path=elsewhere")
    monkeypatch.setenv("PGTARGETSESSIONATTRS", "read-write")
    assert connecting("host=a", {}) == {
        "options": "-c search_path=elsewhere",
        "target_session_attrs": "primary",
    }
    assert session_settings("host=a options=-csearch_path=here") == {"search_path": "here"}
    assert connecting("host=a target_session_attrs=any", {}).get("target_session_attrs") is None


def test_each_transaction_behind_a_pooler_is_given_what_a_session_would_have() -> None:
    asked = make_conninfo("host=a", options=r"-csearch_path=a,b --work_mem=1MB -c x.y=it's\ x")
    assert setting_each(asked) == (
        "; SELECT pg_catalog.set_config('search_path', 'a,b', true)"
        "; SELECT pg_catalog.set_config('work_mem', '1MB', true)"
        "; SELECT pg_catalog.set_config('x.y', 'it''s x', true)"
    )
    assert setting_each("host=a") == ""
    with pytest.raises(NotADsn, match="-c name=value"):
        setting_each("host=a options=-e")
