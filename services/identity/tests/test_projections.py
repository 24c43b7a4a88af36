"""What the facts of an account mean for those who read."""

from services.identity.tests.desk import Desk


async def test_a_registered_user_is_in_the_directory(desk: Desk) -> None:
    user_id = await desk.register()
    assert await desk.dispatcher.tools.directory.user_of("ada@example.com") == user_id
    assert not await desk.dispatcher.tools.directory.has_admin()


async def test_a_login_is_dated(desk: Desk) -> None:
    await desk.register()
    assert await desk.database.fetchval("SELECT last_login_at FROM users") is None
    await desk.log_in()
    assert await desk.database.fetchval("SELECT last_login_at >= created_at FROM users")


async def test_no_hash_is_in_the_read_model(desk: Desk) -> None:
    await desk.register()
    row = await desk.database.fetchrow("SELECT * FROM users")
    assert row
    assert not any("argon2" in str(value) for value in row.values())
