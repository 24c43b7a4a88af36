"""Permissions of each client: derived from method, path and declared security, so that new operations are covered."""

from typing import Literal

import httpx

from tests.e2e.sweep.clients import Client
from tests.e2e.sweep.operations import ACCOUNT_PREFIX, Operation

type Outcome = Literal["unauthenticated", "forbidden", "not found", "served", "nothing"]
"""`nothing`: refused, or an empty list."""

OWN_ACCOUNT = f"{ACCOUNT_PREFIX}me"
READ_BY_KEYS = frozenset({"listApiKeys", "listBusUsers", "getBusUser"})
"""Below `/auth`, where a login is needed: a key may read what shows no key."""
LOGOUT = "logout"
ENDS_LOGIN = frozenset({LOGOUT, "logoutEverywhere"})
"""They come last: what they end is not used for other requests."""
NOT_SERVED = {
    "login": "the account of the example does not exist, or has another password",
    "refreshTokens": "the token of the example is invented",
    "resetPassword": "the token of the example is invented",
    "fireTrigger": "the request is not signed",
    "createMcpServer": "only administrators may register programs that the operator does not list",
    "installMcpServer": "the catalog does not have the server of the example",
    "authorizeMcpServer": "the server of the sweep does not exist",
}
"""Operations that refuse their own example for a reason of their domain, which is not the caller's permission."""


def expected(operation: Operation, client: Client, *, owns: bool = False) -> Outcome:
    """Return the outcome of a request with the ids of someone else; if `owns`, with ids of the caller."""
    if operation.is_public:
        return "served"
    if not client.is_authenticated:
        return "unauthenticated"
    if not _is_permitted(operation, client):
        return "forbidden"
    return "not found" if (operation.parameters or operation.names_resources) and not owns else "served"


def is_in_share(number: int, client: Client) -> bool:
    """Return whether a client requests the operation with this number also in a short sweep."""
    remainder, divisor = client.share
    return number % divisor == remainder


def _is_permitted(operation: Operation, client: Client) -> bool:
    if operation.scope not in client.scopes:
        return False
    if operation.scope == "admin":
        return client.role == "admin"
    if _concerns_account(operation):
        return not client.is_key or operation.id in READ_BY_KEYS
    return operation.scope == "read" or client.role != "viewer"


def _concerns_account(operation: Operation) -> bool:
    """Return whether it manages passwords, logins or keys: also viewers may do that, but not by an API key."""
    return operation.path.startswith(ACCOUNT_PREFIX) and not operation.path.startswith(OWN_ACCOUNT)


def outcomes(operation: Operation, status: int) -> set[Outcome]:
    """Return what a status can mean."""
    known: dict[int, Outcome] = {401: "unauthenticated", 403: "forbidden", 404: "not found"}
    found: set[Outcome] = {known[status]} if status in known else set()
    refused = status in known or status >= httpx.codes.INTERNAL_SERVER_ERROR
    if refused and operation.id not in NOT_SERVED:
        return found
    return {*found, "served"}
