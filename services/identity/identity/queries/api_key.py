"""Query handlers about API keys."""

from secrets import compare_digest

from contracts.identity.api_key import ApiKeyHolder, ApiKeyView, GetApiKey, ListApiKeys, VerifyApiKey
from contracts.messages import Actor, Page
from contracts.refusals import Code, Refusal
from eventing.database import Row
from eventing.handling import Handlers
from eventing.handling.reading import Filters, Listing, Table

from identity.dependencies import Context

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


LISTING = Listing(API_KEYS, API_KEY, _view)

answers = Handlers()


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
