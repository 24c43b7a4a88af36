"""One trace of a query, from the request to the answer, as a collector receives it, and its id in logs."""

import json
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import pytest
from onebox.testing.system import System, until
from simulator.testing import bash, scripted

from tests.e2e.collector import Collector, Span, collecting
from tests.e2e.user import User, newcomer

pytestmark = pytest.mark.long

REQUEST = "gateway: POST /api/v1/sessions/{session_id}/query"
RUN = "session: run_agent evt.session.run_requested"
EDGES = [
    (REQUEST, "gateway: request cmd.session.submit_query"),
    ("gateway: request cmd.session.submit_query", "session: handle cmd.session.submit_query"),
    ("session: handle cmd.session.submit_query", "session: append events"),
    ("session: append events", "session: send evt.session.run_requested"),
    ("session: send evt.session.run_requested", RUN),
    (RUN, "session: start agent"),
    (RUN, "session: execute_tool Bash"),
    (RUN, "session: append events"),
    (REQUEST, "gateway: request qry.session.get_run"),
    ("gateway: request qry.session.get_run", "session: handle qry.session.get_run"),
]
"""Pairs of parent and child that the trace has."""
PROMPT = scripted(bash("env; echo plantedcontent"), {"text": "plantedcontent"})
STRANGER = "0af7651916cd43dd8448eb211c80319c"


@dataclass
class Traced:
    """A query, its spans by their ids, the lines of logs of its run, and all that was received."""

    session_id: str
    answer: dict[str, Any]
    spans: dict[str, Span]
    lines: list[dict[str, Any]]
    collector: Collector

    def one(self, place: str) -> Span:
        [span] = [span for span in self.spans.values() if span.place == place]
        return span


@pytest.fixture(scope="module")
def traced() -> Generator[Traced]:
    with collecting() as collector, System(_environment(collector)) as system:
        system.start()
        for user in newcomer(system):
            yield _traced(user, system, collector)


def _environment(collector: Collector) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_EXPORTER_OTLP_HEADERS": "x-token=plantedsecret-of-collector",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_RESOURCE_ATTRIBUTES": "team=ours",
    }


def _traced(user: User, system: System, collector: Collector) -> Traced:
    session_id = user.create()
    user.http.headers["traceparent"] = f"00-{STRANGER}-b7ad6b7169203331-00"
    answer = user.ask(session_id, PROMPT).raise_for_status().json()
    until(lambda: "run ended" in [line["event"] for line in lines_of(system, session_id)])
    until(lambda: is_complete(collector.trace_of(REQUEST)))
    return Traced(session_id, answer, collector.trace_of(REQUEST), lines_of(system, session_id), collector)


def is_complete(spans: dict[str, Span]) -> bool:
    """Return whether the spans of all services have been received: each service sends its own some time later."""
    return {*EDGES} <= edges(spans) and places_without_parent(spans) == [REQUEST]


def edges(spans: dict[str, Span]) -> set[tuple[str, str]]:
    """Return the pairs of parent and child."""
    return {(spans[span.parent].place, span.place) for span in spans.values() if span.parent in spans}


def places_without_parent(spans: dict[str, Span]) -> list[str]:
    return [span.place for span in spans.values() if span.parent not in spans]


def lines_of(system: System, session_id: str) -> list[dict[str, Any]]:
    """Return the lines about runs of a session in the log."""
    lines = [json.loads(line) for line in (system.data_dir / "logs" / "session.log").read_text().splitlines()]
    return [line for line in lines if line.get("session_id") == session_id and line["event"].startswith("run ")]


@pytest.mark.parametrize(("parent", "child"), EDGES)
def test_the_work_of_a_query_is_one_trace(traced: Traced, parent: str, child: str) -> None:
    assert (parent, child) in edges(traced.spans)


def test_model_requests_are_spans_of_the_run(traced: Traced) -> None:
    run = traced.one(RUN)
    requests = [span for span in traced.spans.values() if span.name.startswith("chat ")]
    assert len(requests) >= 2
    assert {(span.parent, span.kind, span.failed) for span in requests} == {(run.id, "CLIENT", False)}
    assert all(span.attributes["gen_ai.usage.output_tokens"] > 0 for span in requests)


def test_all_spans_but_the_first_have_a_parent(traced: Traced) -> None:
    assert places_without_parent(traced.spans) == [REQUEST]


def test_spans_have_their_kinds(traced: Traced) -> None:
    kinds = {span.name.partition(" ")[0]: span.kind for span in traced.spans.values()}
    expected = {"POST": "SERVER", "request": "CLIENT", "handle": "SERVER", "append": "INTERNAL", "send": "PRODUCER"}
    expected |= {"run_agent": "CONSUMER", "start": "INTERNAL", "execute_tool": "INTERNAL"}
    assert expected.items() <= kinds.items()


def test_spans_have_the_ids_of_their_work(traced: Traced) -> None:
    ids = {"agentapi.session.id": traced.session_id, "agentapi.run.id": traced.answer["run_id"]}
    for place in (RUN, "session: start agent", "session: execute_tool Bash"):
        assert ids.items() <= traced.one(place).attributes.items()
    request = traced.one(REQUEST).attributes
    assert request["agentapi.session.id"] == traced.session_id
    assert (request["http.request.method"], request["http.response.status_code"]) == ("POST", 200)


def test_spans_have_what_describes_their_process(traced: Traced) -> None:
    process = traced.one(REQUEST).process
    assert (process["service.version"], process["team"]) == ("0.2.0", "ours")
    instances = {span.process["service.instance.id"] for span in traced.collector.spans}
    assert len(instances) == len({span.process["service.name"] for span in traced.collector.spans})


def test_probes_and_polls_leave_no_spans(traced: Traced) -> None:
    quiet = ("ping", "health", "get_run_summary", "/metrics")
    assert not [span.name for span in traced.collector.spans if any(word in span.name for word in quiet)]


def test_a_client_does_not_decide_what_is_recorded(traced: Traced) -> None:
    assert STRANGER not in {span.trace for span in traced.collector.spans}
    assert traced.one(REQUEST).links == (STRANGER,)


def test_spans_have_nothing_of_the_conversation(traced: Traced) -> None:
    assert "plantedcontent" not in str(traced.collector.spans)


def test_headers_reach_the_collector_and_no_agent(traced: Traced) -> None:
    assert traced.collector.tokens == {"plantedsecret-of-collector"}
    assert "plantedcontent" in str(traced.answer["tool_calls"])
    assert "OTEL_" not in str(traced.answer["tool_calls"])


def test_the_log_has_lines_of_the_run_with_the_id_of_its_trace(traced: Traced) -> None:
    assert [line["event"] for line in traced.lines] == ["run started", "run ended"]
    trace_id = traced.one(REQUEST).trace
    assert {(line["trace_id"], line["run_id"]) for line in traced.lines} == {(trace_id, traced.answer["run_id"])}
    assert traced.lines[1]["outcome"] == "completed"
