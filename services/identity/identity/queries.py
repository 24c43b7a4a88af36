"""What the identity service answers."""

from contracts.identity.queries import CheckIdentity, GetKeys, GetUser, KeysView, UserView
from contracts.refusals import Code, Refusal
from eventing.handling import Handlers, QueryContext
from runtime.health import Health

from identity.tools import Tools

answers = Handlers()

type Context = QueryContext[Tools]


@answers
async def get_user(query: GetUser, context: Context) -> UserView:
    """Give one account."""
    row = await context.database.fetchrow(
        "SELECT id, email, username, full_name, role, is_active, created_at FROM users WHERE id = $1", query.user_id
    )
    if row is None:
        raise Refusal(Code.USER_NOT_FOUND, f"There is no user {query.user_id}.")
    return UserView(**row)


@answers
async def check_identity(_query: CheckIdentity, context: Context) -> dict[str, str]:
    """Return what this service depends on, and how that is."""
    return await Health({"database": context.database.check}).report()


@answers
async def get_keys(_query: GetKeys, context: Context) -> KeysView:
    """Give the keys that verify access tokens."""
    return context.tools.keys.public()
