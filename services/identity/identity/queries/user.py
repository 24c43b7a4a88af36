"""Query handlers about accounts."""

from contracts.identity.user import GetActor, GetUser, ListUsers, UserView
from contracts.messages import Actor, Page
from contracts.refusals import Code, Refusal
from eventing.actors import check_admin
from eventing.database import Row
from eventing.handling import Handlers
from eventing.handling.reading import Filters, Listing, Table

from identity.dependencies import Context

# Readable by every caller, since the bus is trusted: the gateway requests other accounts for administrators only.
USERS = Table("users", Code.USER_NOT_FOUND, readable=None)
USER = ", ".join(UserView.model_fields)
# A range instead of LIKE, whose pattern would have to be known when the statement is prepared to use the indexes.
STARTS_WITH = " OR ".join(
    f'({column} COLLATE "C" >= {{0}} AND {column} COLLATE "C" < {{0}} || chr(1114111))'
    for column in ("email", "lower(username)")
)


def _user(row: Row) -> UserView:
    return UserView(**row)


LISTING = Listing(USERS, USER, _user, counters="user_counts")
FOUND = Listing(USERS, USER, _user)

answers = Handlers()


@answers
async def get_user(query: GetUser, context: Context) -> UserView:
    """Return one account."""
    return _user(await USERS.fetch(USER, query.user_id, context))


@answers
async def list_users(query: ListUsers, context: Context) -> Page[UserView]:
    """Return all accounts, newest first."""
    check_admin(context.actor, "list accounts")
    filters = Filters(role=query.role, is_active=query.is_active, is_service_account=query.is_service_account)
    filters.add(f"({STARTS_WITH})", query.search)
    return await (FOUND if query.search else LISTING).page(query, context, filters)


@answers
async def get_actor(query: GetActor, context: Context) -> Actor:
    """Return a user with their current role."""
    user = await USERS.fetch("role, is_active", query.user_id, context)
    if not user["is_active"]:
        raise Refusal(Code.USER_INACTIVE, f"User {query.user_id} is disabled.")
    return Actor(user_id=query.user_id, role=user["role"])
