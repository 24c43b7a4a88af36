"""Templates on a database: permissions, lists, and sessions created from them."""

from typing import Any
from uuid import UUID

import pytest
from contracts.messages import Actor
from contracts.refusals import Code, Refusal
from contracts.samples import SESSION, TEMPLATE
from contracts.session.session import CheckOptions, CreateSession, DeleteSession, GetSession
from contracts.session.session_view import SessionView
from contracts.session.template import ChangeTemplate, CreateTemplate, DeleteTemplate, GetTemplate, ListTemplates
from contracts.session.values import SdkOptions
from runtime.clock import new_id

from services.session.tests.desk import ADMIN, OWNER, STRANGER, Desk

ID = UUID(TEMPLATE)
BYPASS = SdkOptions(permission_mode="bypassPermissions")


async def create(desk: Desk, actor: Actor = OWNER, **changed: Any) -> UUID:
    command = CreateTemplate.model_validate(CreateTemplate.sample | {"template_id": new_id()} | changed)
    return (await desk.send(command, actor)).id


async def use(desk: Desk, template_id: UUID, actor: Actor = OWNER, **named: Any) -> SessionView:
    named = {"session_id": new_id(), "name": "one", "sdk_options": {}, "template_id": template_id, **named}
    return await desk.send(CreateSession.model_validate(named), actor)


async def names(desk: Desk, actor: Actor = OWNER, **query: Any) -> list[str]:
    page = await desk.ask(ListTemplates(**query), actor)
    assert page.total == len(page.items)
    return [template.name for template in page.items]


async def test_creating_a_template_returns_all_its_fields(desk: Desk) -> None:
    template = await desk.send(CreateTemplate.example())
    assert (template.user_id, template.usage_count) == (OWNER.user_id, 0)
    assert template.model_dump(include=set(CreateTemplate.sample)) == CreateTemplate.example().model_dump(
        exclude={"template_id"}
    )


async def test_a_change_is_visible_in_the_read_model(desk: Desk) -> None:
    await desk.send(CreateTemplate.example())
    template = await desk.send(ChangeTemplate.example())
    assert (template.name, template.sdk_options.max_turns, template.category) == ("DevOps", 5, "DEVOPS")
    assert template.updated_at > template.created_at


async def test_a_deleted_template_is_neither_listed_nor_found(desk: Desk) -> None:
    await desk.send(CreateTemplate.example())
    await desk.send(DeleteTemplate.example())
    assert await names(desk) == []
    for command in (ChangeTemplate, DeleteTemplate):
        with pytest.raises(Refusal, match=Code.TEMPLATE_NOT_FOUND):
            await desk.send(command.example())


async def test_own_and_public_templates_are_listed_newest_first(desk: Desk) -> None:
    await create(desk, name="mine")
    await create(desk, STRANGER, name="theirs")
    await create(desk, STRANGER, name="public", is_public=True)
    assert await names(desk) == ["public", "mine"]
    assert await names(desk, ADMIN) == ["public", "theirs", "mine"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"category": "WEB"}, ["two"]),
        ({"is_public": False}, ["one"]),
        ({"q": "TWO"}, ["two"]),
        ({"q": "100%"}, ["one"]),
        ({"q": "%"}, ["one"]),
        ({"q": "x", "category": "WEB"}, []),
    ],
)
async def test_templates_are_filtered(desk: Desk, query: dict[str, Any], found: list[str]) -> None:
    await create(desk, name="one", description="100% sure")
    await create(desk, name="two", description="", category="WEB", is_public=True)
    assert await names(desk, **query) == found


async def test_templates_are_listed_in_pages(desk: Desk) -> None:
    for name in ("one", "two", "three"):
        await create(desk, name=name)
    page = await desk.ask(ListTemplates(skip=1, limit=1))
    assert ([template.name for template in page.items], page.total) == (["two"], 3)
    rest = await desk.ask(ListTemplates(after=page.items[0].id))
    assert ([template.name for template in rest.items], rest.total) == (["one"], 3)


async def test_another_users_private_template_is_not_found(desk: Desk) -> None:
    await desk.send(CreateTemplate.example())
    with pytest.raises(Refusal, match=Code.TEMPLATE_NOT_FOUND):
        await desk.ask(GetTemplate.example(), STRANGER)
    for command in (ChangeTemplate, DeleteTemplate):
        with pytest.raises(Refusal, match=Code.TEMPLATE_NOT_FOUND):
            await desk.send(command.example(), STRANGER)


async def test_another_users_public_template_is_readable_but_not_writable(desk: Desk) -> None:
    template_id = await create(desk, is_public=True)
    assert (await desk.ask(GetTemplate(template_id=template_id), STRANGER)).is_public
    for command in (ChangeTemplate(template_id=template_id, name="mine"), DeleteTemplate(template_id=template_id)):
        with pytest.raises(Refusal, match=Code.NOT_OWNER):
            await desk.send(command, STRANGER)


async def test_an_admin_may_change_another_users_template(desk: Desk) -> None:
    template_id = await create(desk)
    assert (await desk.send(ChangeTemplate(template_id=template_id, name="new"), ADMIN)).name == "new"


