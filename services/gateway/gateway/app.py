"""The HTTP application."""

from collections.abc import Sequence
from functools import cache

from starlette.routing import BaseRoute

from gateway.idempotency.requests import Idempotency
from gateway.middleware.cors import Cors, Preflights
from gateway.middleware.edge import Edge, Lengths
from gateway.middleware.fairness import Fairness
from gateway.middleware.guards import Guards
from gateway.middleware.head import Head
from gateway.middleware.hosts import Hosts
from gateway.middleware.transfers import Transfers
from gateway.openapi import Api
from gateway.problems import translation
from gateway.proxies import Proxies
from gateway.routes import (
    admin,
    api_key,
    approval,
    archive,
    audit,
    backfill,
    console,
    conversation,
    documentation,
    execution,
    fork,
    identity,
    mcp,
    mcp_authorization,
    mcp_catalog,
    mcp_file,
    mcp_server,
    operations,
    password,
    quota,
    report,
    run,
    session,
    streams,
    task,
    template,
    trigger,
    user,
    workspace,
)
from gateway.routing.route_index import RouteIndex
from gateway.schemas.document_texts import INTRODUCTION, TAGS
from gateway.state import Gateway
from gateway.throttling import Throttling

ROUTERS = (
    *(identity.auth, password.router, api_key.router, user.router, admin.router, audit.router),
    *(quota.router, quota.admin),
    *(session.router, fork.router, conversation.router, run.router, template.router),
    *(approval.router, streams.router, workspace.router, archive.router),
    *(task.router, execution.router, backfill.router, trigger.router, report.router),
    *(mcp_authorization.router, mcp_authorization.callback),
    *(mcp_catalog.router, mcp_file.router, mcp_server.router),  # in this order: `/export` is no id of a server
    *(operations.router, identity.well_known, mcp.router),
)
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
        servers=[{"url": "/", "description": "This server"}],
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers=translation.handlers(),
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
    app.add_middleware(Head)
    app.add_middleware(Idempotency, records=lambda: gateway.records)
    app.add_middleware(Lengths)
    app.add_middleware(Transfers)
    app.add_middleware(Fairness)
    app.add_middleware(Throttling)
    if origins:
        app.add_middleware(Preflights, origins=origins)
    app.add_middleware(Edge, hosts=hosts, proxies=proxies)
    if origins:
        app.add_middleware(Cors, origins=origins)
    app.add_middleware(Guards)
    return app


@cache
def _operations() -> Sequence[BaseRoute]:
    """Return the routes of all operations; the applications of a process share what the framework builds for them.

    Not as routers within a router, of which the framework would try each route of each, for the match and again to
    handle it.
    """
    routes = [route for router in ROUTERS for route in router.routes]
    return [RouteIndex(routes), *routes]
