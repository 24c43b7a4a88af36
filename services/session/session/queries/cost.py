"""Handlers of queries about costs."""

from contracts.session.cost import CostDimension, CostPage, Costs, GroupCosts, ListCosts
from eventing.actors import check_admin
from eventing.handling import Handlers
from eventing.handling.reading import Filters, Sums

from session.dependencies import Context

COSTS = Sums("costs", tuple(Costs.model_fields))
KEYS: dict[CostDimension, str] = {
    "user": "user_id",
    "model": "nullif(model, '')",
    "day": "day",
    "template": "nullif(template_id, '00000000-0000-0000-0000-000000000000')",
}

answers = Handlers()


@answers
async def list_costs(query: ListCosts, context: Context) -> CostPage:
    """Return the costs of all users, grouped."""
    check_admin(context.actor, "read the costs of all users")
    filters = Filters(user_id=query.user_id, model=query.model, template_id=query.template_id)
    filters.add("day >= {}", query.first_day)
    filters.add("day <= {}", query.last_day)
    order = "key DESC" if query.by == "day" else "cost_usd DESC, key"
    groups, sums, total = await COSTS.page(KEYS[query.by], query, context, filters, order)
    items = [GroupCosts.model_validate(group) for group in groups]
    return CostPage(items=items, total=total, sums=Costs.model_validate(sums))
