"""What is answered about templates."""

# ruff: noqa: S608
# Statements are put together from the constants of this file; values are always parameters.

from typing import Any

from contracts.messages import Page
from contracts.refusals import Code, Refusal
from contracts.session.templates import GetTemplate, ListTemplates, TemplateView
from eventing.handling import Handlers

from session.queries.shown import LISTED_OPTIONS
from session.queries.visible import Context

REST = ", ".join(name for name in TemplateView.model_fields if name not in {"sdk_options", "usage_count"})
USES = "(SELECT coalesce(sum(n), 0)::bigint FROM template_uses WHERE template_id = session_templates.id) AS usage_count"
FOUND = "(strpos(lower(name), lower({0})) > 0 OR strpos(lower(description), lower({0})) > 0)"

answers = Handlers()


@answers
async def get_template(query: GetTemplate, context: Context) -> TemplateView:
    """Give one template: an own one, or a public one; an admin may read all."""
    row = await context.database.fetchrow(
        f"SELECT {REST}, {USES}, sdk_options FROM session_templates WHERE id = $1", query.template_id
    )
    if row is None or not (row["is_public"] or context.actor.may_see(row["user_id"])):
        raise Refusal(Code.TEMPLATE_NOT_FOUND, f"There is no template {query.template_id}.")
    return TemplateView(**row)


@answers
async def list_templates(query: ListTemplates, context: Context) -> Page[TemplateView]:
    """Give the actor's own and the public templates, an admin all, newest first."""
    reader = None if context.actor.role == "admin" else context.actor.user_id
    wanted: list[tuple[str, Any]] = [
        ("(user_id = {0} OR is_public)", reader),
        ("category = {0}", query.category),
        ("is_public = {0}", query.is_public),
        (FOUND, query.q),
    ]
    filters = [(condition, value) for condition, value in wanted if value is not None]
    where = " AND ".join(condition.format(f"${n}") for n, (condition, _) in enumerate(filters, start=1)) or "true"
    values = [value for _, value in filters]
    total = await context.database.fetchval(f"SELECT count(*) FROM session_templates WHERE {where}", *values)
    if query.after:
        values.append(query.after)
        where += f" AND id < ${len(values)}"
    rows = await context.database.fetch(
        f"SELECT {REST}, {USES}, {LISTED_OPTIONS} FROM session_templates WHERE {where} "
        f"ORDER BY id DESC LIMIT {query.limit:d} OFFSET {query.skip:d}",
        *values,
    )
    return Page(items=[TemplateView(**row) for row in rows], total=total)
