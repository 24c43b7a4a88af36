"""The HTTP application."""

from collections.abc import Sequence
from functools import cache

from starlette.routing import BaseRoute

from gateway.clients.proxies import Proxies
from gateway.entry.hosts import Hosts
from gateway.entry.layers import layers
from gateway.openapi import HEADERS, Api
from gateway.problems import translation
from gateway.routes import console, documentation, operations, routers
from gateway.routing.body_sizes import BodySizes
from gateway.routing.route_index import RouteIndex
from gateway.schemas.document_texts import INTRODUCTION, TAGS
from gateway.state import Gateway

ROUTERS = routers()
LOCAL_HOSTS = Hosts("localhost", [])
NO_PROXIES = Proxies([])


def create_app(
    gateway: Gateway, origins: Sequence[str] = (), hosts: Hosts = LOCAL_HOSTS, proxies: Proxies = NO_PROXIES
) -> Api:
    """Create the application, which browsers may use from pages of these origins, under these host names."""
    app = Api(
        title="AI-Agent-API",
        version=operations.VERSION,
        description=INTRODUCTION,
        openapi_tags=[{"name": name, "description": text} for name, text in TAGS.items()],
        license_info={"name": "Apache 2.0", "identifier": "Apache-2.0"},
        servers=[{"url": "/", "description": "This server"}],
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers=translation.handlers(),
        middleware=list(layers(gateway, BodySizes(_operations()), hosts, proxies, origins, exposed=tuple(HEADERS))),
        telemetry={
            "tracing": False,
            "metrics": False,
            "logs": False,
        },  # done by `edge`, without the secrets of a URL
    )
    app.state.gateway = gateway
    app.router.routes += _operations()
    documentation.add(app)
    console.add(app)
    return app


@cache
def _operations() -> Sequence[BaseRoute]:
    """Return the routes of all operations; the applications of a process share what the framework builds for them.

    Not as routers within a router, of which the framework would try each route of each, for the match and again to
    handle it.
    """
    routes = [route for router in ROUTERS for route in router.routes]
    return [RouteIndex(routes), *routes]
