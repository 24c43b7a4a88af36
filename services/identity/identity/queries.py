"""The query handlers of the identity service."""

from dataclasses import replace
from secrets import compare_digest

from contracts.identity.api_key import ApiKeyHolder, ApiKeyView, GetApiKey, ListApiKeys, VerifyApiKey
from contracts.identity.audit import MAX_EXPORTED, AuditEntry, AuditFilter, ExportAuditEntries, ListAuditEntries
from contracts.identity.login import GetKeys, KeysView
from contracts.identity.user import GetActor, GetUser, UserView
from contracts.messages import Actor, Credential, Page
from contracts.refusals import Code, Refusal
from eventing.database import Row
from eventing.handling import Handlers
from eventing.reading import Filters, Listing, Table

from identity.audit_log import COLUMNS, ordered_id
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


# Of entries, others than administrators may see their own.
MAX_TOTAL = 10_000
AUDIT = Table("audit_log", Code.AUDIT_ENTRY_NOT_FOUND)


def _view(row: Row) -> ApiKeyView:
    return ApiKeyView(**row)


def _entry(row: Row) -> AuditEntry:
    kind, id = row["credential_kind"], row["credential_id"]
    fields = {name: value for name, value in row.items() if not name.startswith("credential_")}
    return AuditEntry(**fields, credential=Credential(kind=kind, id=id) if kind else None)


LISTING = Listing(API_KEYS, API_KEY, _view)
ENTRIES = Listing(AUDIT, COLUMNS, _entry, max_total=MAX_TOTAL)

answers = Handlers()


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


@answers
async def list_audit_entries(query: ListAuditEntries, context: Context) -> Page[AuditEntry]:
    """Return entries of the audit log, newest first."""
    context = replace(context, database=context.dependencies.audit.database)
    return await ENTRIES.page(query, context, await _conditions(query.filter, context))


@answers
async def export_audit_entries(query: ExportAuditEntries, context: Context) -> list[AuditEntry]:
    """Return the next entries of the audit log, newest first."""
    context = replace(context, database=context.dependencies.audit.database)
    conditions = AUDIT.visible(context) & await _conditions(query.filter, context)
    conditions.add("id < {}", query.after)
    rows, _ = await AUDIT.first(COLUMNS, MAX_EXPORTED, conditions, context, ascending=False)
    return [_entry(row) for row in rows]


async def _conditions(wanted: AuditFilter, context: Context) -> Filters:
    conditions = Filters(
        user_id=wanted.user_id,
        resource_id=wanted.resource_id,
        outcome=wanted.outcome,
        client_address=wanted.client_address,
    )
    # By id, which sorts by time: the index is that of the order of the list.
    conditions.add("id >= {}", wanted.from_at and ordered_id(wanted.from_at))
    conditions.add("id < {}", wanted.to_at and ordered_id(wanted.to_at))
    if wanted.actions:
        conditions.add("action = ANY({})", await context.dependencies.audit.actions_like(wanted.actions))
    return conditions
