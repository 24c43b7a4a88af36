"""Query handlers about bus users."""

from typing import Any

from contracts.identity.bus_user import BusUserView, GetBusUser, ListBusUsers
from contracts.messages import Page
from contracts.refusals import Code
from contracts.wire import BUS_DOMAIN, PUBLIC_STREAM
from eventing.handling import Handlers
from eventing.handling.reading import Filters, Listing, Table
from runtime.bus.accounts import inbox_prefix

from identity.dependencies import Context
from identity.programs import Program

BUS_USERS = Table("bus_users", Code.BUS_USER_NOT_FOUND)
BUS_USER = "id, user_id, name, types, all_users, since, public_key, created_at"

answers = Handlers()


def _view(row: Any, url: str | None) -> BusUserView:
    fields = dict(row)
    program = Program(**{name: fields[name] for name in ("id", "user_id", "types", "all_users", "since")})
    return BusUserView(
        **fields,
        url=url,
        domain=BUS_DOMAIN,
        stream=PUBLIC_STREAM,
        consumer=program.consumer,
        inbox_prefix=inbox_prefix(program.consumer),
        subjects=[*program.subjects],
    )


@answers
async def get_bus_user(query: GetBusUser, context: Context) -> BusUserView:
    """Return a bus user that the actor may see."""
    row = await BUS_USERS.fetch(BUS_USER, query.bus_user_id, context)
    return _view(row, context.dependencies.programs.url)


@answers
async def list_bus_users(query: ListBusUsers, context: Context) -> Page[BusUserView]:
    """Return bus users, newest first."""
    url = context.dependencies.programs.url
    listing = Listing(BUS_USERS, BUS_USER, lambda row: _view(row, url))
    return await listing.page(query, context, Filters(user_id=query.user_id))
