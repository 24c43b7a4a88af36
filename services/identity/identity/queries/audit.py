"""Query handlers about the audit log."""

from dataclasses import replace

from contracts.identity.audit import MAX_EXPORTED, AuditEntry, AuditFilter, ExportAuditEntries, ListAuditEntries
from contracts.messages import Credential, Page
from contracts.refusals import Code
from eventing.database import Row
from eventing.handling import Handlers
from eventing.handling.reading import Filters, Listing, Table

from identity.audit_log import COLUMNS, ordered_id
from identity.dependencies import Context

MAX_TOTAL = 10_000
# Of entries, others than administrators may see their own.
ENTRIES = Table("audit_log", Code.AUDIT_ENTRY_NOT_FOUND)


def _entry(row: Row) -> AuditEntry:
    kind, id = row["credential_kind"], row["credential_id"]
    fields = {name: value for name, value in row.items() if not name.startswith("credential_")}
    return AuditEntry(**fields, credential=Credential(kind=kind, id=id) if kind else None)


LISTING = Listing(ENTRIES, COLUMNS, _entry, max_total=MAX_TOTAL)

answers = Handlers()


@answers
async def list_audit_entries(query: ListAuditEntries, context: Context) -> Page[AuditEntry]:
    """Return entries of the audit log, newest first."""
    context = replace(context, database=context.dependencies.audit.database)
    return await LISTING.page(query, context, await _conditions(query.filter, context))


@answers
async def export_audit_entries(query: ExportAuditEntries, context: Context) -> list[AuditEntry]:
    """Return the next entries of the audit log, newest first."""
    context = replace(context, database=context.dependencies.audit.database)
    conditions = ENTRIES.visible(context) & await _conditions(query.filter, context)
    conditions.add("id < {}", query.after)
    rows, _ = await ENTRIES.first(COLUMNS, MAX_EXPORTED, conditions, context, ascending=False)
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
