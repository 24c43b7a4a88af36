"""Monitoring: health for people and probes, metrics for scrapers."""

from importlib.metadata import version
from typing import Annotated

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import Field
from runtime.http import health

from gateway.problems import EdgeCode, Problem, documented
from gateway.schemas.base import ResponseModel
from gateway.state import gateway_of

SERVICE = "AI-Agent-API-Service"
VERSION = version("agentapi-gateway")

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
    """The state of what this server needs to answer: `ok`, or an error message."""

    sample = {"status": "ready", "checks": {"bus": "ok", "keys": "ok", "revocations": "ok", "open": "ok"}}

    status: Annotated[str, Field(description="`ready`, or `not ready` if a check failed.")]
    checks: Annotated[
        dict[str, str],
        Field(description="The result of each check: `ok`, `ok, but` and what is reduced, or what is wrong."),
    ]


@router.get("/health", operation_id="getHealth", summary="Get the service status", response_model=Status)
async def status(request: Request) -> Response:
    """Returns the name, the version and the environment. `/health/ready` says whether requests can be answered."""
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
    responses={503: {"model": Readiness, "description": "Requests should be sent to another server"}},
)
async def ready(request: Request) -> Response:
    """Checks this server alone: its connection to the bus, and whether it knows the keys and the revoked tokens.

    Returns 503 if a check fails, or when the server is about to stop (`open`). It says nothing about other services.
    """
    return health.response(await gateway_of(request).readiness.health.report())


@router.get(
    "/metrics",
    operation_id="getMetrics",
    summary="Get metrics",
    response_class=Response,
    responses=documented(EdgeCode.NOT_FOUND)
    | {
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
    """Returns all metrics in the Prometheus text format, if the operator has made them public (otherwise 404)."""
    gateway = gateway_of(request)
    if not gateway.settings.metrics_public:
        raise Problem(EdgeCode.NOT_FOUND, "The metrics of this server are not public.")
    return Response(await gateway.scrapes.exposition(), media_type=CONTENT_TYPE_LATEST)
