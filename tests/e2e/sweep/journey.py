"""A sweep: every operation by every client, with the ids of an owner who is none of them."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, cast

from gateway.openapi import EXAMPLES
from onebox.testing.system import System

from tests.e2e.sweep.answers import Answer, Sender
from tests.e2e.sweep.clients import Client, Clients
from tests.e2e.sweep.operations import Ids, Operation, operations
from tests.e2e.sweep.oracles import revealing
from tests.e2e.sweep.planted import Planter
from tests.e2e.sweep.resources import Owner, administrator
from tests.e2e.sweep.rules import ENDS_LOGIN, LOGOUT, expected, is_in_share
from tests.e2e.user import User, searched_client

ORDER = ("GET", "POST", "PUT", "PATCH", "DELETE")
VOLATILE = frozenset({"last_used_at", "checked_at", "timestamp", "request_id", "failing_since"})
"""Members that change without a request: a key is used to send one, and servers are checked regularly."""
DELIVERIES = frozenset({"listDeliveries", "getDelivery"})
"""Operations about deliveries of webhooks, which are tried again and again."""


@dataclass
class Sweep:
    """What was answered to others, to the owner and to an administrator, and what the owner saw before and after."""

    ids: Ids
    label: str
    planted: Mapping[str, str]
    before: dict[str, Any]
    after: dict[str, Any] = field(default_factory=dict[str, Any])
    of_others: list[Answer] = field(default_factory=list[Answer])
    of_admin: list[Answer] = field(default_factory=list[Answer])
    of_owner: list[Answer] = field(default_factory=list[Answer])
    revealing: list[str] = field(default_factory=list[str])
    """Answers that differ for someone without resources, by whether an id exists."""


class Sweeper:
    """Carries out a sweep on a system of its own: every client requests all operations, or its share of them."""

    def __init__(self, system: System, opened: ExitStack, *, is_short: bool) -> None:
        self.is_short = is_short
        self.admin, self.user = administrator(system), Owner(system.base_url)
        self.sender = Sender(opened.enter_context(searched_client(system.base_url)))
        for user in (self.admin, self.user):
            opened.enter_context(user.http)
        self.clients = Clients(system, self.admin, opened)

    def run(self) -> Sweep:
        """Create the resources, send all requests, and return the answers."""
        self.admin.log_in()
        planter = Planter(self.user, self.admin)
        planter.plant()
        bystander = self.clients.account("user")
        ids = self.user.create_all(bystander)
        owner, admin = _login(self.user, "owner", "user"), _login(self.admin, "administrator", "admin")
        sweep = Sweep(ids, planter.label, planter.planted, self._seen_by(owner, ids))
        for client in self.clients.all():
            sweep.of_others += self._by_other(client, ids)
        sweep.revealing = list(revealing(self.sender.http, bystander, ids, is_short=self.is_short))
        sweep.after = self._seen_by(owner, ids)
        sweep.of_admin = list(self._by_admin(admin, ids))
        sweep.of_owner = list(self._by_owner(owner, ids))
        return sweep

    def _by_other(self, client: Client, ids: Ids) -> Iterator[Answer]:
        if client.role == "admin":
            ids = EXAMPLES  # an administrator may change all resources; these do not exist
        if client.ends and client.role == "user":
            yield from self._references(client, ids)
        for number, operation in enumerate(sorted(operations(), key=lambda operation: operation.id in ENDS_LOGIN)):
            sender = client.ends if client.ends and operation.id == LOGOUT else client
            if not self.is_short or is_in_share(number, client):
                yield self.sender.send(operation, sender, ids, expected(operation, client))

    def _references(self, client: Client, ids: Ids) -> Iterator[Answer]:
        """Send ids of the owner in query strings and bodies."""
        for operation in operations():
            if operation.parameters or operation.is_public or operation.scope == "admin":
                continue
            for name in operation.query_parameters() & ids.keys():
                yield self.sender.send(operation, client, ids, "nothing", params={name: ids[name]})
            for name in operation.body_fields().keys() & ids.keys():
                kept = {field: value for field, value in operation.example().items() if field not in ids}
                yield self.sender.send(operation, client, ids, "nothing", json={**kept, name: ids[name]})
            for value in ids.values() if operation.has_cursors else ():
                yield self.sender.send(operation, client, ids, "nothing", params={"after": value})

    def _by_admin(self, client: Client, ids: Ids) -> Iterator[Answer]:
        """Read everything as an administrator, and do what only administrators can."""
        for operation in operations():
            if operation.scope == "admin" or (operation.method == "GET" and not operation.is_public):
                yield from self._unknown_cursor(operation, client, ids)
                yield self.sender.send(operation, client, ids, expected(operation, client, owns=True))

    def _by_owner(self, client: Client, ids: Ids) -> Iterator[Answer]:
        """Send everything as the owner, deletions last and the innermost first."""

        def place(operation: Operation) -> tuple[int, int]:
            depth = len(operation.path) if operation.method == "DELETE" else 0
            return ORDER.index(operation.method), -depth

        for operation in sorted(operations(), key=place):
            if operation.id not in ENDS_LOGIN:
                yield from self._unknown_cursor(operation, client, ids)
                yield self.sender.send(operation, client, ids, expected(operation, client, owns=True))

    def _unknown_cursor(self, operation: Operation, client: Client, ids: Ids) -> Iterator[Answer]:
        if operation.has_cursors:
            yield self.sender.send(operation, client, ids, "nothing", params={"after": EXAMPLES["message_id"]})

    def _seen_by(self, client: Client, ids: Ids) -> dict[str, Any]:
        """Return all that a client can read, by URL."""
        seen: dict[str, Any] = {}
        for operation in operations():
            if operation.id in DELIVERIES:
                continue
            if operation.method == "GET" and not operation.is_public and operation.scope == "read":
                answer = self.sender.send(operation, client, ids, "served")
                is_json = answer.headers.get("content-type") == "application/json"
                seen[operation.url(ids)] = _settled(json.loads(answer.content)) if is_json else answer.content
        return seen


def _login(user: User, name: str, role: str) -> Client:
    return Client(name, {"authorization": user.http.headers["authorization"]}, role)


def _settled(value: Any) -> Any:
    """Return a JSON value without the members that change by themselves."""
    if isinstance(value, dict):
        members = cast(dict[str, Any], value).items()
        return {name: _settled(each) for name, each in members if name not in VOLATILE}
    return [_settled(each) for each in cast(list[Any], value)] if isinstance(value, list) else value
