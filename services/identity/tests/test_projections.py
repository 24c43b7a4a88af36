"""The read model of accounts."""

from uuid import UUID

import jwt
from contracts.identity.login import LogOut
from contracts.messages import Actor

from services.identity.tests.desk import Desk


async def test_a_registered_user_is_in_the_directory(desk: Desk) -> None:
    user_id = await desk.register()
    account = await desk.dispatcher.dependencies.directory.find_account("ada@example.com")
    assert account
    assert account.id == user_id
    assert (account.password_hash or "").startswith("$argon2id$")
    assert "argon2id" not in repr(account)
    assert not await desk.dispatcher.dependencies.directory.has_admin()


async def test_the_time_of_the_last_login_is_stored(desk: Desk) -> None:
    await desk.register()
    assert await desk.database.fetchval("SELECT last_login_at FROM users") is None
    await desk.log_in()
    assert await desk.database.fetchval("SELECT last_login_at >= created_at FROM users")


async def test_a_revoked_family_is_stored(desk: Desk) -> None:
    user_id = await desk.register()
    family_id = UUID(jwt.decode((await desk.log_in()).access_token, options={"verify_signature": False})["sid"])
    await desk.send(LogOut(family_id=family_id), Actor(user_id=user_id, role="user"))
    [row] = await desk.database.fetch("SELECT family_id, reason FROM revoked_families")
    assert (row["family_id"], row["reason"]) == (family_id, "logout")
