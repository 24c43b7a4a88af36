"""How the gateway is: health for people and probes, metrics for scrapers."""

import asyncio
from importlib.metadata import version

from contracts.catalogue import SERVICES
from contracts.messages import ping_query
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from runtime.bus import Unavailable
from runtime.envelope import Envelope
from runtime.health import Health

from gateway.schemas.base import example
from gateway.state import Gateway, gateway_of

SERVICE = "AI-Agent-API-Service"
VERSION = version("agentapi-gateway")
PINGS = {service: ping_query(service)() for service in SERVICES}
"""What is asked of each service to learn how it is."""

router = APIRouter(tags=["Monitoring"])


class Status(BaseModel):
    """What runs here."""

    model_config = example({"status": "healthy", "service": SERVICE, "version": "1.0.0", "environment": "production"})

    status: str = "healthy"
    service: str = SERVICE
    version: str = VERSION
    environment: str


class Liveness(BaseModel):
    """The process runs."""

    model_config = example({"status": "alive"})

    status: str


class Readiness(BaseModel):
    """What each dependency answered: `ok`, or what is wrong."""

    model_config = example(
        {
            "status": "ready",
            "checks": {
                "bus": "ok",
                "revocations": "ok",
                "identity": "ok",
                "identity_database": "ok",
                "session": "ok",
                "session_database": "ok",
            },
        }
    )

    status: str
    checks: dict[str, str]


@router.get("/health", operation_id="getHealth", summary="Say what runs here", response_model=Status)
async def health(request: Request) -> Response:
    """Says that the gateway runs; whether it can do its work is at `/health/ready`."""
    return JSONResponse(Status(environment=gateway_of(request).settings.environment).model_dump())


@router.get("/health/live", operation_id="getLiveness", summary="Say that the process runs", response_model=Liveness)
async def live() -> Response:
    """Looks at nothing but itself."""
    return JSONResponse({"status": "alive"})


@router.get(
    "/health/ready",
    operation_id="getReadiness",
    summary="Check every dependency",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "A dependency is not there."}},
)
async def ready(request: Request) -> Response:
    """Ready when the bus and all services answer, their databases too, and revoked tokens are known."""
    own, others = await asyncio.gather(_checks(gateway_of(request)).report(), _of_services(gateway_of(request)))
    report = own | others
    well = all(result == "ok" for result in report.values())
    return JSONResponse({"status": "ready" if well else "not ready", "checks": report}, 200 if well else 503)


@router.get(
    "/metrics",
    operation_id="getMetrics",
    summary="Give all metrics",
    response_class=Response,
    responses={200: {"content": {CONTENT_TYPE_LATEST: {"example": 'sessions_total{status="active"} 12.0\n'}}}},
)
async def scrape(request: Request) -> Response:
    """In Prometheus' text format."""
    return Response(await gateway_of(request).totals.exposition(), media_type=CONTENT_TYPE_LATEST)


def _checks(gateway: Gateway) -> Health:
    async def revocations() -> None:
        if not gateway.revocations.known:
            raise Unavailable("revocations")

    return Health({"bus": gateway.bus.check, "revocations": revocations})


async def _of_services(gateway: Gateway) -> dict[str, str]:
    """Return how each service is, and how it finds what it depends on itself."""
    reports = await asyncio.gather(*(_of_service(name, gateway) for name in PINGS))
    return {name: result for report in reports for name, result in report.items()}


async def _of_service(name: str, gateway: Gateway) -> dict[str, str]:
    found: dict[str, str] = {}

    async def ask() -> None:
        found.update(await gateway.bus.ask(PINGS[name], Envelope.begin()))

    report = await Health({name: ask}).report()
    return report | {f"{name}_{dependency}": result for dependency, result in found.items()}
