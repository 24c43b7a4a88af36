"""Ceilings where options are set: of sessions, templates and forks."""

from typing import Any
from uuid import UUID

import pytest
from contracts.messages import Command, Query
from contracts.refusals import Code, Refusal
from contracts.samples import FORK, SESSION, TEMPLATE
from contracts.session.fork import ForkSession
from contracts.session.session import ChangeSession, CheckOptions, CreateSession, GetSession
from contracts.session.template import ChangeTemplate, CreateTemplate
from contracts.session.values import SdkOptions
from session.ceilings import Ceilings

from services.session.tests.desk import ADMIN, OWNER, Desk, OfferedModels

ID, TEMPLATE_ID = UUID(SESSION), UUID(TEMPLATE)
CEILINGS = Ceilings.parse("user.models=claude-sonnet-*, user.max_turns=10, user.tools=!Bash")
HIGH = SdkOptions(max_turns=11)


@pytest.fixture
def limited(desk: Desk) -> Desk:
    desk.dispatcher.dependencies = OfferedModels(CEILINGS)
    return desk


async def create(desk: Desk, actor: Any = OWNER, **options: Any) -> None:
    sdk_options = SdkOptions.model_validate(options)
    await desk.send(CreateSession(session_id=ID, name="one", sdk_options=sdk_options), actor)


async def create_public_template(desk: Desk) -> None:
    fields = CreateTemplate.sample | {"is_public": True, "sdk_options": {"max_turns": 11}}
    await desk.send(CreateTemplate.model_validate(fields), ADMIN)


async def refused(desk: Desk, message: Command[Any] | Query[Any]) -> str:
    """Return the refusal of a message, in words."""
    with pytest.raises(Refusal) as raised:
        await (desk.send(message) if isinstance(message, Command) else desk.ask(message))
    return f"{raised.value.code}: {raised.value.detail}"


async def test_a_session_above_the_ceiling_is_refused_and_the_option_named(limited: Desk) -> None:
    refusal = await refused(limited, CreateSession(session_id=ID, name="one", sdk_options=HIGH))
    assert refusal == "OPTION_NOT_ALLOWED: sdk_options.max_turns: must be at most 10 for your role."


async def test_a_model_above_the_ceiling_is_refused(limited: Desk) -> None:
    refusal = await refused(limited, CreateSession(session_id=ID, name="one", sdk_options=SdkOptions(model="opus")))
    assert refusal == "MODEL_NOT_ALLOWED: sdk_options.model: opus is not available; use one of sonnet."


async def test_a_forbidden_tool_is_refused(limited: Desk) -> None:
    await create(limited)
    change = ChangeSession(session_id=ID, sdk_options=SdkOptions(allowed_tools=["Bash(ls)"]))
    assert (await refused(limited, change)).startswith("OPTION_NOT_ALLOWED: sdk_options.allowed_tools: Bash(ls) is not")


async def test_a_change_below_the_ceiling_is_accepted(limited: Desk) -> None:
    await create(limited)
    await limited.send(ChangeSession(session_id=ID, sdk_options=SdkOptions(max_turns=10)))
    assert (await limited.ask(GetSession(session_id=ID))).sdk_options.max_turns == 10


async def test_an_administrator_has_the_ceiling_of_administrators(limited: Desk) -> None:
    await create(limited, ADMIN, max_turns=11, model="opus", allowed_tools=["Bash"])


async def test_a_template_of_another_user_is_checked_when_it_is_used(limited: Desk) -> None:
    await create_public_template(limited)
    use = CreateSession(session_id=ID, name="one", sdk_options=SdkOptions(), template_id=TEMPLATE_ID)
    assert "max_turns" in await refused(limited, use)
    await limited.send(use.model_copy(update={"sdk_options": SdkOptions(max_turns=10)}))


async def test_options_of_a_task_are_checked(limited: Desk) -> None:
    assert "max_turns" in await refused(limited, CheckOptions(sdk_options=HIGH))


async def test_templates_are_checked(limited: Desk) -> None:
    fields = CreateTemplate.sample | {"sdk_options": {"max_turns": 11}}
    assert "max_turns" in await refused(limited, CreateTemplate.model_validate(fields))
    await limited.send(CreateTemplate.model_validate(fields | {"sdk_options": {}}))
    assert "max_turns" in await refused(limited, ChangeTemplate(template_id=TEMPLATE_ID, sdk_options=HIGH))


async def test_a_fork_of_a_session_from_before_the_ceiling_is_refused(limited: Desk) -> None:
    former_admin = OWNER.model_copy(update={"role": "admin"})
    await create(limited, former_admin, permission_mode="bypassPermissions")
    fork = ForkSession(session_id=ID, fork_id=UUID(FORK), name="two")
    assert (await refused(limited, fork)).startswith(Code.ADMINS_ONLY)
