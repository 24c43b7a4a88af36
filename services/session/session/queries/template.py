"""Handlers of queries about templates."""

from contracts.messages import Page
from contracts.session.template import GetTemplate, ListTemplates, TemplateSummary, TemplateView
from eventing.database.counters import Counters
from eventing.handling import Handlers
from eventing.handling.reading import Filters, Listing

from session.dependencies import Context
from session.queries.tables import TEMPLATES

USES = Counters("template_uses", "template_id").count_of("session_templates.id")
SUMMARY = ", ".join(
    f"{USES} AS usage_count" if name == "usage_count" else name for name in TemplateSummary.model_fields
)
LISTING = Listing(TEMPLATES, SUMMARY, TemplateSummary.model_validate)

answers = Handlers()


@answers
async def get_template(query: GetTemplate, context: Context) -> TemplateView:
    """Return a template: an own or public one, or any for an admin."""
    return TemplateView(**await TEMPLATES.fetch(f"{SUMMARY}, sdk_options", query.template_id, context))


@answers
async def list_templates(query: ListTemplates, context: Context) -> Page[TemplateSummary]:
    """Return the actor's own and the public templates (for an admin, all), newest first."""
    filters = Filters(category=query.category, is_public=query.is_public)
    filters.add("strpos(lower(name || chr(10) || description), lower({})) > 0", query.q)
    return await LISTING.page(query, context, filters)
