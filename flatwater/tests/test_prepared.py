"""Prepared statements outlive a rollback, commands don't crowd them out, and those whose columns changed are made anew."""

import pytest
from network import Onlooker, query
from psycopg import errors

from flatwater.pool import Database, Limits

pytestmark = pytest.mark.anyio

DEADLINE_S = 5.0
COUNT = query("select count(*) from note")
WORDS = query("select words from note")
PREPARED = query("select count(*) from pg_prepared_statements where statement = 'select count(*) from note'")
ENOUGH = 8
"""More often than the driver waits before it prepares a statement."""


class GivenUp(Exception):
    """Rolls a transaction back."""


async def is_prepared(database: Database) -> bool:
    async with database.read(deadline_s=DEADLINE_S) as session:
        return await session.fetch_value(PREPARED, {}) == 1


async def test_what_was_prepared_outlives_a_rollback(conninfo: str) -> None:
    async with Database(conninfo, limits=Limits(connections=1)) as database:
        for _ in range(ENOUGH):
            async with database.read(deadline_s=DEADLINE_S) as session:
                await session.fetch_value(COUNT, {})
        assert await is_prepared(database)
        with pytest.raises(GivenUp):
            async with database.transaction(deadline_s=DEADLINE_S) as session:
                with pytest.raises(GivenUp):
                    async with session.savepoint():
                        raise GivenUp
                raise GivenUp
        assert await is_prepared(database)


async def test_what_comes_again_is_prepared_though_refusals_and_commands_come_in_between(
    conninfo: str,
) -> None:
    limits = Limits(connections=1, prepared_statements=1)
    async with Database(conninfo, limits=limits) as database:
        for _ in range(ENOUGH):
            with pytest.raises(GivenUp):
                async with database.transaction(deadline_s=DEADLINE_S) as session:
                    await session.fetch_value(COUNT, {})
                    raise GivenUp
        assert await is_prepared(database)


async def test_a_statement_whose_columns_changed_is_made_anew(conninfo: str, onlooker: Onlooker) -> None:
    async with Database(conninfo, limits=Limits(connections=1)) as database:

        async def words() -> int:
            async with database.transaction(deadline_s=DEADLINE_S) as session:
                return await session.execute(WORDS, {})

        for _ in range(ENOUGH):
            await words()
        await onlooker.connection.execute("alter table note alter column words type varchar(500)")
        try:
            with pytest.raises(errors.FeatureNotSupported):
                await words()
            assert await words() == 0
        finally:
            await onlooker.connection.execute("alter table note alter column words type text")
