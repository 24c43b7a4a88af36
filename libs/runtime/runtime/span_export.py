"""The export of spans. Only `telemetry` imports this, and only if there is an endpoint: it takes 0.1 s of CPU time."""

from importlib.metadata import PackageNotFoundError, version

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Tracer

from runtime import clock
from runtime.telemetry_settings import TelemetrySettings


def set_up(service: str, settings: TelemetrySettings) -> Tracer:
    """Export the spans of this process, and return the tracer that records them.

    The SDK reads the sampler, limits, certificates and so on from the standard variables.
    """
    provider = TracerProvider(resource=resource(service, settings.environment))
    exporter = OTLPSpanExporter(settings.traces_url, headers=settings.traces_headers, timeout=settings.traces_timeout)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider.get_tracer("agentapi")


def shut_down() -> None:
    """Export the remaining spans, within the timeout of the exporter."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.shutdown()


def resource(service: str, environment: str) -> Resource:
    """Return what spans say about this process; OTEL_RESOURCE_ATTRIBUTES may change all but the name of the service."""
    own = {
        "service.version": _version(service),
        "service.instance.id": str(clock.new_id()),
        "deployment.environment.name": environment,
        "deployment.environment": environment,  # the earlier name, which dashboards still use
    }
    return Resource.create(own).merge(OTELResourceDetector().detect()).merge(Resource({"service.name": service}))


def _version(service: str) -> str:
    try:
        return version(f"agentapi-{service.replace('_', '-')}")
    except PackageNotFoundError:  # a program of a test
        return ""
