"""The query for the keys that verify access tokens."""

from contracts.identity.login import GetKeys, KeysView
from eventing.handling import Handlers

from identity.dependencies import Context

answers = Handlers()


@answers
async def get_keys(_query: GetKeys, context: Context) -> KeysView:
    """Return the public keys that verify access tokens."""
    return context.dependencies.keys.ring.public_keys()