async def test_the_id_of_a_session_is_not_found_as_a_template(desk: Desk) -> None:
    await desk.send(CreateSession.example())
    with pytest.raises(Refusal, match=Code.TEMPLATE_NOT_FOUND):
        await desk.send(DeleteTemplate(template_id=UUID(SESSION)))


async def test_the_id_of_a_template_is_not_found_as_a_session(desk: Desk) -> None:
    await desk.send(CreateTemplate.example())
    with pytest.raises(Refusal, match=Code.SESSION_NOT_FOUND):
        await desk.send(DeleteSession(session_id=ID))


async def test_a_session_inherits_options_and_mode_of_its_template(desk: Desk) -> None:
    template_id = await create(desk, default_mode="non_interactive", sdk_options={"model": "m", "max_turns": 3})
    session = await use(desk, template_id)
    assert (session.mode, session.sdk_options) == ("non_interactive", SdkOptions(model="m", max_turns=3))


async def test_options_of_the_session_win_even_if_null_or_default(desk: Desk) -> None:
    template_id = await create(desk, sdk_options={"model": "m", "max_turns": 3, "timeout_seconds": 5})
    session = await use(desk, template_id, mode="interactive", sdk_options={"model": None, "timeout_seconds": 600})
    assert (session.mode, session.sdk_options) == ("interactive", SdkOptions(max_turns=3))


async def test_a_session_from_an_unknown_template_is_refused(desk: Desk) -> None:
    with pytest.raises(Refusal, match=Code.TEMPLATE_NOT_FOUND):
        await use(desk, new_id())


async def test_another_users_private_template_cannot_be_used(desk: Desk) -> None:
    template_id = await create(desk)
    with pytest.raises(Refusal, match=Code.TEMPLATE_NOT_FOUND):
        await use(desk, template_id, STRANGER)


async def test_a_session_does_not_change_with_its_template(desk: Desk) -> None:
    template_id = await create(desk, sdk_options={"model": "m"})
    session = await use(desk, template_id)
    await desk.send(ChangeTemplate(template_id=template_id, sdk_options=SdkOptions(model="other")))
    await desk.send(DeleteTemplate(template_id=template_id))
    assert await desk.ask(GetSession(session_id=session.id)) == session


async def test_the_usage_count_includes_other_users_and_deleted_sessions(
    desk: Desk,
) -> None:
    template_id = await create(desk, is_public=True)
    await use(desk, template_id)
    session = await use(desk, template_id, STRANGER)
    await desk.send(DeleteSession(session_id=session.id), STRANGER)
    assert (await desk.ask(GetTemplate(template_id=template_id))).usage_count == 2
    assert (await desk.ask(ListTemplates())).items[0].usage_count == 2


async def test_a_refused_session_is_not_counted(desk: Desk) -> None:
    template_id = await create(desk)
    with pytest.raises(Refusal):
        await use(desk, template_id, sdk_options=BYPASS)
    assert (await desk.ask(GetTemplate(template_id=template_id))).usage_count == 0


async def test_only_admins_may_use_a_template_that_bypasses_permissions(desk: Desk) -> None:
    template_id = await create(desk, ADMIN, is_public=True, sdk_options={"permission_mode": "bypassPermissions"})
    with pytest.raises(Refusal, match=Code.ADMINS_ONLY):
        await use(desk, template_id)
    assert (await use(desk, template_id, ADMIN)).sdk_options.permission_mode == "bypassPermissions"


async def test_only_admins_may_save_a_template_that_bypasses_permissions(desk: Desk) -> None:
    with pytest.raises(Refusal, match=Code.ADMINS_ONLY):
        await create(desk, sdk_options=BYPASS)
    await desk.send(CreateTemplate.example())
    with pytest.raises(Refusal, match=Code.ADMINS_ONLY):
        await desk.send(ChangeTemplate(template_id=ID, sdk_options=BYPASS))


async def test_checking_options_refuses_what_a_session_would(desk: Desk) -> None:
    with pytest.raises(Refusal, match=Code.ADMINS_ONLY):
        await desk.ask(CheckOptions(sdk_options=BYPASS))


async def test_checking_valid_options_returns_nothing(desk: Desk) -> None:
    template_id = await create(desk)
    assert await desk.ask(CheckOptions(sdk_options=SdkOptions(max_turns=3), template_id=template_id)) is None


async def test_options_are_checked_together_with_their_template(desk: Desk) -> None:
    template_id = await create(desk, ADMIN, is_public=True, sdk_options={"permission_mode": "bypassPermissions"})
    with pytest.raises(Refusal, match=Code.ADMINS_ONLY):
        await desk.ask(CheckOptions(sdk_options=SdkOptions(), template_id=template_id))
    await desk.ask(CheckOptions(sdk_options=SdkOptions(permission_mode="default"), template_id=template_id))


async def test_checking_options_refuses_a_template_of_another_user(desk: Desk) -> None:
    template_id = await create(desk)
    with pytest.raises(Refusal, match=Code.TEMPLATE_NOT_FOUND):
        await desk.ask(CheckOptions(sdk_options=SdkOptions(), template_id=template_id), STRANGER)
