"""What is answered about templates."""

# ruff: noqa: S608
# Statements are put together from the constants of this file; values are always parameters.

from contracts.messages import Page
from contracts.refusals import Code, Refusal
from contracts.session.templates import GetTemplate, ListTemplates, TemplateSummary, TemplateView
from eventing.handling import Handlers

from session.queries.filters import Filters
from session.queries.paging import Listing
from session.queries.visible import Context, owner

USES = "(SELECT coalesce(sum(n), 0)::bigint FROM template_uses WHERE template_id = session_templates.id)"
SUMMARY = ", ".join(
    f"{USES} AS usage_count" if name == "usage_count" else name for name in TemplateSummary.model_fields
)

READABLE = "(user_id = {} OR is_public)"
LISTING = Listing(SUMMARY, "session_templates", Code.TEMPLATE_NOT_FOUND)

answers = Handlers()


@answers
async def get_template(query: GetTemplate, context: Context) -> TemplateView:
    """Give one template: an own one, or a public one; an admin may read all."""
    row = await context.database.fetchrow(
        f"SELECT {SUMMARY}, sdk_options FROM session_templates WHERE id = $1", query.template_id
    )
    if row is None or not (row["is_public"] or context.actor.may_see(row["user_id"])):
        raise Refusal(Code.TEMPLATE_NOT_FOUND, f"There is no template {query.template_id}.")
    return TemplateView(**row)


@answers
async def list_templates(query: ListTemplates, context: Context) -> Page[TemplateSummary]:
    """Give the actor's own and the public templates, an admin all, newest first."""
    filters = Filters(category=query.category, is_public=query.is_public)
    filters.add(READABLE, owner(context))
    filters.add("strpos(lower(name || chr(10) || description), lower({})) > 0", query.q)
    total = await context.database.fetchval(
        f"SELECT count(*) FROM session_templates WHERE {filters.where}", *filters.values
    )
    readable = Filters()
    readable.add(READABLE, owner(context))
    rows, more = await LISTING.page(query, readable, filters, context)
    return Page(items=[TemplateSummary(**row) for row in rows], total=total, more=more)
