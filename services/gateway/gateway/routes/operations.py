"""How the gateway is: health for people and probes, metrics for scrapers."""

from contextlib import suppress
from importlib.metadata import version
from uuid import UUID

from contracts.identity.queries import GetKeys
from contracts.messages import Actor
from contracts.refusals import Refusal
from contracts.session.queries import GetSession
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from runtime.bus import Unavailable
from runtime.envelope import Envelope
from runtime.health import Health

from gateway import metrics
from gateway.schemas.shown import example
from gateway.state import Gateway, gateway_of

SERVICE = "AI-Agent-API-Service"
VERSION = version("agentapi-gateway")
NOBODY = Actor(user_id=UUID(int=0), role="viewer")

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
        {"status": "ready", "checks": {"bus": "ok", "revocations": "ok", "identity": "ok", "session": "ok"}}
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
    """Ready when the bus, the identity service and the session service answer, and revoked tokens are known."""
    report = await _checks(gateway_of(request)).report()
    well = all(result == "ok" for result in report.values())
    return JSONResponse({"status": "ready" if well else "not ready", "checks": report}, 200 if well else 503)


@router.get(
    "/metrics",
    operation_id="getMetrics",
    summary="Give all metrics",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {"example": 'sessions_total{status="active"} 12.0\n'}}}},
)
async def scrape(request: Request) -> Response:
    """In Prometheus' text format."""
    return Response(await metrics.exposition(gateway_of(request).bus), media_type=CONTENT_TYPE_LATEST)


def _checks(gateway: Gateway) -> Health:
    async def revocations() -> None:
        if not gateway.revocations.known:
            raise Unavailable("revocations")

    async def identity() -> None:
        await gateway.bus.ask(GetKeys(), Envelope.begin())

    async def session() -> None:
        with suppress(Refusal):  # there is none with that id, and the service is there to say so
            await gateway.bus.ask(GetSession(session_id=UUID(int=0)), Envelope.begin(actor=NOBODY))

    return Health({"bus": gateway.bus.check, "revocations": revocations, "identity": identity, "session": session})
