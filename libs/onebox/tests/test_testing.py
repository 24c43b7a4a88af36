import asyncpg
from onebox.testing.databases import Databases


async def _make_table(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE made (id int)")
    await connection.close()


async def _has_table(url: str) -> bool:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval("SELECT to_regclass('made') IS NOT NULL")
    finally:
        await connection.close()


async def test_a_fresh_database_is_empty(database_url: str) -> None:
    assert not await _has_table(database_url)


async def test_a_copy_of_a_template_has_what_the_template_has(databases: Databases) -> None:
    template = await databases.template("with table", _make_table)
    async with databases.fresh(template) as url:
        assert await _has_table(url)


async def test_a_template_is_filled_once(databases: Databases) -> None:
    filled: list[str] = []

    async def fill(url: str) -> None:
        filled.append(url)

    assert await databases.template("counted", fill) == await databases.template("counted", fill)
    assert len(filled) == 1


async def test_a_database_is_dropped_whoever_is_connected(databases: Databases) -> None:
    async with databases.fresh() as url:
        left = await asyncpg.connect(url)
    left.terminate()
