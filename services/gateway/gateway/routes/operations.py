"""Monitoring: health for people and probes, metrics for scrapers."""

import asyncio
from importlib.metadata import version
from typing import Annotated

from contracts.catalogue import SERVICES
from contracts.messages import ping_query
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import Field
from runtime.bus import Unavailable
from runtime.bus.envelope import Envelope
from runtime.http.health import Health, NotReady

from gateway.schemas.base import ResponseModel
from gateway.state import Gateway, gateway_of

SERVICE = "AI-Agent-API-Service"
VERSION = version("agentapi-gateway")
PINGS = {service: ping_query(service)() for service in SERVICES}
"""The query that asks each service for the state of its own dependencies."""

router = APIRouter(tags=["Monitoring"])


class Status(ResponseModel):
    """The name, version and environment of the service."""

    sample = {"status": "healthy", "service": SERVICE, "version": "1.0.0", "environment": "production"}

    status: Annotated[str, Field(description="Current status.")] = "healthy"
    service: Annotated[str, Field(description="Name of the service.")] = SERVICE
    version: Annotated[str, Field(description="Version of the service.")] = VERSION
    environment: Annotated[str, Field(description="Name of the deployment environment.")]


class Liveness(ResponseModel):
    """The process is running."""

    sample = {"status": "alive"}

    status: Annotated[str, Field(description="Always `alive`.")]


class Readiness(ResponseModel):
    """The state of each dependency: `ok`, or an error message."""

    sample = {
        "status": "ready",
        "checks": {
            "bus": "ok",
            "revocations": "ok",
            "identity": "ok",
            "identity_database": "ok",
            "session": "ok",
            "session_database": "ok",
            "session_relay": "ok",
        },
    }

    status: Annotated[str, Field(description="`ready`, or `not ready` if a check failed.")]
    checks: Annotated[dict[str, str], Field(description="The result of each check: `ok`, or what is wrong.")]


@router.get("/health", operation_id="getHealth", summary="Get the service status", response_model=Status)
async def health(request: Request) -> Response:
    """Returns the name, the version and the environment. `/health/ready` checks the dependencies."""
    return JSONResponse(Status(environment=gateway_of(request).settings.environment).model_dump())


@router.get("/health/live", operation_id="getLiveness", summary="Check liveness", response_model=Liveness)
async def live() -> Response:
    """Returns 200 as long as the process serves requests. Checks no dependency."""
    return JSONResponse({"status": "alive"})


@router.get(
    "/health/ready",
    operation_id="getReadiness",
    summary="Check readiness",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "A dependency is unavailable"}},
)
async def ready(request: Request) -> Response:
    """Checks the bus, whether the revoked tokens are loaded, and what each service reports of itself.

    Among that are whether its database accepts changes, and whether it passes on and follows events. Returns 503 if a
    check fails; `checks` names the dependency.
    """
    own, of_services = await asyncio.gather(_checks(gateway_of(request)).report(), _of_services(gateway_of(request)))
    report = own | of_services
    is_ready = all(result == "ok" for result in report.values())
    body = {"status": "ready" if is_ready else "not ready", "checks": report}
    return JSONResponse(body, 200 if is_ready else 503)


@router.get(
    "/metrics",
    operation_id="getMetrics",
    summary="Get metrics",
    response_class=Response,
    responses={
        200: {
            "content": {
                CONTENT_TYPE_LATEST.partition(";")[0]: {
                    "schema": {"type": "string"},
                    "example": 'sessions_total{status="active"} 12.0\n',
                }
            }
        }
    },
)
async def scrape(request: Request) -> Response:
    """Returns all metrics in the Prometheus text format."""
    return Response(await gateway_of(request).totals.exposition(), media_type=CONTENT_TYPE_LATEST)


def _checks(gateway: Gateway) -> Health:
    async def revocations() -> None:
        if not gateway.revocations.known:
            raise NotReady("the revoked tokens are not loaded yet")

    return Health({"bus": gateway.bus.check, "revocations": revocations})


async def _of_services(gateway: Gateway) -> dict[str, str]:
    """Return the state of each service, and of its own dependencies as it reports them."""
    reports = await asyncio.gather(*(_of_service(name, gateway) for name in PINGS))
    return {name: result for report in reports for name, result in report.items()}


async def _of_service(name: str, gateway: Gateway) -> dict[str, str]:
    found: dict[str, str] = {}

    async def ask() -> None:
        try:
            found.update(await gateway.bus.ask(PINGS[name], Envelope.begin()))
        except Unavailable:
            raise NotReady("the service does not reply") from None

    report = await Health({name: ask}).report()
    return report | {f"{name}_{dependency}": result for dependency, result in found.items()}
