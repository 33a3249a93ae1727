"""Connection strings as people have them; whatever is wrong with one, its password is not repeated."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from flatwater.commands import main
from flatwater.doctor.look import CouldNotLook, Look
from flatwater.dsn import NotADsn, read_dsn
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
