"""The queries of the identity service."""

import pytest
from contracts.identity.login import GetKeys
from contracts.identity.user import GetActor, GetUser
from contracts.messages import Actor
from contracts.refusals import Code, Refusal
from runtime.clock import new_id

from services.identity.tests.desk import Desk


async def test_a_user_is_returned(desk: Desk) -> None:
    user = await desk.ask(GetUser(user_id=await desk.register()))
    assert (user.email, user.username, user.role, user.is_active) == ("ada@example.com", "ada", "user", True)


async def test_an_unknown_user_is_not_found(desk: Desk) -> None:
    with pytest.raises(Refusal, match=Code.USER_NOT_FOUND):
        await desk.ask(GetUser(user_id=new_id()))


async def test_the_public_keys_are_returned(desk: Desk) -> None:
    assert [key["kid"] for key in (await desk.ask(GetKeys())).keys] == ["one"]


async def test_an_actor_has_the_role_of_the_user(desk: Desk) -> None:
    user_id = await desk.register()
    assert await desk.ask(GetActor(user_id=user_id)) == Actor(user_id=user_id, role="user")


async def test_there_is_no_actor_for_an_unknown_user(desk: Desk) -> None:
    with pytest.raises(Refusal, match=Code.USER_NOT_FOUND):
        await desk.ask(GetActor(user_id=new_id()))


async def test_there_is_no_actor_for_a_disabled_user(desk: Desk) -> None:
    user_id = await desk.register()
    await desk.database.execute("UPDATE users SET is_active = false WHERE id = $1", user_id)
    with pytest.raises(Refusal, match=Code.USER_INACTIVE):
        await desk.ask(GetActor(user_id=user_id))
