"""What the identity service answers."""

from contracts.identity.queries import GetKeys, GetUser, KeysView, UserView
from contracts.refusals import Code
from eventing.handling import Handlers, QueryContext
from eventing.reading import Table

from identity.tools import Tools

# The account is asked for by whoever has its id: the gateway asks for the one that is logged in.
USERS = Table("users", Code.USER_NOT_FOUND, readable=None)

answers = Handlers()

type Context = QueryContext[Tools]


@answers
async def get_user(query: GetUser, context: Context) -> UserView:
    """Give one account."""
    return UserView(**await USERS.fetch(", ".join(UserView.model_fields), query.user_id, context))


@answers
async def get_keys(_query: GetKeys, context: Context) -> KeysView:
    """Give the keys that verify access tokens."""
    return context.tools.keys.public()
