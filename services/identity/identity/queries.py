"""The query handlers of the identity service."""

from contracts.identity.queries import GetActor, GetKeys, GetUser, KeysView, UserView
from contracts.messages import Actor
from contracts.refusals import Code, Refusal
from eventing.handling import Handlers, QueryContext
from eventing.reading import Table

from identity.dependencies import Dependencies

# Readable by every caller, since the bus is trusted: the gateway only requests the account that is logged in.
USERS = Table("users", Code.USER_NOT_FOUND, readable=None)

answers = Handlers()

type Context = QueryContext[Dependencies]


@answers
async def get_user(query: GetUser, context: Context) -> UserView:
    """Return one account."""
    return UserView(**await USERS.fetch(", ".join(UserView.model_fields), query.user_id, context))


@answers
async def get_actor(query: GetActor, context: Context) -> Actor:
    """Return a user with their current role."""
    user = await USERS.fetch("role, is_active", query.user_id, context)
    if not user["is_active"]:
        raise Refusal(Code.USER_INACTIVE, f"User {query.user_id} is disabled.")
    return Actor(user_id=query.user_id, role=user["role"])


@answers
async def get_keys(_query: GetKeys, context: Context) -> KeysView:
    """Return the public keys that verify access tokens."""
    return context.dependencies.keys.public_keys()
