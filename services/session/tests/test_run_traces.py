"""What a run leaves in traces and logs: its tool calls, its model requests, and lines at its start and end."""

from collections.abc import AsyncGenerator, Generator
from dataclasses import replace

import pytest
from contracts.refusals import Code
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from runtime.logging import bound_contextvars
from runtime.telemetry import new_trace
from runtime.testing import recording
from session.agent import AgentEvent, Ask, Finished, ToolReturned
from session.agent.tool_spans import ToolSpans
from structlog.testing import capture_logs

from services.session.tests.desk import Desk
from services.session.tests.provider import BODY, ProxyClient
from services.session.tests.worker import FINISHED, MESSAGE, REQUEST, Worker, tool_call

RESULT = ToolReturned(REQUEST.tool_use_id, {"private": True}, False, 1)


@pytest.fixture
def spans() -> Generator[InMemorySpanExporter]:
    with recording() as exporter:
        yield exporter


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (RESULT, StatusCode.UNSET),
        (ToolReturned(REQUEST.tool_use_id, {}, True, 1), StatusCode.ERROR),
        (ToolReturned(REQUEST.tool_use_id, {}, True, 1, denied=True), StatusCode.UNSET),
        (MESSAGE, StatusCode.ERROR),
    ],
)
def test_a_tool_call_is_a_span_with_its_outcome(
    spans: InMemorySpanExporter, result: AgentEvent, status: StatusCode
) -> None:
    with new_trace("run"), ToolSpans() as calls:
        calls.note(tool_call())
        calls.note(result)
    call = spans.get_finished_spans()[0]
    assert (call.name, call.kind) == (f"execute_tool {REQUEST.tool_name}", SpanKind.INTERNAL)
    assert call.status.status_code is status
    assert "private" not in call.to_json()


@pytest.mark.parametrize(
    ("ended", "times"), [(100.5, (100_250_000_000, 100_500_000_000)), (0.1, (0, 100_000_000)), (-7.0, (0, 0))]
)
def test_the_span_of_a_tool_call_has_the_times_of_the_agent(
    spans: InMemorySpanExporter, ended: float, times: tuple[int, int]
) -> None:
    with new_trace("run"), ToolSpans() as calls:
        calls.note(tool_call())
        calls.note(replace(RESULT, duration_ms=250, ended=ended))
    call = spans.get_finished_spans()[0]
    assert (call.start_time, call.end_time) == times


async def test_a_model_request_is_a_span_of_its_turn(spans: InMemorySpanExporter, agent: ProxyClient) -> None:
    with new_trace("run"), bound_contextvars(run_id="r"), agent.access.turn(None):
        async with agent.post("/v1/messages", data=BODY) as response:
            await response.read()
        request = spans.get_finished_spans()[0]
    run = spans.get_finished_spans()[-1]
    assert request.parent
    assert run.context
    assert request.parent.span_id == run.context.span_id
    assert (request.name, request.kind) == ("chat m", SpanKind.CLIENT)
    attributes = dict(request.attributes or {})
    assert attributes["gen_ai.usage.output_tokens"]
    assert (attributes["gen_ai.request.model"], attributes["agentapi.run.id"]) == ("m", "r")


async def logged(desk: Desk, finished: Finished) -> list[object]:
    worker = Worker(desk, await desk.submit(await desk.create()))

    async def turn(_: Ask) -> AsyncGenerator[AgentEvent]:
        yield finished

    with capture_logs() as lines:
        await worker.work(turn)
    return [
        (line["event"], line.get("outcome"), line["attempt"], line.get("input_tokens"))
        for line in lines
        if line["event"].startswith("run ")
    ]


async def test_a_run_leaves_a_line_at_its_start_and_its_end(desk: Desk) -> None:
    assert await logged(desk, FINISHED) == [("run started", None, 1, None), ("run ended", "completed", 1, 7)]


async def test_the_last_line_of_a_run_has_its_error(desk: Desk) -> None:
    lines = await logged(desk, Finished(error_code=Code.MODEL_ERROR, error_detail="private"))
    assert lines[-1] == ("run ended", "MODEL_ERROR", 1, 0)
