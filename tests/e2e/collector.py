"""A collector of traces: OTLP over HTTP."""

import gzip
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Exported


@dataclass(frozen=True)
class Span:
    """A span that was received, with the attributes of its process."""

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    failed: bool
    links: tuple[str, ...]
    """The traces that it is linked to."""
    process: dict[str, Any]
    attributes: dict[str, Any]

    @property
    def place(self) -> str:
        """The service and the name of the span."""
        return f"{self.process['service.name']}: {self.name}"


class Collector:
    """What was received: the spans, and the values of the header `x-token`."""

    def __init__(self) -> None:
        self.spans, self.tokens = list[Span](), set[str | None]()
        self.url = ""

    def receive(self, body: bytes, token: str | None) -> None:
        self.tokens.add(token)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            process = _values(resource.resource.attributes)
            for scope in resource.scope_spans:
                self.spans += [_span(span, process) for span in scope.spans]

    def trace_of(self, place: str) -> dict[str, Span]:
        """Return the spans of the only trace with a span at this place, by their ids."""
        traces = {span.trace for span in self.spans if span.place == place}
        return {span.id: span for span in self.spans if span.trace in traces} if len(traces) == 1 else {}


@contextmanager
def collecting() -> Generator[Collector]:
    """Run a collector on a free port of this machine."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            is_compressed = self.headers.get("content-encoding") == "gzip"
            collector.receive(gzip.decompress(body) if is_compressed else body, self.headers.get("x-token"))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  as in the base class
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()


def _span(span: Exported, process: dict[str, Any]) -> Span:
    kind = Exported.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_")
    ids = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
    links = tuple(link.trace_id.hex() for link in span.links)
    return Span(span.name, kind, *ids, span.status.code == 2, links, process, _values(span.attributes))


def _values(attributes: Any) -> dict[str, Any]:
    pairs: list[KeyValue] = list(attributes)
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "string_value") for pair in pairs}
