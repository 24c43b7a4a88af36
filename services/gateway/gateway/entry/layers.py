"""The layers that a request passes before its route, in order; the route class (`gateway.routing`) is the last one.

Each layer says what it refuses, and with which error code. The first refusal wins, so the order is part of the API.
"""

from collections.abc import Iterator, Sequence

from starlette.middleware import Middleware

from gateway.clients.proxies import Proxies
from gateway.entry.cors import Cors, Preflights
from gateway.entry.edge import Edge
from gateway.entry.fairness import Fairness
from gateway.entry.guards import Guards
from gateway.entry.head import Head
from gateway.entry.hosts import Hosts
from gateway.entry.keyed_requests import Idempotency
from gateway.entry.parts import Parts
from gateway.entry.throttling import Throttling
from gateway.entry.transfers import Transfers
from gateway.routing.body_sizes import BodySizes


def layers(
    parts: Parts, sizes: BodySizes, hosts: Hosts, proxies: Proxies, origins: Sequence[str], exposed: Sequence[str]
) -> Iterator[Middleware]:
    """Yield the layers, the outermost one first.

    Browsers may use the API from pages of these origins, which may read the `exposed` headers of responses.
    """
    yield Middleware(Guards)  # refuses nothing: it adds the security headers to every response
    if origins:  # refuses nothing: it lets pages of these origins read responses, also those of refusals
        yield Middleware(Cors, origins=origins, exposed=exposed)
    # Refuses names of other hosts (UNKNOWN_HOST), and turns every error into a response, a log line and metrics.
    yield Middleware(Edge, parts=parts, hosts=hosts, proxies=proxies)
    if origins:  # answers preflight requests, and refuses those of other origins (ORIGIN_NOT_ALLOWED)
        yield Middleware(Preflights, origins=origins)
    # Finds out who asks, and refuses those who ask too often (RATE_LIMIT_EXCEEDED).
    yield Middleware(Throttling, parts=parts)
    # Lets other requests of a user wait while some are in progress, and refuses too many (RATE_LIMIT_EXCEEDED).
    yield Middleware(Fairness, parts=parts)
    # Refuses bodies that are too large (PAYLOAD_TOO_LARGE), or whose client loses its access (UNAUTHENTICATED).
    yield Middleware(Transfers, parts=parts, sizes=sizes)
    # Refuses keys that are not valid, in use or were used for another request (VALIDATION_ERROR, IDEMPOTENCY_KEY_…).
    yield Middleware(Idempotency, parts=parts)
    yield Middleware(Head)  # refuses nothing: it answers HEAD by what GET would answer
