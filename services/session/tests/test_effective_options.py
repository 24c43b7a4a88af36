"""A session shows what is in force for its next run."""

from uuid import UUID

from contracts.samples import TEMPLATE
from contracts.session.session import CreateSession, GetSession
from contracts.session.session_view import EffectiveOptions
from contracts.session.template import CreateTemplate
from contracts.session.values import SdkOptions
from session.ceilings import Ceilings

from services.session.tests.desk import Desk, OfferedModels

OPTIONS = SdkOptions(model="claude-opus-4-7", max_budget_usd=10, allowed_tools=["Bash", "Read"])
CEILINGS = "models=claude-haiku-*, max_budget_usd=5, max_turns=7, tools=!Bash, admin.max_budget_usd=none"


async def created(desk: Desk, ceilings: str) -> UUID:
    """Create a session, and set the ceilings afterwards."""
    session = await desk.send(CreateSession.example().model_copy(update={"sdk_options": OPTIONS}))
    desk.dispatcher.dependencies = OfferedModels(Ceilings.parse(ceilings))
    return session.id


async def effective(desk: Desk, session_id: UUID) -> EffectiveOptions:
    return (await desk.ask(GetSession(session_id=session_id))).effective_options


async def test_a_session_names_its_template_and_the_operators_model(desk: Desk) -> None:
    desk.dispatcher.dependencies = OfferedModels(Ceilings(offered=("claude-sonnet-4-5",)))
    await desk.send(CreateTemplate.example())
    session = await desk.send(CreateSession.example().model_copy(update={"template_id": UUID(TEMPLATE)}))
    assert (session.template_id, session.effective_options.model) == (UUID(TEMPLATE), "claude-sonnet-4-5")
    assert session.sdk_options.model is None


async def test_without_a_ceiling_the_options_are_in_force(desk: Desk) -> None:
    session_id = await created(desk, "")
    expected = {name: value for name, value in vars(OPTIONS).items() if name in EffectiveOptions.model_fields}
    assert vars(await effective(desk, session_id)) == expected | {"after_crash": "ask"}


async def test_a_session_shows_its_options_within_the_present_ceiling(desk: Desk) -> None:
    options = await effective(desk, await created(desk, CEILINGS))
    assert (options.model, options.max_budget_usd, options.max_turns) == ("haiku", 5, 7)
    assert (options.allowed_tools, options.disallowed_tools) == (["Read"], ["Bash"])


async def test_the_ceiling_of_the_owners_present_role_counts(desk: Desk) -> None:
    session_id = await created(desk, CEILINGS)
    user_id = (await desk.ask(GetSession(session_id=session_id))).user_id
    await desk.database.execute("INSERT INTO accounts (user_id, role) VALUES ($1, 'admin')", user_id)
    assert (await effective(desk, session_id)).max_budget_usd == 10
