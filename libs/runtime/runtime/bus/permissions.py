"""What each service may send and receive on the bus, from the contracts, and the users of NATS with it.

`python -m runtime.bus.permissions` prints the users, with a new password each, and a new key for identity.
"""

import importlib
import json
import pkgutil
import re
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from secrets import token_urlsafe
from typing import Any

import contracts
from contracts.catalogue import SERVICES
from contracts.messages import Command, Query
from contracts.session.deltas import DELTA_SUBJECTS
from contracts.subscriptions import GATEWAY, OFFERING, OPERATOR, PROJECTED, REACTIONS
from contracts.wire import (
    DEAD_LETTERS,
    IDEMPOTENCY,
    IDEMPOTENCY_PREFIX,
    IDEMPOTENCY_USAGE,
    INBOX,
    OFFER_PREFIX,
    OPEN_STREAMS,
    OPEN_STREAMS_PREFIX,
    PUBLIC_PREFIX,
    PUBLIC_STREAM,
    RATE_LIMITS,
    RATE_PREFIX,
    REVOCATIONS,
    dead_letter_subject,
    durable,
    event_filter,
    event_stream,
    feed_subject,
    ping_subject,
    projected_subject,
    replay_subject,
    work_filter,
    work_stream,
)

from runtime.bus.accounts import AUTHORIZE, AUTHORIZED, CONNECTIONS, DISCONNECT, accounts
from runtime.bus.nkeys import ACCOUNT, KeyPair

USERS = (GATEWAY, *SERVICES, OPERATOR)
API = "$JS.API"
PASSWORD = re.compile(r"(?!\$2)[\x21-\x7e]+")
"""Printable characters, without spaces. What begins like a hash of bcrypt would be compared as one."""


@dataclass(frozen=True)
class Permissions:
    """The subjects that a user may publish and subscribe to. `denied` are exceptions from the former."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    denied: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the permissions as NATS reads them."""
        publish = f"allow: {json.dumps(self.publish)}" + (f", deny: {json.dumps(self.denied)}" if self.denied else "")
        return f"publish: {{ {publish} }}, subscribe: {{ allow: {json.dumps(self.subscribe)} }}"


def permissions_of(service: str, *, updates: bool = False) -> Permissions:
    """Return what a service may do. With `updates`, it may also change the settings of its own streams.

    A stream can store and forward any subject, whatever its service may do itself. So where services do not trust each
    other, only the operator changes streams, and a service creates only those that do not exist yet.
    """
    if service == GATEWAY:
        return _permissions_of_gateway()
    own, work = event_stream(service), work_stream(service)
    publish = [f"{API}.INFO", event_filter(service), work_filter(service), dead_letter_subject(service, ">")]
    publish += [f"{INBOX}.*.*.{service}.*", *sent(service), *_projecting(service)]
    publish += [f"{API}.STREAM.{call}.{name}" for name in (own, work, DEAD_LETTERS) for call in _calls(updates)]
    publish += [f"{API}.STREAM.MSG.{call}" for call in (f"GET.{own}", f"DELETE.{own}", f"GET.{work}")]
    publish += [*_reading(own), f"{API}.CONSUMER.INFO.{own}.*", *_reacting(f"{work}.*")]
    streams = [own, *map(event_stream, (*PROJECTED.get(service, ()), *REACTIONS.get(service, ())))]
    for name in streams[1:]:
        publish += [f"{API}.STREAM.INFO.{name}", *_reading(name)]
    for stream, name in ((stream, name) for owner, stream, name in _durables() if owner == service):
        publish += _reacting(f"{stream}.{name}")
    subscribe = [f"{INBOX}.{service}.>", f"cmd.{service}.*", f"qry.{service}.*", replay_subject(service)]
    if service in OFFERING:
        publish.append(f"{OFFER_PREFIX}.{service}.>")
        subscribe.append(f"{OFFER_PREFIX}.{service}.>")
    if service == "identity":
        publish += [*_bucket(REVOCATIONS), *_authorizing(updates)]
        subscribe.append(AUTHORIZE)
    else:
        publish.append(f"{API}.STREAM.PURGE.{PUBLIC_STREAM}")  # erases what belongs to a deleted resource
    if service == "webhook":
        publish += [f"{PUBLIC_PREFIX}.>", f"{API}.STREAM.INFO.{PUBLIC_STREAM}"]
    if service == "session":
        publish.append(DELTA_SUBJECTS)
    return Permissions(tuple(publish), tuple(subscribe), tuple(_of_others(service, streams)))


def _permissions_of_gateway() -> Permissions:
    streams = [*map(event_stream, SERVICES)]
    publish = [f"{API}.INFO", *sent(GATEWAY)]
    publish += [ask(service) for service in SERVICES for ask in (ping_subject, feed_subject)]
    for name in streams:
        publish += [f"{API}.STREAM.INFO.{name}", *_reading(name)]
    for name, prefix in (
        (RATE_LIMITS, RATE_PREFIX),
        (OPEN_STREAMS, OPEN_STREAMS_PREFIX),
        (IDEMPOTENCY_USAGE, IDEMPOTENCY_PREFIX),
    ):
        publish += [f"{prefix}.>", f"{API}.STREAM.CREATE.{name}", f"{API}.STREAM.MSG.GET.{name}"]
    publish += [f"{API}.DIRECT.GET.{OPEN_STREAMS}", *_bucket(IDEMPOTENCY)]
    revocations = f"KV_{REVOCATIONS}"
    publish += [f"{API}.STREAM.INFO.{revocations}", f"{API}.CONSUMER.CREATE.{revocations}"]
    publish += [f"{API}.CONSUMER.{call}.{revocations}.*" for call in ("INFO", "DELETE")]
    publish += [f"$JS.FC.{revocations}.>"]
    subscribe = [f"{INBOX}.{GATEWAY}.>", *map(event_filter, SERVICES), DELTA_SUBJECTS]
    return Permissions(tuple(publish), tuple(subscribe), tuple(_of_others(GATEWAY, streams)))


