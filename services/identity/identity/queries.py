"""The query handlers of the identity service."""

from secrets import compare_digest

from contracts.identity.api_key import ApiKeyHolder, ApiKeyView, GetApiKey, ListApiKeys, VerifyApiKey
from contracts.identity.login import GetKeys, KeysView
from contracts.identity.statistics import GetStatistics, StatisticsView
from contracts.identity.user import GetActor, GetUser, ListUsers, UserView
from contracts.messages import Actor, Page
from contracts.refusals import Code, Refusal
from eventing.database import Row
from eventing.handling import Handlers
from eventing.reading import Filters, Listing, Table

from identity.dependencies import Context

# Readable by every caller, since the bus is trusted: the gateway only requests the account that is logged in.
USERS = Table("users", Code.USER_NOT_FOUND, readable=None)
API_KEYS = Table("api_keys", Code.API_KEY_NOT_FOUND)
API_KEY = ", ".join(ApiKeyView.model_fields)
# Read before it is known who presents the key.
PRESENTED_KEYS = Table(
    "(SELECT k.*, u.role, u.is_active FROM api_keys AS k JOIN users AS u ON u.id = k.user_id) AS keys",
    Code.INVALID_API_KEY,
    readable=None,
)


def _view(row: Row) -> ApiKeyView:
    return ApiKeyView(**row)


def _user(row: Row) -> UserView:
    return UserView(**row)


LISTING = Listing(API_KEYS, API_KEY, _view)
USER = ", ".join(UserView.model_fields)
USER_LISTING = Listing(USERS, USER, _user, counters="user_counts")
FOUND_USERS = Listing(USERS, USER, _user)
# A range instead of LIKE, whose pattern would have to be known when the statement is prepared to use the indexes.
STARTS_WITH = " OR ".join(
    f'({column} COLLATE "C" >= {{0}} AND {column} COLLATE "C" < {{0}} || chr(1114111))'
    for column in ("email", "lower(username)")
)

answers = Handlers()


@answers
async def get_user(query: GetUser, context: Context) -> UserView:
    """Return one account."""
    return _user(await USERS.fetch(USER, query.user_id, context))


@answers
async def list_users(query: ListUsers, context: Context) -> Page[UserView]:
    """Return all accounts, newest first."""
    _check_admin(context)
    filters = Filters(role=query.role, is_active=query.is_active, is_service_account=query.is_service_account)
    filters.add(f"({STARTS_WITH})", query.search)
    return await (FOUND_USERS if query.search else USER_LISTING).page(query, context, filters)


@answers
async def get_statistics(query: GetStatistics, context: Context) -> StatisticsView:
    """Return the number of accounts, and of the API calls on a day."""
    _check_admin(context)
    users = await context.database.fetchval("SELECT coalesce(sum(n), 0)::bigint FROM user_counts")
    return StatisticsView(total_users=users, api_calls=await context.dependencies.api_calls.count(query.day))


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
    return context.dependencies.keys.ring.public_keys()


@answers
async def get_api_key(query: GetApiKey, context: Context) -> ApiKeyView:
    """Return an API key of the actor."""
    return _view(await API_KEYS.fetch(API_KEY, query.key_id, context))


@answers
async def list_api_keys(query: ListApiKeys, context: Context) -> Page[ApiKeyView]:
    """Return the API keys of a user, newest first."""
    return await LISTING.page(query, context, Filters(user_id=query.user_id))


@answers
async def verify_api_key(query: VerifyApiKey, context: Context) -> ApiKeyHolder:
    """Return whom an API key authenticates. Every refusal is the same, so that it reveals no ids of keys."""
    invalid = Refusal(Code.INVALID_API_KEY, "The API key is not valid.")
    columns = "user_id, role, is_active, scopes, secret_hash, expires_at"
    try:
        key = await PRESENTED_KEYS.fetch(columns, query.key_id, context)
    except Refusal:
        raise invalid from None
    if not compare_digest(key["secret_hash"] or "", query.secret_hash) or not key["is_active"]:
        raise invalid
    actor = Actor(user_id=key["user_id"], role=key["role"])
    return ApiKeyHolder(actor=actor, scopes=key["scopes"], expires_at=key["expires_at"])


def _check_admin(context: Context) -> None:
    if context.actor.role != "admin":
        raise Refusal(Code.ADMINS_ONLY, "Only administrators may read this.")
