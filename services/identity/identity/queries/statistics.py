"""Query handlers about all accounts together."""

from contracts.identity.statistics import GetStatistics, StatisticsView
from eventing.actors import check_admin
from eventing.handling import Handlers

from identity.dependencies import Context

answers = Handlers()


@answers
async def get_statistics(query: GetStatistics, context: Context) -> StatisticsView:
    """Return the number of accounts, and of the API calls on a day."""
    check_admin(context.actor, "read the numbers of all accounts")
    users = await context.database.fetchval("SELECT coalesce(sum(n), 0)::bigint FROM user_counts")
    return StatisticsView(total_users=users, api_calls=await context.dependencies.api_calls.count(query.day))