def sent(service: str) -> list[str]:
    """Return the subjects of the commands and queries that a service sends to others."""
    return sorted(kind.subject for kind in commands_and_queries() if service in kind.senders)


@cache
def commands_and_queries() -> tuple[type[Command[Any] | Query[Any]], ...]:
    """Return all commands and queries of the contracts, except those that every service answers."""
    for module in pkgutil.walk_packages(contracts.__path__, "contracts."):
        importlib.import_module(module.name)
    found = {*_heirs(Command), *_heirs(Query)}
    modules = tuple(f"contracts.{service}." for service in SERVICES)
    return tuple(kind for kind in found if "subject" in vars(kind) and kind.__module__.startswith(modules))


def _heirs(kind: type[Any]) -> Iterator[type[Any]]:
    for heir in kind.__subclasses__():
        yield heir
        yield from _heirs(heir)


def _projecting(service: str) -> Iterator[str]:
    yield from map(feed_subject, PROJECTED.get(service, ()))
    if service != "identity":  # accounts are never erased, so it need not know who has projected them
        yield from (projected_subject(other) for other, sources in PROJECTED.items() if service in sources)


def _authorizing(updates: bool) -> list[str]:
    """Return what identity needs in order to admit programs of users, and to disconnect them."""
    calls = [f"{API}.STREAM.{call}.{PUBLIC_STREAM}" for call in _calls(updates)]
    calls += [f"{API}.CONSUMER.CREATE.{PUBLIC_STREAM}.>", f"{API}.CONSUMER.DELETE.{PUBLIC_STREAM}.*"]
    return [AUTHORIZED, CONNECTIONS, f"{DISCONNECT}.*", *calls]


def _calls(updates: bool) -> Sequence[str]:
    return ("CREATE", "INFO", "UPDATE") if updates else ("CREATE", "INFO")


def _reading(stream: str) -> list[str]:
    """Return what a service needs to read a stream with consumers of its own."""
    return [
        f"{API}.CONSUMER.CREATE.{stream}.>",
        f"{API}.CONSUMER.MSG.NEXT.{stream}.*",
        f"{API}.CONSUMER.DELETE.{stream}.*",
    ]


def _reacting(consumer: str) -> list[str]:
    """Return what a service needs for a durable consumer, `<stream>.<name>`."""
    calls = [f"{API}.CONSUMER.{call}.{consumer}" for call in ("DURABLE.CREATE", "INFO", "MSG.NEXT")]
    return [*calls, f"$JS.ACK.{consumer}.>"]


def _bucket(name: str) -> list[str]:
    calls = [f"{API}.STREAM.{call}.KV_{name}" for call in ("CREATE", "INFO", "MSG.GET")]
    return [f"$KV.{name}.>", *calls]


def _of_others(service: str, streams: Sequence[str]) -> Iterator[str]:
    """Yield what concerns the consumers of other services in these streams. Other consumers have unguessable names."""
    for other, stream, name in _durables():
        if other != service and stream in streams:
            yield from (f"{API}.CONSUMER.*.{stream}.{name}", f"{API}.CONSUMER.CREATE.{stream}.{name}.>")
            yield f"{API}.CONSUMER.MSG.NEXT.{stream}.{name}"


def _durables() -> Iterator[tuple[str, str, str]]:
    """Yield each service that reacts to the events of another one, the stream of these, and its consumer there."""
    for service, sources in REACTIONS.items():
        for source, reactions in sources.items():
            yield from ((service, event_stream(source), durable(service, reaction)) for reaction in reactions)


def authorization(passwords: Mapping[str, str], issuer: str, *, updates: bool = False) -> str:
    """Return the sections of NATS's configuration with the users of these passwords; `updates` as in `permissions_of`.

    `issuer` is the public key of identity, which decides on the programs of users.

    Raises:
        ValueError: a name is none of `USERS`, or a password has characters that are not printable ASCII.
    """
    users = "\n".join(_user(name, password, updates) for name, password in passwords.items())
    return accounts(users, passwords, issuer)


def _user(name: str, password: str, updates: bool) -> str:
    if name not in USERS:
        raise ValueError(f"{name!r} is no user of the bus: {', '.join(USERS)}")
    if not PASSWORD.fullmatch(password):
        raise ValueError(f"the password of {name} must be printable ASCII, without spaces, and not begin with $2")
    granted = "" if name == OPERATOR else f", permissions: {{ {permissions_of(name, updates=updates)} }}"
    return f"{{ user: {name}, password: {json.dumps(password)}{granted} }}"


if __name__ == "__main__":
    about = "Print the accounts and users for the configuration of NATS, with new passwords."
    ArgumentParser("python -m runtime.bus.permissions", description=about).parse_args()
    key = KeyPair.new(ACCOUNT)
    section = authorization({name: token_urlsafe(24) for name in USERS}, key.public)
    sys.stdout.write(f"# For identity: BUS_ISSUER_SEED={key.seed}\n{section}\n")
